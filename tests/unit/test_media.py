"""Files to timed frames and samples: rotation, variable rate, late sound, sound beside, depths, limits, hostile files."""

from __future__ import annotations

import dataclasses
import os
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from avbench.encode import write_clip, write_frames, write_wav
from avbench.errors import BadClip
from avbench.media import DEMUXERS, FrameCount, Limits, Reader
from avbench.store import clip_sha256
from avbench.types import Clip, ClipFile, ClipInfo

Make = Callable[..., Clip]


def read(
    source: ClipFile | Clip | Path, **options: Any
) -> tuple[ClipInfo, list[NDArray[np.uint8]], NDArray[np.float32] | None]:
    if isinstance(source, Path):
        source = ClipFile("x", source)
    with Reader(source, **options) as reader:
        frames = list(reader.frames())
        sound = reader.audio()
        return reader.info, frames, None if sound is None else sound.samples


def fault(source: ClipFile | Path, **options: Any) -> BadClip:
    with pytest.raises(BadClip) as caught:
        read(source, **options)
    return caught.value


def textured(count: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Grey frames of rising brightness, dark at the top left."""
    out = np.empty((count, height, width, 3), dtype=np.uint8)
    for t in range(count):
        out[t] = 80 + 8 * t
    out[:, : height // 2, : width // 2] = 20
    return out


def encode(path: Path, codec: str, frames: NDArray[np.uint8], times: list[Fraction], **options: str) -> None:
    """Frames with times of their own."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for image, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.time_base, frame.pts = Fraction(1, 1000), round(time * 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


# ------------------------------------------------------------------ pictures


@pytest.mark.parametrize(
    ("matrix", "size", "dark"),
    [
        ((0, 1, -1, 0), (64, 48), (0, -1)),  # a quarter clockwise: top left goes to top right
        ((-1, 0, 0, -1), (48, 64), (-1, -1)),
        ((0, -1, 1, 0), (64, 48), (-1, 0)),
    ],
)
def test_a_picture_is_turned_as_the_container_says(
    matrix: tuple[int, int, int, int], size: tuple[int, int], dark: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"
    write_frames(path, textured(4), frame_rate=8.0)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (x * 65536 for x in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    info, frames, _ = read(path)
    assert frames[0].shape == (*size, 3)
    assert (info.height, info.width) == size
    assert "rotated" in info.flags
    means = {
        (y, x): frames[0][:: 1 if y == 0 else -1, :: 1 if x == 0 else -1][:16, :16].mean() for y in (0, -1) for x in (0, -1)
    }
    assert min(means, key=lambda corner: means[corner]) == dark


def test_frame_times_are_those_of_the_file_not_of_its_header(tmp_path: Path) -> None:
    times = [Fraction(t, 1000) for t in (0, 40, 80, 300, 340, 1000, 1040)]
    encode(tmp_path / "a.mkv", "libx264", textured(7), times, bf="0")
    info, frames, sound = read(tmp_path / "a.mkv")
    assert len(frames) == 7
    assert sound is None
    np.testing.assert_allclose(info.frame_times, [float(t) for t in times], atol=2e-3)
    assert "variable_frame_rate" in info.flags
    assert info.video_seconds == pytest.approx(1.08, abs=0.005)


def test_frames_in_another_order_than_packets_come_in_order(tmp_path: Path) -> None:
    times = [Fraction(t, 25) for t in range(20)]
    encode(tmp_path / "a.mkv", "libx264", textured(20), times, bf="3", **{"x264-params": "b-adapt=0:keyint=20"})
    info, frames, _ = read(tmp_path / "a.mkv")
    assert len(frames) == 20
    assert (np.diff(info.frame_times) > 0).all()
    assert (np.diff([f.mean() for f in frames]) > 3).all()


def test_a_codec_with_invisible_packets_is_counted_by_its_frames(tmp_path: Path) -> None:
    if "libvpx" not in av.codecs_available:
        pytest.skip("this PyAV has no VP8 encoder")
    draw = np.random.default_rng(0)
    frames = np.repeat(draw.integers(0, 255, (60, 6, 8, 3), dtype=np.uint8), 8, axis=1).repeat(8, axis=2)
    frames[1:] = (0.9 * frames[:1].astype(float) + 0.1 * frames[1:]).astype(np.uint8)
    times = [Fraction(round(1000 * t / 25), 1000) for t in range(60)]
    options = {"auto-alt-ref": "1", "lag-in-frames": "16", "arnr-maxframes": "7", "b": "200k"}
    encode(tmp_path / "a.webm", "libvpx", frames, times, **options)
    with Reader(ClipFile("a", tmp_path / "a.webm")) as reader:
        packets = reader.info.frames
        try:
            count = sum(1 for _ in reader.frames())
        except FrameCount:
            count = sum(1 for _ in reader.frames())
        assert count == reader.info.frames == 60
        np.testing.assert_allclose(reader.info.frame_times, [float(t) for t in times], atol=2e-3)
    assert packets >= 60


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as out:
        sound: Any = out.add_stream("aac", rate=16_000, layout="mono")
        cover: Any = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8_000), np.float32) + 0.1, format="fltp", layout="mono")
        frame.sample_rate = 16_000
        out.mux(sound.encode(frame))
        out.mux(sound.encode())
        out.mux(cover.encode(av.VideoFrame.from_ndarray(textured(1)[0], format="rgb24")))
        out.mux(cover.encode())
    info, frames, heard = read(tmp_path / "a.m4a")
    assert frames == []
    assert info.frames == 0
    assert heard is not None


