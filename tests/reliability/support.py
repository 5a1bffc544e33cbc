"""Clips, suites, and the command line as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avbench.encode import write_clip
from avbench.types import Clip

FAULTS = Path(__file__).with_name("faults.py")
PROGRAM = "import sys; from avbench.cli import main; main()"
METRICS = ["av_align", "motion_score", "duration"]


def moving(id: str, *, side: int = 48, frames: int = 10, frame_rate: float = 10.0, rate: int = 16_000, seed: int = 0) -> Clip:
    """A bright square that jumps over noise, and a click at every jump."""
    draw = np.random.default_rng(seed)
    video = draw.integers(0, 60, (frames, side, side, 3), dtype=np.uint8)
    audio = (0.02 * draw.standard_normal((1, round(rate * frames / frame_rate)))).astype(np.float32)
    corner = draw.integers(0, side - 14, 2)
    for k in range(frames):
        if k % 3 == seed % 3:
            corner = draw.integers(0, side - 14, 2)
            at = int(k / frame_rate * rate)
            audio[0, at : at + 200] += 0.5
        video[k, corner[0] : corner[0] + 14, corner[1] : corner[1] + 14] = 230
    return Clip(id, video, frame_rate, audio, rate)


def write_clips(folder: Path, ids: Sequence[str], **shape: Any) -> list[Path]:
    """One different small mp4 per id."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed, id in enumerate(ids):
        paths.append(folder / f"{id}.mp4")
        write_clip(paths[-1], moving(id, seed=seed, **shape))
    return paths


def write_suite(folder: Path, items: Sequence[Mapping[str, Any]], *, metrics: Sequence[str], side: int = 48) -> None:
    """A suite of clips of 1 s whose reference clips are in `clips/` beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "items.jsonl").write_text("".join(json.dumps(i) + "\n" for i in items), encoding="utf-8")
    (folder / "suite.toml").write_text(
        'name = "small"\nversion = 1\ntitle = "A small suite"\nitems = "items.jsonl"\ndefault_protocol = "p"\n'
        f"[clip]\nseconds = 1\nframe_rate = 10\nwidth = {side}\nheight = {side}\nsample_rate = 16000\n"
        f'[reference]\nfolder = "clips"\n[protocols.p]\nmetrics = {json.dumps(list(metrics))}\n',
        encoding="utf-8",
    )


def environment(home: Path, **extra: str) -> dict[str, str]:
    """For a child process: the same packages, and its own cache."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "AVBENCH_HOME": str(home), **extra}


def start(arguments: Sequence[str | bytes], *, cwd: Path, home: Path, fault: str = "", **extra: str) -> subprocess.Popen[bytes]:
    """`avbench <arguments>`; with a fault, killed at that point (see `faults.py`)."""
    program: list[str | bytes] = [sys.executable, "-c", PROGRAM]
    if fault:
        program = [sys.executable, str(FAULTS), fault]
    return subprocess.Popen(
        [*program, *arguments],
        cwd=cwd,
        env=environment(home, **extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell's background jobs, and so these tests among them, ignore Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def avbench(
    arguments: Sequence[str | bytes], *, cwd: Path, home: Path, expect: int = 0, extra: Mapping[str, str] | None = None
) -> tuple[bytes, bytes]:
    """`avbench <arguments>` to its end: what it printed and what it complained of."""
    process = start(arguments, cwd=cwd, home=home, **(extra or {}))
    out, err = process.communicate(timeout=300)
    assert process.returncode == expect, err.decode(errors="replace")[-3000:]
    assert b"Traceback" not in err, err.decode(errors="replace")[-3000:]
    return out, err


def info(folder: Path) -> dict[str, Any]:
    """`run_info.json`."""
    found: dict[str, Any] = json.loads((folder / "run_info.json").read_text(encoding="utf-8"))
    return found


def records(home: Path) -> dict[Path, int]:
    """Feature records, and the time each was written."""
    return {p: p.stat().st_mtime_ns for p in home.glob("features/??/*.features")}


def processes_of(home: Path) -> list[int]:
    """Processes that work with this cache, on systems that tell."""
    mark = f"AVBENCH_HOME={home}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            held = (path / "environ").read_bytes().split(b"\0")
            dead = (path / "stat").read_bytes().rsplit(b")", 1)[1].split()[0] == b"Z"
        except OSError:
            continue
        if mark in held and not dead:
            found.append(int(path.name))
    return found


def gone(home: Path, seconds: float = 60.0) -> bool:
    """Whether every process of this cache ends by itself; one that was just started notices when its imports are done."""
    end = time.monotonic() + seconds
    while processes_of(home):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
