"""Every test has a home of its own and no network; rendered suites are shared by the tests of one session."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.types import Clip
from tests.parity.counts import write_counts

KEPT = {"AVBENCH_GOLDENS", "AVBENCH_MEDIA"}
"""Say where the tests find their inputs; every other setting of avbench is taken away."""

ROOT = Path(__file__).resolve().parents[1]


# ------------------------------------------------------------------ surroundings


@pytest.fixture(autouse=True, scope="session")
def _session_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings are gone, rendered reference clips are made once for all tests, also of several pytest-xdist workers."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("AVBENCH_") and n not in KEPT]:
            patch.delenv(name)
        patch.setenv("AVBENCH_DATA", str(shared / "avbench-data"))
        patch.setenv("AVBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(socket.socket, "connect", _guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", _guarded(socket.socket.connect_ex))
        yield


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVBENCH_HOME", str(tmp_path / "avbench-home"))


def _guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any, *rest: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test wants to reach {address}; tests have no network")
        return connect(self, address, *rest)

    return guarded


# ------------------------------------------------------------------ clips


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., Clip]:
    """Small clips with picture and sound that every metric can score."""
    return synthetic


def synthetic(
    id: str = "clip",
    *,
    seed: int = 0,
    seconds: float = 1.0,
    frame_rate: float = 12.0,
    width: int = 64,
    height: int = 48,
    sample_rate: int = 16_000,
    channels: int = 1,
    video: bool = True,
    audio: bool = True,
    text: str = "",
) -> Clip:
    """A textured square that jumps, and a click at each jump."""
    draw = np.random.default_rng([seed, 77])
    frames, samples = max(1, round(seconds * frame_rate)), max(1, round(seconds * sample_rate))
    pictures = np.empty((frames, height, width, 3), dtype=np.uint8)
    behind = draw.integers(60, 120, (height, width, 3), dtype=np.uint8)
    square = draw.integers(150, 255, (height // 3, width // 3, 3), dtype=np.uint8)
    jumps = np.sort(draw.choice(np.arange(2, max(4, frames - 2)), size=max(1, min(3, frames // 4)), replace=False))
    sound = 0.002 * draw.standard_normal((channels, samples))
    for jump in jumps:
        first = min(samples - 1, round(jump / frame_rate * sample_rate))
        click = np.exp(-np.arange(min(2_000, samples - first)) / 300.0) * draw.standard_normal(min(2_000, samples - first))
        sound[:, first : first + len(click)] += 0.5 * click
    for t in range(frames):
        pictures[t] = behind
        step = int((jumps <= t).sum())
        x = (3 * step + t // 3) % (width - width // 3)
        y = (4 * step) % (height - height // 3)
        pictures[t, y : y + height // 3, x : x + width // 3] = square
    heard: NDArray[np.float32] = np.clip(sound, -0.9, 0.9).astype(np.float32)
    return Clip(id, pictures if video else None, frame_rate if video else 0.0, heard if audio else None, sample_rate, text=text)


# ------------------------------------------------------------------ the command line


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """Standard error on one line; usage errors come in a box that breaks lines."""
        return " ".join(self.err.replace("│", " ").split())


@pytest.fixture
def avbench_cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Said]:
    """`avbench ...` in this process, in an empty folder; what it raises besides its exit code is a failure of the test."""
    from avbench import cli

    (tmp_path / "here").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")

    def call(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["avbench", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return call


def python(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that has this checkout's avbench."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.fixture(scope="session")
def fresh_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """See `python`."""
    return python


@pytest.fixture
def suite_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a suite whose reference clips are files."""

    def write(
        ids: Sequence[str],
        *,
        name: str = "mine",
        metrics: Sequence[str] = ("av_align",),
        reference: str | None = "reference",
        extra: str = "",
        conditions: Sequence[str] = ("text",),
    ) -> Path:
        import json

        folder = tmp_path / "suites" / name
        folder.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"id": id, "prompt": f"prompt of {id}", "category": f"c{n % 2}"}) for n, id in enumerate(ids)]
        (folder / "items.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        table = [
            f'name = "{name}"',
            "version = 1",
            'title = "A suite of a user"',
            'items = "items.jsonl"',
            f"conditions = {json.dumps(list(conditions))}",
            'default_protocol = "short"',
            extra,
            "[clip]",
            "seconds = 1.0\nframe_rate = 12\nwidth = 64\nheight = 48\nsample_rate = 16000",
            "[protocols.short]",
            f"metrics = {json.dumps(list(metrics))}",
        ]
        if reference is not None:
            table += ["[reference]", f'folder = "{reference}"', 'obtain = "https://example.org/clips.zip"']
        (folder / "suite.toml").write_text("\n".join(table) + "\n", encoding="utf-8")
        return folder

    return write


# ------------------------------------------------------------------ figures of tests/perf

_FIGURE = "figure"


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Prints a measured figure after the tests, whatever becomes of the test."""
    return lambda text: record_property(_FIGURE, text)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The measured figures."""
    write_counts(terminalreporter)  # here, since the controller of pytest-xdist loads no conftest of a folder
    lines = [
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for key, value in report.user_properties
        if key == _FIGURE
    ]
    if lines:
        terminalreporter.section("measured")
        for line in sorted(lines):
            terminalreporter.write_line(line)
