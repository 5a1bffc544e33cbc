"""torchvision is reached whether or not it fits this torch, and nothing is printed."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from avbench import doctor, torchvision_guard
from avbench.errors import AvbenchError

_ENSURE = torchvision_guard.ensure_torchvision
Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    _ENSURE.cache_clear()
    yield
    _ENSURE.cache_clear()


def run(fresh_python: Python, tmp_path: Path, code: str) -> str:
    made = fresh_python("-W", "error::UserWarning", "-c", code, cwd=Path(__file__).resolve().parents[2])
    assert made.returncode == 0, made.stderr
    assert made.stderr == "", "a run says nothing of torchvision"
    return made.stdout.strip()


def test_open_clip_and_torchvision_work_in_a_fresh_process(fresh_python: Python, tmp_path: Path) -> None:
    """Also after a failed import of torchvision by somebody else, and in the order torchvision, open_clip."""
    code = """
import contextlib, sys
with contextlib.suppress(RuntimeError):
    import torchvision
from avbench.torchvision_guard import ensure_torchvision, open_clip
state = ensure_torchvision()
assert state in ("whole", "without operators"), state
assert open_clip().tokenize(["a dog"]).shape == (1, 77)
from torchvision.transforms.functional import center_crop
import torch
assert center_crop(torch.zeros(3, 8, 8), [4, 4]).shape == (3, 4, 4)
if state == "without operators":
    from torchvision.ops import nms
    try:
        nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except RuntimeError:
        print("raised")
else:
    print("raised")
"""
    assert run(fresh_python, tmp_path, code) == "raised"


def test_nothing_happens_until_it_is_asked_for(fresh_python: Python, tmp_path: Path) -> None:
    code = """
import sys
import avbench, avbench.registry, avbench.torchvision_guard
for kind in ("metrics", "extractors"):
    for name in avbench.registry.names(kind):
        (avbench.registry.metric if kind == "metrics" else avbench.registry.extractor)(name)
print(sorted({"torch", "torchvision", "open_clip"} & set(sys.modules)))
"""
    assert run(fresh_python, tmp_path, code) == "[]"


def test_only_the_known_fault_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("compiled with different CUDA major versions\nmore")

    monkeypatch.setattr(torchvision_guard, "_import", fail)
    with pytest.raises(AvbenchError, match="different CUDA major versions; install the torchvision that belongs"):
        torchvision_guard.ensure_torchvision()


def test_the_known_fault_is_mended_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def fail() -> None:
        calls.append("import")
        if "declare" not in calls:
            raise RuntimeError("operator torchvision::nms does not exist")
        importlib.import_module("torchvision")

    torchvision_guard.ensure_torchvision()
    _ENSURE.cache_clear()
    monkeypatch.setattr(torchvision_guard, "_import", fail)
    monkeypatch.setattr(torchvision_guard, "_forget", lambda: calls.append("forget"))
    monkeypatch.setattr(torchvision_guard, "_declare", lambda: calls.append("declare"))
    torchvision_guard.ensure_torchvision()
    torchvision_guard.ensure_torchvision()
    assert calls == ["import", "forget", "declare", "import"]


def test_what_is_absent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_guard, "ensure_torchvision", lambda: "absent")
    with pytest.raises(AvbenchError, match="open_clip needs torchvision, which is not installed"):
        torchvision_guard.open_clip()
    monkeypatch.setattr(torchvision_guard, "ensure_torchvision", lambda: "whole")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AvbenchError, match="pip install open_clip_torch"):
        torchvision_guard.open_clip()


def test_doctor_says_how_things_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise AvbenchError("torchvision cannot be imported: why")

    for made, state, words in (
        (lambda: "whole", "ok", "fits torch"),
        (lambda: "without operators", "missing", "built for another torch"),
        (lambda: "absent", "missing", "pip install torchvision"),
        (broken, "broken", "why"),
    ):
        monkeypatch.setattr(torchvision_guard, "ensure_torchvision", made)
        (check,) = doctor._torchvision()
        assert (check.what, check.state) == ("torchvision", state)
        assert words in check.detail
