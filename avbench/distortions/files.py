"""A folder of clips to a folder of distorted clips.

Every file is `<clip>_output_<code>_<level>.mp4` (the AVS Benchmark's names), in the clip's own subfolder; the clip encoded
again is `<clip>_original.mp4`. `distortions.jsonl` has a line per file: clip, distortion, level, parameter, seed and
the hash of what it was made from. A file whose line still fits is kept, so the same command goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avbench.distortions.base import Distortion, generator_for
from avbench.distortions.making import ORIGINAL
from avbench.errors import AvbenchError, BadFolder, BadParameter
from avbench.folders import Found, file_name, find_clips
from avbench.store import clip_sha256
from avbench.types import ClipFile

REVISION = 1
"""Raised whenever the same command makes other files."""
MANIFEST = "distortions.jsonl"
_LONGEST_NAME = 200
_LENDERS = 3
_PATIENCE = 900.0
"""Seconds for one file; a clip that takes longer hangs its decoder."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Job:
    """One file to make."""

    clip: ClipFile
    code: str
    level: int
    path: Path
    parameter: float | None
    lenders: tuple[ClipFile, ...] = ()
    """Clips that may lend their sound; the first that has any does."""


@dataclass
class Made:
    """What became of a folder.

    Args:
        folder: Where the files are.
        files: Distorted clips by (clip id, code, level).
        failed: Why a file is missing, by the same.
        kept: How many were there already.
        others: Files of the source folder that are no clips.
    """

    folder: Path
    files: dict[tuple[str, str, int], Path] = field(default_factory=dict)
    failed: dict[tuple[str, str, int], str] = field(default_factory=dict)
    kept: int = 0
    others: dict[str, str] = field(default_factory=dict)


