"""AVSyncD as an avbench worker: a picture set in motion by a sound. Runs in the environment of ASVA.

Drives `generate_videos` of lzhangbj/ASVA at 6587938 with the pipeline that `scripts/animation_demo.py` builds, built once.
Options: `dataset` (AVSync15, Landscapes, TheGreatestHits), `audio_guidance`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import upstream
from avbench_worker import Item, main

FRAMES, RATE = 12, 6
TRAINED = {
    "AVSync15": ("avsync15_audio-cond_cfg", 37000, (256, 256)),
    "Landscapes": ("landscapes_audio-cond_cfg", 24000, (256, 256)),
    "TheGreatestHits": ("thegreatesthits_audio-cond_cfg", 16000, (128, 256)),
}
"""Published checkpoints: folder, iteration, height and width."""
STICK = "hitting with a stick"
"""The one text of TheGreatestHits."""

CARD = {
    "name": "avsyncd",
    "task": "A2V",
    "accepts": ["first_frame", "audio", "category?", "text?"],
    "code": "lzhangbj/ASVA@6587938",
}


def load(options: Mapping[str, Any]) -> dict[str, Any]:
    """The pipeline of one data set, and its classes' text encodings."""
    upstream.checkout("AVSYNCD_HOME", "avgen/pipelines/pipeline_audio_cond_animation.py")
    dataset = str(options.get("dataset", "AVSync15"))
    if dataset not in TRAINED:
        raise ValueError(f"dataset must be one of {', '.join(TRAINED)}, got {dataset!r}")
    import torch
    from avgen.models.audio_encoders import ImageBindSegmaskAudioEncoder
    from avgen.models.unets import AudioUNet3DConditionModel
    from avgen.pipelines.pipeline_audio_cond_animation import AudioCondAnimationPipeline, generate_videos
    from avgen.utils import freeze_and_make_eval
    from diffusers.models import AutoencoderKL
    from diffusers.schedulers import PNDMScheduler
    from transformers import CLIPTextModel, CLIPTokenizer

    name, iteration, size = TRAINED[dataset]
    trained = f"checkpoints/audio-cond_animation/{name}/ckpts/checkpoint-{iteration}/modules"
    base = "./pretrained/stable-diffusion-v1-5"
    device, dtype = torch.device("cuda"), torch.float32
    listener = ImageBindSegmaskAudioEncoder(n_segment=FRAMES).to(device=device, dtype=dtype)
    freeze_and_make_eval(listener)
    pipeline = AudioCondAnimationPipeline(
        text_encoder=CLIPTextModel.from_pretrained(base, subfolder="text_encoder").to(device=device, dtype=dtype),
        tokenizer=CLIPTokenizer.from_pretrained(base, subfolder="tokenizer"),
        unet=AudioUNet3DConditionModel.from_pretrained(trained, subfolder="unet").to(device=device, dtype=dtype),
        scheduler=PNDMScheduler.from_pretrained(base, subfolder="scheduler"),
        vae=AutoencoderKL.from_pretrained(base, subfolder="vae").to(device=device, dtype=dtype),
        audio_encoder=listener,
        null_text_encodings_path="./pretrained/openai-clip-l_null_text_encoding.pt",
    )
    pipeline.to(torch_device=device, dtype=dtype)
    pipeline.set_progress_bar_config(disable=True)
    encodings = torch.load(f"datasets/{dataset}/class_clip_text_encodings_stable-diffusion-v1-5.pt", map_location="cpu")
    words = Path(f"datasets/{dataset}/class_mapping.json")
    return {
        "animate": generate_videos,
        "pipeline": pipeline,
        "device": device,
        "size": size,
        "encodings": {STICK: encodings} if dataset == "TheGreatestHits" else encodings,
        "words": json.loads(words.read_text(encoding="utf-8")) if words.is_file() else {},
        "dataset": dataset,
        "audio_guidance": float(options.get("audio_guidance", 4.0)),
    }


def generate(model: dict[str, Any], item: Item, folder: str) -> dict[str, Any]:
    """One mp4 of 12 frames at 6 fps; the sound that it was given stays with the caller."""
    given = upstream.text(item, "category", "text")
    label = STICK if model["dataset"] == "TheGreatestHits" else model["words"].get(given, given.replace("_", " "))
    if not label:
        raise ValueError(f"item '{item.id}' has neither category nor text, and AVSyncD was trained with a class's words")
    known = model["encodings"].get(label)
    with tempfile.TemporaryDirectory() as scratch:
        heard = Path(scratch) / "sound.wav"
        # The published reader takes the middle of a longer sound, which then no longer begins with the picture, and less
        # than nothing of a shorter one; so it is given the first 2 s.
        upstream.ffmpeg("-i", str(upstream.path(item, "audio")), "-vn", "-af", "apad", "-t", f"{FRAMES / RATE:g}", str(heard))
        model["animate"](
            model["pipeline"],
            audio_path=str(heard),
            image_path=str(upstream.path(item, "first_frame")),
            category="" if known is not None else label,
            category_text_encoding=known.view(1, 77, 768) if known is not None else None,
            image_size=model["size"],
            video_fps=RATE,
            video_num_frame=FRAMES,
            num_clips_per_video=1,
            text_guidance_scale=1.0,
            audio_guidance_scale=model["audio_guidance"],
            seed=item.seed,
            save_template=str(Path(folder) / "made"),
            device=model["device"],
        )
    meta = {
        "n_frames": FRAMES,
        "fps": RATE,
        "height": model["size"][0],
        "width": model["size"][1],
        "nfe": 100,
        "audio_guidance": model["audio_guidance"],
        "label": label,
        "label_seen_in_training": known is not None,
    }
    return {"video": Path(folder) / "made_clip-00.mp4", "audio": None, "meta": meta}


if __name__ == "__main__":
    raise SystemExit(main(load, generate, card=CARD))