# ------------------------------------------------------------------ sound


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "PCM_U8"])
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_have_the_scale_of_soundfile(subtype: str, channels: int, tmp_path: Path) -> None:
    audio = np.random.default_rng(0).uniform(-0.99, 0.99, (4_000, channels))
    soundfile.write(tmp_path / "a.wav", audio, 22_050, subtype=subtype)
    expected, _ = soundfile.read(tmp_path / "a.wav", dtype="float32", always_2d=True)
    info, frames, heard = read(tmp_path / "a.wav")
    assert (info.sample_rate, info.channels, info.frames, frames) == (22_050, channels, 0, [])
    assert heard is not None
    np.testing.assert_array_equal(heard, expected.T)


@pytest.mark.parametrize(
    ("suffix", "options"), [(".flac", {"subtype": "PCM_24"}), (".flac", {"subtype": "PCM_16"}), (".ogg", {})]
)
def test_other_sound_files_are_those_of_soundfile(suffix: str, options: dict[str, str], tmp_path: Path) -> None:
    time = np.arange(16_000) / 16_000
    soundfile.write(tmp_path / f"a{suffix}", 0.5 * np.sin(2 * np.pi * 300 * time), 16_000, **options)
    expected, _ = soundfile.read(tmp_path / f"a{suffix}", dtype="float32")
    _, _, heard = read(tmp_path / f"a{suffix}")
    assert heard is not None
    if suffix == ".flac":
        np.testing.assert_array_equal(heard[0], expected)
    else:
        np.testing.assert_allclose(heard[0][2_000:14_000], expected[2_000:14_000], atol=1e-4)


def test_late_sound_is_told_and_not_moved(tmp_path: Path) -> None:
    audio = np.zeros((1, 16_000), dtype=np.float32)
    audio[0, 4_000] = 0.9
    write_frames(tmp_path / "a.mp4", textured(8), frame_rate=8.0, audio=audio, sample_rate=16_000, audio_start_seconds=0.4)
    info, _, heard = read(tmp_path / "a.mp4")
    assert "audio_offset" in info.flags
    assert heard is not None
    assert int(np.argmax(np.abs(heard[0]))) / 16_000 + info.audio_start_seconds == pytest.approx(0.65, abs=1e-3)