def distort(
    clips: Path,
    out: Path,
    distortions: Sequence[Distortion],
    levels: Sequence[int],
    *,
    original: bool = False,
    seed: int = 0,
    limit: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Made:
    """Make every level of every distortion of every clip, in parallel processes.

    Args:
        clips: Folder of clips.
        out: Folder for the files, outside of `clips`.
        distortions: As `catalogue.chosen` gives them.
        levels: 0 to 9.
        original: Also write each clip undistorted, encoded in the same way.
        seed: Files depend on clip id, distortion, level and seed, not on the number of workers or on other clips (but for
            `semantic_swap`, which takes its sound from one of them).
        limit: Only the first clips.
        workers: Processes; None for one per core, at most 8.
        progress: Called with stage, done, total.

    Returns:
        What was made, kept and could not be made; a clip that cannot be used stops nothing else.

    Raises:
        BadFolder: if there are no clips, or `out` is inside of `clips`.
        BadParameter: for no workers, nothing to make, or a semantic swap of a single clip.
        AvbenchError: if `out` cannot be written.
    """
    if workers is not None and workers < 1:
        raise BadParameter(f"workers must be 1 or more, got {workers}")
    if out.resolve().is_relative_to(clips.resolve()):
        raise BadFolder(
            f"{out} is inside of {clips}, so its files would be clips of the next run; give another folder with --out"
        )
    found = find_clips(clips)
    jobs = _jobs(found, clips, out, distortions, levels, original, seed, limit)
    if not jobs:
        raise BadParameter("there is nothing to make: no distortion is chosen")
    made = Made(out, others=dict(found.others))
    try:
        out.mkdir(parents=True, exist_ok=True)
        known = _known(out / MANIFEST)
        with (out / MANIFEST).open("a", encoding="utf-8") as manifest:
            todo = list(_missing(jobs, made, known, out, seed))
            _work(todo, made, manifest, out, seed, workers, len(jobs), progress)
    except OSError as error:
        raise AvbenchError(f"{out} cannot be written: {error.strerror or error}; give another folder with --out") from error
    return made


# ------------------------------------------------------------------ what to make


def _jobs(
    found: Found,
    root: Path,
    out: Path,
    distortions: Sequence[Distortion],
    levels: Sequence[int],
    original: bool,
    seed: int,
    limit: int | None,
) -> list[Job]:
    clips = found.clips[:limit]
    jobs = []
    for clip in clips:
        if original:
            jobs.append(Job(clip, ORIGINAL, 0, _path(out, clip, "_original"), None))
        lenders = _lenders(clip, found.clips, seed) if any(d.name == "semantic_swap" for d in distortions) else ()
        for d in distortions:
            for level in levels:
                path = _path(out, clip, f"_output_{d.code}_{level}")
                jobs.append(Job(clip, d.code, level, path, d.parameters[level], lenders if d.name == "semantic_swap" else ()))
    return jobs


def _path(out: Path, clip: ClipFile, ending: str) -> Path:
    """A name that `avbench score` reads as `<clip id><ending>` where that is harmless, and a safe one elsewhere."""
    parts = clip.id.split("/")
    plain = all(p.isprintable() and len(p.encode()) <= _LONGEST_NAME and not p.startswith((".", "\\")) and p for p in parts)
    name = clip.id if plain and "\\x" not in clip.id else file_name(clip.id)
    return out / f"{name}{ending}.mp4"


def _lenders(clip: ClipFile, clips: Sequence[ClipFile], seed: int) -> tuple[ClipFile, ...]:
    """Some of the other clips, in drawn order; more than one, for some may be silent films or broken."""
    if len(clips) < 2:
        raise BadParameter("semantic_swap takes another clip's sound, and the folder holds one clip; add some, or leave it out")
    rest = [c for c in clips if c.id != clip.id]
    order = generator_for(clip.id, "lenders", 0, seed).permutation(len(rest))
    return tuple(rest[i] for i in order[:_LENDERS])


def _known(manifest: Path) -> dict[str, dict[str, Any]]:
    """The last line of each file; a line that was cut short when a run was killed counts for nothing."""
    found: dict[str, dict[str, Any]] = {}
    if manifest.is_file():
        for line in manifest.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                found[entry["file"]] = entry
    return found


def _missing(jobs: Sequence[Job], made: Made, known: dict[str, dict[str, Any]], out: Path, seed: int) -> Iterator[Job]:
    hashes: dict[str, str] = {}

    def hashed(clip: ClipFile) -> str:
        if clip.id not in hashes:
            hashes[clip.id] = clip_sha256(clip)
        return hashes[clip.id]

    for job in jobs:
        line = known.get(job.path.relative_to(out).as_posix())
        fits = line is not None and job.path.is_file()
        if fits and line is not None:
            wanted = _line(job, out, seed, hashed(job.clip), [hashed(c) for c in job.lenders])
            fits = all(line.get(key) == value for key, value in wanted.items())
        if fits:
            made.files[job.clip.id, job.code, job.level] = job.path
            made.kept += 1
        else:
            yield job


def _line(job: Job, out: Path, seed: int, sha256: str, lent: list[str]) -> dict[str, Any]:
    return {
        "file": job.path.relative_to(out).as_posix(),
        "clip": job.clip.id,
        "type": job.code,
        "level": job.level,
        "parameter": job.parameter,
        "seed": seed,
        "sha256": sha256,
        "lenders": [[c.id, digest] for c, digest in zip(job.lenders, lent, strict=True)],
        "revision": REVISION,
    }


# ------------------------------------------------------------------ several processes


def _work(
    todo: list[Job],
    made: Made,
    manifest: Any,
    out: Path,
    seed: int,
    workers: int | None,
    total: int,
    progress: Progress | None,
) -> None:
    if progress is not None:
        progress("distort", total - len(todo), total)
    if not todo:
        return
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in todo:
        waiting.put(job)
    answers: queue.SimpleQueue[tuple[Job, dict[str, Any]]] = queue.SimpleQueue()
    stop = threading.Event()
    size = min(workers if workers is not None else min(os.cpu_count() or 1, 8), len(todo))
    threads = [threading.Thread(target=_serve, args=(waiting, answers, stop, seed)) for _ in range(size)]
    for thread in threads:
        thread.start()
    try:
        for done in range(1, len(todo) + 1):
            job, answer = answers.get()
            key = (job.clip.id, job.code, job.level)
            if answer["error"] is None:
                made.files[key] = job.path
                line = _line(job, out, seed, str(answer["sha256"]), [clip_sha256(c) for c in job.lenders])
                manifest.write(json.dumps(line, ensure_ascii=True) + "\n")
                manifest.flush()
            else:
                made.failed[key] = str(answer["error"])
            if progress is not None:
                progress("distort", total - len(todo) + done, total)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _serve(
    waiting: queue.SimpleQueue[Job], answers: queue.SimpleQueue[tuple[Job, dict[str, Any]]], stop: threading.Event, seed: int
) -> None:
    """Feed one process; a new one takes its place if a clip kills it."""
    process: subprocess.Popen[str] | None = None
    try:
        while not stop.is_set():
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            answer: dict[str, Any] = {"sha256": None, "error": None}
            try:
                job.path.parent.mkdir(parents=True, exist_ok=True)
                process = process if process is not None and process.poll() is None else _start()
                answer = _asked(process, job, seed)
            except (OSError, ValueError) as problem:
                code = _stop(process)
                process = None
                answer["error"] = f"crash: the process that made it ended with code {code} ({problem})"
            answers.put((job, answer))
    finally:
        _stop(process)


def _start() -> subprocess.Popen[str]:
    root = str(Path(__file__).resolve().parents[2])
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(part for part in (os.environ.get("PYTHONPATH", ""), root) if part)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "avbench.distortions.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, **threads, "PYTHONPATH": path},
        start_new_session=True,  # Ctrl-C reaches the parent alone, and a file that is begun is completed
    )


def _asked(process: subprocess.Popen[str], job: Job, seed: int) -> dict[str, Any]:
    if process.stdin is None or process.stdout is None:
        raise AssertionError("the process was started without pipes")
    table = {
        "clip": _given(job.clip),
        "lenders": [_given(c) for c in job.lenders],
        "code": job.code,
        "level": job.level,
        "seed": seed,
        "path": str(job.path.absolute()),
    }
    watch = threading.Timer(_PATIENCE, process.kill)
    watch.start()
    try:
        process.stdin.write(json.dumps(table) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    finally:
        watch.cancel()
    if not line:
        raise ValueError("no answer")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _given(clip: ClipFile) -> dict[str, Any]:
    return {"id": clip.id, "path": str(clip.path.absolute()), "audio": str(clip.audio.absolute()) if clip.audio else None}


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
