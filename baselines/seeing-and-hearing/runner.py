"""Seeing-and-Hearing as an avbench worker: the sound of a silent clip. Runs in its own environment.

`v2a/video2audio.py` of yzxing87/Seeing-and-Hearing at 75cdbbc works when it is imported and knows nine seeds by file name, so
this drives the pipeline class that it drives, with its settings. Options: `steps`, `learning_rate`, `weights`, `captions`
(`qwen` asks Qwen-VL-Chat about a clip without caption, `none` refuses it).
"""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import upstream
from avbench_worker import Item, main

RATE = 16000
QUESTION = "describe this image in detail, in less than 35 words"
"""What the published `qwen_caption.py` asks about a key frame."""

CARD = {
    "name": "seeing-and-hearing",
    "task": "V2A",
    "accepts": ["video", "audio_caption?"],
    "code": "yzxing87/Seeing-and-Hearing@75cdbbc",
}


def load(options: Mapping[str, Any]) -> dict[str, Any]:
    """AudioLDM's pipeline with the published guidance; ImageBind is read at the first clip and kept."""
    upstream.checkout("SEEING_AND_HEARING_HOME", "video2audio.py", inside="v2a")
    import torch
    from audioldm.models.unet import UNet2DConditionModel
    from audioldm.pipelines.pipeline_audioldm import AudioLDMPipeline
    from imagebind.imagebind.models import imagebind_model

    imagebind_model.imagebind_huge = functools.lru_cache(None)(imagebind_model.imagebind_huge)
    weights = str(options.get("weights", "ckpt/audioldm-m-full"))
    unet = UNet2DConditionModel.from_pretrained(weights, subfolder="unet").to("cuda")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    captions = options.get("captions", "qwen")
    if captions not in ("qwen", "none"):
        raise ValueError(f"captions must be qwen or none, got {captions!r}")
    return {
        "torch": torch,
        "pipeline": AudioLDMPipeline.from_pretrained(weights, unet=unet).to("cuda"),
        "steps": int(options.get("steps", 30)),
        "learning_rate": float(options.get("learning_rate", 0.1)),
        "captions": captions,
        "captioner": None,
    }


def describe(model: dict[str, Any], video: Path) -> str:
    """Qwen-VL-Chat's caption of the clip's middle frame, in the published words; without its marks of places."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if model["captioner"] is None:
        where = "qwen_ckpt/Qwen-VL-Chat"
        network = AutoModelForCausalLM.from_pretrained(where, device_map="cuda", trust_remote_code=True).eval()
        model["captioner"] = (AutoTokenizer.from_pretrained(where, trust_remote_code=True), network)
    tokenizer, network = model["captioner"]
    with tempfile.TemporaryDirectory() as scratch:
        frame = Path(scratch) / "frame.png"
        upstream.ffmpeg("-ss", f"{upstream.seconds_of(video) / 2:.3f}", "-i", str(video), "-frames:v", "1", str(frame))
        query = tokenizer.from_list_format([{"image": str(frame)}, {"text": QUESTION}])
        answer, _ = network.chat(tokenizer, query=query, history=None)
    return upstream.without_marks(answer)


def generate(model: dict[str, Any], item: Item, folder: str) -> dict[str, Any]:
    """One wav at 16 kHz, as long as the clip."""
    torch, pipeline, video = model["torch"], model["pipeline"], upstream.path(item, "video")
    prompt, written_by = upstream.text(item, "audio_caption"), "item"
    if not prompt:
        if model["captions"] == "none":
            raise ValueError("the model needs a caption, the item has none, and captions=none")
        prompt, written_by = describe(model, video), "Qwen-VL-Chat"
    clip = upstream.seconds_of(video)
    whole = math.ceil(clip - 0.01)
    upstream.seed_everything(item.seed)
    noise = torch.Generator(device="cuda")
    noise.manual_seed(item.seed)
    latents = pipeline.only_prepare_latents(prompt, audio_length_in_s=whole, generator=noise)
    sound = pipeline.bind_forward_double_loss(
        prompt,
        latents=latents,
        num_inference_steps=model["steps"],
        audio_length_in_s=whole,
        generator=noise,
        video_paths=[str(video)],
        learning_rate=model["learning_rate"],
        clip_duration=1,
        clips_per_video=whole,
        num_optimization_steps=1,
    ).audios[0]
    count = upstream.write_wav(Path(folder) / "clip.wav", sound, RATE, clip)
    meta = {"sample_rate": RATE, "audio_samples": count, "nfe": 2 * model["steps"], "prompt": prompt, "prompt_by": written_by}
    return {"video": None, "audio": Path(folder) / "clip.wav", "meta": meta}


if __name__ == "__main__":
    raise SystemExit(main(load, generate, card=CARD))