def test_a_sound_file_beside_the_picture_takes_the_place_of_its_sound(make_clip: Make, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", make_clip("a"))
    other = make_clip("b", seed=9, sample_rate=24_000).audio
    assert other is not None
    write_wav(tmp_path / "a.wav", other, 24_000)
    alone, _, own = read(tmp_path / "a.mp4")
    info, frames, heard = read(ClipFile("a", tmp_path / "a.mp4", tmp_path / "a.wav"))
    assert (alone.sample_rate, info.sample_rate) == (16_000, 24_000)
    assert info.audio_start_seconds == 0.0
    assert heard is not None
    assert own is not None
    np.testing.assert_allclose(heard, np.rint(other * 32768) / 32768, atol=1e-6)
    assert len(frames) == 12


def test_the_hash_of_a_clip_in_two_files_follows_both(make_clip: Make, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", make_clip("a"))
    hashes = set()
    for seed in (1, 2):
        sound = make_clip("b", seed=seed).audio
        assert sound is not None
        write_wav(tmp_path / "a.wav", sound, 16_000)
        for audio in (None, tmp_path / "a.wav"):
            with Reader(ClipFile("a", tmp_path / "a.mp4", audio)) as reader:
                hashes.add(reader.sha256)
                assert clip_sha256(ClipFile("a", tmp_path / "a.mp4", audio)) == reader.sha256
    assert len(hashes) == 3


def test_the_length_of_the_sound_is_known_before_it_is_decoded(make_clip: Make, tmp_path: Path) -> None:
    clip = make_clip("a", seconds=1.5)
    write_clip(tmp_path / "a.mp4", clip)
    write_wav(tmp_path / "a.wav", np.zeros((1, 12_000), np.float32), 24_000)
    write_frames(tmp_path / "b.mp4", textured(8), frame_rate=8.0)
    for source, seconds in (
        (clip, 1.5),
        (dataclasses.replace(clip, audio=None), 0.0),
        (ClipFile("a", tmp_path / "a.mp4"), 1.5),
        (ClipFile("a", tmp_path / "a.mp4", tmp_path / "a.wav"), 0.5),
        (ClipFile("b", tmp_path / "b.mp4"), 0.0),
    ):
        with Reader(source) as reader:
            assert reader.info.audio_seconds == pytest.approx(seconds, abs=0.07), source


# ------------------------------------------------------------------ clips in memory


def test_the_hash_of_a_clip_in_memory_follows_everything_that_moves_a_value(make_clip: Make) -> None:
    clip = make_clip("a")
    assert clip.video is not None
    assert clip.audio is not None

    def sha(changed: Clip) -> str:
        with Reader(changed) as reader:
            return reader.sha256

    video, audio = clip.video.copy(), clip.audio.copy()
    video[0, 0, 0, 0] ^= 1
    audio[0, 0] += np.float32(1e-6)
    other = [
        dataclasses.replace(clip, video=video),
        dataclasses.replace(clip, audio=audio),
        dataclasses.replace(clip, video=None),
        dataclasses.replace(clip, audio=None),
        dataclasses.replace(clip, frame_rate=13.0),
        dataclasses.replace(clip, sample_rate=8_000),
        dataclasses.replace(clip, audio_start_seconds=0.1),
        dataclasses.replace(clip, video=clip.video.reshape(12, 64, 48, 3)),
        dataclasses.replace(clip, audio=clip.audio.reshape(2, -1)),
    ]
    assert len({sha(clip), *map(sha, other)}) == len(other) + 1
    assert sha(dataclasses.replace(clip, id="b", text="other")) == sha(clip)
    assert sha(dataclasses.replace(clip, video=clip.video.transpose(0, 3, 1, 2))) == sha(clip)


def test_a_clip_in_memory_with_bad_sound_is_refused_like_a_file(make_clip: Make) -> None:
    clip = make_clip("a")
    assert clip.audio is not None
    bad = clip.audio.copy()
    bad[0, 5] = np.nan
    with pytest.raises(BadClip, match=r"non_finite_audio: 1 of \d+ samples"):
        read(dataclasses.replace(clip, audio=bad))
    with pytest.raises(BadClip, match="no_audio"):
        read(dataclasses.replace(clip, audio=np.zeros((1, 0), np.float32)))


# ------------------------------------------------------------------ limits and hostile files


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(frames=5), "more than 5 frames"),
        (Limits(seconds=0.5), "longer than 0 s"),
        (Limits(pixels=1_000), "64 x 48 pixels"),
        (Limits(streams=1), "2 streams, the limit is 1"),
        (Limits(audio_samples=1_000), "more than 1000 audio samples"),
    ],
)
def test_a_file_beyond_a_limit_is_refused(limits: Limits, message: str, make_clip: Make, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", make_clip("a", seconds=2.0))
    error = fault(tmp_path / "a.mp4", limits=limits)
    assert error.code == "too_large"
    assert message in str(error)


def test_files_that_are_empty_missing_no_media_or_cut_are_named(make_clip: Make, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert fault(tmp_path / "empty.mp4").code == "empty_file"
    assert fault(tmp_path / "nothing.mp4").code == "unreadable"
    (tmp_path / "folder.mp4").mkdir()
    assert fault(tmp_path / "folder.mp4").code == "unreadable"
    (tmp_path / "text.mp4").write_text("no media " * 100, encoding="utf-8")
    assert fault(tmp_path / "text.mp4").code == "unreadable"
    write_clip(tmp_path / "a.mp4", make_clip("a", seconds=3.0))
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 2 // 3])
    assert fault(tmp_path / "cut.mp4").code == "damaged"
    assert fault(ClipFile("a", tmp_path / "a.mp4", tmp_path / "nothing.wav")).code == "unreadable"


CANARY = "canary"


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".mkv", ".wav", ".avi"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9.0,\n{canary}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9.0,\nfile://{canary}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{canary}'\n",
        "ffconcat version 1.0\nfile 'file:{canary}'\n",
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><Period><AdaptationSet>"
        "<Representation id='1' bandwidth='1'><BaseURL>{canary}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\n",
    ],
    ids=["hls", "hls-url", "concat", "concat-url", "dash", "sdp"],
)
def test_a_playlist_is_refused_and_opens_no_other_file(text: str, suffix: str, make_clip: Make, tmp_path: Path) -> None:
    """The canary is a good clip: if anything followed the list, it would be read, and its access time would move."""
    canary = tmp_path / f"{CANARY}.mp4"
    write_clip(canary, make_clip("a"))
    os.utime(canary, (1_000_000_000, 1_000_000_000))
    before = canary.stat().st_atime_ns
    path = tmp_path / f"list{suffix}"
    path.write_text(text.replace("{canary}", str(canary)), encoding="utf-8")
    error = fault(path)
    assert error.code == "unreadable"
    assert canary.stat().st_atime_ns == before


