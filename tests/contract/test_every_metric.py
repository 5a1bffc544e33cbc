"""What every metric keeps to, built in or not; a new one needs no edit here."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import pickle
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench import content, engine, registry, weights
from avbench.api import want
from avbench.errors import AvbenchError, BadParameter, MissingData, Unscorable
from avbench.options import Options
from avbench.store import MemoryStore
from avbench.types import Array, Clip, Item, Metric, Need

NAMES = registry.names("metrics")
CLIPS = 3
every_metric = pytest.mark.parametrize("name", NAMES)


@functools.cache
def variants(name: str) -> tuple[Metric, ...]:
    """The metric with its defaults, and with every other choice of every parameter that has choices."""
    cls = registry.metric_class(name)
    hints = typing.get_type_hints(cls)
    made = [registry.metric(name)]
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        choices: tuple[typing.Any, ...] = (True, False) if hints[field.name] is bool else ()
        if typing.get_origin(hints[field.name]) is typing.Literal:
            choices = typing.get_args(hints[field.name])
        for choice in choices:
            try:
                made.append(registry.metric(name, **{field.name: choice}))
            except BadParameter:  # a name that is reserved, see test_every_choice_is_made_or_refused_in_words
                continue
    return tuple(dict.fromkeys(made))


every_variant = pytest.mark.parametrize("metric", [m for n in NAMES for m in variants(n)], ids=lambda m: m.label)


@pytest.fixture(scope="module")
def clips(make_clip: Callable[..., Clip]) -> list[Clip]:
    return [make_clip(f"clip{n}", seed=n, text=f"caption {n}", seconds=1.5) for n in range(2 * CLIPS)]


def features(needs: tuple[Need, ...], clips: list[Clip]) -> list[dict[str, Array]]:
    """What `row` is given of each clip; a clip that an extractor refuses has none."""
    try:
        chain = [want(registry.extractor(a)) for n in needs for a in registry.needed(n).after]
        chain += [want(registry.needed(n)) for n in needs]
    except MissingData as error:
        pytest.skip(str(error))
    found = engine.extract(clips, chain, store=MemoryStore(), options=Options(workers=1, device="cpu"))
    out = []
    for clip in range(len(clips)):
        layers: dict[str, Array] = {}
        for place, wanted in enumerate(chain):
            made = found.features(clip, place)
            assert not isinstance(made, engine.Failure), made
            layers |= {f"{wanted.extractor.name}.{k}": v for k, v in made.items()}
        out.append(layers)
    return out


def rows(metric: Metric, clips: list[Clip]) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Rows of the first half of the clips, and reference rows (set metrics) of the second half, which are the references."""
    found = features(metric.extractors(), clips[:CLIPS])
    refs = features(metric.reference_extractors(), clips[CLIPS:]) if metric.needs_reference else [None] * CLIPS
    items = [Item(c.id, c.text) for c in clips]
    made = [metric.row(i, got, ref) for i, got, ref in zip(items[:CLIPS], found, refs, strict=True)]
    if not metric.needs_all:  # a row of a pair needs both clips
        return made, []
    return made, [metric.row(i, ref, None) for i, ref in zip(items[CLIPS:], refs, strict=True) if ref is not None]


# ------------------------------------------------------------------ what it says of itself


@every_variant
def test_a_metric_is_a_frozen_value(metric: Any) -> None:
    same = type(metric)(**metric.parameters())
    assert same == metric
    assert hash(same) == hash(metric)
    back = pickle.loads(pickle.dumps(metric))  # noqa: S301
    assert back == metric
    assert back.label == metric.label
    assert back.unit == metric.unit
    fields = [f.name for f in dataclasses.fields(metric)]
    for name in fields or ["anything"]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(metric, name, None)


@every_variant
def test_a_label_leads_back_to_the_metric(metric: Metric) -> None:
    spec = registry.parse_spec(metric.label)
    assert registry.metric(spec.name, **dict(spec.parameters)) == metric


@every_metric
def test_a_metric_says_what_it_is(name: str) -> None:
    cls = registry.metric_class(name)
    assert cls.name == name
    assert len(cls.title) > 5
    assert not cls.title.endswith(".")
    assert isinstance(cls.unit, str)
    assert cls.better in ("higher", "lower", "none")
    assert isinstance(cls.revision, int)
    assert cls.revision >= 1
    assert len(cls.source) > 5
    assert cls.minimum >= 1
    assert len(set(cls.columns)) == len(cls.columns)
    assert all(c.isidentifier() and c not in ("clip", "part") for c in cls.columns)
    assert inspect.getdoc(cls)
    module = inspect.getmodule(cls)
    assert module is not None
    for heading in ("Definition", "Range", "Source"):
        assert f"{heading}:" in (module.__doc__ or ""), f"the module's docstring has no '{heading}:'"


@every_metric
def test_the_card_names_unit_and_direction(name: str) -> None:
    if not registry._modules("metrics")[name].startswith("avbench."):
        pytest.skip("a plug-in's card is its docstring")
    cls = registry.metric_class(name)
    path = content.folder("metrics") / name / "card.md"
    assert path.is_file()
    text = path.read_text(encoding="utf-8")
    table = dict(line.strip("|").split("|", 1) for line in text.splitlines() if line.startswith("|") and line.count("|") >= 3)
    said = {key.strip(): value.strip(" |") for key, value in table.items()}
    assert (cls.unit.split("/")[0] or "none") in said["unit"]
    assert {"higher": "higher", "lower": "lower", "none": "none"}[cls.better] in said["direction"]
    assert (path.parent / "golden.json").is_file()


