"""A leaderboard of a suite of twelve items, cut out of the committed entries, so that every number is made in a moment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench import content, registry, results, suites
from avbench.leaderboard import adding, blocks
from avbench.leaderboard.board import Board
from avbench.leaderboard.entry import Measured
from avbench.leaderboard.hashes import clips_hash, ids_hash, items_hash
from avbench.types import Suite

ROOT = Path(__file__).resolve().parents[1]
COMMITTED = Board(ROOT / "leaderboard" / "entries")
SUITE = "synth15"
ITEMS = 12
PROTOCOL = ("av_align", "kl_mini", "fvd[network=mini_video]", "kvd[network=mini_video]", "fad_mini", "lse_c[network=mini_sync]")
METRICS = (*PROTOCOL, "clipping")
Blocks = dict[str, dict[str, NDArray[np.float64]]]


def small_suite(folder: Path, patch: pytest.MonkeyPatch) -> Suite:
    """`synth15` with its first items and a short protocol, in place of the real one."""
    real = content.folder
    there = folder / SUITE
    there.mkdir(parents=True)
    lines = (real("benchmarks") / SUITE / "items.jsonl").read_text(encoding="utf-8").splitlines()[:ITEMS]
    (there / "items.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = (real("benchmarks") / SUITE / "suite.toml").read_text(encoding="utf-8")
    head = text.partition("[protocols.")[0]
    (there / "suite.toml").write_text(f"{head}[protocols.synth15]\nmetrics = {json.dumps(PROTOCOL)}\n", encoding="utf-8")
    patch.setattr(content, "folder", lambda kind: folder if kind == "benchmarks" else real(kind))
    return suites.load(SUITE)


def committed(model: str) -> Measured:
    """The committed run of a model."""
    return next(e for e in COMMITTED.read_all().values() if isinstance(e, Measured) and e.model == model)


def small_run(folder: Path, model: str, suite: Suite, *, called: str = "") -> Path:
    """A run folder with the suite's clips of a committed run.

    Args:
        folder: Is made.
        model: Whose.
        suite: From `small_suite`.
        called: What the model is called instead.
    """
    made = committed(model)
    rows, there = COMMITTED.rows(made), COMMITTED.reference_rows(made)
    ids = [item.id for item in suite.items]
    scores = []
    for label in METRICS:
        old = made.result[label]
        metric = registry.metric(label.split("[")[0], **old.parameters)
        parts = [rows[made.rows.blocks[label]][clip] for clip in ids]
        refs = [there[label][clip] for clip in ids] if metric.needs_all and metric.needs_reference else None
        views = [p[0] if len(p) == 1 else p for p in parts]
        ref_views = None if refs is None else [p[0] if len(p) == 1 else p for p in refs]
        low, high, how = metric.interval(views, ref_views, seed=0)
        value = metric.score(np.concatenate(parts), None if refs is None else np.concatenate(refs))
        signature = old.signature.replace("|n:150|", f"|n:{ITEMS}|")
        scores.append(
            replace(
                old,
                value=value,
                low=low,
                high=high,
                interval=how,
                n_items=ITEMS,
                n_scored=ITEMS,
                flagged={},
                signature=signature,
            )
        )
        results.write_rows(folder / "rows" / f"{label}.parquet", ids, views, metric.columns, signature)
        if ref_views is not None:
            results.write_rows(folder / "references" / f"{label}.parquet", ids, ref_views, metric.columns, signature)
    result = replace(
        made.result,
        model=called or model,
        suite={"name": SUITE, "version": suite.version, "items": items_hash(suite)},
        request={**made.result.request, "model": called or model},
        metrics=tuple(scores),
        clips={clip: made.result.clips[clip] for clip in ids},
    )
    hashes = {**result.hashes, "ids": ids_hash(suite), "clips": clips_hash(result, suite)}
    results.write(replace(result, hashes=hashes), folder)
    return folder


def small_board(folder: Path, suite: Suite) -> Board:
    """Two runs, one of them reproduced, and two rows of a paper's table."""
    board = Board(folder / "leaderboard" / "entries")
    origins: Mapping[str, Literal["submitted", "reproduced"]] = {"shifted": "reproduced", "noise": "submitted"}
    for model, origin in origins.items():
        run = small_run(folder / model, model, suite)
        adding.add(board, run, origin=origin, by="someone", revision="one")
    for place in ("avsync15/jointdit/jointdit-table-1.json", "avsync15/svd+tiva/jointdit-table-1.json"):
        to = board.entries / place
        to.parent.mkdir(parents=True)
        shutil.copy(COMMITTED.entries / place, to)
    return board


def edited(path: Path, change: Any) -> None:
    """Change an entry's JSON as someone would who keeps to its layout."""
    table = json.loads(path.read_text(encoding="utf-8"))
    change(table)
    path.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def with_rows(path: Path, change: Any, *, hashed: bool = True) -> None:
    """Change an entry's rows, and their hash in the entry."""
    file = path.with_suffix(".parquet")
    held = copied(file)
    data = blocks.written(change(held) or held)
    replaced(path, data, hashed=hashed)


def copied(file: Path) -> Blocks:
    """The blocks of a file, in arrays that can be changed."""
    found = blocks.read(file.read_bytes(), str(file))
    return {name: {clip: rows.copy() for clip, rows in block.items()} for name, block in found.items()}


def replaced(path: Path, data: bytes, *, hashed: bool = True) -> None:
    """Other bytes in place of the rows, and their hash in the entry."""
    path.with_suffix(".parquet").write_bytes(data)
    if hashed:
        edited(path, lambda table: table["rows"].update(sha256=blocks.sha256(data)))
