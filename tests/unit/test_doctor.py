"""What works on this machine: said, and wrong where it is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from avbench import doctor, registry, suites
from avbench.doctor import Check, examine
from avbench.errors import AvbenchError


def state(checks: list[Check]) -> dict[str, str]:
    return {c.what: c.state for c in checks}


def test_a_machine_that_runs_the_tests_has_nothing_broken(tmp_path: Path) -> None:
    checks = examine()
    found = state(checks)
    assert "broken" not in found.values(), [c for c in checks if c.state == "broken"]
    assert len(found) == len(checks)
    assert found["device cpu"] == found["write and read mp4"] == found["AVBENCH_HOME"] == "ok"
    assert all(f"data of {name}" in found for name in suites.names())
    packages = {p for n in registry.names("extractors") for p in registry.extractor_class(n).packages}
    assert packages == {w.removeprefix("package ") for w in found if w.startswith("package ")}
    assert all(c.detail for c in checks)
    assert not (tmp_path / "avbench-home").exists(), "looking leaves nothing behind"


def test_an_encoder_that_fails_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise AvbenchError("no such encoder")

    monkeypatch.setattr(doctor, "write_clip", fail)
    (check,) = doctor._round_trip()
    assert (check.state, check.detail) == ("broken", "no such encoder")


def test_a_decoder_that_is_not_there_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", set(av.codecs_available) - {"av1", "hevc"})
    (check,) = doctor._codecs()
    assert check.state == "missing"
    assert check.detail.startswith("hevc, av1; ")


def test_a_package_that_is_not_there_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    cls = registry.extractor_class("onsets")
    monkeypatch.setattr(cls, "packages", ("no-such-package",))
    checks = {c.what: c for c in doctor._packages()}
    assert checks["package no-such-package"].state == "missing"
    assert checks["package no-such-package"].detail == "pip install no-such-package"


def test_a_suite_without_its_data_says_where_to_get_them(
    monkeypatch: pytest.MonkeyPatch, suite_folder: Callable[..., Path]
) -> None:
    suite = suites.load(str(suite_folder(["a"])))
    monkeypatch.setattr(suites, "names", lambda: ["mine"])
    monkeypatch.setattr(suites, "described", lambda name: suite)
    (check,) = doctor._data()
    assert check.state == "missing"
    assert "https://example.org/clips.zip" in check.detail


def test_a_home_that_cannot_be_written_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    check = next(c for c in doctor._folders() if c.what == "AVBENCH_HOME")
    assert check.state == "broken"
    assert "not writable" in check.detail
    monkeypatch.undo()
    (tmp_path / "file").touch()
    monkeypatch.setenv("AVBENCH_HOME", str(tmp_path / "file" / "home"))
    check = next(c for c in doctor._folders() if c.what == "AVBENCH_HOME")
    assert check.state == "broken"
    assert "is a file" in check.detail
