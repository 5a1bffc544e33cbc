"""S3FD: a VGG-16 that looks for faces at six scales; boxes of one picture, or of several pictures of one size.

Source:
    Zhang et al., S3FD: single shot scale-invariant face detector, arXiv:1708.05237; github.com/joonson/syncnet_python
    `detectors/s3fd/nets.py`, `box_utils.py`, `__init__.py` at 6efbb1c.
Differs from the source:
    Boxes below the wanted score are dropped before the first suppression and not after it. Suppression goes from the best box
    down, so they could not have changed what is kept.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

MEANS = (123.0, 117.0, 104.0)
"""Taken off the channels of an RGB picture in 0..255."""
_STEPS = (4, 8, 16, 32, 64, 128)
_SIDES = (16, 32, 64, 128, 256, 512)
"""Of the square that each place of a level begins from, pixels."""
_VARIANCES = (0.1, 0.2)
_BEFORE_SUPPRESSION, _AFTER_SUPPRESSION = 5_000, 750
_LEAST_SCORE, _INNER, _OUTER = 0.05, 0.3, 0.1

_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))

SMALLEST = 32
"""Pixels: the network halves a picture five times."""


class _Scaled(nn.Module):
    """Every pixel's vector brought to length 1, then a factor per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight[:, None, None] * (x / (x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10))


def _vgg() -> nn.ModuleList:
    layers: list[nn.Module] = []
    before = 3
    for number, block in enumerate(_BLOCKS):
        for width in block:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=True)]
            before = width
        layers.append(nn.MaxPool2d(2, 2, ceil_mode=number == 2))
    layers += [nn.Conv2d(before, 1024, 3, padding=6, dilation=6), nn.ReLU(inplace=True)]
    layers += [nn.Conv2d(1024, 1024, 1), nn.ReLU(inplace=True)]
    return nn.ModuleList(layers)


class S3fd(nn.Module):
    """The network; module names are those of the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg = _vgg()
        self.L2Norm3_3, self.L2Norm4_3, self.L2Norm5_3 = _Scaled(256), _Scaled(512), _Scaled(512)
        self.extras = nn.ModuleList(
            [
                nn.Conv2d(1024, 256, 1),
                nn.Conv2d(256, 512, 3, stride=2, padding=1),
                nn.Conv2d(512, 128, 1),
                nn.Conv2d(128, 256, 3, stride=2, padding=1),
            ]
        )
        widths = (256, 512, 512, 1024, 512, 256)
        self.loc = nn.ModuleList(nn.Conv2d(width, 4, 3, padding=1) for width in widths)
        self.conf = nn.ModuleList(nn.Conv2d(width, 2 if n else 4, 3, padding=1) for n, width in enumerate(widths))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Raw answers at every place of every level.

        Args:
            pictures: `(B, H, W, 3)` RGB in 0..255.

        Returns:
            Corrections `(B, P, 4)`, probabilities `(B, P, 2)` of no face and face, places `(P, 4)`: centre and size, as
            shares of width and height.
        """
        x = pictures.permute(0, 3, 1, 2).float() - torch.tensor(MEANS, device=pictures.device)[:, None, None]
        height, width = x.shape[2:]
        levels = []
        for number, layer in enumerate(self.vgg):
            x = layer(x)
            if number in (15, 22, 29):
                norm = {15: self.L2Norm3_3, 22: self.L2Norm4_3, 29: self.L2Norm5_3}[number]
                levels.append(norm(x))
        levels.append(x)
        for number, layer in enumerate(self.extras):
            x = functional.relu(layer(x))
            if number % 2:
                levels.append(x)
        corrections, scores, places = [], [], []
        for number, level in enumerate(levels):
            score = self.conf[number](level)
            if number == 0:  # three kinds of "no face" at the finest level; the strongest speaks
                score = torch.cat((score[:, :3].amax(dim=1, keepdim=True), score[:, 3:]), dim=1)
            corrections.append(self.loc[number](level).permute(0, 2, 3, 1).reshape(len(x), -1, 4))
            scores.append(score.permute(0, 2, 3, 1).reshape(len(x), -1, 2))
            rows, columns = level.shape[2:]
            places.append(_places(rows, columns, height, width, number))
        found = torch.from_numpy(np.concatenate(places)).to(x.device)
        return torch.cat(corrections, dim=1), torch.cat(scores, dim=1).softmax(dim=2), found


