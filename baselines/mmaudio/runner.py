"""MMAudio as an avbench worker: the sound of a silent clip, or of a caption. Runs in MMAudio's own environment.

Drives the functions that `demo.py` of hkchengrex/MMAudio at 974010a calls (`mmaudio.eval_utils`), with the network loaded once.
Options: `variant`, `video_prep`, `cfg_strength`, `num_steps`, `negative_prompt`, `full_precision`, `device`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import upstream
from avbench_worker import Item, main

WINDOW = 8.0
"""Seconds that the model was trained on."""

CARD = {
    "name": "mmaudio",
    "task": "V2A",
    "accepts": ["video", "audio_caption?", "negative_prompt?"],
    "code": "hkchengrex/MMAudio@974010a",
}


def load(options: Mapping[str, Any]) -> dict[str, Any]:
    """Network, features and sampler of one variant."""
    upstream.checkout("MMAUDIO_HOME", "mmaudio/eval_utils.py")
    import torch
    from mmaudio.eval_utils import all_model_cfg, generate, load_video
    from mmaudio.model.flow_matching import FlowMatching
    from mmaudio.model.networks import get_my_mmaudio
    from mmaudio.model.utils.features_utils import FeaturesUtils

    variant = str(options.get("variant", "large_44k_v2"))
    if variant not in all_model_cfg:
        raise ValueError(f"variant must be one of {', '.join(sorted(all_model_cfg))}, got {variant!r}")
    config = all_model_cfg[variant]
    config.download_if_needed()
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    device = str(options.get("device", "cuda"))
    dtype = torch.float32 if options.get("full_precision") else torch.bfloat16
    network = get_my_mmaudio(config.model_name).to(device, dtype).eval()
    network.load_weights(torch.load(config.model_path, map_location=device, weights_only=True))
    features = FeaturesUtils(
        tod_vae_ckpt=config.vae_path,
        synchformer_ckpt=config.synchformer_ckpt,
        enable_conditions=True,
        mode=config.mode,
        bigvgan_vocoder_ckpt=config.bigvgan_16k_path,
        need_vae_encoder=False,
    )
    steps = int(options.get("num_steps", 25))
    return {
        "torch": torch,
        "generate": generate,
        "load_video": load_video,
        "network": network,
        "features": features.to(device, dtype).eval(),
        "sampler": FlowMatching(min_sigma=0, inference_mode="euler", num_steps=steps),
        "sequence": config.seq_cfg,
        "device": device,
        "variant": variant,
        "steps": steps,
        "cfg_strength": float(options.get("cfg_strength", 4.5)),
        "negative": str(options.get("negative_prompt", "")),
        "prep": options.get("video_prep", "loop"),
    }


def generate(model: dict[str, Any], item: Item, folder: str) -> dict[str, Any]:
    """One wav at the variant's rate, as long as the clip; of a caption alone, 8 s."""
    torch, sequence = model["torch"], model["sequence"]
    prompt = upstream.text(item, "audio_caption")
    negative = upstream.text(item, "negative_prompt") or model["negative"]
    seconds, said = WINDOW, {}  # type: ignore[var-annotated]
    pictures = motion = None
    with torch.inference_mode(), tempfile.TemporaryDirectory() as scratch:
        sequence.duration = WINDOW
        if "video" in item.cond:
            shown = Path(scratch) / "clip.mp4"
            seconds, said = upstream.fill_window(upstream.path(item, "video"), WINDOW, model["prep"], shown)
            read = model["load_video"](shown, seconds if model["prep"] == "none" else WINDOW)
            sequence.duration = read.duration_sec
            pictures, motion = read.clip_frames.unsqueeze(0), read.sync_frames.unsqueeze(0)
        model["network"].update_seq_lengths(sequence.latent_seq_len, sequence.clip_seq_len, sequence.sync_seq_len)
        made = model["generate"](
            pictures,
            motion,
            [prompt],
            negative_text=[negative],
            feature_utils=model["features"],
            net=model["network"],
            fm=model["sampler"],
            rng=torch.Generator(device=model["device"]).manual_seed(item.seed),
            cfg_strength=model["cfg_strength"],
        )
        samples = made.float().cpu()[0].numpy()
    rate = int(sequence.sampling_rate)
    count = upstream.write_wav(Path(folder) / "clip.wav", samples, rate, seconds)
    meta = {
        "sample_rate": rate,
        "audio_samples": count,
        "nfe": 2 * model["steps"],
        "variant": model["variant"],
        "prompt": prompt,
    }
    return {"video": None, "audio": Path(folder) / "clip.wav", "meta": dict(meta, **said)}


if __name__ == "__main__":
    raise SystemExit(main(load, generate, card=CARD))
