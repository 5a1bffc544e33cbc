"""Pictures as tokens: a convolutional autoencoder that is shown the clip's first frame on both sides.

What it codes is what differs from the first frame: a frame becomes one vector per patch of 16 x 16 pixels, and the decoder
bends the first frame (a flow), paints what the first frame does not show, and mixes both. Background costs nothing and stays
sharp, and a code that is a little wrong gives a picture that is a little wrong, since codes are made noisy in training.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from avbench.errors import BadParameter

PATCH = 16
GROUP = 3
FRAME_RATE = 12.0
_WIDTHS = (24, 48, 80, 96)
"""Channels at a half, a quarter, an eighth and a sixteenth of the size."""
_FARTHEST = 0.5
"""What the flow can reach, as a share of half the picture's side."""


class Residual(nn.Module):
    """Two convolutions whose result is added; begins as nothing."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, channels, H, W)` to the same shape."""
        made: Tensor = x + self.second(functional.silu(self.first(functional.silu(x))))
        return made


def _halved(inside: int, outside: int) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, 3, 2, 1)


class MotionCodec(nn.Module):
    """Codes frames against the first frame of their clip, and back.

    Args:
        channels: Numbers per patch and frame; each of unit variance over the training's clips.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        half, quarter, eighth, low = _WIDTHS
        self.encoder = nn.Sequential(
            nn.Conv2d(6, quarter, 4, 4),
            Residual(quarter),
            _halved(quarter, eighth),
            Residual(eighth),
            _halved(eighth, low),
            Residual(low),
            nn.SiLU(),
            nn.Conv2d(low, channels, 1),
        )
        self.scale = nn.BatchNorm2d(channels, affine=False, momentum=0.01)
        self.first_half = nn.Conv2d(3, half, 2, 2)
        self.first_quarter = nn.Sequential(nn.Conv2d(3, quarter, 4, 4), Residual(quarter))
        self.first_eighth = nn.Sequential(_halved(quarter, eighth), Residual(eighth))
        self.first_low = nn.Sequential(_halved(eighth, low), Residual(low))
        self.code = nn.Conv2d(channels, low, 3, padding=1)
        self.at_low = nn.Sequential(Residual(low), Residual(low), nn.Conv2d(low, eighth, 1))
        self.at_eighth = nn.Sequential(Residual(eighth), Residual(eighth), nn.Conv2d(eighth, quarter, 1))
        self.at_quarter = nn.Sequential(Residual(quarter), Residual(quarter), nn.Conv2d(quarter, half, 1))
        self.at_half = nn.Sequential(Residual(half), nn.SiLU(), nn.Conv2d(half, 4 * 6, 3, padding=1))
        self.finish = nn.Sequential(nn.Conv2d(6, 16, 3, padding=1), nn.SiLU(), Residual(16), nn.Conv2d(16, 3, 3, padding=1))
        for layer in (self.at_half[-1], self.finish[-1]):
            assert isinstance(layer, nn.Conv2d)  # noqa: S101 - made above
            nn.init.zeros_(layer.weight)

    def encode(self, frames: Tensor, first: Tensor) -> Tensor:
        """Frames and the first frame of each one's clip, `(B, 3, S, S)` in [-1, 1], to `(B, channels, S / 16, S / 16)`."""
        code: Tensor = self.scale(self.encoder(torch.cat([frames - first, first], dim=1)))
        return code

    def decode(self, codes: Tensor, first: Tensor) -> Tensor:
        """`(N, T, channels, S / 16, S / 16)` and one first frame per clip `(N, 3, S, S)` to `(N, T, 3, S, S)` in [-1, 1]."""
        clips, count = codes.shape[:2]
        quarter = self.first_quarter(first)
        eighth = self.first_eighth(quarter)
        seen = (self.first_low(eighth), eighth, quarter, self.first_half(first), first)
        low, eighth, quarter, half, given = (x.repeat_interleave(count, dim=0) for x in seen)
        x = self.at_low(self.code(codes.flatten(0, 1)) + low)
        x = self.at_eighth(_doubled(x) + eighth)
        x = self.at_quarter(_doubled(x) + quarter)
        x = functional.pixel_shuffle(self.at_half(_doubled(x) + half), 2)
        flow, mask, paint = x[:, :2], torch.sigmoid(x[:, 2:3]), x[:, 3:]
        mixed = given + mask * (_bent(given, flow) - given) + paint
        made: Tensor = mixed + self.finish(torch.cat([mixed, given], dim=1))
        return made.reshape(clips, count, *made.shape[1:])

    @torch.inference_mode()
    def tokens(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """A clip as tokens: uint8 `(T, S, S, 3)`, its first frame included, to `(T / 3 x (S / 16)^2, 3 x channels)`.

        Raises:
            BadParameter: if T is no multiple of 3 or S none multiple of 16.
        """
        count, side = frames.shape[:2]
        if count % GROUP or side % PATCH or frames.shape != (count, side, side, 3):
            raise BadParameter(
                f"codec: frames must be (T, side, side, 3), T a multiple of {GROUP}, side of {PATCH}; got {frames.shape}"
            )
        pictures = _in_range(frames).to(next(self.parameters()).device)
        codes = self.encode(pictures, pictures[:1].expand_as(pictures)).float().cpu()
        grid = side // PATCH
        cut = codes.reshape(count // GROUP, GROUP, self.channels, grid, grid).permute(0, 3, 4, 1, 2)
        return np.ascontiguousarray(cut.reshape(-1, GROUP * self.channels).numpy())

    @torch.inference_mode()
    def frames(self, tokens: NDArray[np.float32], first: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Back from `tokens`: `(N, 3 x channels)` and the first frame `(S, S, 3)` to uint8 `(T, S, S, 3)`."""
        grid = first.shape[0] // PATCH
        cut = torch.from_numpy(np.ascontiguousarray(tokens, np.float32)).reshape(-1, grid, grid, GROUP, self.channels)
        codes = cut.permute(0, 3, 4, 1, 2).reshape(1, -1, self.channels, grid, grid)
        device = next(self.parameters()).device
        made = self.decode(codes.to(device), _in_range(first[None]).to(device))[0].float().cpu()
        levels = torch.round((made + 1.0) * 127.5).clamp(0, 255).to(torch.uint8)
        return np.ascontiguousarray(levels.permute(0, 2, 3, 1).numpy())


def _in_range(frames: NDArray[np.uint8]) -> Tensor:
    """uint8 `(B, S, S, 3)` to `(B, 3, S, S)` in [-1, 1]."""
    return torch.from_numpy(frames.astype(np.float32) / 127.5 - 1.0).permute(0, 3, 1, 2).contiguous()


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _bent(picture: Tensor, flow: Tensor) -> Tensor:
    """Every pixel from where the flow says, in float32: half precision has no thousandth of a picture."""
    with torch.autocast(picture.device.type, enabled=False):
        side = picture.shape[-1]
        at = (torch.arange(side, device=picture.device) + 0.5) * (2.0 / side) - 1.0
        here = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1)
        there = here + _FARTHEST * torch.tanh(flow.float()).permute(0, 2, 3, 1)
        return functional.grid_sample(picture.float(), there, padding_mode="border", align_corners=False)
