"""Frames at 25 per second, shots, tracks, crops, and the chain of extractors from pictures to lip-sync numbers."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avbench import api, engine, face_tracks, registry
from avbench.errors import BadClip, BadParameter, Unscorable
from avbench.extractors.shots import Shots
from avbench.extractors.syncnet import Syncnet
from avbench.extractors.yunet import Yunet
from avbench.face_tracks import Track, aligned, at_25, crop, cuts_of, overlap, table, tracks_of, windows_of
from avbench.lip_sync import LipSync, distances, read
from avbench.metrics.lse_c import LseC
from avbench.metrics.lse_d import LseD
from avbench.metrics.sync_offset import SyncOffset
from avbench.options import Options, Wanted
from avbench.speech_features import mfcc, mono_16k
from avbench.store import MemoryStore
from avbench.types import Array, Clip, ClipFile, ClipInfo, Features, Item, Waveform
from tests.parity.harness import MEDIA, families


def info(rate: float, frames: int, start: float = 0.0) -> ClipInfo:
    return ClipInfo("x", np.arange(frames) / rate, rate, 64, 48, 16_000, 1, start)


# ------------------------------------------------------------------ 25 frames per second


@pytest.mark.parametrize(
    ("rate", "want"),
    [
        (25.0, [*range(16)]),
        (24.0, [*range(12), 11, *range(12, 36), 35, 36]),
        (30.0, [*range(12), *range(13, 18), *range(19, 24), *range(25, 30)]),
        (30000 / 1001, [*range(12), *range(13, 18), *range(19, 24)]),
        (50.0, [0, 1, 2, 3, 5, 7, 9, 11, 13, 15]),
        (60.0, [0, 1, 2, 4, 6, 9, 11, 14, 16, 18, 21, 23, 26, 28, 30, 33, 35]),
        (12.0, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5, 6, 6, 7, 7]),
        (15.0, [0, 0, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6, 7, 8, 8, 9, 9]),
        (8.0, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5]),
    ],
)
def test_frames_are_those_that_ffmpeg_chooses(rate: float, want: list[int]) -> None:
    """What FFmpeg 9.0.2 wrote with `-r 25`, read back from pictures that show their own number."""
    assert at_25(info(rate, 120))[: len(want)].tolist() == want


def test_a_late_picture_is_shown_from_the_start_of_the_sound() -> None:
    assert at_25(info(25.0, 3, -0.12)).tolist() == [0, 0, 0, 0, 1, 2]
    assert at_25(info(25.0, 3, 0.12)).tolist() == [0, 1, 2]
    sound = Waveform(np.ones((2, 100), np.float32), 1000)
    assert aligned(sound, 0.12).samples.shape == (2, 220)
    assert aligned(sound, 0.12).samples[0, :121].tolist() == [0.0] * 120 + [1.0]
    assert aligned(sound, -0.12) is sound


def test_gaps_are_filled_and_single_frames_stay() -> None:
    gap = dataclasses.replace(info(25.0, 4), frame_times=np.array([0.0, 0.04, 0.24, 0.28]))
    assert at_25(gap).tolist() == [0, 1, 1, 1, 1, 1, 2, 3]
    assert at_25(info(25.0, 1)).tolist() == [0]
    assert at_25(info(25.0, 0)).tolist() == []


# ------------------------------------------------------------------ sound


def test_mono_16k_keeps_length_and_level() -> None:
    ramp = (np.arange(-800, 800) / 32768).astype(np.float32)
    assert mono_16k(Waveform(ramp[None], 16_000)).tolist() == list(range(-800, 800))
    both = mono_16k(Waveform(np.stack([ramp, -ramp]), 16_000))
    assert np.abs(both).max() <= 1
    for channels in (1, 2, 6, 9):
        made = mono_16k(Waveform(np.full((channels, 44_100), 0.5, np.float32), 44_100))
        assert made.dtype == np.int16
        assert len(made) == pytest.approx(16_000, abs=2)
        if channels in (1, 2, 9):
            assert np.median(made) == pytest.approx(0.5 * 32768, abs=2)


@pytest.mark.parametrize("length", [1, 399, 400, 401, 640, 16_000])
def test_cepstra_of_any_length_and_of_silence_are_finite(length: int) -> None:
    made = mfcc(np.zeros(length, np.int16))
    assert made.shape == (1 + max(0, -(-(length - 400) // 160)), 13)
    assert np.isfinite(made).all()
    assert made[:, 0] == pytest.approx(np.log(np.finfo(float).eps))


# ------------------------------------------------------------------ shots


def test_cuts_keep_their_distance() -> None:
    content = np.zeros(80)
    content[[10, 20, 25, 60, 61]] = [30.0, 90.0, 40.0, 29.9, 31.0]
    assert cuts_of(content).tolist() == [10, 25, 61]


def test_two_cuts_are_found_and_a_repeated_frame_changes_nothing() -> None:
    shades = np.repeat([20, 200, 90], 10).astype(np.uint8)
    video = np.broadcast_to(shades[:, None, None, None], (30, 40, 60, 3)).copy()
    video[:, :, :30, 0] = 255
    clip = Clip("x", video, 12.5, None, 0)
    found = engine.extract([clip], [Wanted(Shots())], store=MemoryStore(), options=Options(workers=1)).features(0, 0)
    assert isinstance(found, dict)
    assert found["cuts"].tolist() == [20, 40]
    assert len(found["content"]) == 60
    assert (found["content"] > 0).sum() == 2


# ------------------------------------------------------------------ tracks


def followed(boxes: list[list[list[float]]], cuts: tuple[int, ...] = (), least: int = 30) -> list[Track]:
    """Tracks of boxes per frame."""
    faces, found = table([np.array([[*b, 0.95] for b in frame], dtype=np.float64).reshape(-1, 5) for frame in boxes])
    return tracks_of({"shots.cuts": np.array(cuts, int), "s3fd.faces": faces, "s3fd.found": found}, "s3fd", least)


ONE, TWO = [10.0, 10.0, 150.0, 190.0], [400.0, 20.0, 560.0, 200.0]


def test_a_face_is_followed_over_missed_frames() -> None:
    (track,) = followed([[ONE]] * 20 + [[]] * 20 + [[[30.0, 10.0, 170.0, 190.0]]] * 20)
    assert (track.first, len(track)) == (0, 60)
    assert track.boxes[19:41, 0] == pytest.approx(np.linspace(10, 30, 22))
    assert followed([[ONE]] * 20 + [[]] * 26 + [[ONE]] * 20) == []
    assert len(followed([[ONE]] * 31 + [[]] * 26 + [[ONE]] * 31)) == 2


def test_tracks_need_more_than_the_least_and_a_face_of_100_pixels() -> None:
    assert followed([[ONE]] * 30) == []
    assert len(followed([[ONE]] * 31)) == 1
    assert followed([[[0.0, 0.0, 100.0, 99.0]]] * 40) == []
    assert len(followed([[[0.0, 0.0, 20.0, 101.0]]] * 40)) == 1


def test_cuts_end_tracks_and_short_shots_are_left_out() -> None:
    found = followed([[ONE]] * 100, cuts=(40, 60))
    assert [(t.first, len(t)) for t in found] == [(0, 40), (60, 40)]


def test_a_face_that_jumps_is_another_one() -> None:
    found = followed([[ONE]] * 40 + [[TWO]] * 40)
    assert [(t.first, len(t)) for t in found] == [(0, 40), (40, 40)]


def test_several_faces_are_several_tracks() -> None:
    found = followed([[ONE, TWO]] * 50)
    assert [t.boxes[0].tolist() for t in found] == [ONE, TWO]


def test_a_detector_that_failed_is_named() -> None:
    with pytest.raises(BadClip, match="yunet gave nothing"):
        tracks_of({"shots.cuts": np.zeros(0, int)}, "yunet", 30)


def test_of_many_faces_the_largest_are_kept_in_order() -> None:
    many = np.array([[0, 0, n % 70 + 1, 5, 1 - n / 1000] for n in range(70)], dtype=np.float64)
    faces, found = table([many, many[:0]])
    assert found.tolist() == [70, 0]
    assert faces[0, :, 2].tolist() == [float(n) for n in range(7, 71)]
    assert (faces[1] == 0).all()


def test_overlap() -> None:
    assert overlap(np.array([0, 0, 2, 2.0]), np.array([1, 0, 3, 2.0])) == pytest.approx(1 / 3)
    assert overlap(np.zeros(4), np.zeros(4)) == 0.0


# ------------------------------------------------------------------ crops


@pytest.mark.parametrize("window", [(40, 100, 80), (40, 5, 5), (60, 199, 149), (30, -8, 70), (55, 100, 150)])
def test_a_crop_is_that_of_the_picture_with_a_grey_border(window: tuple[float, float, float]) -> None:
    import cv2

    image = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    half, x, y = window
    border = int(half * 1.8)
    padded = np.pad(image, ((border, border), (border, border), (0, 0)), constant_values=110)
    rows = slice(int(y + border - half), int(y + border + half * 1.8))
    part = padded[rows, int(x + border - 1.4 * half) : int(x + border + 1.4 * half)]
    made = crop(image, np.array(window, dtype=np.float64))
    np.testing.assert_array_equal(made, cv2.resize(part, (224, 224)))


def test_a_face_far_outside_of_the_picture_is_cropped_as_well() -> None:
    """Where the published script stops on an empty picture."""
    image = np.zeros((150, 200, 3), np.uint8)
    assert crop(image, np.array([30.0, -20.0, 70.0])).shape == (224, 224, 3)
    assert (crop(image, np.array([30.0, 900.0, 900.0])) == 110).all()


def test_windows_are_smoothed() -> None:
    from scipy.signal import medfilt

    values = np.random.default_rng(0).standard_normal(50)
    np.testing.assert_array_equal(face_tracks.median_filter(values, 13), medfilt(values, 13))
    boxes = np.tile([10.0, 20.0, 110.0, 140.0], (40, 1))
    boxes[20] += 300
    made = windows_of(Track(0, boxes))
    assert made[6:-6] == pytest.approx(np.tile([60.0, 60.0, 80.0], (28, 1)))


# ------------------------------------------------------------------ distances


def heard_late(frames: int, seed: int = 0, windows: int = 60) -> Features:
    """Vectors of a network that knows: the sound of window i says what the face of window i - `frames` does."""
    draw = np.random.default_rng(seed)
    said = draw.standard_normal((windows + 40, 64)).astype(np.float32)
    return {
        "syncnet.lips": said[20 : 20 + windows],
        "syncnet.sound": said[20 - frames : 20 - frames + windows] + np.float32(0.1),
        "syncnet.track": np.zeros(windows, int),
        "syncnet.frame": np.arange(windows),
        "syncnet.frame_rate": np.array(25.0),
    }


@pytest.mark.parametrize("frames", [-15, -7, -1, 0, 1, 4, 15])
def test_a_shift_of_the_sound_is_the_offset(frames: int) -> None:
    """Positive: the sound comes early."""
    got = heard_late(frames)
    assert SyncOffset().row(Item("x"), got, None).tolist() == [abs(frames), -frames, 1]
    curve = SyncOffset().trace(Item("x"), got, None)
    assert curve["shift"][int(np.argmin(curve["distance"]))] == frames


def test_confidence_and_distance_by_hand() -> None:
    by_shift = np.tile(np.array([4.0, 3.0, 1.0, 3.5, 9.0], np.float32), (7, 1))
    found = read(by_shift)
    assert (found.offset, found.distance, found.confidence) == (0, 1.0, 2.5)
    assert found.over_time.tolist() == [2.5] * 7
    lips = np.array([[3.0, 4.0]], np.float32)
    assert distances(lips, np.zeros((1, 2), np.float32), 1) == pytest.approx(np.full((1, 3), 5.0), abs=1e-5)


def two_tracks() -> Features:
    one, other = heard_late(3, windows=60), heard_late(-2, 1, windows=40)
    joined = {k: np.concatenate([one[k], other[k]]) for k in ("syncnet.lips", "syncnet.sound", "syncnet.frame")}
    return {**joined, "syncnet.track": np.repeat([0, 1], [60, 40]), "syncnet.frame_rate": np.array(25.0)}


def test_tracks_are_averaged_as_the_variant_says() -> None:
    row = SyncOffset().row(Item("x"), two_tracks(), None)
    assert row.tolist() == [2.5, -0.5, 2]
    assert SyncOffset("latentsync").row(Item("x"), two_tracks(), None).tolist() == [0.0, 0.0, 2]
    rows = np.array([[4.0, 3], [8.0, 1]])
    assert LseC().compute(rows) == 6.0
    assert LseC("wav2lip_real").compute(rows) == 5.0
    assert LseC().flags(two_tracks()) == ("several_tracks",)
    assert LseC().flags(heard_late(0, windows=20)) == ("mostly_padding",)
    assert LseC("wav2lip_lrs").flags({**heard_late(0), "syncnet.frame_rate": np.array(24.0)}) == ("not_25_fps",)
    trace = LseC().trace(Item("x"), two_tracks(), None)
    assert len(trace["confidence"]) == len(trace["confidence_times"]) == 100


def test_avgen_bench_counts_confident_tracks_alone() -> None:
    got = two_tracks()
    got = {**got, "syncnet.sound": np.where(got["syncnet.track"][:, None] == 1, 0.0, got["syncnet.sound"]).astype(np.float32)}
    row = SyncOffset("avgen_bench").row(Item("x"), got, None)
    assert row.tolist() == [3.0, -3.0, 1]
    silent = {**got, "syncnet.sound": np.zeros_like(got["syncnet.sound"])}
    with pytest.raises(Unscorable, match="no face track has a confidence of 5"):
        SyncOffset("avgen_bench").row(Item("x"), silent, None)


@pytest.mark.parametrize("metric", [LseC(), LseC("wav2lip_real"), LseD("latentsync"), SyncOffset("avgen_bench")])
def test_an_interval_holds_the_number(metric: LipSync) -> None:
    draw = np.random.default_rng(0)
    rows = [np.array([*draw.uniform(4, 8, len(metric.columns) - 1), draw.integers(1, 4)], dtype=float) for _ in range(20)]
    low, high, how = metric.interval(rows, None, seed=0)
    assert low < metric.compute(np.stack(rows)) < high
    assert "95" in how


# ------------------------------------------------------------------ the chain


def test_extractors_follow_the_choice_of_the_metric() -> None:
    (need,) = LseC().extractors()
    assert registry.needed(need).after == ("shots", "s3fd")
    (need,) = LseD("latentsync", "yunet").extractors()
    chosen = registry.needed(need)
    assert chosen.after == ("shots", "yunet")
    assert chosen == Syncnet("yunet", 50)
    (need,) = SyncOffset("wav2lip_lrs").extractors()
    assert registry.needed(need).after == ()
    with pytest.raises(BadParameter, match="looks for no face"):
        LseC("wav2lip_lrs", "yunet")
    with pytest.raises(BadParameter, match="min_track"):
        Syncnet(min_track=12)


def prepared(clip: Clip, extractor: Syncnet, earlier: Features | None = None) -> dict[str, Array]:
    from avbench.media import Reader

    with Reader(clip) as reader:
        preparation = extractor.start(reader.info, earlier or {})
        wanted = set(preparation.frames)
        for index, image in enumerate(reader.frames()):
            if index in wanted:
                preparation.take(index, image)
        return preparation.finish(reader.audio())


def steady(frames: int, box: list[float] = ONE, lost_from: int | None = None) -> Features:
    """A face that is found in every frame, or until it is lost."""
    each = [np.array([[*box, 0.95]]) if lost_from is None or n < lost_from else np.zeros((0, 5)) for n in range(frames)]
    faces, found = table(each)
    return {"shots.cuts": np.zeros(0, int), "s3fd.faces": faces, "s3fd.found": found}


def test_bad_clips_have_a_reason(make_clip: Callable[..., Clip]) -> None:
    clip = make_clip("a", frame_rate=25.0, seconds=3.0, width=200, height=200)
    short = Syncnet(min_track=13)
    with pytest.raises(Unscorable, match=r"no_face: s3fd sees a face in 0 of 75 frames"):
        prepared(clip, short, steady(75, lost_from=0))
    with pytest.raises(Unscorable, match="no_face"):
        prepared(make_clip("a", frame_rate=25.0, seconds=0.04), short, steady(1))
    with pytest.raises(Unscorable, match="too_short"):
        prepared(make_clip("a", frame_rate=25.0, seconds=0.2), Syncnet("whole_frame"))
    with pytest.raises(Unscorable, match="no_audio"):
        prepared(make_clip("a", frame_rate=25.0, audio=False), Syncnet("whole_frame"))
    assert clip.audio is not None
    blip = dataclasses.replace(clip, audio=clip.audio[:, :3_000])
    with pytest.raises(Unscorable, match="too_short"):
        prepared(blip, short, steady(75))


def test_a_face_that_is_lost_half_way_is_scored_as_long_as_it_is_there(make_clip: Callable[..., Clip]) -> None:
    clip = make_clip("a", frame_rate=25.0, seconds=3.0, width=200, height=200)
    made = prepared(clip, Syncnet(min_track=13), steady(75, lost_from=40))
    assert made["runs"].tolist() == [[0, 35]]
    assert made["crops"].shape == (39, 224, 224, 3)
    assert made["cepstra"].shape == (35, 13, 20)
    assert made["box"][0] == pytest.approx(ONE)


def test_tracks_have_their_own_sound(make_clip: Callable[..., Clip]) -> None:
    clip = make_clip("a", frame_rate=25.0, seconds=3.0, width=200, height=200)
    whole = prepared(clip, Syncnet(min_track=13), steady(75))
    got = {**steady(75), "shots.cuts": np.array([30])}
    made = prepared(clip, Syncnet(min_track=13), got)
    assert made["runs"].tolist() == [[0, 25], [29, 40]]
    assert made["frame"].tolist() == [*range(25), *range(30, 70)]
    np.testing.assert_array_equal(made["cepstra"][5], whole["cepstra"][5])
    np.testing.assert_allclose(made["cepstra"][25 + 5], whole["cepstra"][35], rtol=1e-6)


def seeded(layout: str) -> Path:
    found = families("video/syncnet*" if layout == "syncnet_v2" else "video/s3fd*")
    if not found:
        pytest.skip("no goldens in the root")
    return found[0].checkpoint(layout)


def test_silence_one_colour_and_whole_frames_run_to_a_number(make_clip: Callable[..., Clip]) -> None:
    """From a clip in memory through the network."""
    clip = make_clip("a", frame_rate=25.0, seconds=0.8)
    assert clip.audio is not None
    silent = dataclasses.replace(clip, id="b", audio=np.zeros_like(clip.audio))
    wanted = [Wanted(Syncnet("whole_frame"), seeded("syncnet_v2"), "x")]
    found = engine.extract([clip, silent], wanted, store=MemoryStore(), options=Options(workers=1, device="cpu"))
    for n in range(2):
        layers = found.features(n, 0)
        assert isinstance(layers, dict), layers
        assert layers["lips"].shape == layers["sound"].shape == (15, 1024)
        got = {f"syncnet.{k}": v for k, v in layers.items()}
        for metric in (LseC("wav2lip_lrs"), LseD("wav2lip_lrs"), SyncOffset("wav2lip_lrs")):
            assert np.isfinite(metric.row(Item("x"), got, None)).all()


def test_windows_out_of_a_run_are_windows_one_by_one() -> None:
    import torch

    from avbench.models.loading import load_exactly
    from avbench.models.syncnet import SyncNet
    from avbench.weights import read as read_weights

    network = SyncNet()
    load_exactly(network, read_weights(seeded("syncnet_v2")), seeded("syncnet_v2"))
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (21, 224, 224, 3), dtype=np.uint8))
    with torch.inference_mode():
        together = network.lips(frames)
        alone = torch.cat([network.lips(frames[n : n + 5]) for n in (0, 9, 16)])
    torch.testing.assert_close(together[[0, 9, 16]], alone, rtol=1e-4, atol=1e-5)


def test_other_files_are_refused(tmp_path: Path) -> None:
    from avbench.extractors.s3fd import S3fd

    with pytest.raises(BadParameter, match="published layout"):
        Syncnet().load(seeded("sfd_face"), "cpu")
    with pytest.raises(BadParameter, match="published layout"):
        S3fd().load(seeded("syncnet_v2"), "cpu")
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(BadParameter, match="cannot read it as a YuNet"):
        Yunet().load(tmp_path / "x.onnx", "cpu")


def test_s3fd_runs_from_pictures_to_tables(make_clip: Callable[..., Clip]) -> None:
    clips = [make_clip(f"c{n}", seed=n, frame_rate=12.0, seconds=0.5, width=160, height=128) for n in range(2)]
    wanted = [Wanted(registry.extractor("s3fd"), seeded("sfd_face"), "x")]
    found = engine.extract(clips, wanted, store=MemoryStore(), options=Options(workers=1, device="cpu", batch_size=2))
    for n in range(2):
        layers = found.features(n, 0)
        assert isinstance(layers, dict), layers
        assert layers["faces"].shape == (13, face_tracks.MOST_FACES, 5)
        assert layers["found"].tolist() == [0] * 13  # seeded weights are sure of nothing


# ------------------------------------------------------------------ real faces


def real(pattern: str, folder: str = "media") -> list[Path]:
    found = sorted((MEDIA / folder).rglob(pattern))
    if not found:
        pytest.skip(f"no {pattern} under the media folder")
    return found


@pytest.mark.real_media
def test_the_face_of_every_grid_clip_is_followed_and_scored() -> None:
    (weights,) = real("yunet_n_dynamic.onnx", "weights")
    files = real("speech_grid_*.mpg")
    clips = [ClipFile(f.stem, f) for f in files]
    wanted = [Wanted(Shots()), Wanted(Yunet(), weights, "y"), Wanted(Syncnet("yunet", 50), seeded("syncnet_v2"), "s")]
    found = engine.extract(clips, wanted, store=MemoryStore(), options=Options(workers=1, device="cpu"))
    for n, clip in enumerate(clips):
        shots, faces, layers = (found.features(n, k) for k in range(3))
        assert isinstance(shots, dict)
        assert isinstance(faces, dict), faces
        assert isinstance(layers, dict), layers
        assert shots["cuts"].tolist() == []
        assert (faces["found"] == 1).all(), clip.id
        assert len(layers["lips"]) == 69
        got = {f"syncnet.{k}": v for k, v in layers.items()}
        for metric in (LseC("latentsync", "yunet"), LseD("latentsync", "yunet"), SyncOffset("latentsync", "yunet")):
            row = metric.row(Item(clip.id), got, None)
            assert np.isfinite(row).all()
            assert row[-1] == 1


@pytest.mark.real_media
def test_a_run_with_two_front_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From files to a result: one variant follows the face, the other wants more than 4 s of it and says so."""
    home = tmp_path / "home" / "weights"
    home.mkdir(parents=True)
    monkeypatch.setenv("AVBENCH_HOME", str(home.parent))
    (weights,) = real("yunet_n_dynamic.onnx", "weights")
    (home / weights.name).symlink_to(weights)
    assert Syncnet.weights is not None
    (home / Syncnet.weights.file).symlink_to(seeded("syncnet_v2"))
    monkeypatch.setattr(Syncnet, "weights", dataclasses.replace(Syncnet.weights, sha256=None))
    (tmp_path / "clips").mkdir()
    shutil.copy(real("speech_grid_*.mpg")[0], tmp_path / "clips" / "talk.mpg")
    asked = ["lse_c[latentsync,detector=yunet]", "sync_offset[latentsync,detector=yunet]", "lse_d[detector=yunet]"]
    result = api.score(tmp_path / "clips", metrics=asked, out=tmp_path / "run", device="cpu", workers=1)
    confidence, offset, refused = (next(m for m in result.metrics if m.metric == label) for label in asked)
    assert confidence.value > 0
    assert 0 <= offset.value <= 15
    assert np.isnan(refused.value)
    assert refused.unscored["talk"].startswith("no_face: yunet sees a face in 75 of 75 frames")


def test_s3fd_sees_no_face_in_a_picture_that_is_too_small_for_it() -> None:
    import torch

    from avbench.models import s3fd

    network = s3fd.S3fd().eval()
    with torch.inference_mode():
        for height, width in ((31, 80), (16, 16), (32, 32)):
            found = s3fd.faces(network, torch.zeros((2, height, width, 3), dtype=torch.uint8), (height, width), 2.0)
            assert [f.shape for f in found] == [(0, 5), (0, 5)], (height, width)
