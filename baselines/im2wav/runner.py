"""IM2Wav as an avbench worker: the sound of a picture. Runs in IM2Wav's own environment.

Drives `multi_level_sample_window` of `models/sample.py` of RoySheffer/im2wav at aff5a80, with the picture's CLIP embedding that
`Data/preprocess/collect_image_CLIP.py` would store. Options: `weights`, `cfg_s`, `top_k`, `top_p`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import upstream
from avbench_worker import Item, main

SAMPLES = 65536
"""Samples of one sound: 4.096 s."""

CARD = {"name": "im2wav", "task": "I2A", "accepts": ["first_frame"], "code": "RoySheffer/im2wav@aff5a80"}


def load(options: Mapping[str, Any]) -> dict[str, Any]:
    """CLIP, the VQ-VAE and the two language models."""
    folder = upstream.checkout("IM2WAV_HOME", "models/sample.py")
    import clip
    import torch
    from im2wav_utils import get_model_from_checkpoint, get_model_from_checkpoint_prior
    from models import sample
    from models.hparams import CLIP_VERSION, SAMPLE_RATE, VIDEO_TOTAL_LENGTHS

    weights = Path(options.get("weights") or folder / "pre_trained")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # The published module sets these two when it is run as a script, and its functions read them.
    sample.device = device
    sample.hps = {"total_sample_length": SAMPLES}
    vqvae = get_model_from_checkpoint(str(weights / "vqvae.tar"), device)
    low = get_model_from_checkpoint_prior(str(weights / "low.tar"), vqvae, device)
    up = get_model_from_checkpoint_prior(str(weights / "up.tar"), vqvae, device)
    encoder, preprocess = clip.load(CLIP_VERSION, device=device)
    return {
        "torch": torch,
        "sample": sample,
        "levels": [up, low],
        "encoder": encoder,
        "preprocess": preprocess,
        "device": device,
        "rate": int(SAMPLE_RATE),
        "total": int(VIDEO_TOTAL_LENGTHS),
        "cfg_s": float(options.get("cfg_s", 3.0)),
        "top_k": int(options.get("top_k", 0)),
        "top_p": float(options.get("top_p", 0.0)),
    }


def generate(model: dict[str, Any], item: Item, folder: str) -> dict[str, Any]:
    """One wav at 16 kHz of 4.096 s; who wants less cuts it."""
    import numpy
    from PIL import Image

    torch, sample = model["torch"], model["sample"]
    upstream.seed_everything(item.seed)
    with torch.no_grad():
        picture = model["preprocess"](Image.open(str(upstream.path(item, "first_frame")))).unsqueeze(0).to(model["device"])
        embedding = model["encoder"].encode_image(picture)
        embedding = (embedding / embedding.norm(dim=-1, keepdim=True)).cpu().numpy()
        position = numpy.array([model["total"], 0.0, SAMPLES], dtype=numpy.int64)
        row = sample.get_y(video=False, pos=position, clip_emb=embedding[0])
        condition = torch.from_numpy(numpy.stack([row]))
        waves = sample.multi_level_sample_window(
            model["levels"],
            condition.to(model["device"]),
            condition.reshape((1, 1, condition.shape[1])).to(model["device"]),
            1,
            model["top_k"],
            top_p=model["top_p"],
            cfg_s=model["cfg_s"],
            hop_fraction=None,
            total_sample_length=SAMPLES,
        )
        sound = waves[-1][0, :, 0].cpu().numpy()  # the last is the finer level
    count = upstream.write_wav(Path(folder) / "clip.wav", sound, model["rate"])
    meta = {"sample_rate": model["rate"], "audio_samples": count, "cfg_s": model["cfg_s"]}
    return {"video": None, "audio": Path(folder) / "clip.wav", "meta": meta}


if __name__ == "__main__":
    raise SystemExit(main(load, generate, card=CARD))
