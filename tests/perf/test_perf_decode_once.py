"""A file is opened and decoded once, however many extractors want it."""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench import engine
from avbench.encode import replace_audio, write_frames
from avbench.media import Limits
from avbench.options import Options, Wanted
from avbench.store import MemoryStore
from avbench.types import ClipFile
from avbench.worker import Job, Task, process

pytestmark = pytest.mark.perf

# A module of its own on sys.path, so that worker processes can import it.
TIMED = '''
"""Extractors that say how long they computed, in CPU seconds."""
import time
from dataclasses import dataclass
from typing import ClassVar
import cv2
import numpy as np
from avbench import registry
from avbench.types import Extractor, Preparation

class _Resize(Preparation):
    def __init__(self, info, side):
        self.frames, self.side, self.kept = range(info.frames), side, []
    def take(self, index, image):
        self.kept.append(cv2.resize(image, (self.side, self.side), interpolation=cv2.INTER_AREA).mean())
    def finish(self, audio):
        return {"x": np.asarray(self.kept)}

class _Nothing(Preparation):
    def __init__(self, info):
        self.frames = range(info.frames)
    def take(self, index, image):
        pass
    def finish(self, audio):
        return {"x": np.zeros(1)}

class _Timed(Preparation):
    def __init__(self, inner, spent):
        self.inner, self.frames, self.spent = inner, inner.frames, spent
    def take(self, index, image):
        begun = time.thread_time()
        self.inner.take(index, image)
        self.spent += time.thread_time() - begun
    def finish(self, audio):
        begun = time.thread_time()
        made = self.inner.finish(audio)
        return {**made, "seconds": np.asarray(self.spent + time.thread_time() - begun)}

@dataclass(frozen=True)
class Timed(Extractor):
    which: str = "nothing"
    name: ClassVar[str] = "timed"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("seconds",)
    needs: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[str, ...]] = ("video", "audio")
    def start(self, info, earlier):
        begun = time.thread_time()
        if self.which == "nothing":
            inner = _Nothing(info)
        elif self.which.startswith("resize"):
            inner = _Resize(info, int(self.which[6:]))
        else:
            inner = registry.extractor(self.which).start(info, earlier)
        return _Timed(inner, time.thread_time() - begun)
'''
SIX = ("picture_levels", "sound_levels", "stream_facts", "onsets", "resize224", "resize112")


@pytest.fixture
def timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Wanted]:
    name = f"timed_extractors_{os.getpid()}"
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / f"{name}.py").write_text(TIMED, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "path")
    monkeypatch.delitem(sys.modules, name, raising=False)
    module: Any = __import__(name)
    return lambda which: Wanted(module.Timed(which))


def clips(folder: Path, count: int, seconds: float) -> list[ClipFile]:
    """720p at 24 frames/s: a noisy gradient that moves, encoded once, with another sound for each clip."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[0:720, 0:1280]
    behind = np.stack([rows / 3, columns / 6, (rows + columns) / 9], axis=-1) + draw.normal(0, 4, (720, 1280, 3))
    still = np.clip(behind, 0, 255).astype(np.uint8)
    frames = (np.roll(still, 5 * t, axis=1) for t in range(round(24 * seconds)))
    write_frames(folder / "picture.mp4", frames, frame_rate=24.0)
    out = []
    for n in range(count):
        sound = np.random.default_rng(n).normal(0, 0.1, (1, round(44_100 * seconds))).astype(np.float32)
        out.append(ClipFile(f"c{n}", folder / f"c{n}.mp4"))
        replace_audio(out[-1].path, folder / "picture.mp4", sound, 44_100)
    return out


def cpu(clip: ClipFile, wanted: list[Wanted]) -> tuple[float, float]:
    """CPU seconds of one pass over one clip, and those inside of the extractors."""
    job = Job(clip, tuple(Task(w.extractor, w.identity) for w in wanted), None, Limits(), 1)
    begun = time.process_time()
    reply = process(job)
    spent = time.process_time() - begun
    assert reply.opens in (0, 1)
    inside = 0.0
    for answer in reply.answers:
        assert answer.prepared is not None, answer
        inside += float(answer.prepared["seconds"])
    return spent, inside


def test_six_extractors_cost_one_decoding_and_their_own_work(
    timed: Callable[[str], Wanted], tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """In CPU time, in this process, so that other load on the machine moves little."""
    sources = clips(tmp_path, 4, 2.0)
    six, one = [timed(which) for which in SIX], [timed("nothing")]
    cpu(sources[0], six)  # imports
    ratios = []
    for source in sources:
        alone, _ = cpu(source, one)
        together, inside = cpu(source, six)
        ratios.append(together / (alone + inside))
    ratio = statistics.median(ratios)
    figure(f"decode once: 6 extractors cost {ratio:.3f} x (decoding for one + their own work), 720p, CPU time")
    assert ratio <= 1.15


def test_each_file_is_opened_once(timed: Callable[[str], Wanted], tmp_path: Path, figure: Callable[[str], None]) -> None:
    sources = clips(tmp_path, 4, 1.0)
    found = engine.extract(sources, [timed(w) for w in SIX], store=MemoryStore(), options=Options(workers=2))
    figure(f"decode once: {len(sources)} clips, 6 extractors, {found.opens} files opened")
    assert found.opens == len(sources)
    assert found.made == len(sources) * len(SIX)


@pytest.mark.slow
def test_thirty_two_clips_of_ten_seconds(timed: Callable[[str], Wanted], tmp_path: Path, figure: Callable[[str], None]) -> None:
    """The whole engine with one worker: all its processes' CPU time, start of the worker and imports included."""
    sources = clips(tmp_path, 32, 10.0)

    def run(which: tuple[str, ...]) -> tuple[float, float, float]:
        before, begun = children() + time.process_time(), time.perf_counter()
        found = engine.extract(sources, [timed(w) for w in which], store=MemoryStore(), options=Options(workers=1))
        wall, spent = time.perf_counter() - begun, children() + time.process_time() - before
        assert found.opens == 32
        layers = [found.features(c, e) for c in range(32) for e in range(len(which))]
        inside = sum(float(x["seconds"]) for x in layers if isinstance(x, dict))
        assert all(isinstance(x, dict) for x in layers)
        return wall, spent, inside

    wall_one, one, _ = run(("nothing",))
    wall_six, six, inside = run(SIX)
    figure(
        f"decode once: 32 clips of 10 s 720p, 6 extractors, 32 files opened: CPU {six:.1f} s = {six / (one + inside):.3f} x "
        f"({one:.1f} s decoding for one + {inside:.1f} s own work); wall {wall_six:.1f} s against {wall_one:.1f} s for one"
    )
    assert six <= 1.15 * (one + inside)


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
