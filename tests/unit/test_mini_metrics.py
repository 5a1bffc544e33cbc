"""Metrics on the mini networks: golden.json, rows, labels, signs, what is refused, and that no table mixes them with others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench import registry, results, suites, tables
from avbench.errors import BadParameter, Unscorable
from avbench.extractors.mini_sync import OFFSETS
from avbench.metrics.desync import Desync
from avbench.tables import sources
from avbench.tables.model import Column
from avbench.types import Item
from tests.made_runs import made_run

METRICS = Path(__file__).parents[2] / "metrics"
GOLDEN = {
    name: json.loads((METRICS / name / "golden.json").read_text(encoding="utf-8"))
    for name in ("fad_mini", "kl_mini", "is_mini", "desync")
}


def cases(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", GOLDEN[name]["cases"], ids=lambda case: case["name"])


# ------------------------------------------------------------------ sound


@cases("fad_mini")
def test_fad_mini(case: dict[str, Any]) -> None:
    made = registry.metric("fad_mini")
    got = made.compute(case["generated"]["rows"], case["reference"]["rows"])
    assert got == pytest.approx(case["value"], abs=case["tolerance"]["atol"])


@cases("kl_mini")
def test_kl_mini(case: dict[str, Any]) -> None:
    made = registry.metric("kl_mini")
    pairs = [
        ({"mini_audio.logits": np.log(g)}, {"mini_audio.logits": np.log(r)})
        for g, r in zip(case["generated"], case["reference"], strict=True)
    ]
    rows = np.stack([made.row(Item("x"), g, r) for g, r in pairs])
    assert made.compute(rows) == pytest.approx(case["value"], rel=1e-12, abs=1e-12)
    assert rows[:, 1].mean() == pytest.approx(case["reversed"], rel=1e-12, abs=1e-12)
    with pytest.raises(BadParameter, match="kl_mini: the reference clip is needed and None came"):
        made.row(Item("x"), pairs[0][0], None)


@cases("is_mini")
def test_is_mini(case: dict[str, Any]) -> None:
    made = registry.metric("is_mini", **case["parameters"])
    if "reason" in case:
        with pytest.raises(Unscorable, match=case["reason"]):
            made.compute(case["rows"])
        return
    assert made.compute(case["rows"]) == pytest.approx(case["value"], rel=1e-12, abs=1e-12)


def test_the_order_of_clips_moves_no_score_of_one_part() -> None:
    rows = np.random.default_rng(0).normal(scale=4.0, size=(40, 15))
    made = registry.metric("is_mini")
    assert made.compute(rows[::-1]) == pytest.approx(made.compute(rows), rel=1e-12)
    assert registry.metric("is_mini", splits=10).compute(rows) < made.compute(rows), "fewer clips in a part score less"
    low, high, how = made.interval(list(rows), None, seed=0)
    assert low < made.compute(rows) < high
    assert "halves" in how
    with pytest.raises(BadParameter, match="is_mini: splits must be 1 or more, got 0"):
        registry.metric("is_mini", splits=0)


def test_rows_are_the_layers_of_mini_audio() -> None:
    layers = {"mini_audio.logits": np.arange(15.0, dtype=np.float32), "mini_audio.embeddings": np.ones((3, 128), np.float32)}
    assert registry.metric("fad_mini").row(Item("x"), layers, None).shape == (3, 128)
    np.testing.assert_array_equal(registry.metric("is_mini").row(Item("x"), layers, None), np.arange(15.0))


# ------------------------------------------------------------------ picture


@pytest.mark.parametrize("name", ["fvd", "kvd"])
def test_fvd_and_kvd_on_mini_video(name: str) -> None:
    made = registry.metric(name, network="mini_video")
    assert made.label == f"{name}[network=mini_video]"
    assert [registry.needed(need).label for need in made.extractors()] == ["mini_video"]
    assert made.row_kind() == "mini_video.features"
    features = np.arange(128, dtype=np.float32)
    row = made.row(Item("x"), {"mini_video.features": features, "mini_video.logits": np.zeros(15, np.float32)}, None)
    np.testing.assert_array_equal(row, features)
    assert row.dtype == np.float64
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(30, 128)), draw.normal(size=(30, 128)) + 1.0
    low, high, _ = made.interval(list(x), list(y), seed=0)
    assert low < made.compute(x, y) < high


def test_mini_statistics_are_float64() -> None:
    """The default variant's float32 would lose a spread of 1e-3 around 1e4."""
    rows = 1e4 + 1e-3 * np.random.default_rng(0).normal(size=(300, 4))
    rows -= rows.mean(axis=0) - 1e4
    moved = np.array([1e-3, 0.0, 0.0, 0.0])
    assert registry.metric("fvd", network="mini_video").compute(rows + moved, rows) == pytest.approx(1e-6, rel=1e-4)
    assert registry.metric("fad_mini").compute(rows + moved, rows) == pytest.approx(1e-6, rel=1e-4)
    assert registry.metric("fvd", network="mini_video").moments_suffice


