"""What every model adapter keeps to; a new one needs no edit here."""

from __future__ import annotations

import dataclasses
import functools
import pickle
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from avbench import conditions, content, pipeline, registry, suites
from avbench.data.references import Prepared
from avbench.errors import BadParameter, MissingData
from avbench.suites import Rendered
from avbench.types import Clip, ClipFile, Generator, Item, Stream, Suite, Task

NAMES = registry.names("generators")
every_generator = pytest.mark.parametrize("name", NAMES)


@functools.cache
def small_suite(name: str) -> Suite:
    """Four items of a suite, in 64 x 64 pixels and 1 s where it can render them."""
    suite = suites.load(name, limit=4)
    if isinstance(suite.reference, Rendered):
        renderer = suite.reference.renderer
        suite = dataclasses.replace(suite, width=64, height=64, seconds=1.0, frame_rate=12.0)
        suite = dataclasses.replace(suite, reference=Rendered(suite, renderer))
    return suite


def suite_for(generator: Generator) -> Suite:
    """The first suite that has what the model uses; those whose clips are rendered come first, they have most."""
    for name in sorted(suites.names(), key=lambda n: not isinstance(suites.described(n).reference, Rendered)):
        described = suites.described(name)
        if described.prepared or isinstance(described.reference, Prepared):
            continue  # its items or clips have to be downloaded
        suite = small_suite(name)
        if not conditions.lacking(generator, suite):
            return suite
    pytest.skip(f"no suite offers {', '.join(generator.conditions)}")


def generate(generator: Generator, items: list[Item], suite: Suite, seed: int, folder: Path) -> dict[str, tuple[bytes, ...]]:
    """What each clip is made of, by id, in the order of the yields."""
    if missing := generator.missing():
        pytest.skip("; ".join(missing))
    folder.mkdir()
    out: dict[str, tuple[bytes, ...]] = {}
    try:
        for clip in generator.generate(items, suite=suite, seed=seed, folder=folder):
            if isinstance(clip, ClipFile):
                assert clip.path.is_relative_to(folder)
                made = [clip.path.read_bytes()]
                if clip.audio is not None:
                    assert clip.audio.is_relative_to(folder)
                    made.append(clip.audio.read_bytes())
            else:
                assert isinstance(clip, Clip)
                made = [clip.text.encode()] if generator.produces == ("text",) else []
                made += [b"" if a is None else np.asarray(a).tobytes() for a in (clip.video, clip.audio)]
            assert any(made)
            assert clip.id not in out
            out[clip.id] = tuple(made)
    except MissingData as error:
        pytest.skip(str(error))
    return out


@every_generator
def test_a_model_is_a_frozen_value_that_says_what_it_is(name: str) -> None:
    generator = registry.generator(name)
    assert generator.name == name
    same = registry.generator(name, **generator.parameters())
    assert same == generator
    assert hash(same) == hash(generator)
    assert pickle.loads(pickle.dumps(generator)) == generator  # noqa: S301
    assert len(generator.title) > 5
    assert generator.revision >= 1
    assert generator.source
    assert {c.removesuffix("?") for c in generator.conditions} <= set(conditions.KNOWN)
    assert generator.task in get_args(Task)
    assert set(generator.produces) <= set(get_args(Stream))
    assert all(isinstance(text, str) for text in (*generator.requires.values(), *generator.missing()))
    if registry._modules("generators").get(name, "avbench.").startswith("avbench."):
        card = content.card("baselines", name)
        assert card.startswith(f"# {name}\n")
        assert len(card) > 200
    with pytest.raises(BadParameter, match=f"{re.escape(name)} takes .*not 'no_such_parameter'"):
        registry.generator(name, no_such_parameter=1)


@every_generator
def test_one_clip_per_item_in_order_that_depends_on_item_and_seed_alone(name: str, tmp_path: Path) -> None:
    generator = registry.generator(name)
    suite = suite_for(generator)
    items = list(suite.items)
    first = generate(generator, items, suite, 0, tmp_path / "a")
    assert list(first) == [item.id for item in items]
    assert generate(generator, items, suite, 0, tmp_path / "b") == first
    for number, part in enumerate(([items[2]], [items[3], items[0]])):
        made = generate(generator, part, suite, 0, tmp_path / f"part{number}")
        assert list(made) == [item.id for item in part]
        assert all(made[id] == first[id] for id in made)
    assert len(set(first.values())) == len(items)


@every_generator
def test_a_condition_that_the_suite_lacks_is_refused(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cls = registry.generator_class(name)
    monkeypatch.setattr(cls, "conditions", (*cls.conditions, "smell"))
    with pytest.raises(BadParameter, match=f"model {re.escape(name)} needs .*smell.*; suite .* gives "):
        pipeline.generate(name, "synth15", limit=2, out=tmp_path / "out")
