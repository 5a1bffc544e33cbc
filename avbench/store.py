"""Features on disk by content, and the ledger of a run.

A feature's key is the hash of everything that can move its value (see `feature_key`), so nothing is ever stale: another file
under the same name, another weight file or another decoder is another key. Records are a checksum followed by safetensors: no
pickle, and a flipped bit is noticed and the feature made again.

The ledger says what happened to each clip of a run. It is SQLite in WAL mode with one writer, the run's own process; a clip's
attempts are written before it is decoded, so that a clip that kills its decoder is known after any crash. A ledger is
never needed to make a number, only to not repeat work that failed and to tell about it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from avbench.errors import AvbenchError
from avbench.types import Array, ClipFile, Extractor, canonical

_MAGIC = b"avbench-features-1\n"
_STALE_SECONDS = 3600.0
"""No write takes so long: a half file of that age belongs to a process that was killed."""


def package_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Installed version of each distribution; `none` where it is not installed."""
    out = {}
    for package in packages:
        try:
            out[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            out[package] = "none"
    return out


def extractor_identity(extractor: Extractor, weights_sha256: str | None, reader: str, precision: str = "float32") -> str:
    """Everything but the clip that moves an extractor's values, as canonical JSON.

    Args:
        extractor: With its parameters.
        weights_sha256: Hash of the checkpoint that is loaded; None for a signal analysis.
        reader: Decoder and version, `avbench.media.READER`.
        precision: Of the network's arithmetic, `options.Precision`.
    """
    return canonical(
        {
            "extractor": extractor.name,
            "revision": extractor.revision,
            "parameters": extractor.parameters(),
            "weights": weights_sha256,
            "dtype": precision,
            "reader": reader,
            "packages": package_versions(extractor.packages),
        }
    )


def feature_key(identity: str, clip_sha256: str, text: str = "", earlier: tuple[str, ...] = ()) -> str:
    """Hash of one clip through one extractor.

    Args:
        identity: From `extractor_identity`.
        clip_sha256: Hash of the clip's bytes.
        text: The caption, for extractors that read it.
        earlier: Keys of the features that the extractor was given.
    """
    return hashlib.sha256(canonical([identity, clip_sha256, text, list(earlier)]).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def clip_sha256(clip: ClipFile) -> str:
    """Hash of a clip: of its file, or of the hashes of its two. `media.Reader.sha256` has the same.

    Raises:
        OSError: if a file cannot be read.
    """
    return joined_sha256([file_sha256(path) for path in (clip.path, clip.audio) if path is not None])


def joined_sha256(hashes: list[str]) -> str:
    """One hash for several files; for one file its own."""
    return hashes[0] if len(hashes) == 1 else hashlib.sha256(":".join(hashes).encode()).hexdigest()


def default_home() -> Path:
    """`AVBENCH_HOME`, or the user's cache folder."""
    if home := os.environ.get("AVBENCH_HOME"):
        return Path(home)
    import platformdirs

    return Path(platformdirs.user_cache_dir("avbench"))


class Store(ABC):
    """Features by key."""

    @abstractmethod
    def has(self, key: str) -> bool:
        """Whether a record is there; it may still turn out to be damaged."""

    @abstractmethod
    def get(self, key: str) -> dict[str, Array] | None:
        """The layers of one record; None if it is not there or damaged, and then it is gone."""

    @abstractmethod
    def put(self, key: str, layers: Mapping[str, Array]) -> None:
        """Keep a record, whole or not at all."""


class MemoryStore(Store):
    """For callers that want no files."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, Array]] = {}

    def has(self, key: str) -> bool:
        """Whether the record is there."""
        return key in self._records

    def get(self, key: str) -> dict[str, Array] | None:
        """The record."""
        return self._records.get(key)

    def put(self, key: str, layers: Mapping[str, Array]) -> None:
        """Keep the record."""
        self._records[key] = dict(layers)


class DiskStore(Store):
    """One file per record under a folder, safe to share between processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._swept = False

    def path(self, key: str) -> Path:
        """Where a record is."""
        return self.folder / key[:2] / f"{key}.features"

    def has(self, key: str) -> bool:
        """Whether a file is there."""
        return self.path(key).is_file()

    def get(self, key: str) -> dict[str, Array] | None:
        """Read and check; a damaged file is deleted, one that cannot be read is as good as none."""
        try:
            data = self.path(key).read_bytes()
        except OSError:
            return None
        layers = unpack(data)
        if layers is None:
            with contextlib.suppress(OSError):
                self.path(key).unlink()
        return layers

    def put(self, key: str, layers: Mapping[str, Array]) -> None:
        """Write aside, flush, rename."""
        if not self._swept:
            self._sweep()
        write_bytes(self.path(key), pack(layers), aside=self._aside)

    @property
    def _aside(self) -> Path:
        """Where records are written first, so that what killed processes leave behind is found without a search."""
        return self.folder / "partial"

    def _sweep(self) -> None:
        self._swept = True
        for half in self._aside.glob("*.partial"):
            with contextlib.suppress(OSError):
                if time.time() - half.stat().st_mtime > _STALE_SECONDS:
                    half.unlink()


def pack(layers: Mapping[str, Array]) -> bytes:
    """Arrays as bytes: a line, a checksum, safetensors."""
    body = safetensors.numpy.save({k: np.require(v, requirements="C") for k, v in layers.items()})
    return _MAGIC + hashlib.sha256(body).digest() + body


def unpack(data: bytes) -> dict[str, Array] | None:
    """The arrays of `pack`; None if a byte differs."""
    start = len(_MAGIC) + 32
    body = data[start:]
    if not data.startswith(_MAGIC) or hashlib.sha256(body).digest() != data[len(_MAGIC) : start]:
        return None
    return safetensors.numpy.load(body)


def write_bytes(path: Path, data: bytes, aside: Path | None = None) -> None:
    """A whole file or none, also after a power cut.

    Args:
        path: Where it appears.
        data: Its bytes.
        aside: Folder on the same disk in which it is written first; None for the file's own.

    Raises:
        AvbenchError: where the folder cannot be written or the disk is full.
    """
    try:
        for folder in (path.parent, aside or path.parent):
            folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=aside or path.parent, prefix=f".{path.name[:40]}.", suffix=".partial")
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.chmod(0o644)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise AvbenchError(
            f"cannot write {path}: {error.strerror or error}; free some space, or choose another folder "
            "with --out or AVBENCH_HOME"
        ) from error


@dataclass(frozen=True)
class Work:
    """One line of the ledger."""

    clip: str
    extractor: str
    key: str
    status: str
    attempts: int
    code: str
    detail: str


class Ledger:
    """What happened to each clip, in `ledger.sqlite` of the run's folder.

    `status` is `started`, `done`, `failed` (the same every time) or `quarantined` (the decoder hung or died, twice).
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        try:
            self._open()
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def _open(self) -> None:
        path = self.path
        self._db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA busy_timeout=10000")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS work (clip TEXT, extractor TEXT, key TEXT, status TEXT, attempts INTEGER DEFAULT 0,"
            " code TEXT DEFAULT '', detail TEXT DEFAULT '', PRIMARY KEY (clip, extractor))"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS made (clip TEXT PRIMARY KEY, file TEXT, sha256 TEXT)")
        for column in {"request", "files"} - {row[1] for row in self._db.execute("PRAGMA table_info(made)")}:
            self._db.execute(f"ALTER TABLE made ADD COLUMN {column} TEXT DEFAULT ''")

    def close(self) -> None:
        """Merge the write-ahead log and close."""
        self._db.close()

    def _fault(self, error: sqlite3.Error) -> AvbenchError:
        return AvbenchError(
            f"the run's ledger {self.path or 'in memory'} cannot be used: {error}; free some space, or choose another folder "
            "with --out; a damaged ledger can be removed, the same command then goes on from the clips and features"
        )

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Several writes in one transaction.

        Raises:
            AvbenchError: if the ledger cannot be written.
        """
        try:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def started(self, clip: str, extractors: list[str]) -> None:
        """The clip is about to be decoded; attempts go on counting only where the run was stopped amid the clip."""
        with self.batch():
            self._db.executemany(
                "INSERT INTO work (clip, extractor, key, status) VALUES (?, ?, '', 'started')"
                " ON CONFLICT (clip, extractor) DO UPDATE SET status = 'started',"
                " attempts = CASE WHEN status = 'started' THEN attempts ELSE 0 END",
                [(clip, e) for e in extractors],
            )

    def died(self, clip: str, extractors: list[str]) -> int:
        """The decoder process hung or died on the clip; the number of times so far."""
        with self.batch():
            self._db.executemany(
                "UPDATE work SET attempts = attempts + 1 WHERE clip = ? AND extractor = ?", [(clip, e) for e in extractors]
            )
        return max((w.attempts for w in self.work("started") if w.clip == clip and w.extractor in extractors), default=0)

    def ended(self, clip: str, extractor: str, key: str, status: str, code: str = "", detail: str = "") -> None:
        """The clip went through the extractor, or did not."""
        self._db.execute(
            "INSERT INTO work (clip, extractor, key, status, code, detail) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (clip, extractor) DO UPDATE SET key = excluded.key, status = excluded.status,"
            " code = excluded.code, detail = excluded.detail",
            (clip, extractor, key, status, code, detail),
        )

    def work(self, status: str | None = None) -> list[Work]:
        """Every line, or those of one status."""
        query = "SELECT clip, extractor, key, status, attempts, code, detail FROM work"
        return [Work(*row) for row in self._rows(query + (" WHERE status = ?" if status else ""), (status,) if status else ())]

    def made(self, clip: str, file: str, sha256: str, *, request: str = "", files: str = "") -> None:
        """A generator's clip is in its place.

        Args:
            clip: The item's id.
            file: Name of the picture, or of the sound where there is no picture.
            sha256: Of that file.
            request: Hash of what was asked for; empty where `run.json` says it all.
            files: JSON, `{name: [bytes, sha256]}` of every file of the clip.
        """
        with self.batch():
            self._db.execute(
                "INSERT OR REPLACE INTO made (clip, file, sha256, request, files) VALUES (?, ?, ?, ?, ?)",
                (clip, file, sha256, request, files),
            )

    def how_made(self) -> dict[str, tuple[str, str]]:
        """Request and files of each generated clip, by id, as `made` was given them."""
        return {row[0]: (row[1], row[2]) for row in self._rows("SELECT clip, request, files FROM made", ())}

    def all_made(self) -> dict[str, tuple[str, str]]:
        """File name and hash of each generated clip, by id."""
        return {row[0]: (row[1], row[2]) for row in self._rows("SELECT clip, file, sha256 FROM made", ())}

    def _rows(self, query: str, values: tuple[str, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._fault(error) from error
