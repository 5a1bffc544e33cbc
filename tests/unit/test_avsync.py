"""RelSync, AlignSync, and the clips of 2 s below them: frames, packets, formulas, clips that are bad."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench import asva_clips, registry, weights
from avbench.errors import BadParameter, MissingData, Unscorable
from avbench.extractors.avsync import Avsync
from avbench.extractors.imagebind_asva import ImagebindAsva
from avbench.media import Limits
from avbench.metrics.alignsync import Alignsync
from avbench.metrics.relsync import Relsync, share
from avbench.types import Array, Clip, Item, Waveform
from avbench.worker import Answer, Job, Task, process

GOLDEN = {
    name: json.loads((Path(__file__).parents[2] / "metrics" / name / "golden.json").read_text(encoding="utf-8"))
    for name in ("relsync", "alignsync")
}

# ------------------------------------------------------------------ formulas


def side(score: list[float], cosines: list[list[float]]) -> dict[str, Array]:
    """Features with these scores and cosines."""
    c = np.asarray(cosines)
    return {
        "avsync.score": np.asarray(score, dtype=np.float32),
        "imagebind_asva.frames": np.stack([c, np.sqrt(1.0 - c**2)], axis=-1),
        "imagebind_asva.sound": np.tile([20.0, 0.0], (len(c), 1)),
        "imagebind_asva.times": np.tile(np.arange(12) / 6, (len(c), 1)),
    }


@pytest.mark.parametrize("case", GOLDEN["relsync"]["cases"], ids=lambda c: c["name"])
def test_relsync_golden(case: dict[str, Any]) -> None:
    got, ref = ({"avsync.score": np.asarray(case[s], dtype=np.float32)} for s in ("generated", "reference"))
    row = Relsync().row(Item("x"), got, ref)
    assert row[0] == pytest.approx(case["value"], abs=case["atol"])
    np.testing.assert_allclose(row[1:], [np.mean(case["generated"]), np.mean(case["reference"]), len(case["generated"])])


@pytest.mark.parametrize("case", GOLDEN["alignsync"]["cases"], ids=lambda c: c["name"])
def test_alignsync_golden(case: dict[str, Any]) -> None:
    got, ref = (side(**case[s]) for s in ("generated", "reference"))
    row = Alignsync().row(Item("x"), got, ref)
    assert row[0] == pytest.approx(case["value"], abs=case["atol"])
    assert row[1] == pytest.approx(Relsync().row(Item("x"), got, ref)[0])
    trace = Alignsync().trace(Item("x"), got, ref)
    np.testing.assert_allclose(trace["frame_cosines"], np.ravel(case["generated"]["cosines"]), atol=1e-7)
    assert trace["frame_times"].shape == (12,)


def test_each_clip_of_two_seconds_is_compared_with_its_own() -> None:
    """Means of products, not the product of means."""
    got, ref = side([9.0, -9.0], [[0.0] + [0.9] * 11, [0.0] * 12]), side([0.0, 0.0], [[0.0] * 12] * 2)
    row = Alignsync(clips=2).row(Item("x"), got, ref)
    align = share(np.array([0.9, 0.0]), np.zeros(2))
    assert row[0] == pytest.approx((share(np.array([9.0, -9.0]), np.zeros(2)) * align).mean())
    assert row[1] == pytest.approx(0.5)
    assert row[2] == pytest.approx(align.mean())


def test_a_reference_is_needed() -> None:
    got = side([0.0], [[0.0] * 12])
    for metric in (Relsync(), Alignsync()):
        with pytest.raises(BadParameter, match=f"{metric.name}: the reference clip is needed"):
            metric.row(Item("x"), got, None)
        with pytest.raises(BadParameter, match="clips must be at least 1, got 0"):
            type(metric)(clips=0)


def test_both_networks_see_the_same_clips() -> None:
    wanted = {"clips": 3, "picture": "128x256", "sound": "whole"}
    needs = Alignsync(**wanted).extractors()  # type: ignore[arg-type]
    assert [registry.needed(n) for n in needs] == [Avsync(**wanted), ImagebindAsva(**wanted)]  # type: ignore[arg-type]


def test_three_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """The archive's files are all called diffusion_pytorch_model.bin; each is asked for with the name it gets here."""
    for part in ("video_encoder", "audio_encoder", "head"):
        with pytest.raises(MissingData, match=rf"modules/{part}/diffusion_pytorch_model\.bin in it, .*--as avsync_{part}\.bin"):
            weights.resolve(Avsync(), None)
        given = tmp_path / f"{part}.bin"
        given.write_bytes(part.encode())
        weights.bring(given, f"avsync_{part}.bin")
    path, digest = weights.resolve(Avsync(), None)
    assert path is not None
    assert path.read_bytes() == b"video_encoder"
    (path.parent / "avsync_head.bin").write_bytes(b"another head")
    with pytest.raises(BadParameter, match=r"avsync_head\.bin: its sha256 is"):
        weights.resolve(Avsync(), None)
    assert digest != weights.resolve(Avsync(), path)[1]


