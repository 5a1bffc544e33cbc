"""The folder of a leaderboard: entries, rows, what is reproduced."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avbench.errors import AvbenchError, BadFolder, BadManifest
from avbench.leaderboard import blocks, entry
from avbench.leaderboard.entry import Entry, Measured, Reported
from avbench.store import write_bytes

Blocks = dict[str, dict[str, blocks.Float64s]]


@dataclass(frozen=True)
class Board:
    """A leaderboard's folders.

    Args:
        entries: `leaderboard/entries`; the others lie beside it.
    """

    entries: Path

    @property
    def site(self) -> Path:
        """What `build` writes."""
        return self.entries.parent / "site"

    def references(self, suite: str) -> Path:
        """The folder of a suite's reference rows."""
        return self.entries.parent / "references" / entry.slug(suite)

    @property
    def ledger(self) -> Path:
        """Which entries the project made itself."""
        return self.entries.parent / "reproduced.json"

    def files(self) -> list[Path]:
        """Every entry's file, sorted by its place.

        Raises:
            BadFolder: if there is no folder of entries.
        """
        if not self.entries.is_dir():
            raise BadFolder(f"{self.entries}: there is no such folder of entries; give --entries, or add the first run")
        return sorted(self.entries.rglob("*.json"), key=self.place)

    def strays(self) -> list[Path]:
        """Files below `entries/` and `references/` that belong to no entry."""
        mine: set[Path] = set()
        for path in self.files():
            mine |= {path, path.with_suffix(".parquet")}
            try:
                found = entry.read(path)
            except AvbenchError:
                continue
            if isinstance(found, Measured):
                mine |= {self.references(found.suite) / rows.file for rows in found.references}
            else:
                mine.discard(path.with_suffix(".parquet"))
        there = [*self.entries.rglob("*"), *(self.entries.parent / "references").rglob("*")]
        return sorted(path for path in there if path not in mine and (path.is_symlink() or not path.is_dir()))

    def place(self, path: Path) -> str:
        """`suite/model/revision.json`."""
        return path.absolute().relative_to(self.entries.absolute()).as_posix()

    def read_all(self) -> dict[str, Entry]:
        """Every entry by its place.

        Raises:
            BadManifest: for the first that is none.
        """
        return {self.place(path): entry.read(path) for path in self.files()}

    def reproduced(self) -> Mapping[str, str]:
        """Hash of each entry that the project made, by its place.

        Raises:
            BadManifest: if the file is none of hashes.
        """
        if not self.ledger.is_file():
            return {}
        try:
            table = json.loads(self.ledger.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise BadManifest(f"{self.ledger}: {error}") from error
        if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
            raise BadManifest(f"{self.ledger}: expected the hash of each entry by its place")
        return table

    def rows(self, made: Measured) -> Blocks:
        """The rows of an entry's clips.

        Raises:
            BadManifest: if they are not there or not those that the entry was written with.
        """
        path = self.entries / entry.path_of(made)
        return _checked(path.with_suffix(".parquet"), made.rows.sha256)

    def reference_rows(self, made: Measured) -> Blocks:
        """The rows of the suite's reference clips by metric; raises as `rows` does."""
        out: Blocks = {}
        for rows in made.references:
            held = _checked(self.references(made.suite) / Path(rows.file).name, rows.sha256)
            for metric, name in rows.blocks.items():
                if name not in held:
                    raise BadManifest(f"{self.references(made.suite) / rows.file}: there is no block '{name[:80]}'")
                out[metric] = held[name]
        return out

    def write(self, made: Entry, rows: bytes | None = None) -> Path:
        """Store an entry, its rows first, and note its hash where the project made it."""
        path = self.entries / entry.path_of(made)
        if rows is not None:
            write_bytes(path.with_suffix(".parquet"), rows)
        data = entry.to_json(made).encode("utf-8", "surrogatepass")
        write_bytes(path, data)
        ledger = {k: v for k, v in self.reproduced().items() if k != self.place(path) and (self.entries / k).is_file()}
        if made.origin == "reproduced":
            ledger[self.place(path)] = digest(data)
        if ledger or self.ledger.is_file():
            write_bytes(self.ledger, (json.dumps(ledger, indent=1, sort_keys=True) + "\n").encode())
        return path


def digest(data: bytes) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def _checked(path: Path, sha256: str) -> Blocks:
    data = blocks.file_bytes(path)
    if blocks.sha256(data) != sha256:
        raise BadManifest(f"{path}: its SHA-256 is {blocks.sha256(data)}, the entry says {sha256}")
    return blocks.read(data, str(path))


def measured(entries: Mapping[str, Entry]) -> Iterator[tuple[str, Measured]]:
    """The runs among entries."""
    return ((place, e) for place, e in entries.items() if isinstance(e, Measured))


def reported(entries: Sequence[Entry]) -> list[Reported]:
    """The published rows among entries."""
    return [e for e in entries if isinstance(e, Reported)]
