"""Published tensors into a network: nothing left over, nothing missing."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from avbench.errors import BadParameter


def load_exactly(network: nn.Module, state: Mapping[str, Any], weights: Path, unused: Sequence[str] = ()) -> None:
    """Put the tensors of a checkpoint into a network, which is then ready for inference in float32.

    Args:
        network: May be on the device `meta`, so that its own initial values are never computed.
        state: Tensors by name. Every one that is not `unused` has a place in the network, and every place has one.
        weights: The file that they are from, for the error.
        unused: Prefixes of names that the network has no place for.

    Raises:
        BadParameter: if names or shapes are not those of the network.
    """
    places = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    used = {name: tensor for name, tensor in state.items() if not name.startswith(tuple(unused))}
    found = {name: tuple(getattr(tensor, "shape", ())) for name, tensor in used.items()}
    wrong = [f"{name} is missing" for name in places if name not in found]
    wrong += [f"{name} is not known" for name in found if name not in places]
    wrong += [f"{name} is {found[name]}, not {shape}" for name, shape in places.items() if found.get(name, shape) != shape]
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise BadParameter(f"{weights} is not in the published layout: {'; '.join(wrong[:3])}{more}")
    network.load_state_dict(used, strict=True, assign=True)
    network.float().eval().requires_grad_(False)


def is_torchscript(path: Path) -> bool:
    """Whether the file is a program of TorchScript, and not tensors alone; nothing in it is run."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())
