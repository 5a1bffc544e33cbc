"""The two noise processes of JointDiT and the one timestep that they share.

Video follows EDM with the v-prediction of Stable Video Diffusion, audio follows DDPM as in AudioLDM 2; a single `u` in (0, 1)
says how noisy both are. `D` and "clean" stand for an estimate of the noise-free tokens. All functions work on any shape;
levels are `(B,)` tensors, broadcast over the rest.

Sources: JointDiT (CVPR 2025); EDM (arXiv 2206.00364); Stable Video Diffusion (arXiv 2311.15127); DDIM (arXiv 2010.02502).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from avbench.errors import BadParameter


def spread(level: Tensor, like: Tensor) -> Tensor:
    """`(B,)` to `(B, 1, ..., 1)` with as many axes as `like`."""
    return level.reshape(-1, *[1] * (like.ndim - 1))


@dataclass(frozen=True)
class Edm:
    """EDM with data of unit variance: `x = x_0 + sigma n`, `ln sigma` normal with these two parameters.

    Args:
        p_mean: Mean of ln sigma: 0.7 for Stable Video Diffusion, -0.4 for tokens of unit variance.
        p_std: Standard deviation of ln sigma: 1.6 and 1.4.
    """

    p_mean: float = 0.7
    p_std: float = 1.6

    def __post_init__(self) -> None:
        if not (math.isfinite(self.p_mean) and math.isfinite(self.p_std) and self.p_std > 0):
            raise BadParameter(f"EDM: p_mean must be finite and p_std positive, got {self.p_mean} and {self.p_std}")

    def sigma(self, u: Tensor) -> Tensor:
        """Noise level at unified timestep u in (0, 1): `exp(p_mean + p_std * Phi^-1(u))`."""
        return torch.exp(self.p_mean + self.p_std * torch.special.ndtri(u))

    @staticmethod
    def time_input(sigma: Tensor) -> Tensor:
        """What the network is told of the noise level: `0.25 ln sigma`."""
        return 0.25 * torch.log(sigma)

    @staticmethod
    def noised(clean: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
        """`x_0 + sigma n`."""
        return clean + spread(sigma, clean) * noise

    @staticmethod
    def network_input(noisy: Tensor, sigma: Tensor) -> Tensor:
        """`c_in x`, of unit variance: `x / sqrt(sigma^2 + 1)`."""
        return noisy / torch.sqrt(spread(sigma, noisy) ** 2 + 1.0)

    @staticmethod
    def clean(output: Tensor, noisy: Tensor, sigma: Tensor) -> Tensor:
        """`D = c_skip x + c_out F`: `c_skip = 1 / (sigma^2 + 1)`, `c_out = -sigma / sqrt(sigma^2 + 1)`."""
        level = spread(sigma, noisy)
        return noisy / (level**2 + 1.0) - level / torch.sqrt(level**2 + 1.0) * output

    @staticmethod
    def target(clean: Tensor, noisy: Tensor, sigma: Tensor) -> Tensor:
        """The output F for which `D` is `x_0`; for x_0 of unit variance it has unit variance."""
        level = spread(sigma, noisy)
        return (noisy / (level**2 + 1.0) - clean) * torch.sqrt(level**2 + 1.0) / level

    @staticmethod
    def weight(sigma: Tensor) -> Tensor:
        """Weight of `||D - x_0||^2` under which the loss is that of F: `(sigma^2 + 1) / sigma^2`."""
        return (sigma**2 + 1.0) / sigma**2

    @staticmethod
    def step(noisy: Tensor, clean: Tensor, sigma: Tensor, to: Tensor) -> Tensor:
        """Euler's step from level `sigma` to level `to`: `x + (x - D) / sigma * (to - sigma)`."""
        return noisy + (noisy - clean) * spread((to - sigma) / sigma, noisy)


