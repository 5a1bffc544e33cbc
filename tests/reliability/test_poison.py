"""R4: a decoder that crashes, hangs or eats memory costs its own clip and no other."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

import pytest

from avbench.options import Options
from avbench.pipeline import score
from avbench.results import Result

from .poison import install
from .support import processes_of, write_clips

KINDS = ("segv", "hang", "hog")
CODES = {"segv": {"crash"}, "hang": {"timeout"}, "hog": {"memory", "crash"}}
HEALTHY = [f"clip {k}" for k in (1, 3, 5, 7)]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds that this machine, as busy as it is now, takes for one clip and the start of a worker."""
    root = tmp_path_factory.mktemp("healthy")
    write_clips(root / "clips", ["a"], frames=6)
    begun = time.monotonic()
    _score(root, 300.0)
    return time.monotonic() - begun


def _score(folder: Path, limit: float) -> Result:
    options = Options(workers=2, clip_seconds=limit, worker_memory=2**30)
    return score(folder / "clips", metrics=["motion_score"], out=folder / "out", options=options)


def _attempts(folder: Path) -> dict[str, int]:
    with contextlib.closing(sqlite3.connect(folder / "out" / "ledger.sqlite")) as db:
        rows = db.execute("SELECT clip, max(attempts) FROM work WHERE status = 'quarantined' GROUP BY clip")
        return {Path(clip).stem: attempts for clip, attempts in rows}


@pytest.mark.parametrize("position", [0, 2, 4, 6, 8])
def test_poison_costs_its_own_clip_alone(
    position: int, healthy: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three kinds at five places among the clips: first, last and between."""
    limit = max(4.0, 3 * healthy)
    tries = install(tmp_path / "hook", monkeypatch)
    bad = {kind: f"clip {position} {kind}" for kind in KINDS}
    write_clips(tmp_path / "clips", sorted([*HEALTHY, *bad.values()]), frames=6)
    begun = time.monotonic()
    result = _score(tmp_path, limit)
    # The hang is killed twice, the other clips need less than that.
    assert time.monotonic() - begun < 2 * (limit + 5) + 4 * healthy
    for s in result.metrics:
        assert set(s.unscored) == set(bad.values())
        assert s.n_scored == len(HEALTHY)
        for kind in KINDS:
            assert s.unscored[bad[kind]].split(":")[0] in CODES[kind]
    attempts = _attempts(tmp_path)
    assert attempts == {id: 2 for id in bad.values() if id in attempts}
    assert {bad["segv"], bad["hang"]} <= set(attempts)
    noted = tries.read_text().splitlines()
    assert {id: noted.count(f"{id}.mp4") for id in attempts} == attempts
    assert not [p for p in processes_of(Path(os.environ["AVBENCH_HOME"])) if p != os.getpid()]

    before = (tmp_path / "out" / "result.json").read_bytes()
    _score(tmp_path, limit)
    assert (tmp_path / "out" / "result.json").read_bytes() == before
    again = tries.read_text().splitlines()[len(noted) :]
    assert not [line for line in again if Path(line).stem in attempts], "a quarantined clip was tried again"


def test_another_file_ends_the_quarantine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one of the same size and time, and attempts then count from none."""
    tries = install(tmp_path / "hook", monkeypatch)
    path, other = write_clips(tmp_path / "clips", ["segv", "well"], frames=6)
    path.write_bytes(path.read_bytes() + b"\0" * other.stat().st_size)  # so that the other's bytes have room in it
    assert _score(tmp_path, 300.0)["motion_score"].unscored.keys() == {"segv"}
    assert tries.read_text().splitlines() == ["segv.mp4"] * 2
    old = path.stat()
    data = other.read_bytes()
    path.write_bytes((data + b"\0" * old.st_size)[: old.st_size])
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    _score(tmp_path, 300.0)
    assert tries.read_text().splitlines() == ["segv.mp4"] * 4, "two more tries for the new file, no more and no fewer"
    monkeypatch.setenv("PYTHONPATH", "")
    (tmp_path / "hook" / "sitecustomize.py").write_text("")
    os.utime(path)
    result = _score(tmp_path, 300.0)
    assert not result["motion_score"].unscored
    assert _attempts(tmp_path) == {}


def test_modules_in_the_current_folder_are_not_imported_by_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips often lie beside scripts, some of which have the names of Python's own modules."""
    write_clips(tmp_path / "clips", ["a"], frames=6)
    for name in ("random", "av", "statistics", "queue"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    assert not _score(tmp_path, 300.0)["motion_score"].unscored
