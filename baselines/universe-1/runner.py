"""UniVerse-1 as an avbench worker: sounding video of a reference picture and texts. Runs in UniVerse-1's own environment.

`fastvideo/sample/sample_universe.py` of Dorniwang/UniVerse-1-code at 2b9bb02 loads everything for one item; this builds the
same parts once and follows its steps per item. Options: `weights`, `wan`, `ace`, `num_frames`, `steps`,
`guidance_scale_vid`, `guidance_scale_aud`, `shift`, `cpu_offload`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import upstream
from avbench_worker import Item, main

FPS, RATE = 25, 16000
SIZES = ((512, 512), (480, 768), (768, 480))
"""Height and width; the one nearest to the picture's shape is made."""
SCENE_TOKENS, SOUND_TOKENS = 512, 256

CARD = {
    "name": "universe-1",
    "task": "R2SV",
    "accepts": ["reference_image", "text", "audio_caption?", "transcript?"],
    "code": "Dorniwang/UniVerse-1-code@2b9bb02",
}


def load(options: Mapping[str, Any]) -> dict[str, Any]:
    """The stitched transformer in its pipeline, both text encoders, the tokenizer of speech and the audio decoder."""
    upstream.checkout("UNIVERSE_1_HOME", "fastvideo/sample/sample_universe.py")
    import torch
    from diffusers.utils import export_to_video
    from fastvideo.models.language_segmentation import LangSegment, language_filters
    from fastvideo.models.lyrics_utils.lyric_tokenizer import VoiceBpeTokenizer
    from fastvideo.models.music_dcae.music_dcae_pipeline import MusicDCAE
    from fastvideo.models.wan.modeling_universe import UniVerseTransformer3DModel
    from fastvideo.models.wan.pipeline_universe import UniVersePipeline
    from fastvideo.sample import sample_universe
    from fastvideo.utils.fm_solvers_unipc import FlowUniPCMultistepScheduler
    from transformers import AutoTokenizer, UMT5EncoderModel

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # One process is a world of one: the published code asks the launcher's variables.
    for key, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}.items():
        os.environ.setdefault(key, value)
    sample_universe.initialize_distributed()
    device, half = torch.cuda.current_device(), torch.bfloat16
    wan = str(options.get("wan", "./huggingfaces/Wan-AI/Wan2.1-T2V-1.3B-Diffusers/"))
    ace = Path(options.get("ace", "./huggingfaces/ACE-Step/ACE-Step-v1-3.5B/"))
    weights = str(options.get("weights", "./checkpoints/UniVerse-1-base/"))

    def encoder(place: str, **settings: Any) -> Any:
        network = UMT5EncoderModel.from_pretrained(place, torch_dtype=half, **settings).to(device)
        network.requires_grad_(False)
        return network.eval()

    def scheduler() -> Any:
        shift = float(options.get("shift", 15))
        return FlowUniPCMultistepScheduler(num_train_timesteps=1000, shift=shift, use_dynamic_shifting=False)

    segments = LangSegment()
    segments.setfilters(language_filters.default)
    pipeline = UniVersePipeline.from_pretrained(
        wan,
        transformer=UniVerseTransformer3DModel.from_pretrained(weights, torch_dtype=half),
        scheduler=scheduler(),
        torch_dtype=half,
    )
    pipeline.set_mel_scheduler(scheduler())
    if options.get("cpu_offload", True):
        pipeline.enable_model_cpu_offload(device)
    else:
        pipeline.to(device)
    return {
        "torch": torch,
        "device": device,
        "pipeline": pipeline,
        "scene": encoder(wan, subfolder="text_encoder"),
        "sound": (AutoTokenizer.from_pretrained(str(ace / "umt5-base")), encoder(str(ace / "umt5-base"))),
        "speech": (VoiceBpeTokenizer(), segments, sample_universe.tokenize_lyrics),
        "decoder": MusicDCAE(RATE, 25600, str(ace / "music_dcae_f8c8"), str(ace / "music_vocoder")).to(device),
        "export": export_to_video,
        "num_frames": int(options.get("num_frames", 125)),
        "steps": int(options.get("steps", 35)),
        "guidance_scale_vid": float(options.get("guidance_scale_vid", 1.2)),
        "guidance_scale_aud": float(options.get("guidance_scale_aud", 5.0)),
    }


