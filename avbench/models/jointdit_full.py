"""JointDiT at full size: its loss, its sampler, and the way between clips and the latents of the two base models.

Video follows EDM as in Stable Video Diffusion, audio follows DDPM as in AudioLDM 2, and one timestep `u` is of both.
Source: JointDiT (CVPR 2025); the pipelines of `diffusers` for what the base models expect of their inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from avbench.models.diffusion import Ddpm, Edm, grid, joint_loss
from avbench.models.guidance import Term, guided
from avbench.models.joint_attention import JointMode
from avbench.models.jointdit_unets import Condition, JointDiTFull

EDM = Edm(p_mean=0.7, p_std=1.6)
DDPM = Ddpm()


def predicted(
    network: JointDiTFull, video: Tensor, audio: Tensor, u: Tensor, given: Condition, mode: JointMode = "full"
) -> tuple[Tensor, Tensor]:
    """The clean latents that the network sees behind noisy ones, in float32.

    Args:
        network: In any precision.
        video: `(B, T, 4, h, w)`, noisy at `EDM.sigma(u)`.
        audio: `(B, 8, steps, bins)`, noisy at step `DDPM.timestep(u)`.
        u: `(B,)` in (0, 1), the timestep of both.
        given: The picture, or its `null()`.
        mode: See `JointMode`.
    """
    sigma, step = EDM.sigma(u), DDPM.timestep(u)
    outputs = _called(network, video, audio, sigma, step, given, mode)
    return EDM.clean(outputs[0], video, sigma), DDPM.clean(outputs[1], audio, step)


def _called(
    network: JointDiTFull, video: Tensor, audio: Tensor, sigma: Tensor, step: Tensor, given: Condition, mode: JointMode
) -> tuple[Tensor, Tensor]:
    dtype = next(network.parameters()).dtype  # also of what a trainer has wrapped around the network
    # Our step t = 1 is the first that has noise; AudioLDM 2 counts it 0.
    seen, heard = network(
        EDM.network_input(video, sigma).to(dtype), audio.to(dtype), EDM.time_input(sigma).to(dtype), step - 1, given, mode
    )
    return seen.float(), heard.float()


def training_loss(
    network: JointDiTFull,
    clean: tuple[Tensor, Tensor],
    noise: tuple[Tensor, Tensor],
    u: Tensor,
    given: Condition,
    weights: tuple[float, float] = (1.0, 1.0),
) -> tuple[Tensor, Tensor, Tensor]:
    """The joint loss, each part weighted as its base model's: of F for the video, of the noise for the audio.

    Args:
        network: To be trained.
        clean: Scaled latents `(B, T, 4, h, w)` and `(B, 8, steps, bins)`.
        noise: Standard normal, of the same shapes.
        u: `(B,)` in (0, 1).
        given: The picture, already dropped where it should be.
        weights: lambda of video and audio; the paper does not give them.

    Returns:
        The sum, and both parts without their weights.
    """
    sigma, step = EDM.sigma(u), DDPM.timestep(u)
    video, audio = EDM.noised(clean[0], sigma, noise[0]), DDPM.noised(clean[1], step, noise[1])
    seen, heard = _called(network, video, audio, sigma, step, given, "full")
    return joint_loss((EDM.target(clean[0], video, sigma), seen), (DDPM.target(clean[1], noise[1], step), heard), weights)


@torch.no_grad()
def pairing_gap(
    network: JointDiTFull, clean: tuple[Tensor, Tensor], noise: tuple[Tensor, Tensor], u: Tensor, given: Condition
) -> dict[str, float]:
    """Audio loss beside the right video and beside a wrong one: a network that reads timing from the picture loses by that.

    Args:
        network: In any state of training.
        clean: As for `training_loss`.
        noise: As for `training_loss`; the same for all.
        u: `(B,)` in (0, 1).
        given: The picture.

    Returns:
        `paired`; `late`: the video rolled by half its length; `masked`: no attention between the streams; and `rolled`, another
        clip's video, where the batch holds more than one clip.
    """
    sigma, step = EDM.sigma(u), DDPM.timestep(u)
    audio = DDPM.noised(clean[1], step, noise[1])
    wanted = DDPM.target(clean[1], noise[1], step)
    shown = {"paired": clean[0], "late": clean[0].roll(clean[0].shape[1] // 2, 1), "masked": clean[0]}
    if len(clean[0]) > 1:
        shown["rolled"] = clean[0].roll(1, 0)
    out = {}
    for name, video in shown.items():
        mode: JointMode = "blockdiag" if name == "masked" else "full"
        heard = _called(network, EDM.noised(video, sigma, noise[0]), audio, sigma, step, given, mode)[1]
        out[name] = (heard - wanted).pow(2).mean().item()
    return out


@torch.no_grad()
def sample(
    network: JointDiTFull,
    given: Condition,
    noise: tuple[Tensor, Tensor],
    combination: Sequence[Term],
    *,
    steps: int,
    spacing: Literal["uniform", "cosine"] = "uniform",
) -> tuple[Tensor, Tensor]:
    """Video and audio latents from noise: Euler's method on EDM and DDIM on DDPM, over one falling grid of `u`.

    Args:
        network: On the device of the noise.
        given: The picture.
        noise: Standard normal, `(B, T, 4, h, w)` and `(B, 8, steps, bins)`, float32.
        combination: Of `guidance.terms`; each term costs one evaluation in every step.
        steps: Values of u.
        spacing: Of the grid. The Karras levels of Stable Video Diffusion do not fit here: a third of them lies where audio is
            nothing but noise.
    """
    video, audio = noise
    values = grid(steps, spacing=spacing).to(video.device).float()
    sigmas = torch.cat([EDM.sigma(values), values.new_zeros(1)])
    levels = torch.cat([DDPM.timestep(values), torch.zeros(1, dtype=torch.long, device=video.device)])
    rows = len(video)
    video = video * sigmas[0]
    for n in range(steps):
        u, now, then = values[n].expand(rows), (sigmas[n].expand(rows), levels[n].expand(rows)), n + 1

        def predict(conditioned: bool, mode: JointMode, u: Tensor = u) -> tuple[Tensor, Tensor]:
            return predicted(network, video, audio, u, given if conditioned else given.null(), mode)  # noqa: B023

        seen, heard = guided(predict, combination)
        video = EDM.step(video, seen, now[0], sigmas[then].expand(rows))
        audio = DDPM.step(audio, heard, now[1], levels[then].expand(rows))
    return video, audio
