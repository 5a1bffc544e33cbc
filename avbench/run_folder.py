"""The folder of a run: which run it is, that nobody else works in it, and what was measured on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avbench import __version__, engine
from avbench.errors import OtherRun
from avbench.folders import shown
from avbench.options import Options, Precision
from avbench.reference_stats import ReferenceFile
from avbench.store import Ledger, write_bytes
from avbench.types import Metric, Suite, canonical


@dataclass
class RunFolder:
    """An opened, locked run folder: the request, the ledger, and the time each stage took."""

    folder: Path
    request: Mapping[str, Any]
    ledger: Ledger
    started: float
    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage."""
        begun = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begun


def request_of(
    verb: str,
    model: str,
    suite: Suite | None,
    metrics: list[Metric] | None,
    limit: int | None,
    seed: int,
    clips: Path | None,
    reference_stats: Sequence[ReferenceFile] = (),
    precision: Precision = "float32",
    samples: int = 1,
) -> dict[str, Any]:
    """What makes two runs the same run, as `run.json` and `result.json` hold it."""
    several = {"samples": samples} if samples > 1 else {}
    return {
        "verb": verb,
        "model": model,
        "clips": shown(str(clips)) if clips is not None else "",
        "suite": f"{suite.name}@{suite.version}" if suite is not None else "",
        "asked": _asked(suite) if suite is not None and verb == "run" else "",
        "metrics": None if metrics is None else [m.label for m in metrics],
        "limit": limit,
        "seed": seed,
        "reference_stats": [file.sha256 for file in reference_stats],
        "precision": precision,
        **several,
    }


_SCORING: dict[str, Any] = {"reference_stats": [], "precision": "float32"}
"""What moves numbers and no clips, and its value in folders of versions that did not know it."""


def _asked(suite: Suite) -> str:
    """Hash of everything that a generator is asked for: clips that were made for another prompt or size are not these."""
    shape = (suite.seconds, suite.frame_rate, suite.width, suite.height, suite.sample_rate)
    items = [dataclasses.asdict(item) for item in suite.items]
    return hashlib.sha256(canonical([shape, list(suite.conditions), items]).encode()).hexdigest()


@contextlib.contextmanager
def opened(folder: Path, request: dict[str, Any]) -> Iterator[RunFolder]:
    """The folder, locked, with this request in it.

    Raises:
        OtherRun: if it holds another run, or another process works in it.
    """
    if folder.exists() and not folder.is_dir():
        raise OtherRun(f"{folder} is a file; give a folder with --out")
    with _locked(folder):
        _check(folder, request)
        write_bytes(folder / "run.json", (json.dumps({**request, "avbench": __version__}, indent=1) + "\n").encode())
        ledger = Ledger(folder / "ledger.sqlite")
        try:
            yield RunFolder(folder, request, ledger, time.time())
        finally:
            ledger.close()


def _check(folder: Path, request: dict[str, Any]) -> None:
    """Refuse a folder with another run in it, or with things that are no run."""
    path = folder / "run.json"
    if not path.is_file():
        # Names with a dot are locks and half-written files of a run that was killed at its very start.
        strange = [p.name for p in folder.iterdir() if not p.name.startswith(".")]
        if strange:
            raise OtherRun(
                f"{folder} is not a run of avbench and not empty (it holds '{strange[0]}'); give another folder with --out"
            )
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OtherRun(f"{path} is not readable: {error}; give another folder with --out") from error
    # Other metrics over the same clips are the same run: features are found again and every number is made anew.
    # Clips that are made but not scored are no other run if they are to be scored in another way.
    made_only = before.get("metrics") is None or request["metrics"] is None
    ignored = {"metrics", *(_SCORING if made_only else ())}
    differ = [k for k in request if k not in ignored and before.get(k, _SCORING.get(k)) != request[k]]
    if differ:
        pairs = ", ".join(f"{k}: {before.get(k)!r} there, {request[k]!r} asked for" for k in differ)
        raise OtherRun(f"{folder} holds another run ({pairs}); give another folder with --out, or remove this one")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OtherRun(f"{folder} cannot be made: {error.strerror or error}; give another folder with --out") from error
    try:
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise OtherRun(f"{folder} cannot be written: {error.strerror or error}; give another folder with --out") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OtherRun(f"another avbench works in {folder}; wait for it, or give another folder with --out") from None
        yield


def write_info(job: RunFolder, extractions: list[engine.Extraction], options: Options) -> None:
    """`run_info.json`: everything that differs from one run of the same command to the next."""
    info = {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(job.started)),
        "seconds": {k: round(v, 3) for k, v in job.seconds.items()},
        "command": sys.argv,
        "host": {"system": platform.platform(), "machine": platform.machine(), "cores": os.cpu_count()},
        "workers": options.worker_count,
        "clip_files_opened": sum(e.opens for e in extractions),
        "features_made": sum(e.made for e in extractions),
        "features_found": sum(len([k for k in e.keys.values() if isinstance(k, str)]) - e.made for e in extractions),
    }
    write_bytes(job.folder / "run_info.json", (json.dumps(info, indent=1) + "\n").encode())
