"""Frames at 25 per second, shots, faces that are followed through a shot, and crops of them: the way to SyncNet.

Source:
    github.com/joonson/syncnet_python `run_pipeline.py` at 6efbb1c, with the versions that it pins: PySceneDetect 0.5.1
    `detectors/content_detector.py`, `video_manager.py`; FFmpeg's frame rate conversion (`-r 25` into AVI, then into pictures).
Differs from the source:
    Nothing is written and read again, so frames are not compressed twice more (MPEG-4 and JPEG before the detector, XVID and
    JPEG before SyncNet). Shots are counted in the frames that the detector sees; where a clip has fewer than 25 frames per
    second, the published script counts them without the repeated ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadClip
from avbench.types import Array, ClipInfo, Features, Preparation, Waveform

RATE = 25
"""Frames per second of everything here."""
SIDE = 224
"""Of a crop, pixels."""
MOST_FACES = 64
"""Faces of a frame that are kept; of more the largest. Smaller ones than 100 pixels are never followed anyway."""

LEAST_OVERLAP = 0.5
MOST_MISSED = 25
LEAST_SIDE = 100.0
_MARGIN = 0.40
_GREY = 110
_SMOOTHED = 13

CUT = 30.0
"""Mean change of hue, saturation and value that is a cut."""
_LEAST_SHOT = 15
_SUBSAMPLED = ((3200, 12), (2100, 8), (1700, 6), (1200, 5), (900, 4), (600, 3), (400, 2))


# ------------------------------------------------------------------ 25 frames per second


def at_25(info: ClipInfo) -> NDArray[np.intp]:
    """Which frame of the clip is shown in each 25th of a second, from the start of the earlier of picture and sound.

    FFmpeg's rule for `-r 25`, with its thresholds: a frame is shown until its end, rounded to whole places; it is dropped if
    the places are more than 1.1 ahead of its end. Clips at 30 per second therefore run up to 1.9 places late, as they do in
    published numbers. This is not the rule of the filter `fps`, which follows the times: `avbench.frame_choice.ffmpeg_fps`.

    Args:
        info: Times of the frames, and when the sound begins.

    Returns:
        Indices of frames, rising, `(places,)`.
    """
    if info.frames == 0:
        return np.zeros(0, np.intp)
    places = (np.asarray(info.frame_times) + max(0.0, -info.audio_start_seconds)) * RATE
    steps = np.diff(places, append=places[-1] + (places[-1] - places[-2] if len(places) > 1 else RATE / info.frame_rate))
    shown: list[int] = []
    before = 0
    for index, (place, step) in enumerate(zip(places, steps, strict=True)):
        late = place + np.sign(place) * 2.0**-17 - len(shown)  # FFmpeg's own addition, so that halves round one way
        behind = late + step
        if behind < -1.1:
            continue
        count = int(np.rint(behind)) if behind > 1.1 else 1
        again = min(count, int(np.rint(late - 0.6))) if late > 1.1 and shown else 0
        shown += [before] * again + [index] * (count - again)
        before = index
    return np.asarray(shown, dtype=np.intp)


def aligned(audio: Waveform, start: float) -> Waveform:
    """The sound with silence before it where it starts later than the picture, so that it begins with place 0 of `at_25`."""
    lead = round(max(0.0, start) * audio.sample_rate)
    return Waveform(np.pad(audio.samples, ((0, 0), (lead, 0))), audio.sample_rate) if lead else audio


@dataclass
class Scaled(Preparation):
    """Every frame that is shown at 25 per second once, scaled for a detector.

    Args:
        info: Of the clip.
        size: Height and width to scale to.
    """

    info: ClipInfo
    size: tuple[int, int]
    kept: list[NDArray[np.uint8]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.frames, self.order = np.unique(at_25(self.info), return_inverse=True)

    def take(self, index: int, image: NDArray[np.uint8]) -> None:
        """Scale it, bilinear without antialiasing."""
        import cv2

        small = cv2.resize(image, (self.size[1], self.size[0]), interpolation=cv2.INTER_LINEAR)
        self.kept.append(np.asarray(small, dtype=np.uint8))

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`pictures` (frames, h, w, 3) uint8, `order` (places,) int64 into them, `size` (2,) int64: height and width before."""
        size = np.array([self.info.height, self.info.width], dtype=np.int64)
        return {"pictures": np.stack(self.kept), "order": self.order.astype(np.int64), "size": size}


def table(found: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Faces of each frame, however many, as one table.

    Args:
        found: One `(n, 5)` x1, y1, x2, y2, score per frame, best first.

    Returns:
        `(frames, MOST_FACES, 5)` float32 in the same order, zeros where there is none; and how many there were `(frames,)`.
    """
    out = np.zeros((len(found), MOST_FACES, 5), dtype=np.float32)
    for row, boxes in zip(out, found, strict=True):
        side = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        largest = np.sort(np.argsort(-side, kind="stable")[:MOST_FACES])
        row[: len(largest)] = boxes[largest]
    return out, np.array([len(boxes) for boxes in found], dtype=np.int64)


# ------------------------------------------------------------------ shots


def hsv(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Hue, saturation and value of every n-th pixel, n by the width of the picture: `(h, w, 3)`."""
    import cv2

    step = next((step for width, step in _SUBSAMPLED if image.shape[1] >= width), 1)
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image[::step, ::step]), cv2.COLOR_RGB2HSV), dtype=np.uint8)


