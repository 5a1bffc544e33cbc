"""Clips check themselves; components are values; JSON is canonical."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from avbench.errors import REASONS, BadClip, BadParameter, UnknownName, Unscorable
from avbench.types import Better, Clip, ClipFile, ClipInfo, Features, Item, Metric, Need, Waveform, canonical

VIDEO = np.zeros((2, 8, 6, 3), dtype=np.uint8)
AUDIO = np.zeros((1, 100), dtype=np.float32)


def test_pictures_may_come_channels_first_and_as_tensors() -> None:
    import torch

    draw = np.random.default_rng(0).integers(0, 255, (2, 8, 6, 3), dtype=np.uint8)
    first = torch.from_numpy(draw).permute(0, 3, 1, 2)
    for video in (draw, draw.transpose(0, 3, 1, 2), first, first.contiguous()):
        clip = Clip("a", video, 8.0, None, 0)  # type: ignore[arg-type]
        assert clip.video is not None
        assert clip.video.flags.c_contiguous
        np.testing.assert_array_equal(clip.video, draw)


def test_sound_may_be_one_row_a_tensor_or_float64() -> None:
    import torch

    for audio in (np.zeros(100), np.zeros((1, 100)), torch.zeros(100), torch.zeros(1, 100, dtype=torch.float64)):
        clip = Clip("a", None, 0.0, audio, 8_000)  # type: ignore[arg-type]
        assert clip.audio is not None
        assert clip.audio.shape == (1, 100)
        assert clip.audio.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video": VIDEO.astype(np.float32)}, r"clip 'a': video must be uint8 .* got float32 \(2, 8, 6, 3\)"),
        ({"video": VIDEO[0]}, r"got uint8 \(8, 6, 3\)"),
        ({"video": VIDEO[:0]}, "with at least one frame"),
        ({"video": np.zeros((2, 8, 6, 4), np.uint8)}, r"got uint8 \(2, 8, 6, 4\)"),
        ({"frame_rate": 0.0}, "clip 'a': frame_rate must be positive, got 0"),
        ({"frame_rate": float("nan")}, "frame_rate must be positive, got nan"),
        ({"frame_rate": float("inf")}, "frame_rate must be positive, got inf"),
        ({"audio": AUDIO.astype(np.int16)}, "audio must be float .* got int16"),
        ({"audio": np.zeros((1, 1, 100), np.float32)}, r"got float32 \(1, 1, 100\)"),
        ({"audio": np.zeros((16_000, 2), np.float32)}, r"\(16000, 2\); give the channels first"),
        ({"sample_rate": 0}, "clip 'a': sample_rate must be positive, got 0"),
    ],
)
def test_a_clip_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        Clip(**{"id": "a", "video": VIDEO, "frame_rate": 8.0, "audio": AUDIO, "sample_rate": 8_000, **changes})


def test_rates_of_absent_streams_do_not_matter() -> None:
    clip = Clip("a", None, 0.0, None, 0)
    assert clip.video is None
    assert clip.audio is None
    assert clip == clip
    assert hash(clip)


def info(times: list[float], rate: float = 10.0) -> ClipInfo:
    return ClipInfo("a", np.asarray(times), rate, 8, 6, 0, 0, 0.0)


def test_the_length_of_the_picture_counts_the_last_frame() -> None:
    assert info([]).video_seconds == 0.0
    assert info([0.0]).video_seconds == pytest.approx(0.1)
    assert info([0.0, 0.1, 0.3]).video_seconds == pytest.approx(0.5)


def test_the_downmix_is_the_mean() -> None:
    both = np.array([[1.0, 0.0], [0.0, -1.0]], dtype=np.float32)
    np.testing.assert_array_equal(Waveform(both, 8_000).mono, [0.5, -0.5])
    np.testing.assert_array_equal(Waveform(both[:1], 8_000).mono, [1.0, 0.0])


@dataclass(frozen=True)
class Toy(Metric):
    factor: float = 1.0
    variant: str = "plain"
    name: ClassVar[str] = "toy"
    title: ClassVar[str] = "toy"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "none"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "here"
    columns: ClassVar[tuple[str, ...]] = ("value",)
    minimum: ClassVar[int] = 2

    def extractors(self) -> tuple[Need, ...]:
        return (Need.of("onsets", b=1, a=2),)

    def row(self, item: Item, got: Features, ref: Features | None) -> Any:
        return np.zeros(1)


def test_parameters_labels_and_needs_come_from_the_fields() -> None:
    assert Toy().label == "toy"
    assert Toy(2.0, "odd").label == "toy[factor=2.0,odd]"
    assert Toy(2.0).parameters() == {"factor": 2.0, "variant": "plain"}
    assert Toy(2.0).changed() == {"factor": 2.0}
    assert Toy().extractors() == (Need("onsets", (("a", 2), ("b", 1))),)
    assert len({Toy(), Toy(1.0), Toy(2.0)}) == 2


def test_compute_takes_one_column_flat_lists_and_integers() -> None:
    assert Toy().compute(np.array([1.0, 3.0])) == 2.0
    assert Toy().compute(np.array([[1], [3]])) == 2.0
    assert Toy().compute([1.0, 3.0]) == 2.0  # type: ignore[arg-type]
    with pytest.raises(Unscorable, match=r"toy needs at least 2 generated rows, got 1"):
        Toy().compute(np.array([1.0]))
    with pytest.raises(BadParameter, match=r"toy: generated rows must be \(n, 1\), got \(2, 2\)"):
        Toy().compute(np.zeros((2, 2)))
    with pytest.raises(BadParameter, match="toy: 1 of 2 reference rows hold NaN"):
        Toy().compute(np.zeros(2), np.array([0.0, np.nan]))


def test_canonical_json_is_the_same_for_equal_values() -> None:
    assert canonical({"b": 1, "a": [np.float64(0.5), np.arange(2)], "p": Path("x")}) == '{"a":[0.5,[0,1]],"b":1,"p":"x"}'
    assert canonical({"a": 1, "b": 2}) == canonical({"b": 2, "a": 1})
    assert canonical("é") == '"é"'
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        canonical({1j})


# ------------------------------------------------------------------ errors


def test_every_reason_is_a_word_with_an_explanation() -> None:
    for code, text in REASONS.items():
        assert code.isidentifier()
        assert len(text) > 10
        assert str(BadClip(code)) == f"{code}: {text}"
    assert Unscorable("silent", "very").detail == "very"
    with pytest.raises(ValueError, match="'odd' is not a reason code"):
        BadClip("odd")


def test_an_unknown_name_among_none_says_so() -> None:
    assert "there are: none" in str(UnknownName("suite", "x", []))
    error = UnknownName("metric", "FAD_VGGISH", ["fad_vggish", "fvd"])
    assert error.nearest == "fad_vggish"


def test_the_sound_may_have_a_caption_of_its_own() -> None:
    item = Item("a", "a dog on a lawn", fields={"audio_text": "barking"})
    clip = ClipFile("x", Path("x.mp4")).of(item)
    assert (clip.id, clip.text, clip.audio_text) == ("a", "a dog on a lawn", "barking")
    assert Item("a", "a dog").audio_text == ""
    assert Item("a", fields={"audio_text": 3}).audio_text == ""
