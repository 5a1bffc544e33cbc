"""What the runner scripts share: finding the published code, filling a model's window, writing wav and mp4.

A runner lives in the environment of the code that it drives, so this file needs the standard library and Python 3.8 alone;
NumPy is imported where arrays are written. Pictures go through the `ffmpeg` program, which every one of those environments has
on its path or inside `imageio-ffmpeg`.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WAYS = ("loop", "pad_last", "none")
"""How a video shorter than a model's window fills it: played again, its last frame held, or left as it is."""


# ------------------------------------------------------------------ the published code


def checkout(variable: str, sign: str, inside: str = "") -> Path:
    """Enter the checkout of the published code: it becomes the current folder and is imported from.

    The published code looks for its configuration and weights below the current folder.

    Args:
        variable: The environment variable that names the checkout.
        sign: A file that every checkout holds.
        inside: The folder of the repository that has the code, where it is not the repository itself.

    Raises:
        FileNotFoundError: if the variable is not set, or the folder does not hold `sign`.
    """
    given = os.environ.get(variable)
    if not given:
        raise FileNotFoundError(f"where is the published code? set {variable} to the folder of its checkout")
    tried = [Path(given).expanduser().resolve()]
    if inside:
        tried.insert(0, tried[0] / inside)
    for folder in tried:
        if (folder / sign).is_file():
            os.chdir(str(folder))
            sys.path.insert(0, str(folder))
            return folder
    raise FileNotFoundError(f"{given} holds no {sign}; {variable} has to name a checkout of the published code")


class LoadedOnce:
    """Takes the place of a class whose `from_pretrained` the published code calls again for every item."""

    def __init__(self, published: Any) -> None:
        self.published = published
        self.made: dict[tuple[Any, ...], Any] = {}

    def from_pretrained(self, *names: Any, **settings: Any) -> Any:
        """The published class's, called once per set of arguments."""
        key = (names, tuple(sorted(settings.items())))
        if key not in self.made:
            self.made[key] = self.published.from_pretrained(*names, **settings)
        return self.made[key]


def seed_everything(seed: int) -> None:
    """Python's, NumPy's and torch's generators, so that a clip depends on its own seed and on no clip before it."""
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)  # noqa: NPY002 (the published code draws from it)
    torch.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)


# ------------------------------------------------------------------ what is asked for


def text(item: Any, *names: str) -> str:
    """The first of these conditions that the item has; empty without any."""
    return next((str(item.cond[name]).strip() for name in names if str(item.cond.get(name) or "").strip()), "")


def without_marks(caption: str) -> str:
    """What Qwen-VL says, without its marks of places: `<ref>a dog</ref><box>(1,2),(3,4)</box>` becomes `a dog`."""
    return re.sub(r"<box>.*?</box>", "", re.sub(r"<ref>(.*?)</ref>", r"\1", caption)).strip()


def path(item: Any, name: str) -> Path:
    """The file of a condition.

    Raises:
        ValueError: if the item has none.
    """
    if not item.cond.get(name):
        raise ValueError(
            f"item '{item.id}' has no {name}, which the model needs; it has {', '.join(sorted(item.cond)) or 'nothing'}"
        )
    return Path(item.cond[name])


# ------------------------------------------------------------------ pictures


