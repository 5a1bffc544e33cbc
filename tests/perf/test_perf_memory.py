"""Memory of the whole process tree while large clips are scored."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avbench.encode import replace_audio, write_frames

pytestmark = [
    pytest.mark.perf,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc"),
]
LIMIT = 2.5e9


def clips(folder: Path, count: int, seconds: float, frame_rate: float) -> Path:
    """1536 x 1024, encoded once, with another sound for each clip."""
    draw = np.random.default_rng(0)
    blocks = draw.integers(0, 255, (64, 96, 3), dtype=np.uint8)
    still = np.repeat(np.repeat(blocks, 16, axis=0), 16, axis=1)
    frames = (np.roll(still, 7 * t, axis=1) for t in range(round(seconds * frame_rate)))
    write_frames(folder / "picture.mp4", frames, frame_rate=frame_rate)
    (folder / "clips").mkdir()
    for n in range(count):
        sound = np.random.default_rng(n).normal(0, 0.1, (2, round(48_000 * seconds))).astype(np.float32)
        replace_audio(folder / "clips" / f"c{n}.mp4", folder / "picture.mp4", sound, 48_000)
    return folder / "clips"


def tree(root: int) -> set[int]:
    """A process and everything below it."""
    found, waiting = set(), [root]
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                waiting += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def peak_while_scoring(clips: Path, metrics: str, folder: Path) -> float:
    """Largest sum of the resident sizes; pages that processes share are counted for each."""
    code = "from avbench.cli import main; main()"
    command = [
        sys.executable,
        "-c",
        code,
        "score",
        str(clips),
        "--metrics",
        metrics,
        "--workers",
        "2",
        "--out",
        str(folder / "out"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(resident(pid) for pid in tree(process.pid)))
        time.sleep(0.02)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "unscored" not in out, out
    return float(peak)


@pytest.mark.parametrize(("metrics", "count", "seconds", "frame_rate"), [("loudness", 3, 10.0, 6.0), ("av_align", 2, 1.0, 8.0)])
def test_large_clips_fit(
    metrics: str, count: int, seconds: float, frame_rate: float, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    peak = peak_while_scoring(clips(tmp_path, count, seconds, frame_rate), metrics, tmp_path)
    figure(
        f"memory: {peak / 1e9:.2f} GB at most, {count} clips of 1536 x 1024, {seconds:g} s at {frame_rate:g} frames/s, "
        f"{metrics} and the signal checks, 2 workers"
    )
    assert peak < LIMIT


@pytest.mark.slow
def test_large_clips_of_ten_seconds_with_flow_fit(tmp_path: Path, figure: Callable[[str], None]) -> None:
    peak = peak_while_scoring(clips(tmp_path, 4, 10.0, 24.0), "av_align,av_curve_distance,motion_score", tmp_path)
    figure(f"memory: {peak / 1e9:.2f} GB at most, 4 clips of 1536 x 1024, 10 s at 24 frames/s, every metric, 2 workers")
    assert peak < LIMIT
