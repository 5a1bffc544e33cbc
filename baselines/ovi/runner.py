"""Ovi as an avbench worker: video with sound and speech, of a text, or of a first frame and a text. Runs in Ovi's environment.

Drives `OviFusionEngine.generate` and `save_video` of character-ai/Ovi at 5b69b25. Options: `weights`, `model_name`
(720x720_5s, 960x960_5s, 960x960_10s), `use_first_frame`, `height`, `width`, `cpu_offload`, `fp8`, `qint8`, `sample_steps`,
`solver_name`, `shift`, `video_guidance_scale`, `audio_guidance_scale`, `slg_layer`, and the two negative prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import upstream
from avbench_worker import Item, main

FPS, RATE = 24, 16000
SETTINGS = {
    "solver_name": "unipc",
    "sample_steps": 50,
    "shift": 5.0,
    "video_guidance_scale": 4.0,
    "audio_guidance_scale": 3.0,
    "slg_layer": 11,
    "video_negative_prompt": "jitter, bad hands, blur, distortion",
    "audio_negative_prompt": "robotic, muffled, echo, distorted",
}
"""Of the published configuration file; the function's own defaults differ."""

CARD = {
    "name": "ovi",
    "task": "TI2SV",
    "accepts": ["text", "first_frame?", "audio_caption?", "transcript?"],
    "code": "character-ai/Ovi@5b69b25",
}


def load(options: Mapping[str, Any]) -> dict[str, Any]:
    """The engine of one checkpoint."""
    upstream.checkout("OVI_HOME", "ovi/ovi_fusion_engine.py")
    import torch
    from omegaconf import OmegaConf
    from ovi.distributed_comms.parallel_states import initialize_sequence_parallel_state
    from ovi.ovi_fusion_engine import OviFusionEngine
    from ovi.utils.io_utils import save_video

    initialize_sequence_parallel_state(1)
    with_frame = bool(options.get("use_first_frame", True))
    config = OmegaConf.create(
        {
            "ckpt_dir": str(options.get("weights", "./ckpts")),
            "model_name": str(options.get("model_name", "720x720_5s")),
            "mode": "i2v" if with_frame else "t2v",
            "cpu_offload": bool(options.get("cpu_offload", False)),
            "fp8": bool(options.get("fp8", False)),
            "qint8": bool(options.get("qint8", False)),
            "sp_size": 1,
        }
    )
    return {
        "engine": OviFusionEngine(config=config, device=0, target_dtype=torch.bfloat16),
        "save": save_video,
        "with_frame": with_frame,
        "size": [int(options.get("height", 720)), int(options.get("width", 720))],
        "settings": {key: type(default)(options.get(key, default)) for key, default in SETTINGS.items()},
        "model_name": config["model_name"],
    }


def compose(item: Item) -> str:
    """One prompt: the scene, what is said between `<S>` and `<E>`, and the sound behind `Audio:` at the end.

    The engine itself rewrites the last part for the checkpoint of the first release.
    """
    scene = upstream.text(item, "text", "video_caption")
    if not scene:
        raise ValueError(f"item '{item.id}' has no text, which the model needs")
    parts = [scene]
    turns = item.cond.get("transcript") or []
    spoken = [str(turn["text"] if isinstance(turn, dict) else turn) for turn in ([turns] if isinstance(turns, str) else turns)]
    if "<S>" not in scene:
        parts.extend(f"<S>{words}<E>" for words in spoken)
    heard = upstream.text(item, "audio_caption")
    if heard and heard != scene and "Audio:" not in scene:
        parts.append(f"Audio: {heard}")
    return " ".join(parts)


def generate(model: dict[str, Any], item: Item, folder: str) -> dict[str, Any]:
    """One mp4 at 24 fps as the published code writes it, and its sound as a wav at 16 kHz."""
    import numpy

    prompt = compose(item)
    frame = str(item.cond["first_frame"]) if model["with_frame"] and item.cond.get("first_frame") else None
    made = model["engine"].generate(
        text_prompt=prompt, image_path=frame, video_frame_height_width=model["size"], seed=item.seed, **model["settings"]
    )
    if made is None:
        raise RuntimeError("Ovi's engine gave nothing; it has logged why")
    video, sound, _ = made
    sound = numpy.clip(sound, -1.0, 1.0)  # save_video refuses more
    count = upstream.write_wav(Path(folder) / "clip.wav", sound, RATE)
    path = model["save"](str(Path(folder) / "clip.mp4"), video, sound, fps=FPS, sample_rate=RATE)
    meta = {
        "n_frames": int(video.shape[1]),
        "fps": FPS,
        "height": int(video.shape[2]),
        "width": int(video.shape[3]),
        "sample_rate": RATE,
        "audio_samples": count,
        "nfe": 2 * model["settings"]["sample_steps"],
        "model_name": model["model_name"],
        "first_frame": frame is not None,
        "prompt": prompt,
    }
    return {"video": path, "audio": Path(folder) / "clip.wav", "meta": meta}


if __name__ == "__main__":
    raise SystemExit(main(load, generate, card=CARD))
