"""Published checkpoints: found, checked, read.

An extractor names the `Checkpoint` it loads. The file is looked for in `AVBENCH_HOME/weights` by its published name, or given
by the caller; its hash is part of every feature's key and of every signature. Nothing is downloaded in silence: a missing file
is one error that says where it is published and where to put it.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

from avbench.errors import BadParameter, MissingData
from avbench.store import default_home
from avbench.types import Extractor


def resolve(extractor: Extractor, given: Path | None) -> tuple[Path | None, str | None]:
    """The checkpoint an extractor loads, and its sha256.

    Args:
        extractor: Its `weights` is None for a signal analysis.
        given: A checkpoint file that the caller chose; its hash is recorded and not compared with the published one.

    Raises:
        BadParameter: for a checkpoint given to an extractor without weights, or a file with another hash than the published.
        MissingData: if the file is not there.
    """
    checkpoint = extractor.weights
    if checkpoint is None:
        if given is not None:
            raise BadParameter(f"{extractor.label} is a signal analysis and loads no weights; got {given}")
        return None, None
    path = given or default_home() / "weights" / checkpoint.file
    if not path.is_file():
        where = " or ".join(checkpoint.urls)
        raise MissingData(
            f"{extractor.label} needs the checkpoint {checkpoint.file}: there is no file {path}; "
            f"get it from {where} ({checkpoint.licence}), and put it there, or name the file with weights="
        )
    stat = path.stat()
    found = _sha256(path, stat.st_size, stat.st_mtime_ns)
    if given is None and checkpoint.sha256 is not None and found != checkpoint.sha256:
        raise BadParameter(
            f"{path} is not the published {checkpoint.file}: its sha256 is {found}, expected {checkpoint.sha256}; get it again"
        )
    return path, found


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Hash of a file, once per process and state of the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path) -> dict[str, Any]:
    """The tensors of a checkpoint file by name: safetensors, or a torch file of plain tensors.

    Raises:
        BadParameter: if it is neither; objects other than tensors and plain containers are never unpickled.
    """
    import pickle

    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise BadParameter(f"{path}: not a checkpoint that is safe to load: {str(error).splitlines()[0]}") from error
    if not isinstance(state, dict):
        raise BadParameter(f"{path}: expected a dictionary of tensors, got {type(state).__name__}")
    return state
