"""The index of a prepared suite: `index.json` in its data folder.

Every clip with its hash, size and length, every item without a clip and why, and the settings of what was cut. Paths are
relative to the data folder, so that it can be moved.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from avbench import tabular
from avbench.errors import BadManifest
from avbench.store import write_bytes

FILE = "index.json"
SCHEMA = 1


@dataclass(frozen=True)
class Entry:
    """One prepared clip.

    Args:
        path: Below the data folder.
        sha256, size: Of the file.
        seconds: From the first frame to the end of the last; of the sound where there is no picture.
        frames, frame_rate, width, height, sample_rate: Of its streams; 0 where there is none.
        audio: A sound file that replaces the container's, below the data folder; empty for none.
        audio_sha256, audio_size: Of that file.
        origin: What it was made of: a path in the published download, and what was cut.
    """

    path: str
    sha256: str
    size: int
    seconds: float
    frames: int
    frame_rate: float
    width: int
    height: int
    sample_rate: int
    audio: str = ""
    audio_sha256: str = ""
    audio_size: int = 0
    origin: str = ""


@dataclass(frozen=True)
class Index:
    """What is prepared of a suite.

    Args:
        suite, version: Of the suite.
        clips: By item id.
        missing: Reason by item id, for items without a clip.
        notes: What differs from what is published.
        settings: Of cutting; empty where clips are as they came.
        schema: Of this layout.
    """

    suite: str
    version: int
    clips: Mapping[str, Entry]
    missing: Mapping[str, str]
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def coverage(self) -> str:
        """`148 of 150 items (98.7 %)`."""
        whole = len(self.clips) + len(self.missing)
        return f"{len(self.clips):,} of {whole:,} items ({100 * len(self.clips) / max(whole, 1):.1f} %)"


def write(index: Index, folder: Path) -> None:
    """The index of a data folder, whole or not at all."""
    write_bytes(folder / FILE, (json.dumps(dataclasses.asdict(index), indent=1, ensure_ascii=False) + "\n").encode())


def read(folder: Path) -> Index | None:
    """The index of a data folder; None if nothing is prepared there.

    Raises:
        BadManifest: if it does not follow the schema, or a path in it leads out of the folder.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    remedy = "run `avbench data prepare` again"
    try:
        table = json.loads(tabular.text_of(path))
    except json.JSONDecodeError as error:
        raise BadManifest(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}; {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise BadManifest(f"{path}:1:1: not JSON: {error}; {remedy}") from error
    if not isinstance(table, dict) or type(table.get("schema")) is not int:
        raise BadManifest(f"{path}:1:1: not an index of a prepared suite: there is no schema number; {remedy}")
    if table["schema"] > SCHEMA:
        raise BadManifest(f"{path}: schema {table['schema']} is newer than this avbench reads ({SCHEMA}); update avbench")
    try:
        entries = {_text(id): _entry(found) for id, found in _mapping(table["clips"]).items()}
        index = Index(
            suite=_text(table["suite"]),
            version=int(table["version"]),
            clips=entries,
            missing={_text(id): _text(why) for id, why in _mapping(table["missing"]).items()},
            notes=tuple(_text(note) for note in table["notes"]),
            settings=_mapping(table["settings"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadManifest(f"{path}: does not follow schema {SCHEMA}: {error}; {remedy}") from error
    return index


def _entry(table: Any) -> Entry:
    found = _mapping(table)
    kinds = {"str": str, "int": int, "float": (int, float)}
    for spec in dataclasses.fields(Entry):
        value = found[spec.name]
        if not isinstance(value, kinds[str(spec.type)]) or isinstance(value, bool):  # type: ignore[arg-type]  # str or tuple
            raise ValueError(f"{spec.name} must be {spec.type}, got {value!r:.60}")
    entry = Entry(**found)
    for path in (entry.path, entry.audio):
        parts = PurePosixPath(path).parts
        if "\0" in path or path.startswith("/") or ".." in parts:
            raise ValueError(f"{path!r:.80} leads out of the data folder")
    return entry


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {value!r:.60}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {value!r:.60}")
    return value
