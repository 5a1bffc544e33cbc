"""Clips that kill, stop or bloat their decoder, by their names; loaded in worker processes only.

`sitecustomize` of the folder that `install` makes runs before anything else in a worker. The decoder then does what is asked
for when it is given a clip with `segv`, `hang` or `hog` in its name, and notes every try in the file `tries`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HOOK = """
import sys

if "avbench.worker" in sys.orig_argv:
    import ctypes, os, time

    from avbench import media

    real = media.Reader.frames

    def frames(self, *, picture=True):
        name = self.source.path.name
        kind = next((k for k in ("segv", "hang", "hog") if k in name), None)
        if kind is not None:
            with open(os.environ["POISON_TRIES"], "a") as file:
                file.write(name + "\\n")
        if kind == "segv":
            ctypes.string_at(0)
        elif kind == "hang":
            time.sleep(3600)
        elif kind == "hog":
            held = []
            while sum(map(len, held)) < 2 * int(sys.argv[1]):
                held.append(bytearray(2**26))
        yield from real(self, picture=picture)

    media.Reader.frames = frames
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Arm the workers that this test starts; the file in which they note their tries."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("POISON_TRIES", str(folder / "tries"))
    (folder / "tries").touch()
    assert os.environ["POISON_TRIES"]
    return folder / "tries"
