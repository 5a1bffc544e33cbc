"""MM-Diffusion as an avbench worker: sounding video of nothing. Runs in MM-Diffusion's own environment (Python 3.8).

`py_scripts/multimodal_sample_sr.py` of researchmm/MM-Diffusion at 7250222 is started by MPI, never seeds and numbers its
files; this builds the two networks with the settings of `ssh_scripts/multimodal_sample_sr.sh` and samples one clip per item
with its seed. Options: `weights`, `sr_weights` (empty: 64 x 64 without upsampling), `steps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import upstream
from avbench_worker import Item, main

FPS, RATE = 10, 16000
VIDEO, AUDIO, LARGE = [16, 3, 64, 64], [1, 25600], 256
"""Frames, channels, height, width; channels, samples; side after upsampling."""
NETWORK = {
    "cross_attention_resolutions": "2,4,8",
    "cross_attention_windows": "1,4,8",
    "cross_attention_shift": True,
    "video_attention_resolutions": "2,4,8",
    "audio_attention_resolutions": "-1",
    "video_size": VIDEO,
    "audio_size": AUDIO,
    "learn_sigma": False,
    "num_channels": 128,
    "num_head_channels": 64,
    "num_res_blocks": 2,
    "resblock_updown": True,
    "use_fp16": True,
    "use_scale_shift_norm": True,
    "diffusion_steps": 1000,
    "noise_schedule": "linear",
}
UPSAMPLER = {
    "sr_attention_resolutions": "8,16,32",
    "large_size": LARGE,
    "small_size": 64,
    "sr_learn_sigma": True,
    "sr_num_channels": 192,
    "sr_num_heads": 4,
    "sr_num_res_blocks": 2,
    "sr_resblock_updown": True,
    "use_fp16": True,
    "sr_use_scale_shift_norm": True,
    "sr_diffusion_steps": 1000,
    "noise_schedule": "linear",
    "sr_timestep_respacing": "ddim25",
}

CARD = {"name": "mm-diffusion", "task": "U2SV", "accepts": [], "code": "researchmm/MM-Diffusion@7250222"}


def load(options: Mapping[str, Any]) -> dict[str, Any]:
    """Both networks in half precision. The published launcher is left out: every worker would get the first GPU from it."""
    upstream.checkout("MM_DIFFUSION_HOME", "mm_diffusion/multimodal_script_util.py")
    import torch
    from mm_diffusion import dist_util
    from mm_diffusion.common import save_multimodal
    from mm_diffusion.multimodal_dpm_solver_plus import DPM_Solver
    from mm_diffusion.multimodal_script_util import create_model_and_diffusion, model_and_diffusion_defaults
    from mm_diffusion.script_util import image_sr_create_model_and_diffusion, image_sr_model_and_diffusion_defaults

    def ready(network: Any, weights: str) -> Any:
        state = dist_util.load_state_dict(weights, map_location="cpu")
        network.load_state_dict_(state, is_strict=True)
        network.to(dist_util.dev())
        network.convert_to_fp16()
        return network.eval()

    network, diffusion = create_model_and_diffusion(**dict(model_and_diffusion_defaults(), **NETWORK))
    upsampler = upsampling = None
    sr_weights = str(options.get("sr_weights", "models/Landscape_SR.pt"))
    if sr_weights:
        upsampler, upsampling = image_sr_create_model_and_diffusion(
            **dict(image_sr_model_and_diffusion_defaults(), **UPSAMPLER)
        )
        upsampler = ready(upsampler, sr_weights)
    return {
        "torch": torch,
        "device": dist_util.dev(),
        "network": ready(network, str(options.get("weights", "models/Landscape.pt"))),
        "solver": DPM_Solver,
        "alphas": torch.tensor(diffusion.alphas_cumprod, dtype=torch.float32),
        "upsampler": upsampler,
        "upsampling": upsampling,
        "save": save_multimodal,
        "steps": int(options.get("steps", 20)),
    }


def generate(model: dict[str, Any], item: Item, folder: str) -> dict[str, Any]:
    """One mp4 of 1.6 s at 10 fps as the published code writes it, and its sound as a wav at 16 kHz."""
    torch, device = model["torch"], model["device"]
    upstream.seed_everything(item.seed)
    with torch.no_grad():
        start = {
            "video": torch.randn(1, *VIDEO).to(device),
            "audio": torch.randn(1, *AUDIO).to(device),
        }
        solver = model["solver"](model=model["network"], alphas_cumprod=model["alphas"])
        made = solver.sample(start, steps=model["steps"], order=3, skip_type="logSNR", method="singlestep")
        picture = made["video"]
        if model["upsampler"] is not None:
            frames = VIDEO[0]
            # The published script gives every frame of a clip the same noise.
            noise = torch.randn(1, 3, LARGE, LARGE).to(device).repeat(frames, 1, 1, 1)
            picture = (
                model["upsampling"]
                .ddim_sample_loop(
                    model["upsampler"],
                    (frames, 3, LARGE, LARGE),
                    clip_denoised=True,
                    model_kwargs={"low_res": picture[0]},
                    noise=noise,
                )
                .unsqueeze(0)
            )
    video = ((picture[0] + 1) * 127.5).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    sound = made["audio"][0].float().cpu().numpy()
    count = upstream.write_wav(Path(folder) / "clip.wav", sound, RATE)
    path = str(Path(folder) / "clip.mp4")
    model["save"](video, sound, path, SimpleNamespace(video_fps=FPS, audio_fps=RATE))
    meta = {
        "n_frames": len(video),
        "fps": FPS,
        "height": int(video.shape[1]),
        "width": int(video.shape[2]),
        "sample_rate": RATE,
        "audio_samples": count,
        "nfe": model["steps"],
        "conditions_used": "none",
    }
    return {"video": path, "audio": Path(folder) / "clip.wav", "meta": meta}


if __name__ == "__main__":
    raise SystemExit(main(load, generate, card=CARD))
