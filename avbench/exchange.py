"""Generation without a pipe: requests to a file, and clips with their record back into a run.

For batch schedulers and machines without avbench. The file of requests has the messages of `avbench-worker/1`; the first line
says which run they belong to, so that the clips come back into no other.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avbench import conditions, generation, registry, requests, suites
from avbench.errors import BadFolder, BadManifest, BadParameter
from avbench.generation import Progress
from avbench.run_folder import opened, request_of
from avbench.store import write_bytes
from avbench.types import ClipFile, NoClip


@dataclass(frozen=True)
class Imported:
    """What came back.

    Args:
        folder: Of the run.
        taken: Ids of the clips that were taken over.
        refused: Why others were not, by id.
    """

    folder: Path
    taken: tuple[str, ...]
    refused: Mapping[str, str]


def export(
    model: str,
    suite: str,
    out: Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    samples: int = 1,
    allow_missing: bool = False,
) -> int:
    """Write the requests of a run; nothing of the model has to be on this machine.

    Args:
        model: As for a run.
        suite: As for a run.
        out: The file; condition files go into `conditions/` beside it.
        limit: Only the suite's first items.
        seed: Of the run.
        samples: Clips per item.
        allow_missing: Leave items out that lack a condition.

    Returns:
        The number of requests.

    Raises:
        BadParameter, BadCondition: for what the suite or an item does not have.
    """
    chosen = suites.with_samples(suites.load(suite, limit=limit), samples)
    generator = registry.model(model)
    lacking = conditions.lacking(generator, chosen)
    if lacking:
        raise BadParameter(f"model {generator.name} needs {', '.join(lacking)}, which suite {chosen.name} does not give")
    without = generation.unable(generator, chosen, allow_missing)
    run = {"model": model, "suite": suite, "limit": limit, "seed": seed, "samples": samples}
    lines = [{"type": "configure", "protocol": 1, "options": generator.parameters(), "run": run}]
    for item in chosen.items:
        if item.id in without:
            continue
        asked = requests.message(generator, item, chosen, seed, out.parent / "conditions")
        files = [name for name in asked["cond"] if name in conditions.FILES]
        cond = {k: os.path.relpath(v, out.parent) if k in files else v for k, v in asked["cond"].items()}
        lines.append({**asked, "cond": cond, "files": files})
    out.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(out, "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines).encode())
    return len(lines) - 1


def import_clips(clips: Path, requests_file: Path, out: Path, *, progress: Progress | None = None) -> Imported:
    """Take clips that a worker made from exported requests into a run; `avbench run` with the same `out` goes on.

    Every clip has to carry the hash of its request and pass the checks that any clip passes when it arrives.

    Raises:
        BadFolder, BadManifest: if the folder has no record, or the requests are not those of `export`.
        OtherRun: if `out` holds another run.
    """
    run = _run_of(requests_file)
    results = _results(clips)
    suite = suites.with_samples(suites.load(run["suite"], limit=run["limit"]), run["samples"])
    generator = registry.model(run["model"])
    asked = request_of("run", run["model"], suite, None, run["limit"], run["seed"], None, samples=run["samples"])
    taken: list[str] = []
    refused: dict[str, str] = {}
    with opened(out, asked) as job:
        work = generation.Work.of(job, generator, suite, run["seed"])
        for number, item in enumerate(suite.items, 1):
            if progress is not None:
                progress("import", number, len(suite.items))
            result = results.get(conditions.sample_of(item))
            if result is None or item.id in work.kept:
                continue
            found = _clip(clips, result, item.id)
            why = found.why if isinstance(found, NoClip) else None
            if why is None:
                wanted = requests.message(generator, item, suite, run["seed"], None)["request"]
                if result.get("request") != wanted:
                    why = "it was made for another request: the model, its options, the seed or a condition has changed"
            if why is None and not isinstance(found, NoClip):
                why = work.fault(found, item)
            if why is not None or isinstance(found, NoClip):
                refused[item.id] = why or ""
                continue
            work.keep(item, _copied(found, out / "making"))
            taken.append(item.id)
        shutil.rmtree(out / "making", ignore_errors=True)
    return Imported(out, tuple(taken), refused)


def _run_of(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            first = json.loads(file.readline())
        return {key: first["run"][key] for key in ("model", "suite", "limit", "seed", "samples")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadManifest(f"{path} is no file of requests that `avbench export` wrote: {error!r}") from error


def _results(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """The last result of each request; lines that a kill has cut off are none."""
    records = sorted(folder.glob("results*.jsonl"))
    if not records:
        raise BadFolder(f"{folder} has no results.jsonl; a worker writes it with --requests FILE --out {folder}")
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for record in records:
        for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                result = json.loads(line)
                key = (str(result["id"]), int(result["index"]))
            except (ValueError, KeyError, TypeError):
                continue
            if result.get("status") == "ok" or key not in found:
                found[key] = result
    return found


def _clip(folder: Path, result: Mapping[str, Any], id: str) -> ClipFile | NoClip:
    if result.get("status") != "ok":
        return NoClip(id, str(result.get("error", "the worker gives no reason")))
    paths: dict[str, Path] = {}
    for stream in ("video", "audio"):
        if not result.get(stream):
            continue
        path = folder / str(result[stream])
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            return NoClip(id, f"{result[stream]} is not in {folder}")
        paths[stream] = path
    if not paths:
        return NoClip(id, "there is neither video nor audio")
    main = paths.get("video", paths.get("audio", folder))
    meta = result.get("meta")
    return ClipFile(id, main, paths.get("audio") if "video" in paths else None, meta=meta if isinstance(meta, dict) else {})


def _copied(clip: ClipFile, scratch: Path) -> ClipFile:
    scratch.mkdir(parents=True, exist_ok=True)
    audio = None if clip.audio is None else Path(shutil.copyfile(clip.audio, scratch / clip.audio.name))
    return ClipFile(clip.id, Path(shutil.copyfile(clip.path, scratch / clip.path.name)), audio, meta=clip.meta)
