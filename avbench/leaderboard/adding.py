"""From a finished run to an entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from avbench import registry, results
from avbench.compare_rows import read_rows
from avbench.errors import BadParameter
from avbench.leaderboard import blocks, entry
from avbench.leaderboard.blocks import Float64s
from avbench.leaderboard.board import Board
from avbench.leaderboard.checking import check_entry
from avbench.leaderboard.entry import Measured, Rows
from avbench.results import Result
from avbench.store import write_bytes
from avbench.tables.sources import digest, run_name


def add(
    board: Board,
    run: Path,
    *,
    origin: Literal["submitted", "reproduced"] = "submitted",
    by: str,
    model: str = "",
    revision: str = "",
    process: str = "",
    link: str = "",
    note: str = "",
) -> Path:
    """Store a run as an entry, and check it as `validate` does.

    Args:
        board: Where to.
        run: Folder of the finished run, with its rows.
        origin: `reproduced` for clips that the project made and scored itself.
        by: Who made the run.
        model: Its name; needed where a folder of clips was scored.
        revision: Of the model, lower-case letters, digits, dots and hyphens; the run's hash without.
        process: Generation process, for the table.
        link: Where to read about the model; https.
        note: What readers should know.

    Returns:
        The entry's file.

    Raises:
        BadManifest: if the run's files are not there, or its rows are not of the leaderboard's reference clips.
        BadParameter: if it is no whole run over a suite, or the checks find something; nothing is stored then.
    """
    found = results.read(run)
    if not found.suite:
        raise BadParameter(f"{run}: a run without a suite has no place on a leaderboard; score the clips with --suite")
    result = _public(found)
    name = model or (result.model if result.model else "")
    if not name:
        raise BadParameter(f"{run}: clips of '{run_name(result)}' were scored; say with --model which model made them")
    revision = revision or digest(result)
    if entry.slug(revision) != revision or not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", revision):
        raise BadParameter(f"--revision: expected lower-case letters, digits, dots and hyphens, got '{revision}'")
    held, names = _shared({s.metric: read_rows(found, "rows", s.metric) for s in found.metrics if s.n_scored})
    data = blocks.written(held)
    references, new = _references(board, found)
    made = Measured(
        origin=origin,
        suite=str(result.suite["name"]),
        model=name,
        revision=revision,
        process=process,
        by=by,
        link=link,
        note=note,
        rows=Rows(f"{revision}.parquet", blocks.sha256(data), names),
        references=references,
        result=result,
    )
    entry.of_text(entry.to_json(made).encode("utf-8", "surrogatepass"), "the entry")
    path = board.entries / entry.path_of(made)
    if path.exists():
        raise BadParameter(f"{path} is there already; delete it first, or give another --revision")
    for file, content in new.items():
        write_bytes(file, content)
    before = board.ledger.read_bytes() if board.ledger.is_file() else None
    board.write(made, data)
    if problems := check_entry(board, path, board.read_all()):
        for file in (path, path.with_suffix(".parquet"), *new):
            file.unlink()
        if before is None:
            board.ledger.unlink(missing_ok=True)
        else:
            write_bytes(board.ledger, before)
        raise BadParameter(f"{run} cannot be added:\n" + "\n".join(f"  {problem}" for problem in problems))
    return path


def _public(result: Result) -> Result:
    """The result without paths of the machine that it was made on."""
    request = {k: v for k, v in result.request.items() if k in entry.REQUEST}
    return replace(result, request=request, others={}, folder=None)


def _shared(rows: Mapping[str, Mapping[str, Float64s]]) -> tuple[dict[str, Mapping[str, Float64s]], dict[str, str]]:
    """Each set of equal rows once, and which of them each metric stands on."""
    held: dict[str, Mapping[str, Float64s]] = {}
    names: dict[str, str] = {}
    for label, block in rows.items():
        same = next((name for name, other in held.items() if _equal(block, other)), None)
        names[label] = same or label
        if same is None:
            held[label] = block
    return held, names


def _equal(a: Mapping[str, Float64s], b: Mapping[str, Float64s]) -> bool:
    return list(a) == list(b) and all(np.array_equal(a[clip], b[clip]) for clip in a)


def _references(board: Board, run: Result) -> tuple[tuple[Rows, ...], dict[Path, bytes]]:
    """Which files hold the reference rows of the run's set metrics, and those of them that are new."""
    out: dict[str, Rows] = {}
    new: dict[Path, bytes] = {}
    known = _known(board, run)
    for score in run.metrics:
        metric = registry.metric(score.metric.split("[")[0], **score.parameters)
        if not (metric.needs_all and metric.needs_reference and score.n_scored):
            continue
        found = read_rows(run, "references", score.metric)
        if score.metric in known:
            rows = known[score.metric]
            there = blocks.read(blocks.file_bytes(board.references(str(run.suite["name"])) / rows.file), rows.file)
            pinned = there[rows.blocks[score.metric]]
            apart = [clip for clip in found if clip not in pinned or not _close(found[clip], pinned[clip])]
            if apart:
                raise BadParameter(
                    f"{score.metric}: the rows of {len(apart)} reference clips, such as {apart[0]}, are not those of the "
                    f"leaderboard ({rows.file}); make the suite's reference clips again"
                )
            out.setdefault(rows.file, rows)
        else:
            if score.n_scored < score.n_items:
                raise BadParameter(f"{score.metric}: the first run of a suite has to score every clip, for the reference rows")
            data = blocks.written({"rows": found})
            file = f"{blocks.sha256(data)[:16]}.parquet"
            new[board.references(str(run.suite["name"])) / file] = data
            sharing = dict(out[file].blocks) if file in out else {}
            out[file] = Rows(file, blocks.sha256(data), {**sharing, score.metric: "rows"})
    return tuple(out.values()), new


def _close(a: Float64s, b: Float64s) -> bool:
    """Whether two machines can have made them of one clip."""
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-5, atol=1e-6))


def _known(board: Board, run: Result) -> dict[str, Rows]:
    """The file of reference rows by metric, of entries over the same reference clips with the same settings."""
    if not board.entries.is_dir():
        return {}
    wanted = {s.metric: (s.parameters, s.revision, list(s.extractors)) for s in run.metrics}
    out: dict[str, Rows] = {}
    for made in board.read_all().values():
        if not isinstance(made, Measured) or made.result.suite != run.suite:
            continue
        if made.result.hashes.get("references") != run.hashes.get("references"):
            continue
        for score in made.result.metrics:
            if wanted.get(score.metric) == (score.parameters, score.revision, list(score.extractors)):
                for rows in made.references:
                    if score.metric in rows.blocks:
                        out.setdefault(score.metric, rows)
    return out