@dataclass(frozen=True)
class Ddpm:
    """DDPM in 1000 steps: `x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) n`.

    Args:
        schedule: `scaled_linear` is AudioLDM 2's (betas are squares of a ramp from sqrt(0.0015) to sqrt(0.0195)); `cosine` is
            `abar = cos^2(pi t / 2000)`.
        prediction: What the network gives: the noise (`eps`, as AudioLDM 2), or `v = sqrt(abar) n - sqrt(1 - abar) x_0`.
        steps: Of the process, not of the sampler.
    """

    schedule: Literal["scaled_linear", "cosine"] = "scaled_linear"
    prediction: Literal["eps", "v"] = "eps"
    steps: int = 1000

    def __post_init__(self) -> None:
        if self.schedule not in ("scaled_linear", "cosine") or self.prediction not in ("eps", "v") or self.steps < 1:
            raise BadParameter(
                "DDPM: schedule must be scaled_linear or cosine, prediction eps or v, steps 1 or more; "
                f"got {self.schedule}, {self.prediction}, {self.steps}"
            )
        if self.schedule == "cosine" and self.prediction == "eps":
            raise BadParameter("DDPM: with the cosine schedule the last step is pure noise, which eps cannot undo; use v")

    def timestep(self, u: Tensor) -> Tensor:
        """`ceil(steps u)`, whole numbers from 1 on, for u in (0, 1]."""
        return torch.ceil(u * self.steps).clamp(1, self.steps).long()

    def table(self, like: Tensor) -> Tensor:
        """Values of abar for timesteps 0 (where it is 1) to `steps`, in float64."""
        if self.schedule == "cosine":
            ramp = torch.arange(self.steps + 1, dtype=torch.float64, device=like.device) / self.steps
            return torch.cos(ramp * math.pi / 2.0) ** 2
        ramp = torch.linspace(math.sqrt(0.0015), math.sqrt(0.0195), self.steps, dtype=torch.float64, device=like.device)
        abar = torch.cumprod(1.0 - ramp**2, dim=0)
        return torch.cat([torch.ones_like(abar[:1]), abar])

    def kept(self, timestep: Tensor) -> Tensor:
        """Share abar of timesteps 0 (clean) to `steps`, float32 `(B,)`."""
        return self.table(timestep)[timestep].float()

    def noised(self, clean: Tensor, timestep: Tensor, noise: Tensor) -> Tensor:
        """`sqrt(abar) x_0 + sqrt(1 - abar) n`."""
        abar = spread(self.kept(timestep), clean)
        return abar.sqrt() * clean + (1.0 - abar).sqrt() * noise

    def clean(self, output: Tensor, noisy: Tensor, timestep: Tensor) -> Tensor:
        """The estimate of x_0 from the network's output."""
        abar = spread(self.kept(timestep), noisy)
        if self.prediction == "v":
            return abar.sqrt() * noisy - (1.0 - abar).sqrt() * output
        return (noisy - (1.0 - abar).sqrt() * output) / abar.sqrt()

    def target(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """What the network should give."""
        if self.prediction == "eps":
            return noise
        abar = spread(self.kept(timestep), clean)
        return abar.sqrt() * noise - (1.0 - abar).sqrt() * clean

    def step(self, noisy: Tensor, clean: Tensor, timestep: Tensor, to: Tensor) -> Tensor:
        """DDIM without fresh noise, from `timestep` to the earlier `to` (0 is clean)."""
        now, then = spread(self.kept(timestep), noisy), spread(self.kept(to), noisy)
        noise = (noisy - now.sqrt() * clean) / (1.0 - now).sqrt()
        return then.sqrt() * clean + (1.0 - then).sqrt() * noise


def grid(
    steps: int, *, spacing: Literal["uniform", "cosine"] = "uniform", highest: float = 0.995, lowest: float = 0.005
) -> Tensor:
    """The values of u at which a sampler asks the network, falling, `(steps,)` float64.

    Args:
        steps: Evaluations, 1 or more.
        spacing: `cosine` puts more of them near both ends.
        highest: First value; above it audio is pure noise.
        lowest: Last value, from which the sampler goes to the clean estimate.
    """
    if steps < 1 or not 0.0 < lowest <= highest < 1.0:
        raise BadParameter(f"grid: steps must be 1 or more and 0 < lowest <= highest < 1, got {steps}, {lowest}, {highest}")
    ramp = torch.linspace(0.0, 1.0, steps, dtype=torch.float64)
    if spacing == "cosine":
        ramp = 0.5 - 0.5 * torch.cos(math.pi * ramp)
    return highest + (lowest - highest) * ramp


def joint_loss(
    video: tuple[Tensor, Tensor], audio: tuple[Tensor, Tensor], weights: tuple[float, float] = (1.0, 1.0)
) -> tuple[Tensor, Tensor, Tensor]:
    """`lambda_1 ||v - v_hat||^2 + lambda_2 ||a - a_hat||^2`, each a mean over its numbers.

    Args:
        video: Wanted and predicted, in the parameterisation whose weighting is wanted (`target` gives each base model's own).
        audio: The same.
        weights: lambda_1 and lambda_2; the paper does not give them.

    Returns:
        The sum, and the two parts without their weights.
    """
    seen = torch.mean((video[0] - video[1]) ** 2)
    heard = torch.mean((audio[0] - audio[1]) ** 2)
    return weights[0] * seen + weights[1] * heard, seen, heard
