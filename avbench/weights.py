"""Published checkpoints: listed, found, fetched, checked, read.

An extractor names the `Checkpoint` it loads. The file is looked for in `AVBENCH_HOME/weights` by its published name, or
given by the caller; its hash is part of every feature's key and of every signature, and is checked before the file is
opened as anything else. Where no hash is published, the one seen first is recorded in `weights.lock.json` beside the files
and has to stay. Nothing is downloaded in silence: a missing file is one error with its name, where it is published, where
to put it, and the command that gets it. Files that come with avbench lie in its package, whatever `AVBENCH_HOME` is.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import shutil
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from avbench import registry
from avbench.downloads import download
from avbench.errors import AvbenchError, BadParameter, MissingData, UnknownName
from avbench.store import default_home, file_sha256, write_bytes
from avbench.types import Checkpoint, Extractor


@dataclass(frozen=True)
class Listed:
    """One published file, and how it stands on this machine.

    Args:
        checkpoint: What is published.
        extractors: Names of those that load it.
        path: Where it lies or would lie.
        state: `present` (as published, or as recorded), `missing`, or `changed`.
        sha256: Of the file that is there; empty without one.
    """

    checkpoint: Checkpoint
    extractors: tuple[str, ...]
    path: Path
    state: Literal["present", "missing", "changed"]
    sha256: str


def folder() -> Path:
    """Where checkpoints lie."""
    return default_home() / "weights"


def place(checkpoint: Checkpoint) -> Path:
    """Where a checkpoint lies or would lie."""
    if not checkpoint.package:
        return folder() / checkpoint.file
    spec = importlib.util.find_spec(checkpoint.package)
    if spec is None or spec.origin is None:
        raise MissingData(
            f"{checkpoint.file} comes with the package {checkpoint.package}, which is not here; install avbench again"
        )
    return Path(spec.origin).with_name(checkpoint.file)


def published() -> dict[str, tuple[Checkpoint, tuple[str, ...]]]:
    """Every checkpoint that an extractor names, by file name, with the extractors that load it."""
    found: dict[str, tuple[Checkpoint, tuple[str, ...]]] = {}
    for name in registry.names("extractors"):
        cls = registry.extractor_class(name)
        named = (*((cls.weights,) if cls.weights is not None else ()), *cls.companions, *cls.alternatives)
        for checkpoint in named:
            _, users = found.get(checkpoint.file, (checkpoint, ()))
            if name not in users:
                found[checkpoint.file] = (checkpoint, (*users, name))
    return found


def files_of(name: str) -> list[str]:
    """The files that a name stands for: itself, or what an extractor with its default parameters loads.

    Raises:
        UnknownName: if there is neither a published file nor an extractor of that name.
    """
    known = published()
    if name in known:
        return [name]
    if not any(name in users for _, users in known.values()):
        raise UnknownName("checkpoint", name, [n for n, (_, users) in known.items() for n in (n, *users)])
    others = {c.file for c in registry.extractor_class(name).alternatives}
    return [file for file, (_, users) in known.items() if name in users and file not in others]


def listed(file: str | None = None) -> list[Listed]:
    """How each published file stands; hashes what is there.

    Args:
        file: Only this one, by its file name or by the name of an extractor that loads it.

    Raises:
        UnknownName: if no extractor names it.
    """
    out = []
    for name, (checkpoint, users) in sorted(published().items()):
        if file is None or file == name or file in users:
            path = place(checkpoint)
            digest = sha256_of(path) if path.is_file() else ""
            wanted = checkpoint.sha256 or _lock().get(name)
            state: Literal["present", "missing", "changed"] = "missing"
            if digest:
                state = "present" if wanted in (None, digest) else "changed"
            out.append(Listed(checkpoint, users, path, state, digest))
    if file is not None and not out:
        raise UnknownName("checkpoint", file, [n for n, (_, users) in published().items() for n in (n, *users)])
    return out


def resolve(extractor: Extractor, given: Path | None) -> tuple[Path | None, str | None]:
    """The checkpoint an extractor loads, and its sha256; with companions, one hash over those of all files.

    Args:
        extractor: Its `weights` is None for a signal analysis.
        given: A checkpoint file that the caller chose, its companions beside it; hashes are noted and not compared with the
            published ones.

    Raises:
        BadParameter: for a checkpoint given to an extractor without weights, or a file with another hash than it should have.
        MissingData: if the file is not there.
    """
    checkpoint = extractor.weights
    if checkpoint is None:
        if given is not None:
            raise BadParameter(f"{extractor.label} is a signal analysis and loads no weights; got {given}")
        return None, None
    if given is not None:
        if not given.is_file():
            raise MissingData(f"{extractor.label}: there is no checkpoint file {given}")
        beside = [_there(extractor, companion, given.with_name(companion.file)) for companion in extractor.companions]
        return given, _together([sha256_of(path) for path in (given, *beside)])
    files = (checkpoint, *extractor.companions)
    paths = [_there(extractor, file, place(file)) for file in files]
    return paths[0], _together([_checked(file, path) for file, path in zip(files, paths, strict=True)])


def _there(extractor: Extractor, checkpoint: Checkpoint, path: Path) -> Path:
    if not path.is_file() and checkpoint.package:
        raise MissingData(f"{extractor.label}: {path} comes with avbench and is not there; install avbench again")
    if not path.is_file():
        raise MissingData(
            f"{extractor.label} needs the checkpoint {checkpoint.file}: there is no file {path}; "
            f"get it from {' or '.join(checkpoint.urls)} ({checkpoint.licence}) "
            f"with `avbench weights fetch {checkpoint.file}`, or `avbench weights import FILE` if you have it"
        )
    return path


def _together(digests: list[str]) -> str:
    return digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()


def _checked(checkpoint: Checkpoint, path: Path) -> str:
    """The file's hash, which is the published one, or the recorded one, or is recorded now."""
    found, recorded = sha256_of(path), None if checkpoint.package else _lock().get(checkpoint.file)
    wanted = checkpoint.sha256 or recorded
    if wanted is not None and found != wanted:
        which = "published" if checkpoint.sha256 else "seen at its first use"
        raise BadParameter(f"{path}: its sha256 is {found}, the one {which} is {wanted}; remove the file and get it again")
    if recorded is None and not checkpoint.package:
        _record(checkpoint.file, found)
    return found


