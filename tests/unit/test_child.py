"""A worker process that no longer listens is given up, not waited for."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from avbench.child import Child, ChildLost, Stopped
from avbench.media import Limits
from avbench.options import Options
from avbench.registry import extractor
from avbench.types import ClipFile
from avbench.worker import Job, Task


def big_job() -> Job:
    earlier = {"x": np.zeros(2**20, np.uint8)}  # more than a pipe holds
    return Job(ClipFile("a", Path("a.mp4")), (Task(extractor("onsets"), "{}", earlier),), None, Limits(), 1)


@pytest.fixture
def deaf() -> Child:
    """A child that never reads."""
    child = Child(Options(clip_seconds=0.6), threading.Event())
    child.process = subprocess.Popen(["sleep", "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)  # noqa: S607
    return child


def test_a_child_that_does_not_read_its_job_times_out(deaf: Child) -> None:
    process, begin = deaf.process, time.monotonic()
    with pytest.raises(ChildLost) as caught:
        deaf.ask(big_job())
    assert caught.value.code == "timeout"
    assert time.monotonic() - begin < 30
    assert process is not None
    assert process.poll() is not None


def test_the_end_of_a_run_does_not_wait_for_it(deaf: Child) -> None:
    deaf.stop.set()
    with pytest.raises(Stopped):
        deaf.ask(big_job())
    assert deaf.process is None


def test_a_child_that_dies_while_it_is_given_a_job_is_a_crash() -> None:
    child = Child(Options(), threading.Event())
    child.process = subprocess.Popen(["sleep", "0.2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)  # noqa: S607
    with pytest.raises(ChildLost) as caught:
        child.ask(big_job())
    assert caught.value.code == "crash"