def nearest_size(height: int, width: int) -> tuple[int, int]:
    """The one of `SIZES` whose shape is nearest."""
    return min(SIZES, key=lambda size: abs(size[0] / size[1] - height / width))


def scene_states(model: dict[str, Any], words: str) -> Any:
    """States of the scene's text, `(1, 512, width)`, zero behind its last token."""
    # The published script cuts the scene into tokens with the tokenizer of the sound's encoder; both are umT5's.
    tokens = model["sound"][0](
        words,
        padding="max_length",
        max_length=SCENE_TOKENS,
        truncation=True,
        add_special_tokens=True,
        return_attention_mask=True,
        return_tensors="pt",
    )
    ids, mask = tokens["input_ids"].to(model["device"]), tokens["attention_mask"].to(model["device"])
    states = model["scene"](ids, mask)[0]
    return states * (mask > 0).unsqueeze(-1).to(states.dtype)


def generate(model: dict[str, Any], item: Item, folder: str) -> dict[str, Any]:
    """One silent mp4 at 25 fps and its sound as a wav at 16 kHz."""
    from PIL import Image

    torch, device = model["torch"], model["device"]
    name = "reference_image" if item.cond.get("reference_image") else "first_frame"
    picture = Image.open(str(upstream.path(item, name))).convert("RGB")
    height, width = nearest_size(picture.height, picture.width)
    scene = upstream.text(item, "text", "video_caption")
    heard = upstream.text(item, "audio_caption")
    turns = item.cond.get("transcript") or []
    spoken: list[str] = [str(t["text"] if isinstance(t, dict) else t) for t in ([turns] if isinstance(turns, str) else turns)]
    speech = " ".join(spoken).strip()
    heard = "" if heard == scene or "no ambient" in heard.lower() or "none" in heard.lower() else heard
    upstream.seed_everything(item.seed)
    with torch.no_grad(), torch.autocast("cuda", dtype=torch.bfloat16):
        tokenizer, encoder = model["sound"]
        tokens = tokenizer(heard, return_tensors="pt", padding=True, truncation=True, max_length=SOUND_TOKENS)
        tokens = {key: value.to(device) for key, value in tokens.items()}
        ambient = encoder(**tokens).last_hidden_state
        lyrics, segments, tokenize = model["speech"]
        codes = tokenize(lyrics, segments, speech) if speech else [0] * 32
        made = model["pipeline"](
            ref_img=picture,
            text_ut5=scene_states(model, scene),
            text_ut5_neg=scene_states(model, ""),
            ambient=ambient,
            ambient_mask=tokens["attention_mask"],
            speech_token=torch.tensor([codes]).to(device),
            height=height,
            width=width,
            num_frames=model["num_frames"],
            num_inference_steps=model["steps"],
            guidance_scale_vid=model["guidance_scale_vid"],
            guidance_scale_aud=model["guidance_scale_aud"],
            generator=torch.Generator("cpu").manual_seed(item.seed),
            save=False,
            save_dir=folder,
        )
        frames = made.frames[0]
        length = torch.tensor([int(len(frames) / FPS * RATE)])
        _, waves, _ = model["decoder"].decode(latents=made.mels.float(), audio_lengths=length, sr=RATE)
    count = upstream.write_wav(Path(folder) / "clip.wav", waves[0].float().detach().cpu().numpy()[0], RATE)
    model["export"](frames, str(Path(folder) / "clip.mp4"), fps=FPS)
    meta = {
        "n_frames": len(frames),
        "fps": FPS,
        "height": height,
        "width": width,
        "sample_rate": RATE,
        "audio_samples": count,
        "nfe": 2 * model["steps"],
        "picture": name,
        "speech": bool(speech),
    }
    return {"video": Path(folder) / "clip.mp4", "audio": Path(folder) / "clip.wav", "meta": meta}


if __name__ == "__main__":
    raise SystemExit(main(load, generate, card=CARD))
