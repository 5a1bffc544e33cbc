"""R1, R2: killed at any moment, a run ends with the same bytes, and does little twice."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from avbench import pipeline
from avbench.options import Options

from .faults import POINTS
from .support import avbench, gone, info, processes_of, records, start, write_clips, write_suite

IDS = [f"clip {k}" for k in range(6)]
MODELS = ("shifted", "shuffled", "noise")
KILLS = 5


@dataclass
class Whole:
    """A run that nothing stopped."""

    result: bytes
    clips: dict[str, bytes]
    seconds: float
    features: int


@dataclass
class Chain:
    """One run's folder, cache and command."""

    root: Path
    model: str
    workers: int = 2

    def __post_init__(self) -> None:
        self.home, self.out = self.root / "home", self.root / "out"
        self.arguments = ["run", "--model", self.model, "--suite", "suite", "--out", "out", "--workers"]
        self.arguments.append(str(self.workers))
        self.root.mkdir(parents=True, exist_ok=True)
        write_clips(self.root / "suite" / "clips", IDS, side=64, frames=20)
        write_suite(self.root / "suite", [{"id": id, "prompt": "p"} for id in IDS], metrics=["motion_score"], side=64)

    def fresh(self) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def clips(self) -> dict[str, Path]:
        """What anybody who looks into the folder takes for clips."""
        return {p.name: p for p in self.out.glob("clips/*") if not p.name.startswith(".")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Whole]:
    kept: dict[str, Whole] = {}

    def of(model: str) -> Whole:
        if model not in kept:
            chain = Chain(tmp_path_factory.mktemp("whole") / "run", model)
            begun = time.monotonic()
            avbench(chain.arguments, cwd=chain.root, home=chain.home)
            seconds = time.monotonic() - begun
            assert info(chain.out)["features_made"] == len(records(chain.home)) >= 4 * len(IDS)
            clips = {name: path.read_bytes() for name, path in chain.clips().items()}
            assert len(clips) == len(IDS)
            kept[model] = Whole((chain.out / "result.json").read_bytes(), clips, seconds, len(records(chain.home)))
        return kept[model]

    return of


def _check_after_kill(chain: Chain, expected: Whole, before: dict[str, int]) -> dict[str, int]:
    """Nothing is left running, nothing half-written shows, at most one finished clip was made again."""
    assert gone(chain.home), "a worker outlives its killed parent"
    for name, path in chain.clips().items():
        assert path.read_bytes() == expected.clips[name], f"{name} is visible and not whole"
    now = {name: path.stat().st_mtime_ns for name, path in chain.clips().items()}
    assert sum(before[name] != now.get(name) for name in before) <= 1
    if (chain.out / "result.json").exists():
        assert (chain.out / "result.json").read_bytes() == expected.result
    return now


def _finish(chain: Chain, expected: Whole) -> None:
    """The same command ends with the same bytes, and finds whatever was stored."""
    stored = records(chain.home)
    avbench(chain.arguments, cwd=chain.root, home=chain.home)
    assert (chain.out / "result.json").read_bytes() == expected.result
    assert {name: path.read_bytes() for name, path in chain.clips().items()} == expected.clips
    assert info(chain.out)["features_made"] == expected.features - len(stored)
    assert {p: t for p, t in records(chain.home).items() if p in stored} == stored, "a stored feature was made again"
    assert gone(chain.home)


def seeds(quick: int, all_of_them: int) -> list[object]:
    """The first few in every run, the others by hand."""
    return [pytest.param(n, marks=() if n < quick else pytest.mark.slow) for n in range(all_of_them)]


@pytest.mark.parametrize("seed", seeds(2, 10))
def test_parent_killed_at_random_times(seed: int, tmp_path: Path, whole: Callable[[str], Whole]) -> None:
    """Five kills; where a run ends before its kill, the next one begins from nothing."""
    draw = random.Random(f"parent {seed}")
    chain = Chain(tmp_path / "run", MODELS[seed % len(MODELS)], workers=1 + seed % 2)
    expected = whole(chain.model)
    made: dict[str, int] = {}
    killed = 0
    while killed < KILLS:
        stored = records(chain.home)
        process = start(chain.arguments, cwd=chain.root, home=chain.home)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(draw.uniform(0, expected.seconds))
        process.kill()
        _, err = process.communicate()
        if process.returncode == -signal.SIGKILL:
            killed += 1
            made = _check_after_kill(chain, expected, made)
            kept = records(chain.home)
            assert {p: t for p, t in kept.items() if p in stored} == stored, "a stored feature was made again"
        else:
            assert process.returncode == 0, err.decode()
            assert (chain.out / "result.json").read_bytes() == expected.result
            chain.fresh()
            made = {}
    _finish(chain, expected)


@pytest.mark.parametrize("half", ["first", "second"])
def test_parent_killed_at_named_points(half: str, tmp_path: Path, whole: Callable[[str], Whole]) -> None:
    """Two visits to each of ten points where a whole file or a line of the ledger comes about."""
    chain = Chain(tmp_path / "run", "shifted" if half == "first" else "noise")
    expected = whole(chain.model)
    made: dict[str, int] = {}
    reached = set()
    for point in POINTS:
        fault = f"{point}:{1 if half == 'first' else 2}"
        for _ in range(2):  # where the chain has gone too far for this point, from nothing
            process = start(chain.arguments, cwd=chain.root, home=chain.home, fault=fault)
            _, err = process.communicate(timeout=120)
            if process.returncode == -signal.SIGKILL:
                reached.add(point)
                made = _check_after_kill(chain, expected, made)
                break
            assert process.returncode == 0, err.decode()
            assert (chain.out / "result.json").read_bytes() == expected.result
            chain.fresh()
            made = {}
    assert reached == set(POINTS)
    _finish(chain, expected)


@pytest.mark.parametrize("seed", seeds(1, 4))
def test_worker_killed_at_random_times(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five times one of the decoding processes is killed; its clip is tried again, and no byte of the result moves."""
    draw = random.Random(f"worker {seed}")
    write_clips(tmp_path / "clips", IDS, side=64, frames=20)
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    monkeypatch.setenv("AVBENCH_HOME", str(home))
    parent = processes_of(home)  # the test itself is no worker

    def run() -> float:
        shutil.rmtree(home, ignore_errors=True)
        begun = time.monotonic()
        pipeline.score("clips", metrics=["motion_score"], out="out", options=Options(workers=2))
        return time.monotonic() - begun

    run()
    seconds = run()
    expected = (tmp_path / "out" / "result.json").read_bytes()
    features = len(records(home))
    killed = 0
    while killed < KILLS:
        hit = threading.Event()
        delay = draw.uniform(0, seconds)

        def strike(delay: float = delay, hit: threading.Event = hit) -> None:
            time.sleep(delay)
            workers = [p for p in processes_of(home) if p not in parent]
            if workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(draw.choice(sorted(workers)), signal.SIGKILL)
                    hit.set()

        thread = threading.Thread(target=strike)
        thread.start()
        run()
        thread.join()
        killed += hit.is_set()
        assert (tmp_path / "out" / "result.json").read_bytes() == expected
        assert info(tmp_path / "out")["features_made"] == len(records(home)) == features
        assert gone_workers(home, parent)


def gone_workers(home: Path, parent: list[int]) -> bool:
    """Whether only the test's own process is left."""
    return not [p for p in processes_of(home) if p not in parent]
