"""R9, R10, R11, R20: workers, batches, order, clock, locale and folder move no value."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from avbench import engine, registry, results
from avbench.options import Options, Wanted
from avbench.pipeline import score
from avbench.store import MemoryStore
from avbench.types import Array, ClipFile

from .support import avbench, environment, write_clips

ANALYSES = ("onsets", "optical_flow", "picture_levels", "sound_levels", "stream_facts")
N = 7


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[ClipFile]:
    return [ClipFile(p.stem, p) for p in write_clips(tmp_path_factory.mktemp("clips"), [f"c{k}" for k in range(N)])]


def _features(clips: Sequence[ClipFile], names: Sequence[str], options: Options) -> dict[tuple[str, str, str], Array]:
    wanted = [Wanted(registry.extractor(name)) for name in names]
    found = engine.extract(clips, wanted, store=MemoryStore(), options=options)
    out = {}
    for index, clip in enumerate(clips):
        for position, name in enumerate(names):
            layers = found.features(index, position)
            assert not isinstance(layers, engine.Failure), layers
            out.update({(clip.id, name, layer): value for layer, value in layers.items()})
    return out


def _same(a: dict[tuple[str, str, str], Array], b: dict[tuple[str, str, str], Array]) -> None:
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].dtype == b[key].dtype
        assert a[key].tobytes() == b[key].tobytes(), key


def test_workers_and_order_move_no_bit(clips: list[ClipFile]) -> None:
    expected = _features(clips, ANALYSES, Options(workers=1))
    shuffled = list(clips)
    for workers in (2, 3):
        random.Random(workers).shuffle(shuffled)
        _same(expected, _features(shuffled, ANALYSES, Options(workers=workers)))
        assert {key[0] for key in expected} == {c.id for c in clips}


@pytest.mark.usefixtures("plugins")
def test_batch_size_moves_a_network_by_rounding_only(clips: list[ClipFile]) -> None:
    expected = _features(clips, ["tiny_network"], Options(workers=1, batch_size=1, device="cpu"))
    assert len({v.tobytes() for v in expected.values()}) == N
    for size in (2, 5, N):
        found = _features(clips, ["tiny_network"], Options(workers=2, batch_size=size, device="cpu"))
        assert found.keys() == expected.keys()
        for key in expected:
            np.testing.assert_allclose(found[key], expected[key], rtol=1e-5, atol=1e-7)


@pytest.mark.usefixtures("plugins")
def test_workers_move_no_bit_of_a_network(clips: list[ClipFile]) -> None:
    """Batches are of one size, whoever comes first; the last one is filled up."""
    expected = _features(clips, ["tiny_network"], Options(workers=1, batch_size=4, device="cpu"))
    for workers in (2, 3):
        _same(expected, _features(clips[::-1], ["tiny_network"], Options(workers=workers, batch_size=4, device="cpu")))


def test_order_of_names_moves_no_number(clips: list[ClipFile], tmp_path: Path) -> None:
    """The same clips under names in other orders: every metric is equal to 1e-12."""
    found = []
    for order in range(3):
        folder = tmp_path / f"order {order}"
        folder.mkdir()
        names = [f"n{k}" for k in range(N)]
        random.Random(order).shuffle(names)
        for clip, name in zip(clips, names, strict=True):
            shutil.copyfile(clip.path, folder / f"{name}.mp4")
        found.append(score(folder, out=tmp_path / f"out {order}", metrics=["motion_score", "av_align"]))
    for other in found[1:]:
        for a, b in zip(found[0].metrics, other.metrics, strict=True):
            assert (a.metric, a.n_scored) == (b.metric, b.n_scored)
            assert abs(a.value - b.value) <= 1e-12 * max(1.0, abs(a.value))


SURROUNDINGS: dict[str, dict[str, str]] = {
    "east": {"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "1"},
    "west": {"TZ": "America/St_Johns", "PYTHONHASHSEED": "2", "LC_ALL": "C"},
    "turkish": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "3"},
    "german": {"LC_ALL": "de_DE.UTF-8", "LC_NUMERIC": "de_DE.UTF-8", "PYTHONHASHSEED": "4"},
    "ascii": {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONHASHSEED": "5"},
    "dirty memory": {"MALLOC_PERTURB_": "85"},
}


def test_surroundings_move_no_byte(clips: list[ClipFile], tmp_path: Path) -> None:
    """Clock, locale, hash seed, umask, current folder and what is in fresh memory; each with a cache of its own."""
    folder = tmp_path / "clips İı"
    folder.mkdir()
    for clip in clips[:3]:
        shutil.copyfile(clip.path, folder / f"\u0131 {clip.id}.mp4")
    arguments = ["score", str(folder), "--metrics", "motion_score", "--workers", "1", "--json"]
    found = {}
    for name, extra in {"plain": {}, **SURROUNDINGS}.items():
        here = tmp_path / name
        here.mkdir()
        old = os.umask(0o077 if name == "east" else 0o022)
        try:
            avbench([*arguments, "--out", "out"], cwd=here, home=here / "home", extra=extra)
        finally:
            os.umask(old)
        found[name] = (here / "out" / "result.json").read_bytes()
    for name in SURROUNDINGS:
        assert found[name] == found["plain"], name
    assert "\u0131 c0" in results.read(tmp_path / "plain" / "out").clips


ENCODE = """
import hashlib, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.reliability.support import moving, write_clip
for side in (48, 64, 130):
    path = Path(f"{side}.mp4")
    write_clip(path, moving("x", side=side, frames=20))
    print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


def test_encoding_does_not_depend_on_what_is_in_fresh_memory(tmp_path: Path) -> None:
    import subprocess
    import sys

    root = str(Path(__file__).parents[2])
    found = {
        subprocess.run(
            [sys.executable, "-c", ENCODE, root],
            cwd=tmp_path,
            env=environment(tmp_path, MALLOC_PERTURB_=fill),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for fill in ("0", "85", "170")
    }
    assert len(found) == 1
