"""CAVP of Diff-Foley: picture and sound as 4 vectors of 512 numbers a second, trained to agree where they belong together.

The picture goes through SlowOnly-50, a ResNet-50 whose last two stages also look one frame back and ahead; the sound's mel
spectrogram through six blocks of convolutions. Both keep their time axis.

Source:
    Luo et al., Diff-Foley, arXiv:2306.17203; github.com/luosiallen/Diff-Foley `inference/model/cavp_model.py` at 0ba1e8a.
    SlowOnly: Feichtenhofer et al., SlowFast networks, arXiv:1812.03982. Sound: Kong et al., PANNs, 2020 (Cnn14).
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

UNUSED = ("logit_scale",)
"""Prefix of the key that training alone uses: the temperature of its loss."""
WIDTH = 512
_STAGES = ((64, 3, 1), (128, 4, 1), (256, 6, 3), (512, 3, 3))
"""Width, blocks, and frames that the first convolution of a block looks at."""
_SOUND = ((64, (2, 2)), (128, (2, 2)), (256, (2, 2)), (512, (2, 2)), (1024, (1, 2)), (2048, (1, 1)))
"""Width, and steps of time and bands that are averaged."""


class _Convolution(nn.Module):
    """Convolution over time and place, then batch norm."""

    def __init__(self, inputs: int, outputs: int, frames: int, side: int, stride: int = 1) -> None:
        super().__init__()
        kernel, padding = (frames, side, side), (frames // 2, side // 2, side // 2)
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride=(1, stride, stride), padding=padding, bias=False)
        self.bn = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.bn(self.conv(x))
        return made


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, frames: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _Convolution(inputs, width, frames, 1)
        self.conv2 = _Convolution(width, width, 1, 3, stride)
        self.conv3 = _Convolution(width, 4 * width, 1, 1)
        self.downsample = _Convolution(inputs, 4 * width, 1, 1, stride) if inputs != 4 * width else None

    def forward(self, x: Tensor) -> Tensor:
        made = self.conv3(functional.relu(self.conv2(functional.relu(self.conv1(x)))))
        return functional.relu(made + (x if self.downsample is None else self.downsample(x)))


class _SlowOnly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _Convolution(3, 64, 1, 7, stride=2)
        inputs = 64
        for number, (width, blocks, frames) in enumerate(_STAGES, 1):
            layer = nn.Sequential()
            for block in range(blocks):
                layer.append(_Bottleneck(inputs, width, frames, 2 if block == 0 and number > 1 else 1))
                inputs = 4 * width
            self.add_module(f"layer{number}", layer)

    def forward(self, frames: Tensor) -> Tensor:
        """`(n, 3, T, 224, 224)` to `(n, T, 2048)`."""
        maps = functional.max_pool3d(functional.relu(self.conv1(frames)), (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        for number in range(1, len(_STAGES) + 1):
            maps = self.get_submodule(f"layer{number}")(maps)
        return maps.mean(dim=(3, 4)).transpose(1, 2)


class _SoundBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, pool: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        maps = functional.relu(self.bn1(self.conv1(maps)))
        return functional.avg_pool2d(functional.relu(self.bn2(self.conv2(maps))), self.pool)


class _Sound(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(128)
        inputs = 1
        for number, (outputs, pool) in enumerate(_SOUND, 1):
            self.add_module(f"conv_block{number}", _SoundBlock(inputs, outputs, pool))
            inputs = outputs
        self.fc1 = nn.Linear(inputs, inputs)
        self.final_project = nn.Linear(inputs, WIDTH)

    def forward(self, mels: Tensor) -> Tensor:
        """`(n, 128, frames)` to `(n, frames / 16, 512)`."""
        # the first batch norm has one mean and deviation per band
        maps = self.bn(mels[..., None])[..., 0].transpose(1, 2)[:, None]
        for number in range(1, len(_SOUND) + 1):
            maps = self.get_submodule(f"conv_block{number}")(maps)
        over_time = maps.mean(dim=3)
        around = functional.max_pool1d(over_time, 3, 1, 1) + functional.avg_pool1d(over_time, 3, 1, 1)
        # the same layer twice, as published
        hidden = functional.relu(self.fc1(functional.relu(self.fc1(around.transpose(1, 2)))))
        made: Tensor = self.final_project(hidden)
        return made


class Cavp(nn.Module):
    """The network; module names are those of the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.video_encoder = _SlowOnly()
        self.video_project_head = nn.Linear(2048, WIDTH)
        self.spec_encoder = _Sound()

    def visual(self, frames: Tensor) -> Tensor:
        """Frames `(n, T, 3, 224, 224)` in [0, 1], 4 a second, to unit vectors `(n, T, 512)`."""
        return functional.normalize(self.video_project_head(self.video_encoder(frames.transpose(1, 2))), dim=-1)

    def audio(self, mels: Tensor) -> Tensor:
        """Mel spectrograms `(n, 128, 16 T)` in [0, 1] to unit vectors `(n, T, 512)`."""
        return functional.normalize(self.spec_encoder(mels), dim=-1)


def published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a checkpoint as the network names them; the file may wrap them, and prefix them as parallel training."""
    inner = state.get("state_dict", state)
    return {key.removeprefix("module."): value for key, value in cast(dict[str, Tensor], inner).items()}
