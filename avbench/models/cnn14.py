"""Cnn14 of PANNs: log mel spectrogram, six blocks of two 3x3 convolutions, 2048 numbers and 527 class scores of AudioSet.

Source:
    Q. Kong et al., PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition, 2020; layout of the
    weights from github.com/qiuqiangkong/audioset_tagging_cnn `pytorch/models.py` at d2f4b8c.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

_BANDS = 64
_WIDTHS = (64, 128, 256, 512, 1024, 2048)
_CLASSES = 527
_LEAST_POWER = 1e-10


class Transform(nn.Module):
    """Power of centred frames, with the cosines and sines times the window that the checkpoint brings."""

    def __init__(self, size: int, hop: int) -> None:
        super().__init__()
        self.size, self.hop = size, hop
        self.stft = nn.ModuleDict(
            {part: nn.Conv1d(1, size // 2 + 1, size, stride=hop, bias=False) for part in ("conv_real", "conv_imag")}
        )

    def forward(self, samples: Tensor) -> Tensor:
        """`(n, N)` to `(n, frames, size / 2 + 1)`."""
        mirrored = functional.pad(samples[:, None], (self.size // 2, self.size // 2), mode="reflect")
        power = self.stft["conv_real"](mirrored) ** 2 + self.stft["conv_imag"](mirrored) ** 2
        return cast(Tensor, power).transpose(1, 2)


class LogMel(nn.Module):
    """Decibels of mel bands, with the bands that the checkpoint brings; a floor at -100 dB."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.melW = nn.Parameter(torch.empty(bins, _BANDS))

    def forward(self, power: Tensor) -> Tensor:
        """`(n, frames, bins)` to `(n, frames, 64)`, dB."""
        return 10.0 * torch.log10((power @ self.melW).clamp(min=_LEAST_POWER))


class _Block(nn.Module):
    """Twice convolution, batch norm, ReLU; then averages of squares of `pool` x `pool`."""

    def __init__(self, inputs: int, outputs: int, pool: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        maps = functional.relu(self.bn1(self.conv1(maps)))
        maps = functional.relu(self.bn2(self.conv2(maps)))
        return functional.avg_pool2d(maps, self.pool) if self.pool > 1 else maps


class Cnn14(nn.Module):
    """Samples to class scores and embedding.

    Args:
        size: Samples of a frame: 512 at 16 kHz, 1024 at 32 kHz.
        hop: Samples from frame to frame: 160 or 320.
    """

    def __init__(self, size: int, hop: int) -> None:
        super().__init__()
        self.spectrogram_extractor = Transform(size, hop)
        self.logmel_extractor = LogMel(size // 2 + 1)
        self.bn0 = nn.BatchNorm2d(_BANDS)
        inputs = 1
        for number, outputs in enumerate(_WIDTHS, 1):
            self.add_module(f"conv_block{number}", _Block(inputs, outputs, 1 if number == len(_WIDTHS) else 2))
            inputs = outputs
        self.fc1 = nn.Linear(_WIDTHS[-1], _WIDTHS[-1])
        self.fc_audioset = nn.Linear(_WIDTHS[-1], _CLASSES)

    def log_mel(self, samples: Tensor) -> Tensor:
        """`(n, N)` to `(n, frames, 64)`, dB."""
        made: Tensor = self.logmel_extractor(self.spectrogram_extractor(samples))
        return made

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """`(n, N)` to logits `(n, 527)`, before the sigmoid, and embedding `(n, 2048)`, at least 0."""
        # the first batch norm has one mean and deviation per band
        maps = self.bn0(self.log_mel(samples).transpose(1, 2)[..., None])[..., 0].transpose(1, 2)[:, None]
        for number in range(1, len(_WIDTHS) + 1):
            maps = self.get_submodule(f"conv_block{number}")(maps)
        over_time = maps.mean(dim=3)
        embedding = functional.relu(self.fc1(over_time.amax(dim=2) + over_time.mean(dim=2)))
        return self.fc_audioset(embedding), embedding
