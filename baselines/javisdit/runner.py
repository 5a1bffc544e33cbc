"""JavisDiT (v0.1) and JavisDiT++ (v1.0) as an avbench worker: sounding video of a text. Runs in JavisDiT's own environment.

`scripts/inference.py` of JavisVerse/JavisDiT at b505b37 seeds once and works through a list; this builds the same modules
from the published configuration once and calls `multimodal_sample` per item with the item's seed. Options: `version`
(v0.1, v1.0), `config`, `weights`, `resolution`, `aspect_ratio`, `num_frames`, `steps`, `cfg_scale`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import upstream
from avbench_worker import Item, main

PUBLISHED = {
    "v0.1": ("configs/javisdit-v0-1/inference/sample_240p4s.py", ""),
    "v1.0": ("configs/javisdit-v1-0/inference/sample.py", "./checkpoints/JavisDiT-v1.0-jav"),
}
"""Configuration, and the weights that the command line names where the configuration does not."""

CARD = {"name": "javisdit", "task": "T2SV", "accepts": ["text"], "code": "JavisVerse/JavisDiT@b505b37"}


def load(options: Mapping[str, Any]) -> dict[str, Any]:
    """Text encoder, prior, both autoencoders, the transformer and the sampler of one version."""
    upstream.checkout("JAVISDIT_HOME", "scripts/inference.py")
    version = str(options.get("version", "v0.1"))
    if version not in PUBLISHED:
        raise ValueError(f"version must be one of {', '.join(PUBLISHED)}, got {version!r}")
    import torch
    from javisdit.datasets import save_sample
    from javisdit.datasets.aspect import get_image_size, get_num_frames
    from javisdit.models.text_encoder.t5 import text_preprocessing
    from javisdit.registry import MODELS, SCHEDULERS, build_module
    from javisdit.utils.config_utils import read_config
    from javisdit.utils.inference_utils import append_score_to_prompts, apply_va_mask_strategy, prepare_multi_resolution_info
    from javisdit.utils.misc import to_torch_dtype

    torch.set_grad_enabled(False)
    torch.set_num_threads(1)  # with more, reading AudioLDM 2 takes very long, says the published script
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    config = read_config(str(options.get("config") or PUBLISHED[version][0]))
    for key in ("resolution", "aspect_ratio", "num_frames"):
        if options.get(key):  # without it, what the configuration says
            config[key] = str(options[key])
    if options.get("steps"):
        config.scheduler["num_sampling_steps"] = int(options["steps"])
    if options.get("cfg_scale"):
        config.scheduler["cfg_scale"] = float(options["cfg_scale"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = to_torch_dtype(config.get("dtype", "bf16"))
    weights = str(options.get("weights") or PUBLISHED[version][1])
    if version == "v0.1" and weights:
        config.model["from_pretrained"] = weights
    start = config.model.pop("weight_init_from", None) or (weights if version == "v1.0" else [])

    text_encoder = build_module(config.text_encoder, MODELS, device=device, dtype=dtype)
    prior = build_module(config.get("prior_encoder", None), MODELS)
    if prior is not None:
        prior = prior.to(device, dtype).eval()
    vae = build_module(config.vae, MODELS).to(device, dtype).eval()
    audio_vae = build_module(config.audio_vae, MODELS, device=device, dtype=dtype)
    size = get_image_size(config.resolution, config.aspect_ratio)
    frames = get_num_frames(config.num_frames)
    latent = vae.get_latent_size((frames, *size))
    transformer = build_module(
        config.model,
        MODELS,
        input_size=latent,
        in_channels=vae.out_channels,
        caption_channels=text_encoder.output_dim,
        model_max_length=text_encoder.model_max_length,
        enable_sequence_parallelism=False,
        weight_init_from=start,
    )
    transformer = transformer.to(device, dtype).eval()
    text_encoder.y_embedder = transformer.y_embedder  # guidance takes the null text from the transformer
    if prior is not None:
        prior.st_prior_embedder = transformer.st_prior_embedder
    if isinstance(start, str) and os.path.exists(os.path.join(start, "lora")):  # noqa: PTH110, PTH118
        from peft import PeftModel

        low_rank = PeftModel.from_pretrained(transformer, os.path.join(start, "lora"), is_trainable=False)  # noqa: PTH118
        transformer = low_rank.merge_and_unload()
    return {
        "torch": torch,
        "config": config,
        "device": device,
        "dtype": dtype,
        "text_encoder": text_encoder,
        "prior": prior,
        "vae": vae,
        "audio_vae": audio_vae,
        "transformer": transformer,
        "scheduler": build_module(config.scheduler, SCHEDULERS),
        "latent": latent,
        "frames": frames,
        "size": size,
        "shape_info": prepare_multi_resolution_info(
            config.get("multi_resolution", None), 1, size, frames, config.fps, device, dtype
        ),
        "words": text_preprocessing,
        "scores": append_score_to_prompts,
        "masks": apply_va_mask_strategy,
        "save": save_sample,
        "version": version,
    }


def generate(model: dict[str, Any], item: Item, folder: str) -> dict[str, Any]:
    """One mp4 as the published code writes it, and its sound as a wav at 16 kHz."""
    torch, config, vae, audio_vae = model["torch"], model["config"], model["vae"], model["audio_vae"]
    device, dtype, frames = model["device"], model["dtype"], model["frames"]
    given = upstream.text(item, "text")
    if not given:
        raise ValueError(f"item '{item.id}' has no text, which the model needs")
    aims = {key: config.get(key, None) for key in ("aes", "flow", "camera_motion")}
    prompt = model["scores"]([given], **aims)[0]
    prompt = model["words"](prompt, use_text_preprocessing=config.get("use_text_preprocessing", True))
    upstream.seed_everything(item.seed)
    picture = torch.randn(1, vae.out_channels, *model["latent"], device=device, dtype=dtype)
    sound, length = audio_vae.prepare_latents(frames / config.fps, 1, device=device, dtype=dtype)
    # No part of either latent is given, so nothing is masked; the ratio of their steps is the published one.
    steps = 1 / 5 * 17 / config.fps / (10.24 / 1024) / 4
    masks = model["masks"](picture, sound, [([], [])], [""], 0, align=config.get("align", None), v2a_t_scale=steps)
    negative = config.get("neg_prompt", None)
    made = model["scheduler"].multimodal_sample(
        model["transformer"],
        model["text_encoder"],
        {"video": picture, "audio": sound},
        [prompt],
        device=device,
        additional_args=model["shape_info"],
        progress=False,
        mask=masks,
        prior_encoder=model["prior"],
        neg_prompts=[negative] if isinstance(negative, str) else negative,
    )
    video = vae.decode(made["video"].to(dtype), num_frames=frames)[0]
    wave = audio_vae.decode_audio(made["audio"], original_waveform_length=length)[0]
    rate = int(config.get("audio_fps", 16000))
    fps = config.get("save_fps", config.fps)
    count = upstream.write_wav(Path(folder) / "clip.wav", wave.float().cpu().numpy(), rate)
    path = model["save"](
        video, fps=fps, audio=wave, audio_fps=rate, save_path=str(Path(folder) / "clip"), verbose=False, audio_only=False
    )
    meta = {
        "n_frames": frames,
        "fps": fps,
        "height": model["size"][0],
        "width": model["size"][1],
        "sample_rate": rate,
        "audio_samples": count,
        "nfe": 2 * int(config.scheduler["num_sampling_steps"]),
        "cfg_scale": config.scheduler["cfg_scale"],
        "version": model["version"],
        "prompt": prompt,
    }
    return {"video": path, "audio": Path(folder) / "clip.wav", "meta": meta}


if __name__ == "__main__":
    raise SystemExit(main(load, generate, card=CARD))
