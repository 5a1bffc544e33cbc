"""Reference clips that `avbench data prepare` has put into the data folder."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avbench.data import index as indexes
from avbench.data.index import Index
from avbench.errors import BadParameter, MissingData
from avbench.types import ClipFile, Item, References, Suite


class Prepared(References):
    """The clips of an index; items without one are known with the reason.

    Args:
        suite: Whose clips.
        folder: Its data folder.
    """

    def __init__(self, suite: Suite, folder: Path) -> None:
        self.suite, self.folder = suite, folder
        self.obtain = f"`avbench data status {suite.name}`"
        self._index: Index | None = None

    @property
    def there(self) -> bool:
        """Whether anything is prepared."""
        return (self.folder / indexes.FILE).is_file()

    @property
    def index(self) -> Index:
        """What is prepared.

        Raises:
            MissingData: if nothing is.
            BadManifest: for a damaged index.
            BadParameter: if it is of another version of the suite.
        """
        if self._index is None:
            self._index = indexes.read(self.folder)
        if self._index is None:
            raise MissingData(
                f"suite {self.suite.name}: its clips are not prepared in {self.folder}; {self.obtain} says what to get; "
                f"then run `avbench data prepare {self.suite.name} --from PATH`"
            )
        if (self._index.suite, self._index.version) != (self.suite.name, self.suite.version):
            raise BadParameter(
                f"{self.folder}: prepared for {self._index.suite}@{self._index.version}, this is {self.suite.name}@"
                f"{self.suite.version}; run `avbench data prepare {self.suite.name} --from PATH` again"
            )
        return self._index

    def ready(self, items: Sequence[Item]) -> dict[str, ClipFile]:
        """The clips that are prepared.

        Raises:
            MissingData: if nothing is prepared, or a file of the index is gone.
            BadParameter: if a file is not the one that was prepared.
        """
        clips: dict[str, ClipFile] = {}
        prepared = self.index.clips
        for item in items:
            entry = prepared.get(item.origin)
            if entry is None:
                continue
            files = [(self.folder / entry.path, entry.size)]
            if entry.audio:
                files.append((self.folder / entry.audio, entry.audio_size))
            for path, size in files:
                again = f"run `avbench data prepare {self.suite.name} --from PATH` again"
                try:
                    found = os.stat(path).st_size  # noqa: PTH116 - one call for each of 15,000 files
                except OSError as error:
                    raise MissingData(f"{path}: in the index and gone: {error.strerror}; {again}") from error
                if found != size:
                    raise BadParameter(f"{path}: has {found:,} bytes, {size:,} when it was prepared; {again}")
            audio = self.folder / entry.audio if entry.audio else None
            clips[item.id] = ClipFile(item.id, self.folder / entry.path, audio).of(item)
        return clips


def at_home(suite: Suite) -> Suite:
    """A suite with prepared clips has its files, such as first frames, in its data folder."""
    if isinstance(suite.reference, Prepared):
        return dataclasses.replace(suite, folder=suite.reference.folder)
    return suite


def coverage(suite: Suite, items: Sequence[Item]) -> Mapping[str, Any]:
    """For results: how many of the items have a prepared clip; empty for a suite without prepared clips, or before."""
    if not isinstance(suite.reference, Prepared) or not suite.reference.there:
        return {}
    prepared = suite.reference.index.clips
    lacking = sum(item.origin not in prepared for item in items)
    return {"coverage": {"items": len(items), "prepared": len(items) - lacking, "missing": lacking}}
