"""R3: 48 broken files among 200: each is named with its fault, and the others do not notice."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from avbench import results
from avbench.errors import REASONS
from avbench.pipeline import score
from avbench.results import Result

from .faulty import KINDS, MORE, different, make
from .support import write_clips

SOUND = 152
EACH = 3


@dataclass
class Corpus:
    """Ids of each kind of fault, ids without a fault, the run over all and the run over the latter."""

    faults: dict[str, list[str]]
    sound: list[str]
    mixed: Result
    alone: Result


def _corpus(root: Path) -> Corpus:
    base = write_clips(root / "base", [str(k) for k in range(8)], frames=6)
    ids = [f"clip_{k:03d}" for k in range(SOUND + EACH * len(KINDS))]
    random.Random(3).shuffle(ids)
    faults = {kind: ids[k * EACH : (k + 1) * EACH] for k, kind in enumerate(KINDS)}
    sound = sorted(ids[EACH * len(KINDS) :])
    for folder in ("mixed", "alone"):
        (root / folder).mkdir()
    for kind, broken in faults.items():
        for seed, id in enumerate(broken):
            make(KINDS[kind], root / "mixed", id, seed)
    for number, id in enumerate(sound):
        different(base[number % len(base)], root / "mixed" / f"{id}.mp4", number)
        shutil.copyfile(root / "mixed" / f"{id}.mp4", root / "alone" / f"{id}.mp4")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for folder in ("mixed", "alone"):  # each with a cache of its own
            patch.setenv("AVBENCH_HOME", str(root / f"home-{folder}"))
            found[folder] = score(root / folder, out=root / f"out-{folder}")
    return Corpus(faults, sound, found["mixed"], found["alone"])


def _named(result: Result, id: str) -> set[str]:
    """Everything that the result says against a clip."""
    codes = {s.unscored[id].split(":")[0] for s in result.metrics if id in s.unscored}
    assert codes <= set(REASONS)
    return codes | set(result.clips[id]["flags"]) | {f for s in result.metrics for f in s.flagged.get(id, ())}


def test_two_hundred_clips(tmp_path: Path) -> None:
    """One test for everything, since the two runs are most of a minute of work."""
    corpus = _corpus(tmp_path)
    for kind, broken in corpus.faults.items():
        for id in broken:
            assert _named(corpus.mixed, id) & set(KINDS[kind][2].split()), (kind, id, _named(corpus.mixed, id))
    _nobody_is_lost(corpus)
    _as_if_alone(corpus)


def _nobody_is_lost(corpus: Corpus) -> None:
    everyone = set(corpus.sound) | {id for broken in corpus.faults.values() for id in broken}
    assert len(everyone) == 200
    assert set(corpus.mixed.clips) == everyone
    assert not corpus.mixed.others
    for s in corpus.mixed.metrics:
        scored = set(results.rows(corpus.mixed, s.metric)["clip"])
        assert (s.n_items, s.n_scored) == (200, len(scored))
        assert scored | set(s.unscored) == everyone
        assert not scored & set(s.unscored)


def _as_if_alone(corpus: Corpus) -> None:
    """Every metric, every column, bit for bit."""
    assert len(corpus.mixed.metrics) >= 8
    for s in corpus.mixed.metrics:
        mixed, alone = results.rows(corpus.mixed, s.metric), results.rows(corpus.alone, s.metric)
        assert list(alone["clip"]) == corpus.sound
        mixed = mixed[mixed["clip"].isin(corpus.sound)]
        assert list(mixed["clip"]) == corpus.sound
        for column in alone.columns.drop("clip"):
            assert mixed[column].to_numpy().tobytes() == alone[column].to_numpy().tobytes(), (s.metric, column)
    for id in corpus.sound:
        assert corpus.mixed.clips[id] == corpus.alone.clips[id]
        assert not _named(corpus.mixed, id)


def test_cut_files_and_non_finite_sound(tmp_path: Path) -> None:
    """Cut at four places, with the index in front and at the end, and floats that are no numbers."""
    folder = tmp_path / "clips"
    write_clips(folder, ["sound"], frames=6)
    for number, kind in enumerate(MORE):
        make(MORE[kind], folder, f"clip {number}", number)
    result = score(folder, out=tmp_path / "out", metrics=["duration", "loudness", "motion_score"])
    for number, kind in enumerate(MORE):
        assert _named(result, f"clip {number}") & set(MORE[kind][2].split()), kind
        if "cut_short" not in result.clips[f"clip {number}"]["flags"]:  # nothing but the encoder's name is lost
            assert f"clip {number}" in result["loudness"].unscored
    assert all(s.n_scored >= 1 and "sound" not in s.unscored for s in result.metrics)
