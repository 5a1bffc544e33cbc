"""What ImageBind's extractors share: the published file, read once, and how sound and pictures are made ready.

Still pictures and words are made ready as CLIP's are: `avbench.clip_input`.

Source:
    github.com/facebookresearch/ImageBind `imagebind/data.py` at 53680b0; clips of a file:
    github.com/facebookresearch/pytorchvideo at 28fe037, the commit that ImageBind asks for; windows:
    github.com/JavisVerse/JavisDiT `eval/javisbench/src/dataset.py` at b505b37; Kaldi's filter bank as torchaudio 2 computes it.
Differs from the source:
    Clips that are equal (a sound or a picture of at most 2 s makes three or five times the same clip) are embedded once; the
    mean over equal embeddings is that embedding. The filter bank is computed in float64 but for the edges of its bands.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.clip_input import SIDE
from avbench.errors import BadParameter, Unscorable
from avbench.types import Array, Checkpoint, Waveform

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from avbench.models.imagebind import ImageBind

Positions = Literal["pinned", "release"]
"""Where clips of 2 s lie in a longer file: `pinned` (the commit of pytorchvideo that ImageBind asks for) spreads them from its
beginning to its end, `release` (pytorchvideo 0.1.5 from the registry) divides by their number and never reaches the end."""

Tower = Literal["vision", "audio", "text"]

CHECKPOINT = Checkpoint(
    file="imagebind_huge.pth",
    urls=("https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth",),
    licence="CC BY-NC-SA 4.0: not for commercial use",
    sha256="d6f6c22bedcc90708448d5d2fbb7b2db9c73f505dc89bd0b2e09b23af1b62157",
)
SAMPLE_RATE = 16_000
CLIP_SECONDS = 2
ROWS = 32
"""Pictures, or pairs of pictures, that go through the network at once."""

_FRAME, _SHIFT, _FFT, _BINS, _MEL_FRAMES = 400, 160, 512, 128, 204
_LEAST_POWER = float(np.finfo(np.float32).eps)


# ------------------------------------------------------------------ the network


def network(weights: Path | None, tower: Tower, device: str) -> ImageBind:
    """The network, with one tower ready on `device`.

    The file is read once for all extractors of a process, and the last one read is kept: 4.8 GB in memory, of which a GPU gets
    the towers that are asked for.

    Raises:
        BadParameter: without a file, or if it is not in ImageBind's layout.
    """
    if weights is None:
        raise BadParameter("imagebind: weights are needed and None came")
    state = weights.stat()
    made = _network(weights, state.st_size, state.st_mtime_ns, device)
    for part in made.parts(tower):
        part.to(device)
    return made


@functools.lru_cache(maxsize=1)
def _network(weights: Path, size: int, mtime_ns: int, device: str) -> ImageBind:
    import torch

    from avbench.models.imagebind import UNUSED, Config, ImageBind
    from avbench.models.loading import load_exactly
    from avbench.weights import read

    state = read(weights)
    with torch.device("meta"):
        made = ImageBind(Config.of(state))
    load_exactly(made, state, weights, UNUSED)
    return made


def by_rows(run: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """`run` on at most `ROWS` rows at a time, in parts of nearly equal size."""
    import torch

    parts = torch.tensor_split(rows, max(1, -(-len(rows) // ROWS)))
    return torch.cat([run(part) for part in parts])


# ------------------------------------------------------------------ where clips and windows lie


def clip_starts(seconds: float, clips: int, positions: Positions) -> list[Fraction]:
    """Starts in seconds of clips of 2 s in a file of that length.

    >>> [float(start) for start in clip_starts(4.0, 5, "pinned")]
    [0.0, 0.5, 1.0, 1.5, 2.0]
    >>> [float(start) for start in clip_starts(4.0, 5, "release")]
    [0.0, 0.4, 0.8, 1.2, 1.6]
    """
    step = Fraction(max(seconds - CLIP_SECONDS, 0)) / (max(clips - 1, 1) if positions == "pinned" else clips)
    return [step * number for number in range(clips)]


def windows(
    frames: int, frame_rate: float, samples: int, window: float, overlap: float
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """JavisScore's windows: first and last plus one, in frames and in samples at 16 kHz, the i-th with the i-th.

    A window that would reach beyond the end begins earlier. What one stream has more than the other is left out, so that at
    some lengths paired windows are of different times. A clip that is no longer than one window, in pictures or in sound, is
    one window with everything.

    Args:
        frames: Of the clip.
        frame_rate: Hz.
        samples: Of the clip's sound at 16 kHz.
        window: Seconds.
        overlap: Seconds that two windows in a row share.

    Raises:
        Unscorable: `too_short` if a window holds no frame, or its overlap is all of it, at this frame rate.

    >>> windows(49, 24.0, 33_000, 2.0, 1.5)
    ([(0, 48), (1, 49)], [(0, 32000), (1000, 33000)])
    """
    sizes = int(window * frame_rate), int(window * SAMPLE_RATE)
    if frames <= sizes[0] or samples <= sizes[1]:
        return [(0, frames)], [(0, samples)]
    hops = sizes[0] - int(overlap * frame_rate), sizes[1] - int(overlap * SAMPLE_RATE)
    if min(hops) <= 0:
        raise Unscorable(
            "too_short",
            f"at {frame_rate:g} Hz a window of {window:g} s with an overlap of {overlap:g} s moves on by {hops[0]} frames",
        )
    pictures, sound = (_spans(*s) for s in zip((frames, samples), sizes, hops, strict=True))
    pairs = min(len(pictures), len(sound))
    return pictures[:pairs], sound[:pairs]


def _spans(count: int, size: int, hop: int) -> list[tuple[int, int]]:
    """One more window, moved back to the end, where the last one does not end with the stream."""
    number = 1 + -(-(count - size) // hop)
    return [(start, start + size) for start in (min(n * hop, count - size) for n in range(number))]


# ------------------------------------------------------------------ sound


def at_16_khz(audio: Waveform | None) -> NDArray[np.float32]:
    """Every channel at 16 kHz, `(channels, N)`, in memory of its own.

    Raises:
        Unscorable: `no_audio`; `too_short` below the 25 ms of one spectrum.
    """
    from avbench.resampling import torchaudio_resample

    if audio is None or audio.samples.size == 0:
        raise Unscorable("no_audio")
    channels = [torchaudio_resample(c, audio.sample_rate, SAMPLE_RATE, functional=True) for c in audio.samples]
    made = np.stack(channels)
    if made.shape[1] < _FRAME:
        seconds = audio.samples.shape[1] / audio.sample_rate
        raise Unscorable("too_short", f"imagebind needs 0.025 s of sound, the clip has {seconds:.3f} s")
    return made


def sound_clips(samples: NDArray[np.float32], positions: Positions = "pinned") -> NDArray[np.float32]:
    """The spectrograms that the audio tower is given of a sound: three clips of 2 s, or one where they would be equal.

    Args:
        samples: `(channels, N)` at 16 kHz. Changed: the source takes each clip's mean out of the waveform itself, so that a
            later clip, or window, finds it changed where they overlap.
        positions: See `Positions`.

    Returns:
        float32 `(1 or 3, 128, 204)`: 0.01 s apart, mean and deviation taken out.
    """
    count = samples.shape[1]
    starts = clip_starts(count / SAMPLE_RATE, 3, positions) if count > CLIP_SECONDS * SAMPLE_RATE else [Fraction(0)]
    made = []
    for start in starts:
        clip = samples[:, int(start * SAMPLE_RATE) : int((start + CLIP_SECONDS) * SAMPLE_RATE)]
        clip -= np.float32(clip.mean(dtype=np.float64))
        mel = kaldi_mel(clip[0])[:_MEL_FRAMES].T
        made.append((np.pad(mel, ((0, 0), (0, _MEL_FRAMES - mel.shape[1]))) + 4.268) / 9.138)
    return np.stack(made).astype(np.float32)


def kaldi_mel(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """Kaldi's log mel filter bank, `(N,)` at 16 kHz to `(1 + (N - 400) // 160, 128)`, N at least 400.

    Frames of 25 ms every 10 ms without their mean, pre-emphasis 0.97, a symmetric Hann window, the power of 512 points,
    triangles from 20 Hz to 8 kHz, the natural logarithm.
    """
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(samples, dtype=np.float64), _FRAME)[::_SHIFT]
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = (frames - 0.97 * np.concatenate((frames[:, :1], frames[:, :-1]), axis=1)) * np.hanning(_FRAME)
    spectrum = np.fft.rfft(frames, _FFT, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(np.log(np.maximum(power @ _bands().T, _LEAST_POWER)))


@functools.cache
def _bands() -> NDArray[np.float64]:
    """Triangles evenly spaced on Kaldi's mel scale, `(128, 257)`; the last bin is in none."""
    # In float32, as the source has them: a loud tone just outside a triangle leaks into it by the rounding of its edge.
    single = np.float32
    low, high = (1127.0 * math.log(1.0 + hertz / 700.0) for hertz in (20.0, SAMPLE_RATE / 2))
    step = (high - low) / (_BINS + 1)
    edges = single(low) + np.arange(_BINS + 2, dtype=single)[:, None] * single(step)
    mel = single(1127.0) * np.log(single(1.0) + np.arange(_FFT // 2, dtype=single) * single(SAMPLE_RATE / _FFT) / single(700.0))
    rise = (mel - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - mel) / (edges[2:] - edges[1:-1])
    return np.pad(np.maximum(single(0.0), np.minimum(rise, fall)), ((0, 0), (0, 1))).astype(np.float64)


# ------------------------------------------------------------------ pictures


def three_crops(pictures: Tensor) -> Tensor:
    """Squares at the beginning, in the middle and at the end of the long side: `(..., h, w)` to `(3, ..., 224, 224)`."""
    import torch

    height, width = pictures.shape[-2:]
    left, top = width - SIDE, height - SIDE
    middle = -(-left // 2), -(-top // 2)
    corners = [(middle[0], 0), middle, (middle[0], top)] if height > width else [(0, middle[1]), middle, (left, middle[1])]
    return torch.stack([pictures[..., y : y + SIDE, x : x + SIDE] for x, y in corners])


# ------------------------------------------------------------------ scores


def cosine(a: Array, b: Array) -> NDArray[np.float64]:
    """Cosine along the last axis, in float64."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return np.asarray((a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)))


def mean_over_clips(embed: Callable[[torch.Tensor], torch.Tensor], clips: torch.Tensor) -> torch.Tensor:
    """`(B, C, ...)` to `(B, embedding)`: clips embedded as rows, then averaged."""
    rows = by_rows(embed, clips.flatten(0, 1))
    return rows.view(*clips.shape[:2], -1).mean(dim=1)