# ------------------------------------------------------------------ frames


def test_frames_of_a_fast_clip_are_at_their_times() -> None:
    times = np.arange(1000) / 100.0
    np.testing.assert_allclose(times[asva_clips.frames_from(times, 3.001)], 3.001 + np.arange(12) / 6, atol=0.0101)


def test_frames_where_the_picture_ends_or_is_slow() -> None:
    assert asva_clips.frames_from(np.zeros(1), -0.9) == [0] * 12
    assert asva_clips.frames_from(np.arange(50) / 25.0, 1.5) == [38, 42, 46, *[46] * 9]
    # the sum of eleven sixths is above 11 / 6, and the twelfth frame of 6 a second is shown just before it
    assert asva_clips.frames_from(np.arange(12) / 6.0, 0.0) == [*range(11), 10]
    # no frame is taken twice before the last: below 6 frames a second they run behind
    assert asva_clips.frames_from(np.arange(20) / 4.0, 0.0) == [0, 1, 2, 3, 4, 5, 6, 7, 8, *[8] * 3]
    # a gap longer than the clip: what is on display stays
    assert asva_clips.frames_from(np.array([0.0, 0.1, 9.0]), 4.0) == [1] * 12


def test_the_middle_is_kept() -> None:
    image = np.zeros((100, 300, 3), np.uint8)
    image[:, 100:200] = 255
    assert (asva_clips.middle(image, 1.0) == 255).all()
    assert asva_clips.middle(image, 0.5).shape == (100, 200, 3)
    assert asva_clips.middle(image.transpose(1, 0, 2), 1.0).all()
    white = (1.0 - np.array([0.48145466, 0.4578275, 0.40821073])) / np.array([0.26862954, 0.26130258, 0.27577711])
    for picture in ("256x256", "128x256"):
        made = asva_clips.seen(np.full((40, 60, 3), 255, np.uint8), picture)
        assert made.dtype == np.float32
        np.testing.assert_allclose(made, np.broadcast_to(white[:, None, None], (3, 224, 224)), rtol=1e-5)


# ------------------------------------------------------------------ sound


def test_a_stereo_packet_is_read_across_its_channels() -> None:
    """Left counts up, right counts down: what is called left is both in turn, of the first half of every packet."""
    count = np.arange(32_768, dtype=np.float32)
    made = asva_clips.packets(Waveform(np.stack([count, -count]), 16_000), 0.0)
    assert made.shape == (2, 32_000)
    whole = (32 * 1024 - 32_000) // 2
    first = np.concatenate([np.stack([count, -count], 1)[1024 * n : 1024 * n + 512].ravel() for n in range(32)])
    np.testing.assert_array_equal(made[0], first[whole : whole + 32_000])
    mono = asva_clips.packets(Waveform(count[None], 16_000), 0.0)
    np.testing.assert_array_equal(mono[0], count[whole : whole + 32_000])
    plain = asva_clips.whole(Waveform(np.stack([count, -count]), 16_000), 0.0)
    np.testing.assert_array_equal(plain, np.stack([count, -count])[:, :32_000])