@pytest.mark.parametrize("name", ["fvd", "kvd"])
@pytest.mark.parametrize("changed", [{"variant": "javisbench"}, {"frames": 16}, {"float64": True}])
def test_what_is_of_i3d_alone_is_refused_with_mini_video(name: str, changed: dict[str, Any]) -> None:
    with pytest.raises(BadParameter, match=rf"choose what I3D sees .* leave them out: {name}\[network=mini_video\]"):
        registry.metric(name, network="mini_video", **changed)
    registry.metric(name, **changed)


# ------------------------------------------------------------------ offsets


@pytest.mark.parametrize("case", GOLDEN["desync"]["mini_sync"]["cases"], ids=lambda case: case["name"])
def test_desync_on_mini_sync(case: dict[str, Any]) -> None:
    logits = np.zeros(49, np.float32)
    logits[case["place"]] = 1.0
    row = registry.metric("desync", network="mini_sync").row(Item("x"), {"mini_sync.logits": logits}, None)
    np.testing.assert_allclose(row, case["row"], atol=1e-12)
    assert not np.signbit(row[0])


def test_the_trace_of_mini_sync_leaves_out_what_it_cannot_tell() -> None:
    logits = np.linspace(0.0, 1.0, 49, dtype=np.float32)
    logits[:10] = -1e4
    made = registry.metric("desync", network="mini_sync")
    trace = made.trace(Item("x"), {"mini_sync.logits": logits}, None)
    np.testing.assert_allclose(trace["offset"], -np.array(OFFSETS[10:])[::-1])
    np.testing.assert_array_equal(trace["score"], logits[10:][::-1].astype(np.float64))
    assert trace["offset"][trace["score"].argmax()] == made.row(Item("x"), {"mini_sync.logits": logits}, None)[1] == -1.0


@pytest.mark.parametrize("changed", [{"variant": "javisbench"}, {"seconds": 5.0}])
def test_what_is_of_synchformer_alone_is_refused_with_mini_sync(changed: dict[str, Any]) -> None:
    with pytest.raises(BadParameter, match=r"how Synchformer is shown .* leave them out: desync\[network=mini_sync\]"):
        registry.metric("desync", network="mini_sync", **changed)
    assert Desync(**changed).extractors()[0].extractor == "synchformer"


# ------------------------------------------------------------------ suite and tables


def test_the_suites_own_metrics_need_no_download() -> None:
    made = [registry.metric(spec.name, **dict(spec.parameters)) for spec in suites.load("synth15").metrics]
    files = [w for m in made for n in m.extractors() if (w := registry.needed(n).weights)]
    assert files
    assert all(file.package == "avbench.mini" for file in files)


@pytest.mark.parametrize("extractor", ["net:1,weights=0123456789ab", ""])
def test_a_table_never_ranks_mini_networks_with_published_ones(tmp_path: Path, extractor: str) -> None:
    """Not even in one column, nor if nothing but the parameter told them apart."""
    draw = np.random.default_rng(0)

    def row(name: str, label: str, shift: float) -> Any:
        width = 128 if "mini" in label else 400
        net = extractor or ("mini_video:1,weights=8aa1f6c3ef02" if "mini" in label else "i3d_k400:1,weights=0123456789ab")
        rows = {label: draw.normal(size=(6, width)) + shift}
        references = {label: draw.normal(size=(6, width))}
        run = results.read(made_run(tmp_path / name, rows, references=references, model=name, extractor=net))
        return sources.of_run(run, [column])

    column = Column("FVD", "FVD", "lower", ("fvd[float64=true]", "fvd[network=mini_video]"), digits=1)
    for count, published, mini in ((1, ("a", "b"), ("m",)), (2, ("a",), ("m", "n"))):
        made = tables.build(
            [column],
            [row(f"{name}{count}", "fvd[float64=true]", 1.0 + k) for k, name in enumerate(published)]
            + [row(f"{name}{count}", "fvd[network=mini_video]", 0.5 * k) for k, name in enumerate(mini)],
        )
        ranked = {made.rows[r].name[0] for r, _ in made.marks}
        aside = {made.rows[r].name[0]: made.notes[notes[0]] for (r, _), notes in made.refers.items()}
        assert ranked == set(published if len(published) > len(mini) else mini)
        assert set(aside) == set(published + mini) - ranked
        assert all("not ranked" in text and "network" in text for text in aside.values())
        assert all(cell is not None for cell in (made.cell(r, made.columns[0]) for r in range(len(made.rows)))), "all are shown"
