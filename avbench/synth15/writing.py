"""Items to files, in several processes."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from avbench.errors import AvbenchError, BadParameter
from avbench.types import Item

Job = tuple[Path, dict[str, Any]]

_PATIENCE = 20.0
"""Seconds that a worker has for the file that it is at when the others are called off."""


def write(
    items: Iterable[Item],
    folder: Path,
    *,
    width: int = 256,
    height: int = 256,
    frame_rate: float = 24.0,
    seconds: float | None = None,
    sample_rate: int = 16_000,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Path]:
    """Render items to `<id>.mp4` (H.264, quantiser 18, and AAC); files that are there already are kept.

    The files do not depend on the number of workers. Each worker is a fresh Python process that is fed line by line, so
    that a script may call this without an `if __name__ == "__main__"` guard.

    Args:
        items: From `items`.
        folder: Where the files go; made if it is missing. Use one folder for one set of options: what is there is not
            checked against them.
        width: Pixels, 32 or more; an odd width loses its last column in the file.
        height: Pixels, 32 or more; an odd height loses its last row in the file.
        frame_rate: Frames per second.
        seconds: Length; None for each item's own.
        sample_rate: Hz, 8000 or more.
        workers: Processes; None for one per core, at most 8.
        progress: Called in this thread with (files that are done, all files) after each file.

    Returns:
        The file of each item, by item id, in order.

    Raises:
        BadParameter: if two items share an id, an id is no file name, or there are no workers.
        AvbenchError: if an item cannot be rendered or a worker dies; finished files stay.
    """
    listed = list(items)
    paths: dict[str, Path] = {}
    for item in listed:
        if item.id in paths:
            raise BadParameter(f"two items have the id '{item.id}'")
        if not item.id or item.id != Path(item.id).name:
            raise BadParameter(f"item id '{item.id}' cannot be a file name")
        paths[item.id] = folder / f"{item.id}.mp4"
    if workers is not None and workers < 1:
        raise BadParameter(f"workers must be 1 or more, got {workers}")
    folder.mkdir(parents=True, exist_ok=True)
    options = {"width": width, "height": height, "frame_rate": frame_rate, "seconds": seconds, "sample_rate": sample_rate}
    jobs: list[Job] = []
    for item in listed:
        if not paths[item.id].exists():
            row: dict[str, Any] = {
                "id": item.id,
                "category": item.category,
                "events": list(item.events),
                "seconds": item.seconds,
            }
            row["fields"] = {"seed": item.fields.get("seed")}
            jobs.append((paths[item.id], {"path": str(paths[item.id].absolute()), "item": row, "options": options}))
    done = len(paths) - len(jobs)
    if progress is not None and done:
        progress(done, len(paths))
    if jobs:
        size = min(workers if workers is not None else min(os.cpu_count() or 1, 8), len(jobs))
        _run(jobs, size, None if progress is None else (lambda finished: progress(done + finished, len(paths))))
    return paths


def _run(jobs: list[Job], size: int, progress: Callable[[int], None] | None) -> None:
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    with contextlib.ExitStack() as stack:
        threads = []
        for _ in range(size):
            errors = stack.enter_context(tempfile.TemporaryFile())
            process = _start(errors)
            # Whatever happens, no worker outlives this call: this runs after the threads have been told to stop.
            stack.callback(_stop, process)
            threads.append(threading.Thread(target=_feed, args=(process, errors, waiting, answers), daemon=True))
        for thread in threads:
            thread.start()
        stack.callback(_drain, waiting)
        for finished in range(1, len(jobs) + 1):
            problem = answers.get()
            if problem is not None:
                raise AvbenchError(problem)
            if progress is not None:
                progress(finished)


def _drain(waiting: queue.SimpleQueue[Job]) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            waiting.get_nowait()


def _start(errors: IO[bytes]) -> subprocess.Popen[str]:
    root = str(Path(__file__).resolve().parents[2])
    # One thread each: the workers are what keeps the cores busy.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(part for part in (os.environ.get("PYTHONPATH", ""), root) if part)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "avbench.synth15.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        encoding="utf-8",
        env={**os.environ, **threads, "PYTHONPATH": path},
    )


def _stop(process: subprocess.Popen[str]) -> None:
    # At the end of its input a worker completes its file and leaves; killed at once, it would leave half a file behind.
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _feed(
    process: subprocess.Popen[str],
    errors: IO[bytes],
    waiting: queue.SimpleQueue[Job],
    answers: queue.SimpleQueue[str | None],
) -> None:
    while True:
        try:
            path, job = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            answer = _ask(process, job)
        except (OSError, ValueError):
            answer = ""
        if not answer:
            answers.put(_obituary(process, errors, path))
            return
        error = json.loads(answer)["error"]
        answers.put(None if error is None else f"{path.name}: {error}")


def _ask(process: subprocess.Popen[str], job: dict[str, Any]) -> str:
    if process.stdin is None or process.stdout is None:
        return ""
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.flush()
    return process.stdout.readline()


def _obituary(process: subprocess.Popen[str], errors: IO[bytes], path: Path) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5.0)
    last: list[str] = []
    with contextlib.suppress(OSError, ValueError):
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
    said = f": {last[0]}" if last else ", without a word"
    return f"the worker that rendered {path.name} died with exit code {process.returncode}{said}"