def test_packets_begin_within_the_clip() -> None:
    """Of 16 kHz the first one begins up to 64 ms late, and 31 are less than 2 s."""
    count = np.arange(160_000, dtype=np.float32)[None]
    made = asva_clips.packets(Waveform(count, 16_000), 1.0)
    assert made.shape == (1, 31 * 1024)
    assert (made[0, 0], made[0, -1]) == (16 * 1024, 47 * 1024 - 1)
    assert asva_clips.whole(Waveform(count, 16_000), 1.0)[0, 0] == 16_000


def test_sound_that_lies_elsewhere_has_a_reason() -> None:
    quiet = Waveform(np.zeros((1, 16_000), np.float32), 16_000)
    with pytest.raises(Unscorable, match=r"no sound lies in the 2 s from 5.00 s on, it has 1.00 s"):
        asva_clips.packets(quiet, 5.0)
    with pytest.raises(Unscorable, match=r"needs 0.025 s of sound, the clip has 0.000 s"):
        asva_clips.spectrogram(asva_clips.whole(quiet, 5.0))
    for cut in (asva_clips.packets, asva_clips.whole):
        with pytest.raises(Unscorable, match="no_audio"):
            cut(None, 0.0)


# ------------------------------------------------------------------ clips


def prepared(clip: Clip, extractor: Avsync) -> Answer:
    """The CPU half of one clip, as in a worker."""
    reply = process(Job(clip, (Task(extractor, "{}"),), None, Limits(), 1))
    assert not reply.answers[0].trace, reply.answers[0].trace
    return reply.answers[0]


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ({"seconds": 2.0}, ""),
        ({"seconds": 1.9}, ""),
        ({"seconds": 5.2, "frame_rate": 30.0, "sample_rate": 44_100, "channels": 2}, ""),
        ({"seconds": 1.8}, "too_short"),
        ({"seconds": 0.1}, "too_short"),
        ({"seconds": 3.0, "audio": False}, "no_audio"),
        ({"seconds": 3.0, "video": False}, "no_video"),
    ],
)
def test_bad_clips_have_a_reason(make_clip: Callable[..., Clip], made: dict[str, Any], code: str) -> None:
    answer = prepared(make_clip("a", width=32, height=24, **({"frame_rate": 20.0} | made)), Avsync(clips=3))
    assert answer.code == code, answer.detail
    if not code:
        assert answer.prepared is not None
        assert {k: v.shape for k, v in answer.prepared.items()} == {
            "pictures": (3, 12, 3, 224, 224),
            "mels": (3, 128, 204),
            "times": (3, 12),
        }
        assert all(np.isfinite(v).all() for v in answer.prepared.values())


def test_silence_and_one_frame_for_five_seconds(make_clip: Callable[..., Clip]) -> None:
    clip = make_clip("a", seconds=5.0)
    assert clip.video is not None
    still = Clip("b", clip.video[:1], 0.2, np.zeros((1, 80_000), np.float32), 16_000)
    made = prepared(still, Avsync()).prepared
    assert made is not None
    assert (made["pictures"] == made["pictures"][0, 0]).all()
    assert np.isfinite(made["mels"]).all()


def test_the_clip_lies_in_what_both_streams_have(make_clip: Callable[..., Clip]) -> None:
    """Sound that ends after 3 of 5 s moves the clip; sound that begins late is heard at its own time."""
    clip = make_clip("a", seconds=5.0, frame_rate=12.0, width=32, height=24)
    assert clip.audio is not None
    short = Clip("b", clip.video, 12.0, clip.audio[:, :48_000], 16_000)
    made = prepared(short, Avsync()).prepared
    assert made is not None
    assert made["times"][0, 0] == pytest.approx(0.5)
    late = Clip("c", clip.video, 12.0, clip.audio[:, 16_000:], 16_000, audio_start_seconds=1.0)
    whole = prepared(clip, Avsync(sound="whole")).prepared
    moved = prepared(late, Avsync(sound="whole")).prepared
    assert whole is not None
    assert moved is not None
    # the sound that begins a second late has four seconds, so the clip begins half a second earlier
    assert moved["times"][0, 0] == pytest.approx(whole["times"][0, 0] - 0.5)
    np.testing.assert_allclose(moved["mels"][0, :, 60:140], whole["mels"][0, :, 10:90], atol=0.2)