def _places(rows: int, columns: int, height: int, width: int, level: int) -> NDArray[np.float32]:
    """Centre and size of the squares of one level, row by row: `(rows * columns, 4)`, in float64 rounded once."""
    step, side = _STEPS[level], _SIDES[level]
    x, y = np.meshgrid((np.arange(columns) + 0.5) / (width / step), (np.arange(rows) + 0.5) / (height / step))
    size = np.broadcast_to([side / width, side / height], (rows * columns, 2))
    return np.concatenate([x.reshape(-1, 1), y.reshape(-1, 1), size], axis=1).astype(np.float32)


def boxes_of(
    corrections: Tensor, probabilities: Tensor, places: Tensor, size: tuple[int, int], least: float
) -> NDArray[np.float64]:
    """Faces of one picture after the network's own suppression.

    Args:
        corrections: `(P, 4)`.
        probabilities: `(P, 2)`.
        places: `(P, 4)`.
        size: Height and width that the boxes are wanted in, pixels.
        least: Scores have to be above.

    Returns:
        `(n, 5)` x1, y1, x2, y2 in pixels, which may lie outside of the picture, and score; best first.
    """
    chosen = probabilities[:, 1] > max(least, _LEAST_SCORE)
    places, corrections = places[chosen], corrections[chosen]
    centre = places[:, :2] + corrections[:, :2] * _VARIANCES[0] * places[:, 2:]
    extent = places[:, 2:] * torch.exp(corrections[:, 2:] * _VARIANCES[1])
    first = centre - extent / 2
    relative = torch.cat((first, extent + first, probabilities[chosen, 1:]), dim=1).cpu().numpy()
    relative = relative[np.argsort(-relative[:, 4], kind="stable")[:_BEFORE_SUPPRESSION]]
    kept = relative[suppressed(relative, _INNER)[:_AFTER_SUPPRESSION]]
    height, width = size
    return (kept * np.array([width, height, width, height, 1], dtype=np.float32)).astype(np.float64)


def suppressed(boxes: NDArray[np.floating], overlap: float) -> NDArray[np.intp]:
    """Which boxes remain if each takes away the weaker ones that share more than `overlap` (intersection over union) with it.

    Args:
        boxes: `(n, 5)` x1, y1, x2, y2, score.
        overlap: Boxes at or below it stay.

    Returns:
        Their numbers, best first.
    """
    order = np.argsort(boxes[:, 4], kind="stable")[::-1]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low, high = np.maximum(boxes[best, :2], boxes[rest, :2]), np.minimum(boxes[best, 2:4], boxes[rest, 2:4])
        shared = np.maximum(0.0, high - low).prod(axis=1)
        order = rest[shared / (area[best] + area[rest] - shared) <= overlap]
    return np.asarray(kept, dtype=np.intp)


def faces(network: S3fd, pictures: Tensor, size: tuple[int, int], least: float) -> list[NDArray[np.float64]]:
    """Faces of pictures of one size.

    Args:
        network: Ready for inference.
        pictures: `(B, h, w, 3)` RGB uint8, scaled as they are to be looked at.
        size: Height and width of the pictures before they were scaled.
        least: Scores have to be above.

    Returns:
        One `(n, 5)` per picture: x1, y1, x2, y2 in pixels of `size`, score; best first. None in pictures with a side below
        `SMALLEST`, which the published code stops at.
    """
    if min(pictures.shape[1:3]) < SMALLEST:
        return [np.zeros((0, 5)) for _ in pictures]
    corrections, probabilities, places = network(pictures)
    found = [boxes_of(c, p, places, size, least) for c, p in zip(corrections, probabilities, strict=True)]
    return [boxes[suppressed(boxes, _OUTER)] for boxes in found]