def test_no_allowed_demuxer_reads_other_files() -> None:
    allowed = {name for names in DEMUXERS for name in names.split(",")}
    assert not allowed & {
        "hls",
        "concat",
        "dash",
        "sdp",
        "image2",
        "lavfi",
        "rtsp",
        "ffmetadata",
        "tty",
        "imf",
        "webm_dash_manifest",
    }


def test_a_wrong_suffix_is_flagged(make_clip: Make, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", make_clip("a"))
    (tmp_path / "a.mp4").rename(tmp_path / "a.mkv")
    info, frames, _ = read(tmp_path / "a.mkv")
    assert len(frames) == 12
    assert "extension_mismatch" in info.flags


def test_decoder_threads_move_no_pixel(make_clip: Make, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", make_clip("a", seconds=2.0, width=320, height=240))
    one, two = read(tmp_path / "a.mp4", threads=1), read(tmp_path / "a.mp4", threads=2)
    np.testing.assert_array_equal(np.stack(one[1]), np.stack(two[1]))


def test_files_are_closed_whatever_happens(make_clip: Make, tmp_path: Path) -> None:
    def held() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    write_clip(tmp_path / "a.mp4", make_clip("a"))
    (tmp_path / "text.mp4").write_text("no media " * 100, encoding="utf-8")
    read(tmp_path / "a.mp4")
    before = held()
    for _ in range(5):
        read(tmp_path / "a.mp4")
        fault(tmp_path / "text.mp4")
        fault(tmp_path / "a.mp4", limits=Limits(frames=5))
    assert held() == before