def ffmpeg(*arguments: str, frames: bytes = b"") -> str:
    """Run ffmpeg and return what it logs.

    Raises:
        FileNotFoundError: without the program.
        RuntimeError: with the end of its log, if it fails.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        try:
            import imageio_ffmpeg

            program = imageio_ffmpeg.get_ffmpeg_exe()
        except ImportError:
            raise FileNotFoundError(
                "ffmpeg is not on the path; install it into this environment (conda-forge ffmpeg)"
            ) from None
    done = subprocess.run([program, "-hide_banner", "-nostdin", "-y", *arguments], input=frames, capture_output=True)  # noqa: S603
    log = done.stderr.decode("utf-8", "replace")
    if done.returncode and arguments[-1] != "-":
        raise RuntimeError(f"ffmpeg {' '.join(arguments)} failed: {log[-600:]}")
    return log


def seconds_of(file: Path) -> float:
    """Length of a media file as its container says."""
    program_says = ffmpeg("-i", str(file), "-f", "null", "-t", "0", "-")
    found = re.search(r"Duration: (\d+):(\d+):(\d+(?:\.\d+)?)", program_says)
    if found is None:
        raise ValueError(f"{file} has no length that ffmpeg can read")
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def fill_window(video: Path, seconds: float, how: str, into: Path) -> tuple[float, dict[str, Any]]:
    """Write to `into` what a model with a window of `seconds` is shown, and say what was done to it.

    A longer video is cut. The papers play a clip of 2 s again until a window of 8 to 10 s is full, and cut the sound to the
    clip afterwards; that is `loop`.

    Returns:
        Seconds of the sound that belong to the clip, and the entries for the result's `meta`.

    Raises:
        ValueError: if `how` is none of `WAYS`.
    """
    if how not in WAYS:
        raise ValueError(f"video_prep must be one of {', '.join(WAYS)}, got {how!r}")
    length = seconds_of(video)
    short = length < seconds - 0.01
    said: dict[str, Any] = {}
    before: Sequence[str] = ()
    held: Sequence[str] = ()
    if not short or how == "none":
        if length > seconds + 0.01:
            said["truncated_from"] = length
    elif how == "loop":
        before, said["looped_input"] = ("-stream_loop", "-1"), seconds
    else:
        held, said["held_last_frame"] = ("-vf", f"tpad=stop_mode=clone:stop_duration={seconds}"), seconds
    wanted = min(length, seconds) if how == "none" else seconds
    as_good = ("-an", "-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p")
    ffmpeg(*before, "-i", str(video), *held, "-t", f"{wanted:.3f}", *as_good, str(into))
    return min(length, seconds), said


def write_video(path: Path, frames: Sequence[Any], rate: float) -> None:
    """Frames, each uint8 `(H, W, 3)` as NumPy takes it, as H.264 that hardly loses anything."""
    import numpy

    stacked = numpy.stack([numpy.asarray(frame, dtype=numpy.uint8) for frame in frames])
    if stacked.ndim != 4 or stacked.shape[3] != 3:
        raise ValueError(f"frames must be (H, W, 3), got {stacked.shape[1:]}")
    size = f"{stacked.shape[2]}x{stacked.shape[1]}"
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", f"{rate:g}", "-i", "pipe:0")
    ffmpeg(*raw, "-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv420p", str(path), frames=stacked.tobytes())


# ------------------------------------------------------------------ sound


def write_wav(path: Path, samples: Any, rate: int, seconds: float = float("inf")) -> int:
    """A waveform in [-1, 1], `(N,)` or `(channels, N)`, as 16-bit PCM, cut to `seconds`; returns samples per channel.

    Raises:
        ValueError: if it is empty, of another shape, or not finite.
    """
    import numpy

    sound = numpy.atleast_2d(numpy.asarray(samples, dtype=numpy.float64))
    if sound.ndim != 2 or 0 in sound.shape or sound.shape[0] > 8:
        raise ValueError(f"a waveform is (N,) or (channels, N), got {sound.shape}")
    if not numpy.isfinite(sound).all():
        raise ValueError("the model gave a waveform with NaN or infinity")
    if seconds < sound.shape[1] / rate:
        sound = sound[:, : round(seconds * rate)]
    whole = numpy.round(numpy.clip(sound, -1.0, 1.0) * 32767.0).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setnchannels(sound.shape[0])
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(whole.T.tobytes())
    return int(sound.shape[1])


def cut_wav(source: Path, path: Path, seconds: float) -> tuple[int, int]:
    """The first `seconds` of a PCM file that the published code wrote; returns sample rate and samples per channel."""
    with wave.open(str(source), "rb") as given:
        rate = given.getframerate()
        count = min(given.getnframes(), round(seconds * rate))
        sound = given.readframes(count)
        with wave.open(str(path), "wb") as out:
            out.setparams(given.getparams())
            out.writeframes(sound)
    return rate, count
