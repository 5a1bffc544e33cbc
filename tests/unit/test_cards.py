"""Lists and cards: complete, and plain data."""

from __future__ import annotations

import json

import pytest

from avbench import cards, content, registry, suites
from avbench.errors import UnknownName


def test_lists_are_complete_and_plain() -> None:
    assert [m["metric"] for m in cards.metrics()] == registry.names("metrics")
    assert [m["model"] for m in cards.models()] == registry.names("generators")
    assert [s["suite"] for s in cards.suites()] == suites.names()
    for listed in (cards.metrics(), cards.models(), cards.suites()):
        assert json.loads(json.dumps(listed)) == listed
        assert all(list(entry) == list(listed[0]) for entry in listed)


def test_every_card_is_plain_and_has_its_text() -> None:
    for name in registry.names("metrics"):
        card = cards.metric(name)
        assert json.loads(json.dumps(card)) == card
        assert card["card"].strip()
        assert all(card[key] != "" for key in card)
    for name in registry.names("generators"):
        assert cards.model(name)["card"].strip()
    for name in suites.names():
        assert cards.suite(name)["card"].strip()


def test_a_card_says_what_a_reader_asks() -> None:
    card = cards.metric("av_align")
    assert card["direction"] == "higher is better"
    assert card["unit"] == "plain number"
    assert "variant (tempotokens_2025 | tempotokens_2023" in card["parameters"]
    assert "keep_offset (bool; default False)" in card["parameters"]
    assert card["needs"] == "audio, video (optical_flow, onsets)"
    assert card["row"] == "av_align, audio_peaks, video_peaks, matches"
    assert "2309.16429" in card["source"]
    assert cards.metric("loudness")["parameters"] == "none"
    assert cards.metric("missing_stream")["needs"] == "any clip (stream_facts)"
    assert cards.model("shifted")["parameters"] == "seconds (float; default 0.5)"
    assert cards.model("noise")["needs of an item"] == "nothing"
    suite = cards.suite("synth15")
    assert suite["suite"] == "synth15@1"
    assert suite["items"] == 150
    assert suite["categories"].startswith("15: baby_crying, ")
    assert suite["clip"] == "2 s, 256 x 256, 24 fps, 16000 Hz"


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'motion_score'"):
        cards.metric("motion")
    with pytest.raises(UnknownName, match="did you mean 'shuffled'"):
        cards.model("shuffle")
    with pytest.raises(UnknownName, match="did you mean 'synth15'"):
        cards.suite("synth")


def test_content_that_is_not_there_is_empty() -> None:
    assert content.card("metrics", "nothing") == ""
    assert content.folder("metrics").is_dir()