def _lock_path() -> Path:
    return folder() / "weights.lock.json"


def _lock() -> dict[str, str]:
    try:
        table = json.loads(_lock_path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise BadParameter(f"{_lock_path()} is not readable: {error}; restore or remove it") from error
    return {str(k): str(v) for k, v in table.items()}


def _record(file: str, digest: str) -> None:
    write_bytes(_lock_path(), (json.dumps({**_lock(), file: digest}, indent=1, sort_keys=True) + "\n").encode())


def sha256_of(path: Path) -> str:
    """Hash of a file, computed once while the file stays as it is."""
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


@functools.lru_cache(maxsize=256)
def _sha256(path: Path, size: int, mtime_ns: int, ctime_ns: int) -> str:
    """Hash of a file, once per process and state of the file."""
    return file_sha256(path)


# ------------------------------------------------------------------ getting files


def fetch(file: str, progress: Callable[[int, int], None] | None = None) -> Path:
    """Download a published file, going on where an earlier download stopped; half a file is never used.

    Args:
        file: Its file name, or the name of an extractor, whose checkpoint is meant, not its companions (`files_of`).
        progress: Called with bytes done and bytes expected (0 if unknown).

    Raises:
        UnknownName: if no extractor names it.
        MissingData: offline (`AVBENCH_OFFLINE`), or if no address answers, or if it can only be had by hand or should have come
            with avbench.
        BadParameter: if what came has another hash than it should have; it is deleted.
    """
    entry = listed(files_of(file)[0])[0]
    if entry.checkpoint.package and entry.state != "present":
        raise MissingData(f"{entry.path} comes with avbench and is {entry.state}; install avbench again")
    if entry.state == "present":
        return entry.path
    if entry.state == "changed":
        raise BadParameter(f"{entry.path} is there with another hash than it should have; remove it first")
    direct = [url for url in entry.checkpoint.urls if url.startswith(("https://", "http://"))]
    by_hand = f"get it by hand from {' or '.join(entry.checkpoint.urls)} and run `avbench weights import FILE`"
    if os.environ.get("AVBENCH_OFFLINE"):
        raise MissingData(f"{entry.checkpoint.file} is not in {folder()} and AVBENCH_OFFLINE is set; {by_hand}")
    if not direct:
        raise MissingData(f"{entry.checkpoint.file} cannot be downloaded by a program; {by_hand}")
    part = entry.path.with_name(entry.path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in direct:
        try:
            download(url, part, progress)
            break
        except (urllib.error.URLError, OSError, ValueError) as error:
            failures.append(f"{url}: {error}")
    else:
        raise MissingData(f"{entry.checkpoint.file}: no address answered ({'; '.join(failures)}); {by_hand}")
    digest = sha256_of(part)
    wanted = entry.checkpoint.sha256 or _lock().get(entry.checkpoint.file)
    if wanted is not None and digest != wanted:
        part.unlink()
        raise BadParameter(f"{entry.checkpoint.file}: what came has sha256 {digest}, expected {wanted}; it was deleted")
    part.replace(entry.path)
    _checked(entry.checkpoint, entry.path)
    return entry.path


def bring(source: Path, file: str | None = None) -> Path:
    """Copy a file that is at hand to where avbench looks for it.

    Args:
        source: The file.
        file: What it is: a published file name or an extractor's name; None for the source's own name.

    Raises:
        MissingData: if there is no such file.
        UnknownName: if no extractor names it.
        BadParameter: if its hash is not what it should be, or the file comes with avbench.
    """
    if not source.is_file():
        raise MissingData(f"there is no file {source}")
    entry = listed(files_of(file or source.name)[0])[0]
    if entry.checkpoint.package:
        raise BadParameter(
            f"{entry.checkpoint.file} comes with avbench and is not imported; give `weights` to use another file"
        )
    digest, wanted = sha256_of(source), entry.checkpoint.sha256 or _lock().get(entry.checkpoint.file)
    if wanted is not None and digest != wanted:
        raise BadParameter(f"{source} is not {entry.checkpoint.file}: its sha256 is {digest}, expected {wanted}")
    entry.path.parent.mkdir(parents=True, exist_ok=True)
    part = entry.path.with_name(entry.path.name + ".importing")
    try:
        shutil.copyfile(source, part)
        part.replace(entry.path)
    except OSError as error:
        raise AvbenchError(f"cannot write {entry.path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    _checked(entry.checkpoint, entry.path)
    return entry.path


# ------------------------------------------------------------------ reading files


def read(path: Path) -> dict[str, Any]:
    """The tensors of a checkpoint file by name: safetensors, or a torch file of plain tensors.

    Raises:
        BadParameter: if it is neither; objects other than tensors and plain containers are never unpickled.
    """
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, OSError, ValueError, EOFError, KeyError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadParameter(f"{path}: not a checkpoint that is safe to load: {first}") from error
    if not isinstance(state, dict):
        raise BadParameter(f"{path}: expected a dictionary of tensors, got {type(state).__name__}")
    return state
