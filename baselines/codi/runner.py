"""CoDi as an avbench worker: picture and sound of a picture or of a text. Runs in CoDi's own environment.

Drives `model_module.inference` of `i-Code-V3` in microsoft/i-Code at 9b16730 with two outputs at once. Options:
`weights`, `use_text`, `fp16`, `ddim_steps`, `scale`, `fps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import upstream
from avbench_worker import Item, main

PARTS = ("CoDi_encoders.pth", "CoDi_text_diffuser.pth", "CoDi_audio_diffuser_m.pth", "CoDi_video_diffuser_8frames.pth")
FRAMES, SIZE, RATE = 8, 256, 16000

CARD = {"name": "codi", "task": "I2SV", "accepts": ["first_frame?", "text?"], "code": "microsoft/i-Code@9b16730"}


def load(options: Mapping[str, Any]) -> dict[str, Any]:
    """The whole model; the published parts are read one over the other."""
    upstream.checkout("CODI_HOME", "core/models/model_module_infer.py", inside="i-Code-V3")
    from core.models.model_module_infer import model_module

    module = model_module(
        data_dir=str(options.get("weights", "checkpoints/")), pth=list(PARTS), fp16=bool(options.get("fp16", False))
    )
    return {
        "module": module.cuda().eval(),
        "steps": int(options.get("ddim_steps", 50)),
        "scale": float(options.get("scale", 7.5)),
        "fps": float(options.get("fps", 4.0)),
        "use_text": bool(options.get("use_text", False)),
    }


def generate(model: dict[str, Any], item: Item, folder: str) -> dict[str, Any]:
    """One mp4 of 8 frames and a wav as long, 16 kHz."""
    import numpy
    from PIL import Image

    conditions, kinds = [], []
    if item.cond.get("first_frame"):
        conditions.append(Image.open(str(upstream.path(item, "first_frame"))).convert("RGB"))
        kinds.append("image")
    if upstream.text(item, "text") and (model["use_text"] or not kinds):
        conditions.append(upstream.text(item, "text"))
        kinds.append("text")
    if not kinds:
        raise ValueError(f"item '{item.id}' has neither first_frame nor text, and CoDi needs one of them")
    upstream.seed_everything(item.seed)
    videos, sounds = model["module"].inference(
        xtype=["video", "audio"],
        condition=conditions,
        condition_types=kinds,
        n_samples=1,
        image_size=SIZE,
        ddim_steps=model["steps"],
        scale=model["scale"],
        num_frames=FRAMES,
    )
    frames = [numpy.asarray(frame) for frame in videos[0]]
    upstream.write_video(Path(folder) / "clip.mp4", frames, model["fps"])
    length = len(frames) / model["fps"]
    count = upstream.write_wav(Path(folder) / "clip.wav", numpy.asarray(sounds[0]).reshape(-1), RATE, length)
    meta = {
        "n_frames": len(frames),
        "fps": model["fps"],
        "width": SIZE,
        "height": SIZE,
        "sample_rate": RATE,
        "audio_samples": count,
        "nfe": 2 * model["steps"],
        "conditions": "+".join(kinds),
    }
    return {"video": Path(folder) / "clip.mp4", "audio": Path(folder) / "clip.wav", "meta": meta}


if __name__ == "__main__":
    raise SystemExit(main(load, generate, card=CARD))