@every_metric
def test_every_choice_is_made_or_refused_in_words(name: str) -> None:
    cls = registry.metric_class(name)
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if typing.get_origin(hints[field.name]) is typing.Literal:
            for choice in typing.get_args(hints[field.name]):
                try:
                    assert getattr(registry.metric(name, **{field.name: choice}), field.name) == choice
                except BadParameter:
                    with pytest.raises(BadParameter, match=f"{choice}.{{20}}"):  # its name, and a word on why
                        registry.metric(name, **{field.name: choice})
            with pytest.raises(BadParameter, match=f"{name}: {field.name} must be one of"):
                registry.metric(name, **{field.name: "no such choice"})
            with pytest.raises(BadParameter, match=field.name):
                cls(**{field.name: "no such choice"})
    with pytest.raises(BadParameter, match=f"{name} takes .*not 'no_such_parameter'"):
        registry.metric(name, no_such_parameter=1)


@every_variant
def test_the_extractors_of_a_metric_are_there(metric: Metric) -> None:
    needs = metric.extractors()
    assert needs
    for need in needs:
        extractor = registry.needed(need)
        assert dict(need.parameters).items() <= extractor.parameters().items()
    # Two settings of one extractor would have the same keys in `row`'s features.
    assert len({n.extractor for n in needs}) == len(needs)


# ------------------------------------------------------------------ rows and scores


@every_variant
def test_rows_are_float64_of_the_declared_width_whatever_their_order(metric: Metric, clips: list[Clip]) -> None:
    made, there = rows(metric, clips)
    widths = {row.shape[-1] for row in [*made, *there]}
    for row in [*made, *there]:
        assert row.dtype == np.float64
        assert np.isfinite(row).all()
        assert row.ndim == 2 if metric.needs_all and row.ndim > 1 else row.ndim == 1
    assert widths == ({len(metric.columns)} if metric.columns else widths)
    assert len(widths) == 1
    alone = [rows(metric, [clips[n], *clips[:2], *clips[CLIPS + n :], *clips[CLIPS:]][: 2 * CLIPS])[0][0] for n in (0,)]
    np.testing.assert_array_equal(alone[0], made[0])
    other = [*clips[:CLIPS][::-1], *clips[CLIPS:][::-1]]
    for first, second in zip(made, rows(metric, other)[0][::-1], strict=True):
        np.testing.assert_array_equal(first, second)


@every_variant
def test_a_score_does_not_depend_on_order(metric: Metric, clips: list[Clip]) -> None:
    made, there = rows(metric, clips)
    table = np.concatenate([np.atleast_2d(r) for r in made])
    refs = np.concatenate([np.atleast_2d(r) for r in there]) if there else None
    table = np.concatenate([table] * -(-metric.minimum // len(table)))
    table = table + np.arange(len(table))[:, None] * 1e-3 if not metric.columns else table
    refs = np.concatenate([refs] * -(-metric.minimum // len(refs))) if refs is not None else None
    value = metric.compute(table, refs)
    assert isinstance(value, float)
    assert np.isfinite(value)
    order = np.random.default_rng(0).permutation(len(table))
    assert metric.compute(table[order], refs) == pytest.approx(value, rel=1e-9, abs=1e-12)


@every_variant
def test_compute_refuses_what_is_not_rows(metric: Metric) -> None:
    width = len(metric.columns) or 4
    good = np.random.default_rng(0).uniform(0.1, 0.9, (metric.minimum + 3, width))
    refs = good + 0.01 if metric.needs_all and metric.needs_reference else None
    holed = good.copy()
    holed[1, 0] = np.nan
    with pytest.raises(BadParameter, match=r"1 of \d+ generated rows hold NaN"):
        metric.compute(holed, refs)
    holed[1, 0] = np.inf
    with pytest.raises(BadParameter, match="NaN or infinite"):
        metric.compute(holed, refs)
    if metric.columns:
        with pytest.raises(BadParameter, match="rows must be"):
            metric.compute(np.zeros((metric.minimum + 3, width + 1)), refs)
    with pytest.raises(BadParameter, match="rows must be"):
        metric.compute(np.zeros((2, 2, 2)), refs)
    with pytest.raises(Unscorable, match="needs at least"):
        metric.compute(good[: metric.minimum - 1], refs)
    if refs is not None:
        with pytest.raises(BadParameter, match="reference rows are needed"):
            metric.compute(good)


@every_metric
def test_traces_are_numbers_and_flags_are_words(name: str, clips: list[Clip]) -> None:
    metric = registry.metric(name)
    found = features(metric.extractors(), clips)
    ref = features(metric.reference_extractors(), clips[CLIPS:])[0] if metric.needs_reference else None
    for key, values in metric.trace(Item("a"), found[0], ref).items():
        assert key.isidentifier()
        assert np.asarray(values).dtype.kind in "fiub"
        assert np.asarray(values).ndim >= 1
    assert all(isinstance(flag, str) and flag.isidentifier() for flag in metric.flags(found[0]))


@every_metric
def test_a_metric_names_its_weights_or_needs_none(name: str) -> None:
    for need in registry.metric(name).extractors():
        extractor = registry.needed(need)
        if extractor.weights is None:
            assert weights.resolve(extractor, None) == (None, None)
        elif extractor.weights.package:
            path, _ = weights.resolve(extractor, None)
            assert path is not None
            assert path.name == extractor.weights.file
        else:
            with pytest.raises(AvbenchError, match="there is no file"):
                weights.resolve(extractor, None)
