"""Diff-Foley as an avbench worker: the sound of a silent clip. Runs in Diff-Foley's own environment.

The published inference is a notebook (`inference/diff_foley_inference.ipynb` of luosiallen/Diff-Foley at 0ba1e8a); this drives
the same functions of `demo_util` and `diff_foley`, with the models loaded once and one sample per item. Options: `video_prep`,
`double_guidance`, `cfg_scale`, `cg_scale`, `steps`, `sampler`, `weights`.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import upstream
from avbench_worker import Item, main

FEATURES = 32
"""Features of one window, at 4 per second."""
WINDOW = 8.2
"""Seconds of picture that give them."""
SOUND = 8.192
"""Seconds of sound of one window."""
RATE = 16000

CARD = {"name": "diff-foley", "task": "V2A", "accepts": ["video"], "code": "luosiallen/Diff-Foley@0ba1e8a"}


def load(options: Mapping[str, Any]) -> dict[str, Any]:
    """CAVP, the latent diffusion model and the alignment classifier."""
    folder = upstream.checkout("DIFF_FOLEY_HOME", "demo_util.py", inside="inference")
    sys.path.insert(1, str(folder.parent))  # holds the package diff_foley, which the configurations name
    import demo_util
    import torch
    from omegaconf import OmegaConf

    weights = Path(options.get("weights", "diff_foley_ckpt"))
    device = torch.device("cuda")
    features = demo_util.Extract_CAVP_Features(
        fps=4,
        batch_size=40,
        device=device,
        config_path="./config/Stage1_CAVP.yaml",
        ckpt_path=str(weights / "cavp_epoch66.ckpt"),
    )

    def published(config: str, checkpoint: str) -> Any:
        return demo_util.load_model_from_config(OmegaConf.load(f"./config/{config}.yaml"), str(weights / f"{checkpoint}.ckpt"))

    double = bool(options.get("double_guidance", True))
    return {
        "torch": torch,
        "device": device,
        "features": features,
        "diffusion": published("Stage2_LDM", "ldm_epoch240"),
        "classifier": published("Double_Guidance_Classifier", "double_guidance_classifier") if double else None,
        "waveform": demo_util.inverse_op,
        "sampler": str(options.get("sampler", "DPM_Solver")),
        "steps": int(options.get("steps", 25)),
        "cfg_scale": float(options.get("cfg_scale", 4.5)),
        "cg_scale": float(options.get("cg_scale", 50.0)),
        "prep": options.get("video_prep", "loop"),
    }


def generate(model: dict[str, Any], item: Item, folder: str) -> dict[str, Any]:
    """One wav at 16 kHz, as long as the clip."""
    import numpy

    torch, diffusion = model["torch"], model["diffusion"]
    # The published reader splits its ffmpeg command at blanks, so the clip is read from a path without any.
    with tempfile.TemporaryDirectory() as scratch:
        windows = max(1, math.ceil(upstream.seconds_of(upstream.path(item, "video")) / SOUND - 0.01))
        shown = Path(scratch) / "clip.mp4"
        seconds, said = upstream.fill_window(upstream.path(item, "video"), windows * WINDOW, model["prep"], shown)
        found, _ = model["features"](str(shown), 0, windows * WINDOW, tmp_path=scratch)
        if len(found) < FEATURES:
            raise ValueError(f"the clip gives {len(found)} features, the model needs {FEATURES}; use video_prep=loop")
        upstream.seed_everything(item.seed)
        seen = torch.from_numpy(found).unsqueeze(0).to(model["device"])
        parts = []
        with torch.no_grad():
            for window in range(len(found) // FEATURES):
                condition = diffusion.get_learned_conditioning(seen[:, window * FEATURES : (window + 1) * FEATURES])
                common = {
                    "batch_size": 1,
                    "sampler_name": model["sampler"],
                    "ddim_steps": model["steps"],
                    "unconditional_guidance_scale": model["cfg_scale"],
                    "unconditional_conditioning": torch.zeros(condition.shape).to(model["device"]),
                }
                if model["classifier"] is None:
                    latent, _ = diffusion.sample_log_diff_sampler(condition, **common)
                else:
                    latent, _ = diffusion.sample_log_with_classifier_diff_sampler(
                        condition,
                        origin_cond=seen,
                        classifier=model["classifier"],
                        classifier_guide_scale=model["cg_scale"],
                        **common,
                    )
                mel = diffusion.decode_first_stage(latent)[:, 0, :, :].detach().cpu().numpy()
                parts.append(model["waveform"](mel[0]))
    count = upstream.write_wav(Path(folder) / "clip.wav", numpy.concatenate(parts), RATE, seconds)
    guidance = "double" if model["classifier"] is not None else "cfg"
    meta = {
        "sample_rate": RATE,
        "audio_samples": count,
        "guidance": guidance,
        "sampler": model["sampler"],
        "steps": model["steps"],
    }
    return {"video": None, "audio": Path(folder) / "clip.wav", "meta": dict(meta, **said)}


if __name__ == "__main__":
    raise SystemExit(main(load, generate, card=CARD))
