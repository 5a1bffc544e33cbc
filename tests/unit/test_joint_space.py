"""The ImageBind family and LSE on the small networks: parts, reasons, what is refused, signs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avbench import lip_sync, registry
from avbench.errors import BadParameter, Unscorable
from avbench.types import Array, Item

FAMILY = ("ib_va", "ib_tv", "ib_ta", "ib_iv", "ib_ia", "avh_score", "javisscore")


def clip(**changed: Array) -> dict[str, Array]:
    """A clip of 8 frames and 3 windows, every embedding the same."""
    one = np.array([0.6, 0.8], np.float32)
    layers: dict[str, Array] = {
        "frames": np.tile(one, (8, 1)),
        "video": one,
        "windows": np.tile(one, (3, 1)),
        "audio": one,
        "text": one,
        "times": np.arange(8, dtype=np.float32) / 8,
        "spans": np.array([[0, 4], [2, 6], [4, 8]], np.int32),
        "span_times": np.array([[0, 0.5], [0.25, 0.75], [0.5, 1.0]], np.float32),
        "words": np.array(1, np.uint8),
    }
    return {f"mini_av.{key}": value for key, value in (layers | changed).items()}


@pytest.mark.parametrize("name", FAMILY)
def test_one_embedding_everywhere_gives_1(name: str) -> None:
    metric = registry.metric(name, network="mini_av")
    assert metric.label == f"{name}[network=mini_av]"
    found = metric.row(Item("a"), clip(), clip())[0]
    assert found == pytest.approx(100.0 if name.startswith("ib_") else 1.0, rel=1e-6)


@pytest.mark.parametrize("name", FAMILY)
def test_what_a_clip_lacks_is_the_reason(name: str) -> None:
    metric = registry.metric(name, network="mini_av")
    no_video = clip(frames=np.zeros((0, 2)), video=np.zeros(0), spans=np.zeros((0, 2), np.int32))
    no_audio = clip(windows=np.zeros((0, 2)), audio=np.zeros(0), spans=np.zeros((0, 2), np.int32))
    no_words = clip(words=np.array(0, np.uint8))
    reasons = []
    for got in (no_video, no_audio, no_words):
        try:
            metric.row(Item("a"), got, clip())
        except Unscorable as error:
            reasons.append(error.code)
    wanted = {"ib_tv": ["no_video", "no_text"], "ib_ta": ["no_audio", "no_text"], "ib_iv": ["no_video"], "ib_ia": ["no_audio"]}
    assert reasons == wanted.get(name, ["no_video", "no_audio"])


def test_windows_that_stand_still_are_too_short() -> None:
    with pytest.raises(Unscorable, match="too_short"):
        registry.metric("javisscore", network="mini_av").row(Item("a"), clip(spans=np.zeros((0, 2), np.int32)), None)


def test_one_window_of_pictures_takes_the_whole_sound() -> None:
    whole = clip(spans=np.array([[0, 8]], np.int32), windows=np.array([[1.0, 0], [0, 1.0], [1.0, 0]], np.float32))
    assert registry.metric("javisscore", network="mini_av").row(Item("a"), whole, None).tolist() == pytest.approx([1.0, 1, 8])


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("ib_va", {"variant": "javisbench"}),
        ("ib_tv", {"positions": "release"}),
        ("ib_ia", {"positions": "release"}),
        ("avh_score", {"positions": "release"}),
        ("javisscore", {"positions": "release"}),
        ("lse_c", {"variant": "latentsync"}),
        ("lse_d", {"detector": "yunet"}),
    ],
)
def test_settings_of_the_published_preparation_are_refused(name: str, parameters: dict[str, Any]) -> None:
    network = "mini_sync" if name.startswith("lse") else "mini_av"
    with pytest.raises(BadParameter, match=f"{name}: .*leave (it|them) out with {network}"):
        registry.metric(name, network=network, **parameters)


@pytest.mark.parametrize("late", [-7, 0, 5])
def test_a_late_sound_has_a_negative_offset(late: int) -> None:
    """As with SyncNet: positive where the sound comes early."""
    draw = np.random.default_rng(0).standard_normal((90, 16)).astype(np.float32)
    draw /= np.linalg.norm(draw, axis=1, keepdims=True)
    got = {"mini_sync.picture": draw[20:68], "mini_sync.sound": draw[20 - late : 69 - late]}
    rows = {n: registry.metric(n, network="mini_sync").row(Item("a"), got, None) for n in ("lse_c", "lse_d", "sync_offset")}
    assert rows["lse_d"][0] == pytest.approx(0.0, abs=1e-6)
    assert rows["lse_c"][0] > 1.0
    assert rows["sync_offset"][0] == abs(late)
    (reading,) = lip_sync.readings(got, "mini_sync")
    assert reading.offset == -late
    trace = registry.metric("lse_c", network="mini_sync").trace(Item("a"), got, None)
    assert len(trace["confidence"]) == len(trace["confidence_times"]) == len(trace["confidence_track"])
    assert np.isfinite(trace["confidence"]).all()


def test_too_few_steps_for_all_shifts_are_too_short() -> None:
    short = np.ones((26, 4), np.float32)
    with pytest.raises(Unscorable, match="too_short"):
        registry.metric("lse_d", network="mini_sync").row(
            Item("a"), {"mini_sync.picture": short, "mini_sync.sound": short}, None
        )
