"""What every suite keeps to; a new one needs no edit here."""

from __future__ import annotations

import tomllib

import pytest

from avbench import content, pipeline, registry, suite_schema, suites
from avbench.data.references import Prepared
from avbench.errors import MissingData
from avbench.folders import file_name
from avbench.media import Reader
from avbench.suites import InFolder, Rendered
from avbench.types import Suite

every_suite = pytest.mark.parametrize("name", suites.names())


def loaded(name: str, limit: int | None = None) -> Suite:
    """The suite with its items; one whose items are not part of avbench says where they are, and the test ends."""
    suite = suites.described(name)
    if suite.prepared and not (suites.data_home() / name / "items.jsonl").is_file():
        assert suite.download
        with pytest.raises(MissingData) as caught:
            suites.load(name, limit=limit)
        assert suite.download in str(caught.value)
        assert str(suites.data_home() / name) in str(caught.value)
        pytest.skip("its items are not part of avbench")
    return suites.load(name, limit=limit)


@every_suite
def test_a_suite_says_what_it_is(name: str) -> None:
    suite = suites.described(name)
    assert suite.name == name
    assert suite.version >= 1
    assert len(suite.title) > 5
    assert set(suite.conditions) <= set(suite_schema.CONDITIONS)
    assert suite.source
    assert suite.licence
    assert min(suite.seconds, suite.frame_rate, suite.width, suite.height, suite.sample_rate) > 0


@every_suite
def test_the_items_are_complete(name: str) -> None:
    suite = loaded(name)
    assert suite.items
    assert len({item.id for item in suite.items}) == len(suite.items)
    assert len({file_name(item.id).lower() for item in suite.items}) == len(suite.items), "alike on some file systems"
    if "text" in suite.conditions:
        assert all(item.prompt for item in suite.items)
    if "category" in suite.conditions:
        assert all(item.category for item in suite.items)
    for item in suite.items:
        assert all(0 <= event <= (item.seconds or suite.seconds) for event in item.events)


@every_suite
def test_every_protocol_has_metrics_that_are_there(name: str) -> None:
    table = tomllib.loads((content.folder("benchmarks") / name / "suite.toml").read_text(encoding="utf-8"))
    for protocol in table["protocols"]:
        suite = suites.described(name, protocol=protocol)
        made = [registry.metric(spec.name, **dict(spec.parameters)) for spec in suite.metrics]
        assert made
        assert len({m.label for m in made}) == len(made)
        assert set(suite.only) <= {m.label for m in made}
        if not any(m.needs_reference for m in made) or suite.reference is not None:
            assert {m.label for m in made} <= {m.label for m in pipeline.choose_metrics(suite, None)}


@every_suite
def test_the_readme_names_the_licence(name: str) -> None:
    text = (content.folder("benchmarks") / name / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "licence" in text.lower()
    assert suites.described(name).licence.split()[0].rstrip(",;") in text


@every_suite
def test_the_limit_takes_the_first_items(name: str) -> None:
    assert loaded(name, limit=1).items == loaded(name).items[: suites.described(name).samples_per_item]


@every_suite
def test_a_reference_clip_is_there_or_the_message_says_where_to_get_it(name: str) -> None:
    suite = loaded(name, limit=1)
    if suite.reference is None:
        pytest.skip("a suite without reference clips")
    if isinstance(suite.reference, InFolder | Prepared) and not suite.reference.folder.is_dir():
        with pytest.raises(MissingData) as caught:
            suite.reference.ready(suite.items)
        assert str(suite.reference.folder) in str(caught.value)
        assert suite.reference.obtain in str(caught.value)
        return
    found = suite.reference.ready(suite.items)
    if isinstance(suite.reference, Rendered):
        assert list(found) == [suite.items[0].id]
    for clip in found.values():
        with Reader(clip) as reader:
            assert sum(1 for _ in reader.frames()) == reader.info.frames > 0
        if isinstance(suite.reference, Rendered):
            assert reader.info.frames == round(suite.seconds * suite.frame_rate)
            assert (reader.info.width, reader.info.height) == (suite.width, suite.height)
            assert reader.info.sample_rate == suite.sample_rate
