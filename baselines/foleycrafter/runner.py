"""FoleyCrafter as an avbench worker: the sound of a silent clip. Runs in FoleyCrafter's own environment.

Drives `build_models` and `run_inference` of `inference.py` in open-mmlab/FoleyCrafter at c2399fa, item by item, so that every
clip has its own seed and prompt. Options: `weights`, `base_weights`, `video_prep`, `semantic_scale`, `temporal_scale`,
`negative_prompt`, `device`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import upstream
from avbench_worker import Item, main

WINDOW = 10.0
"""Seconds of the spectrogram that the model always makes."""

CARD = {
    "name": "foleycrafter",
    "task": "V2A",
    "accepts": ["video", "audio_caption?"],
    "code": "open-mmlab/FoleyCrafter@c2399fa",
}


def load(options: Mapping[str, Any]) -> dict[str, Any]:
    """Models and settings; the weights are those that the published script downloads."""
    upstream.checkout("FOLEYCRAFTER_HOME", "inference.py")
    import inference

    # run_inference reads the image encoder from disk for every folder that it is given, and it is given one per item
    inference.CLIPVisionModelWithProjection = upstream.LoadedOnce(inference.CLIPVisionModelWithProjection)
    settings = {
        "prompt": "",
        "nprompt": str(options.get("negative_prompt", "")),
        "semantic_scale": float(options.get("semantic_scale", 1.0)),
        "temporal_scale": float(options.get("temporal_scale", 0.2)),
        "ckpt": str(options.get("weights", "checkpoints/")),
        "pretrain": str(options.get("base_weights", "auffusion/auffusion-full-no-adapter")),
        "device": str(options.get("device", "cuda")),
    }
    models = inference.build_models(SimpleNamespace(seed=0, input="", save_dir="", **settings))
    return {"run": inference.run_inference, "models": models, "settings": settings, "prep": options.get("video_prep", "loop")}


def generate(model: dict[str, Any], item: Item, folder: str) -> dict[str, Any]:
    """One wav at 16 kHz, as long as the clip, 10 s at most."""
    settings = dict(model["settings"], prompt=upstream.text(item, "audio_caption"))
    with tempfile.TemporaryDirectory() as scratch:
        given, made = Path(scratch) / "in", Path(scratch) / "out"
        given.mkdir()
        seconds, said = upstream.fill_window(upstream.path(item, "video"), WINDOW, model["prep"], given / "clip.mp4")
        model["run"](SimpleNamespace(seed=item.seed, input=str(given), save_dir=str(made), **settings), *model["models"])
        rate, count = upstream.cut_wav(made / "audio" / "clip.wav", Path(folder) / "clip.wav", seconds)
    meta = {"sample_rate": rate, "audio_samples": count, "nfe": 25, "prompt": settings["prompt"], **said}
    return {"video": None, "audio": Path(folder) / "clip.wav", "meta": meta}


if __name__ == "__main__":
    raise SystemExit(main(load, generate, card=CARD))