def change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Mean absolute difference over pixels and the three channels of `hsv`, 0..255."""
    import cv2

    return float(sum(cv2.mean(cv2.absdiff(before, after))[:3]) / 3.0)


def cuts_of(content: NDArray[np.float64]) -> NDArray[np.int64]:
    """Frames that begin a new shot: those that change by `CUT` or more, at least 15 after the cut before.

    Args:
        content: `change` against the frame before, one value per frame, 0 for the first.
    """
    cuts: list[int] = []
    for frame in np.flatnonzero(content >= CUT):
        if not cuts or frame - cuts[-1] >= _LEAST_SHOT:
            cuts.append(int(frame))
    return np.asarray(cuts, dtype=np.int64)


# ------------------------------------------------------------------ tracks


@dataclass(frozen=True)
class Track:
    """One face through consecutive frames: the number of the first, and `(frames, 4)` x1, y1, x2, y2 in pixels."""

    first: int
    boxes: NDArray[np.float64]

    def __len__(self) -> int:
        """Frames."""
        return len(self.boxes)


def tracks_of(got: Features, detector: str, least: int) -> list[Track]:
    """The faces that are followed, in the order of the published script.

    Args:
        got: Features of `shots` and of the detector.
        detector: Its name.
        least: A track needs more detections than that, and a shot at least as many frames.

    Raises:
        BadClip: `error`, if the detector or `shots` failed on this clip.
    """
    lacking = [name for name in ("shots.cuts", f"{detector}.faces") if name not in got]
    if lacking:
        raise BadClip("error", f"{lacking[0].split('.')[0]} gave nothing for this clip; its own failure says why")
    faces = got[f"{detector}.faces"].astype(np.float64)
    ends = [0, *got["shots.cuts"].tolist(), len(faces)]
    tracks = []
    for first, last in itertools.pairwise(ends):
        if last - first >= least:
            found = [[(frame, box) for box in faces[frame, :, :4][faces[frame, :, 4] > 0]] for frame in range(first, last)]
            tracks += _followed(found, least)
    return tracks


_Face = tuple[int, NDArray[np.float64]]


def _followed(frames: list[list[_Face]], least: int) -> list[Track]:
    """Tracks of one shot; takes the faces out of the lists as it goes."""
    tracks = []
    while track := _next_track(frames):
        if len(track) > least:
            numbers = np.array([frame for frame, _ in track])
            boxes = np.stack([box for _, box in track])
            every = np.arange(numbers[0], numbers[-1] + 1)
            full = np.stack([np.interp(every, numbers, boxes[:, side]) for side in range(4)], axis=1)
            if (full[:, 2:] - full[:, :2]).mean(axis=0).max() > LEAST_SIDE:
                tracks.append(Track(int(numbers[0]), full))
    return tracks


def _next_track(frames: list[list[_Face]]) -> list[_Face]:
    track: list[_Face] = []
    for faces in frames:
        place = 0
        while place < len(faces):
            frame, box = faces[place]
            if track and frame - track[-1][0] > MOST_MISSED:
                return track
            if not track or overlap(box, track[-1][1]) > LEAST_OVERLAP:
                # As published: the list shrinks while it is walked through, so the face after a taken one is not looked at.
                track.append(faces.pop(place))
            place += 1
    return track


def overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Intersection over union of two boxes; 0 if both are empty."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = float(np.maximum(0.0, high - low).prod())
    union = float((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod()) - shared
    return shared / union if union else 0.0


# ------------------------------------------------------------------ crops


def windows_of(track: Track) -> NDArray[np.float64]:
    """Half a side, centre x and centre y of the face in each frame, each smoothed by a median over 13: `(frames, 3)`.

    Beyond the ends the median sees zeros, as published: the first and last six values are drawn towards the smaller ones.
    """
    extent, centre = track.boxes[:, 2:] - track.boxes[:, :2], (track.boxes[:, 2:] + track.boxes[:, :2]) / 2
    values = (extent.max(axis=1) / 2, centre[:, 0], centre[:, 1])
    return np.stack([median_filter(value, _SMOOTHED) for value in values], axis=1)


def median_filter(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Median of the `width` (odd) values around each, zeros beyond the ends: `scipy.signal.medfilt`, whose import takes 2 s."""
    padded = np.pad(np.asarray(values, dtype=np.float64), width // 2)
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1), dtype=np.float64)


def crop(image: NDArray[np.uint8], window: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A face and what is below it, `(224, 224, 3)`: from half a side above the centre to 0.9 sides below, 0.7 to either side.

    Args:
        image: `(H, W, 3)`.
        window: Half a side, centre x, centre y; grey stands for what lies outside of the picture.
    """
    import cv2

    half, x, y = (float(value) for value in window)
    border = int(half * (1 + 2 * _MARGIN))
    height, width = image.shape[:2]
    # Cut from the picture with a grey border on every side, whose corner is at (-border, -border); the border is never made.
    top, bottom = _span(y + border - half, y + border + half * (1 + 2 * _MARGIN), height + 2 * border, border)
    left, right = _span(x + border - half * (1 + _MARGIN), x + border + half * (1 + _MARGIN), width + 2 * border, border)
    out = np.full((max(1, bottom - top), max(1, right - left), 3), _GREY, dtype=np.uint8)
    rows, columns = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
    if rows.start < rows.stop and columns.start < columns.stop:
        part = image[rows, columns]
        at = (rows.start - top, columns.start - left)
        out[at[0] : at[0] + len(part), at[1] : at[1] + part.shape[1]] = part
    return np.asarray(cv2.resize(out, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _span(low: float, high: float, length: int, border: int) -> tuple[int, int]:
    """A slice of the bordered picture as positions in the picture itself."""
    return max(0, int(low)) - border, min(length, int(high)) - border
