"""Two processes at once: on one cache they agree, in one folder the second is told so."""

from __future__ import annotations

import fcntl
from pathlib import Path

from avbench import results

from .support import avbench, info, records, start, write_clips

ARGUMENTS = ["score", "clips", "--metrics", "motion_score", "--workers", "1"]


def test_two_runs_on_one_cache(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips", [f"c{k}" for k in range(8)])
    home = tmp_path / "home"
    both = [start([*ARGUMENTS, "--out", f"out {k}"], cwd=tmp_path, home=home) for k in range(2)]
    for process in both:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err.decode()
    assert (tmp_path / "out 0" / "result.json").read_bytes() == (tmp_path / "out 1" / "result.json").read_bytes()
    found = info(tmp_path / "out 0")
    assert found["features_made"] + found["features_found"] == len(records(home))
    assert not list(home.rglob("*.partial"))


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips", ["a"])
    home, out = tmp_path / "home", tmp_path / "out"
    arguments = [*ARGUMENTS, "--out", "out"]
    avbench(arguments, cwd=tmp_path, home=home)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    with (out / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before[out / ".lock"] = (out / ".lock").stat().st_mtime_ns
        _, err = avbench(arguments, cwd=tmp_path, home=home, expect=2)
        assert b"another avbench works in out" in err
        assert {p: p.stat().st_mtime_ns for p in before if p.name != ".lock"} == {
            p: t for p, t in before.items() if p.name != ".lock"
        }
    avbench(arguments, cwd=tmp_path, home=home)
    assert results.read(out)["motion_score"].n_scored == 1


def test_another_run_in_one_folder(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips", ["a"])
    write_clips(tmp_path / "others", ["a"])
    home = tmp_path / "home"
    avbench([*ARGUMENTS, "--out", "out"], cwd=tmp_path, home=home)
    before = (tmp_path / "out" / "result.json").read_bytes()
    _, err = avbench(["score", "others", "--out", "out"], cwd=tmp_path, home=home, expect=2)
    assert b"holds another run" in err
    assert (tmp_path / "out" / "result.json").read_bytes() == before
