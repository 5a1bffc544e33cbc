"""Several worker processes, each fed one job at a time; a clip that kills its process or hangs is one failed job."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_PATIENCE = 600.0
"""Seconds that one job may take."""


def run(jobs: Sequence[Mapping[str, Any]], *, workers: int | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Position and answer of each job, as they are done.

    Args:
        jobs: For `avbench.data.worker`.
        workers: Processes; None for one per core, at most 8.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for position in range(len(jobs)):
        waiting.put(position)
    answers: queue.SimpleQueue[tuple[int, dict[str, Any]]] = queue.SimpleQueue()
    stop = threading.Event()
    size = min(workers or min(os.cpu_count() or 1, 8), len(jobs))
    threads = [threading.Thread(target=_serve, args=(jobs, waiting, answers, stop), daemon=True) for _ in range(size)]
    for thread in threads:
        thread.start()
    try:
        for _ in jobs:
            yield answers.get()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _serve(
    jobs: Sequence[Mapping[str, Any]],
    waiting: queue.SimpleQueue[int],
    answers: queue.SimpleQueue[tuple[int, dict[str, Any]]],
    stop: threading.Event,
) -> None:
    process: subprocess.Popen[str] | None = None
    try:
        while not stop.is_set():
            try:
                position = waiting.get_nowait()
            except queue.Empty:
                return
            answer: dict[str, Any] = {"made": None, "error": None}
            try:
                process = process if process is not None and process.poll() is None else _start()
                answer = _asked(process, jobs[position])
            except (OSError, ValueError) as problem:
                code = _stop(process)
                process = None
                answer["error"] = f"crash: the process that read it ended with code {code} ({problem})"
            answers.put((position, answer))
    finally:
        _stop(process)


def _start() -> subprocess.Popen[str]:
    root = str(Path(__file__).resolve().parents[2])
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(part for part in (os.environ.get("PYTHONPATH", ""), root) if part)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "avbench.data.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, **threads, "PYTHONPATH": path},
        start_new_session=True,  # Ctrl-C reaches the parent alone, which ends its children
    )


def _asked(process: subprocess.Popen[str], job: Mapping[str, Any]) -> dict[str, Any]:
    if process.stdin is None or process.stdout is None:
        raise AssertionError("the process was started without pipes")
    watch = threading.Timer(_PATIENCE, process.kill)
    watch.start()
    try:
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    finally:
        watch.cancel()
    if not line:
        raise ValueError("no answer")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _stop(process: subprocess.Popen[str] | None) -> int | None:
    if process is None:
        return None
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    try:
        process.wait(timeout=20.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return process.returncode
