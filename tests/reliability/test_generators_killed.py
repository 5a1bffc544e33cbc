"""Killed amid generation: finished clips stay, nothing half-written counts, no worker is left, and the rest follows."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fake_generator import asked, set_faults, write_program

from .support import avbench, gone, processes_of, start, write_clips, write_suite

IDS = ["a", "b", "c", "d"]


def prepared(root: Path) -> list[str]:
    root.mkdir(parents=True, exist_ok=True)
    write_clips(root / "suite" / "clips", IDS)
    write_suite(root / "suite", [{"id": id, "prompt": "p"} for id in IDS], metrics=["duration"])
    text = (root / "suite" / "suite.toml").read_text()
    (root / "suite" / "suite.toml").write_text(text.replace("[clip]", 'conditions = ["first_frame", "text"]\n[clip]', 1))
    write_program(root / "fake")
    (root / "c.toml").write_text(
        'kind = "cascade"\nmerge = { video = "vid.video", audio = "aud.audio" }\n'
        '[[stages]]\nname = "vid"\nuse = "proc:fake/config.toml"\nin = { first_frame = "item.first_frame" }\n'
        '[[stages]]\nname = "aud"\nuse = "py:tests.stage_models:sound"\nin = { first_frame = "item.first_frame" }\n'
    )
    return ["generate", "--suite", "suite", "--out", "out", "--model"]


def clips(root: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((root / "out" / "clips").glob("*")) if not p.name.startswith(".")}


MODELS = {"program": "proc:fake/config.toml", "several": "proc:fake/config.toml", "cascade": "cascade:c.toml"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, bytes]]:
    kept: dict[str, dict[str, bytes]] = {}

    def of(model: str) -> dict[str, bytes]:
        if model not in kept:
            root = tmp_path_factory.mktemp("whole")
            command = prepared(root)
            if "cascade" in model:
                one_stream(root)
            avbench([*command, model], cwd=root, home=root / "home")
            kept[model] = clips(root)
            assert len(kept[model]) == 2 * len(IDS)
        return kept[model]

    return of


def one_stream(root: Path) -> None:
    """The program as a stage that makes a picture alone."""
    for name, old, new in (
        ("config.toml", 'task = "I2SV"', 'task = "I2V"'),
        ("runner.py", '"video": video, "audio": audio, "meta"', '"video": video, "meta"'),
    ):
        path = root / "fake" / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize(
    "kind", ["program", pytest.param("several", marks=pytest.mark.slow), pytest.param("cascade", marks=pytest.mark.slow)]
)
def test_killed_amid_an_item(kind: str, how: signal.Signals, tmp_path: Path, whole: Callable[..., dict[str, bytes]]) -> None:
    command = [*prepared(tmp_path), MODELS[kind]]
    if kind == "cascade":
        one_stream(tmp_path)
    if kind == "several":
        write_program(tmp_path / "fake", workers=2)
    expected = whole(MODELS[kind])
    set_faults(tmp_path / "fake", {"c": ["slow", 1]})
    process = start(command, cwd=tmp_path, home=tmp_path / "home")
    end = time.monotonic() + 120
    while not any(a["id"] == "c" for a in asked(tmp_path / "fake")):
        assert process.poll() is None, process.communicate()[1].decode()[-2000:]
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (-how if how == signal.SIGKILL else 130), err.decode()[-2000:]
    assert gone(tmp_path / "home"), f"left running: {processes_of(tmp_path / 'home')}"
    made = clips(tmp_path)
    assert made.items() <= expected.items(), "a clip is visible and not whole"
    if kind == "program":
        assert sorted(made) == ["a.mp4", "a.wav", "b.mp4", "b.wav"]
    count = len(asked(tmp_path / "fake"))
    set_faults(tmp_path / "fake", {})
    avbench(command, cwd=tmp_path, home=tmp_path / "home")
    assert clips(tmp_path) == expected
    again = [a["id"] for a in asked(tmp_path / "fake")[count:]]
    assert "c" in again
    if kind != "several":  # the other of two may have been amid an item as well
        assert again == ["c", "d"], "what was finished is not made again"
    assert not (tmp_path / "out" / "making").exists()


@pytest.mark.slow
def test_a_run_after_a_kill_ends_with_the_same_bytes(tmp_path: Path) -> None:
    results = []
    for name in ("straight", "killed"):
        root = tmp_path / name
        prepared(root)
        command = ["run", "--suite", "suite", "--out", "out", "--model", "proc:fake/config.toml", "--workers", "1"]
        if name == "killed":
            shutil.rmtree(root / "fake")
            shutil.copytree(tmp_path / "straight" / "fake", root / "fake")
            (root / "fake" / "asked.jsonl").unlink()
            set_faults(root / "fake", {"b": ["slow", 1]})
            process = start(command, cwd=root, home=root / "home")
            while len(asked(root / "fake")) < 2:
                assert process.poll() is None
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        avbench(command, cwd=root, home=root / "home")
        results.append((root / "out" / "result.json").read_bytes())
    assert results[0] == results[1]
    assert json.loads(results[0])["model"]
