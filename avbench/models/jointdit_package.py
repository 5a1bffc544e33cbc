"""A trained JointDiT as one file: network and codecs in safetensors, sizes and kind in its header."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avbench.errors import BadParameter, MissingData
from avbench.models.jointdit import JointDiT, shape_from
from avbench.models.mel_inversion import waveform
from avbench.models.motion_codec import GROUP, MotionCodec
from avbench.models.sound_codec import SoundCodec

Kind = Literal["joint", "uni", "v2a"]
"""`joint`: both streams and their joint layers. `uni`: the two base models alone. `v2a`: sound for a given video."""
FORMAT = "avbench-jointdit/2"
_CODEC = ("basis", "mean", "scale")


@dataclass(frozen=True, eq=False)
class Package:
    """Everything that turns a first frame and noise into a clip.

    Args:
        kind: What it was trained as.
        model: In evaluation mode; of a `uni` package the joint layers were never trained and are not used.
        video: Codec of the picture.
        audio: Codec of the sound.
    """

    kind: Kind
    model: JointDiT
    video: MotionCodec
    audio: SoundCodec

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def save(self, path: Path) -> Path:
        """Write the file, numbers as float16; a joint layer that is not used is left out."""
        from safetensors.torch import save_file

        tensors: dict[str, Tensor] = {}
        for name, value in self.model.state_dict().items():
            if not (self.kind == "uni" and name.startswith("joints.")):
                tensors[f"model.{name}"] = value
        tensors |= {f"codec.video.{name}": value for name, value in _kept(self.video).items()}
        parts = (self.audio.basis, self.audio.mean, np.array([self.audio.scale], np.float32))
        tensors |= {f"codec.audio.{key}": torch.from_numpy(part) for key, part in zip(_CODEC, parts, strict=True)}
        small = {name: value.detach().cpu().half().contiguous() for name, value in tensors.items()}
        about = {"format": FORMAT, "kind": self.kind, "shape": json.dumps(dataclasses.asdict(self.model.shape))}
        part = path.with_name(path.name + ".part")
        save_file(small, part, metadata=about)
        part.chmod(0o644)
        part.replace(path)
        return path

    def picture(self, tokens: Tensor, first: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frames of one clip: tokens `(N, components)` and first frame `(side, side, 3)` to uint8 `(T, side, side, 3)`."""
        return self.video.frames(tokens.float().cpu().numpy(), first)

    def sound(self, tokens: Tensor, seed: int) -> NDArray[np.float32]:
        """The waveform of one clip: tokens `(N, components)` to `(samples,)` at 16 kHz."""
        mels = self.audio.mels(tokens.float().cpu().numpy())
        # The search for a phase would make other samples of the last digits, which hang on the size of the batch.
        return waveform(np.round(mels, 2), seed=seed)


def load(path: Path, kind: Kind, device: str = "cpu") -> Package:
    """A package from its file.

    Args:
        path: The file.
        kind: What it has to be.
        device: Of torch.

    Raises:
        MissingData: if there is no such file.
        BadParameter: if it is no package: cut short, a pickle, other names or shapes, numbers that are not finite.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise MissingData(f"there is no checkpoint {path}; give the path of a JointDiT package that `avbench` trained")
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name).to(torch.float32, copy=True) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadParameter(
            f"{path} is not a safetensors file that can be read: {first}; it is cut short, or of another format "
            "(a pickle is never opened). Get or export the checkpoint again"
        ) from error
    if about.get("format") != FORMAT:
        raise BadParameter(f"{path}: its header says format {about.get('format')!r}, expected '{FORMAT}'; export it again")
    bad = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise BadParameter(f"{path}: {len(bad)} tensors hold NaN or infinity, the first is {bad[0]}; the checkpoint is damaged")
    try:
        shape = shape_from(json.loads(about["shape"]))
        found = about["kind"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadParameter(f"{path}: the header's shape or kind cannot be read: {error}; export it again") from error
    if found != kind:
        raise BadParameter(f"{path} holds a model of kind '{found}', wanted is '{kind}'; give another checkpoint")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, video = JointDiT(shape), MotionCodec(shape.components // GROUP)
    wanted = {f"codec.video.{name}": tuple(t.shape) for name, t in _kept(video).items()}
    for name, tensor in model.state_dict().items():
        if not (kind == "uni" and name.startswith("joints.")):
            wanted[f"model.{name}"] = tuple(tensor.shape)
    _compared(path, tensors, wanted)
    model.load_state_dict(_part(tensors, "model."), strict=kind != "uni")
    video.load_state_dict(_part(tensors, "codec.video."), strict=False)
    basis, mean, scale = (tensors[f"codec.audio.{key}"].numpy() for key in _CODEC)
    if basis.shape[1] != shape.sound_components:
        raise BadParameter(f"{path}: the sound's codec has {basis.shape[1]} components, the model {shape.sound_components}")
    for network in (model, video):
        network.to(device).eval().requires_grad_(False)
    return Package(kind, model, video, SoundCodec(basis, mean, float(scale[0])))


def _kept(video: MotionCodec) -> dict[str, Tensor]:
    """What of a codec is written: a count of training steps is no weight."""
    return {name: value for name, value in video.state_dict().items() if value.is_floating_point()}


def _compared(path: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    codec = {f"codec.audio.{key}" for key in _CODEC}
    wrong = [f"{name} is missing" for name in [*shapes, *sorted(codec)] if name not in tensors]
    wrong += [f"{name} is not known" for name in tensors if name not in shapes and name not in codec]
    wrong += [
        f"{name} is {tuple(tensors[name].shape)}, not {shape}"
        for name, shape in shapes.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise BadParameter(f"{path} does not fit the network: {'; '.join(wrong[:3])}{more}; export it again")


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
