"""Clips to files: whole or not at all, the same bytes each time, picture and sound where they belong."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.encode import replace_audio, write_clip, write_frames, write_wav
from avbench.errors import AvbenchError, BadParameter
from avbench.media import Reader
from avbench.types import Clip, ClipFile

Make = Callable[..., Clip]
GREY = np.full((4, 32, 32, 3), 128, dtype=np.uint8)


def read(path: Path) -> tuple[Reader, NDArray[np.uint8], NDArray[np.float32] | None]:
    with Reader(ClipFile("x", path)) as reader:
        frames = np.stack(list(reader.frames()))
        sound = reader.audio()
    return reader, frames, None if sound is None else sound.samples


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def packets(path: Path, kind: str) -> list[tuple[bytes, int | None, int | None, Fraction]]:
    with av.open(str(path)) as container:
        return [(bytes(p), p.pts, p.dts, p.time_base) for p in container.demux() if p.stream.type == kind and p.size]


def boxes(path: Path) -> list[str]:
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : at + 8].decode())
        at += size
    return found


def test_a_clip_comes_back_with_its_frames_times_and_sound(make_clip: Make, tmp_path: Path) -> None:
    clip = make_clip("a", seconds=1.5, frame_rate=12.0)
    assert clip.video is not None
    assert clip.audio is not None
    write_clip(tmp_path / "a.mp4", clip)
    reader, frames, sound = read(tmp_path / "a.mp4")
    assert frames.shape == clip.video.shape
    assert np.abs(frames.mean(axis=3) - clip.video.mean(axis=3)).mean() < 6.0  # grey: colour has half the size in the file
    np.testing.assert_allclose(reader.info.frame_times, np.arange(18) / 12.0, atol=1e-4)
    assert reader.info.frame_rate == 12.0
    assert reader.info.audio_start_seconds == 0.0
    assert sound is not None
    lag = int(np.argmax(np.correlate(sound[0][:24_000], clip.audio[0], "full"))) - (clip.audio.shape[1] - 1)
    assert abs(lag) <= 2


def test_the_index_comes_before_the_data_and_the_bytes_are_always_the_same(make_clip: Make, tmp_path: Path) -> None:
    clip = make_clip("a")
    write_clip(tmp_path / "a.mp4", clip)
    write_clip(tmp_path / "b.mp4", clip)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    kinds = boxes(tmp_path / "a.mp4")
    assert kinds.index("moov") < kinds.index("mdat")
    assert names(tmp_path) == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize(("width", "height"), [(63, 47), (64, 47), (65, 48), (2, 2), (3, 5)])
def test_odd_sizes_lose_one_row_or_column(width: int, height: int, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (3, height, width, 3), dtype=np.uint8)
    write_frames(tmp_path / "a.mp4", frames, frame_rate=8.0)
    _, back, sound = read(tmp_path / "a.mp4")
    assert back.shape == (3, height // 2 * 2, width // 2 * 2, 3)
    assert sound is None


@pytest.mark.parametrize("rate", [24.0, 30000 / 1001, 23.976, 8.0, 60.0, 12.5])
def test_frame_rates_are_kept(rate: float, tmp_path: Path) -> None:
    write_frames(tmp_path / "a.mp4", np.concatenate([GREY] * 3), frame_rate=rate)
    reader, frames, _ = read(tmp_path / "a.mp4")
    assert len(frames) == 12
    np.testing.assert_allclose(reader.info.frame_times, np.arange(12) / rate, atol=2e-4)
    assert reader.info.frame_rate == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize("start", [0.0, 0.3, 0.05, -0.05])
def test_sound_that_starts_late_or_early_stays_where_it_is(start: float, tmp_path: Path) -> None:
    audio = np.zeros((1, 16_000), dtype=np.float32)
    audio[0, 4_000] = 0.9
    write_frames(tmp_path / "a.mp4", GREY, frame_rate=4.0, audio=audio, sample_rate=16_000, audio_start_seconds=start)
    reader, _, sound = read(tmp_path / "a.mp4")
    assert sound is not None
    heard = int(np.argmax(np.abs(sound[0]))) / 16_000 + reader.info.audio_start_seconds
    assert heard == pytest.approx(0.25 + start, abs=0.001)


def test_two_channels_stay_apart(tmp_path: Path) -> None:
    time = np.arange(32_000) / 32_000
    audio = np.stack([0.5 * np.sin(2 * np.pi * 440 * time), np.zeros_like(time)]).astype(np.float32)
    write_frames(tmp_path / "a.mp4", GREY, frame_rate=4.0, audio=audio, sample_rate=32_000)
    _, _, sound = read(tmp_path / "a.mp4")
    assert sound is not None
    assert sound.shape[0] == 2
    assert np.abs(sound[0]).max() > 0.4
    assert np.abs(sound[1]).max() < 0.02


def _sound(**changes: Any) -> dict[str, Any]:
    return {"audio": np.zeros((1, 4_000), dtype=np.float32), "sample_rate": 16_000, "frame_rate": 4.0, **changes}


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (np.zeros((0, 8, 8, 3), np.uint8), {"frame_rate": 4.0}, "there are no frames to write"),
        (np.zeros((1, 1, 8, 3), np.uint8), {"frame_rate": 4.0}, "2 x 2 pixels or more, got 8 x 1"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)], {"frame_rate": 4.0}, "frames must have one size"),
        (GREY, {"frame_rate": 0.0}, "frame_rate must be positive, got 0"),
        (GREY, {"frame_rate": float("inf")}, "frame_rate must be positive, got inf"),
        (GREY, {"frame_rate": float("nan")}, "frame_rate must be positive, got nan"),
        (GREY, _sound(sample_rate=44_056), "AAC has no 44056 Hz; resample to one of 7350"),
        (GREY, _sound(audio=np.zeros((6, 4_000), np.float32)), "one or two audio channels, got 6"),
        (GREY, _sound(audio=np.full((1, 4_000), np.nan, np.float32)), "the sound holds NaN or infinite samples"),
    ],
)
def test_what_no_mp4_can_hold_is_refused_and_leaves_nothing(
    frames: Any, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"before")
    with pytest.raises(BadParameter, match=message):
        write_frames(tmp_path / "a.mp4", frames, **options)
    assert names(tmp_path) == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"before"


def test_a_clip_without_picture_is_no_mp4_and_a_missing_folder_is_named(make_clip: Make, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="clip 'a': an mp4 needs a picture"):
        write_clip(tmp_path / "a.mp4", make_clip("a", video=False))
    with pytest.raises(AvbenchError, match=r"nothing/a\.mp4 cannot be written: No such file"):
        write_clip(tmp_path / "nothing" / "a.mp4", make_clip("a"))


def test_frames_that_stop_amid_the_clip_leave_nothing(tmp_path: Path) -> None:
    def frames() -> Iterator[NDArray[np.uint8]]:
        yield GREY[0]
        raise RuntimeError("the model broke")

    with pytest.raises(RuntimeError, match="the model broke"):
        write_frames(tmp_path / "a.mp4", frames(), frame_rate=4.0)
    assert names(tmp_path) == []


def test_several_writers_of_one_file_do_not_meet(make_clip: Make, tmp_path: Path) -> None:
    """Two runs that render the same reference clip at the same time."""
    clip = make_clip("a")
    write_clip(tmp_path / "once.mp4", clip)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                write_clip(tmp_path / "a.mp4", clip)
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "once.mp4").read_bytes()
    assert names(tmp_path) == ["a.mp4", "once.mp4"]


# ------------------------------------------------------------------ another sound


def test_another_sound_leaves_every_packet_of_the_picture_alone(make_clip: Make, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", make_clip("a", seconds=2.0))
    sound = make_clip("b", seed=5, seconds=2.0).audio
    assert sound is not None
    replace_audio(tmp_path / "b.mp4", tmp_path / "a.mp4", sound, 16_000)
    assert packets(tmp_path / "b.mp4", "video") == packets(tmp_path / "a.mp4", "video")
    _, before, _ = read(tmp_path / "a.mp4")
    reader, after, heard = read(tmp_path / "b.mp4")
    np.testing.assert_array_equal(before, after)
    assert reader.info.audio_start_seconds == 0.0
    assert heard is not None
    assert np.corrcoef(heard[0][: sound.shape[1]], sound[0])[0, 1] > 0.9
    replace_audio(tmp_path / "c.mp4", tmp_path / "a.mp4", sound, 16_000)
    assert (tmp_path / "c.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_another_sound_for_what_has_no_picture_is_refused(make_clip: Make, tmp_path: Path) -> None:
    sound = make_clip("a").audio
    assert sound is not None
    write_wav(tmp_path / "a.wav", sound, 16_000)
    with pytest.raises(BadParameter, match=r"a\.wav: there is no picture to copy"):
        replace_audio(tmp_path / "b.mp4", tmp_path / "a.wav", sound, 16_000)
    (tmp_path / "text.mp4").write_text("no video", encoding="utf-8")
    with pytest.raises(AvbenchError, match=r"b\.mp4 cannot be written: "):
        replace_audio(tmp_path / "b.mp4", tmp_path / "text.mp4", sound, 16_000)
    assert not (tmp_path / "b.mp4").exists()


def test_a_wav_holds_16_bits_and_clips(tmp_path: Path) -> None:
    import soundfile

    audio = np.array([[0.0, 0.5, -0.5, 2.0, -2.0]], dtype=np.float32)
    write_wav(tmp_path / "a.wav", audio, 8_000)
    data, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert rate == 8_000
    assert data.tolist() == [0, 16384, -16384, 32767, -32768]
    assert names(tmp_path) == ["a.wav"]


def test_a_clip_with_channels_first_pictures_is_written_the_same(make_clip: Make, tmp_path: Path) -> None:
    clip = make_clip("a")
    assert clip.video is not None
    write_clip(tmp_path / "a.mp4", clip)
    write_clip(tmp_path / "b.mp4", dataclasses.replace(clip, video=clip.video.transpose(0, 3, 1, 2)))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
