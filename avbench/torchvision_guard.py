"""The one way to torchvision and to what imports it (open_clip), also where torchvision was built for another torch.

torchvision declares operators in C++ (`nms`, `roi_align`) and describes two of them from Python while it is imported. Where its
library cannot be loaded, as with a wheel that is linked to CUDA beside a torch without, that description fails and nothing of
torchvision can be imported, although transforms and models are plain Python. Here the two operators are declared by name
first. Nothing is pretended: they have no body, and calling one raises.

Nothing is printed: avbench uses no compiled operator, so a run is not affected. `avbench doctor` says how things stand.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any, Literal

from avbench.errors import AvbenchError

State = Literal["whole", "without operators", "absent"]

_UNDECLARED = "torchvision::nms does not exist"
_kept: list[Any] = []
"""The declaration, which holds for as long as this object lives."""


@functools.cache
def ensure_torchvision() -> State:
    """Make `import torchvision` work in this process from now on, if it is installed.

    Returns:
        `whole`; `without operators` if its compiled library cannot be loaded; `absent` if it is not installed.

    Raises:
        AvbenchError: if it is installed and fails for another reason.
    """
    if "torchvision" not in sys.modules and importlib.util.find_spec("torchvision") is None:
        return "absent"
    try:
        _import()
    except RuntimeError as error:
        if _UNDECLARED not in str(error):
            raise AvbenchError(
                f"torchvision cannot be imported: {str(error).splitlines()[0]}; install the torchvision that belongs to this "
                "torch (https://github.com/pytorch/vision#installation lists the pairs)"
            ) from error
        _forget()
        _declare()
        _import()
    operators: bool = importlib.import_module("torchvision.extension")._has_ops()
    return "whole" if operators else "without operators"


def open_clip() -> ModuleType:
    """The module `open_clip`.

    Raises:
        AvbenchError: if it or torchvision, without which it cannot be imported, is absent or broken.
    """
    if ensure_torchvision() == "absent":
        raise AvbenchError("open_clip needs torchvision, which is not installed: pip install torchvision")
    if importlib.util.find_spec("open_clip") is None:
        raise AvbenchError("open_clip is not installed: pip install open_clip_torch")
    return importlib.import_module("open_clip")


def _import() -> None:
    importlib.import_module("torchvision")


def _forget() -> None:
    """Drop what a failed import left behind, so that the next one starts afresh."""
    for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
        del sys.modules[name]


def _declare() -> None:
    """Names and signatures of the operators that torchvision describes while it is imported; they have no body."""
    from torch.library import Library

    library = Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _kept.append(library)
