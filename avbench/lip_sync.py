"""Distances between face and sound over shifts, and what three metrics make of them: `lse_c`, `lse_d`, `sync_offset`.

Definition:
    With v_i the face and a_i the sound of window i, and a_i = 0 where there is no window, D(i, k) = |v_i - a_(i + k)| for
    shifts k of -15 to 15 frames (1e-6 is added to every difference). m_k is the mean over i. The least m_k, at k*, is the
    distance (LSE-D); the median of the 31 values less the least is the confidence (LSE-C); the offset is -k*, in frames at 25
    per second: positive where the sound comes early, so that what belongs to window i is heard in an earlier one.
Source:
    github.com/joonson/syncnet_python `SyncNetInstance.py` at 6efbb1c; aggregation: see `SOURCES`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avbench import stats
from avbench.errors import BadParameter, Unscorable
from avbench.face_tracks import median_filter
from avbench.types import Array, Features, Item, Metric, Need

Variant = Literal["syncnet_python", "wav2lip_real", "wav2lip_lrs", "latentsync", "avgen_bench"]

SOURCES: Mapping[str, str] = {
    "syncnet_python": "github.com/joonson/syncnet_python run_pipeline.py, run_syncnet.py at 6efbb1c",
    "wav2lip_real": "github.com/Rudrabha/Wav2Lip evaluation/scores_LSE/calculate_scores_real_videos.py at 5c90fa9",
    "wav2lip_lrs": "github.com/Rudrabha/Wav2Lip evaluation/scores_LSE/calculate_scores_LRS.py at 5c90fa9",
    "latentsync": "github.com/bytedance/LatentSync eval/eval_sync_conf.py at a229c39",
    "avgen_bench": "github.com/microsoft/AVGen-Bench eval/syncnet_python/batch_eval.py at 1049eab",
}
SHIFT = 15
RATE = 25
MINI_RATE = 24
LEAST_CONFIDENCE = 5.0
"""Of a track that `avgen_bench` counts."""
_SMOOTHED = 9
_LEAST_MEETING = 12
_LEAST_TRACK: Mapping[Variant, int] = {"syncnet_python": 100, "wav2lip_real": 100, "latentsync": 50, "avgen_bench": 30}
_POOLED = ("wav2lip_real", "avgen_bench")


# ------------------------------------------------------------------ distances


def distances(lips: NDArray[np.float32], sound: NDArray[np.float32], shift: int = SHIFT) -> NDArray[np.float32]:
    """D of the module: `(W, d)` and `(W, d)` to `(W, 2 * shift + 1)`, columns from shift -`shift` to `shift`."""
    padded = np.pad(np.asarray(sound, dtype=np.float32), ((shift, shift), (0, 0)))
    lips = np.asarray(lips, dtype=np.float32)
    columns = [
        np.sqrt(np.square(lips - padded[k : k + len(lips)] + np.float32(1e-6), dtype=np.float32).sum(axis=1, dtype=np.float64))
        for k in range(2 * shift + 1)
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def overlapping(picture: NDArray[np.float32], sound: NDArray[np.float32], shift: int = SHIFT) -> NDArray[np.float32]:
    """Distances of steps of picture and sound that are both there, `(T, d)` and `(T', d)` to `(T, 2 * shift + 1)`; else NaN.

    For vectors of length 1, to which the zeros of `distances` would be nearer than any vector that does not belong to them.

    Raises:
        Unscorable: `too_short` if fewer than 12 steps meet at the largest shift.
    """
    steps, heard = len(picture), len(sound)
    if min(steps, heard) - shift < _LEAST_MEETING:
        raise Unscorable("too_short", f"{_LEAST_MEETING + shift} steps are needed, picture has {steps} and sound {heard}")
    table = np.full((steps, 2 * shift + 1), np.nan, dtype=np.float32)
    for column, k in enumerate(range(-shift, shift + 1)):
        first, end = max(0, -k), min(steps, heard - k)
        table[first:end, column] = np.linalg.norm(picture[first:end] - sound[first + k : end + k], axis=1)
    return table


@dataclass(frozen=True, eq=False)
class Reading:
    """What the distances of one track say.

    Args:
        offset: Frames at 25 per second; positive where the sound comes early.
        confidence: Median less least mean distance.
        distance: The least mean distance.
        by_shift: Mean distance at each shift.
        over_time: Confidence of each window: the median less its own distance at the best shift.
    """

    offset: int
    confidence: float
    distance: float
    by_shift: NDArray[np.float64]
    over_time: NDArray[np.float64]


def read(table: NDArray[np.float32]) -> Reading:
    """Of a table of `distances`, at least one window, or `overlapping`."""
    by_shift = np.asarray(np.nanmean(table, axis=0, dtype=np.float64))
    best = int(np.argmin(by_shift))
    median = float(np.median(by_shift))
    return Reading(
        offset=len(by_shift) // 2 - best,
        confidence=median - float(by_shift[best]),
        distance=float(by_shift[best]),
        by_shift=by_shift,
        over_time=median - table[:, best].astype(np.float64),
    )


def readings(got: Features, network: str) -> list[Reading]:
    """Of every track of one clip."""
    if network == "mini_sync":
        return [read(overlapping(got["mini_sync.picture"], got["mini_sync.sound"]))]
    track = got[f"{network}.track"]
    lips, sound = got[f"{network}.lips"], got[f"{network}.sound"]
    return [read(distances(lips[track == n], sound[track == n])) for n in range(int(track.max()) + 1)]


# ------------------------------------------------------------------ metrics


@dataclass(frozen=True)
class LipSync(Metric):
    """What `lse_c`, `lse_d` and `sync_offset` share.

    Args:
        variant: Whose face pipeline and average, see the card. `syncnet_python`: tracks of more than 100 frames; a clip is the
            mean of its tracks, a run the mean of its clips. `wav2lip_real`: the same tracks, each counts once, whatever its
            clip.
            `wav2lip_lrs`: no detector, the clip is a cropped face. `latentsync`: as `syncnet_python` with more than 50 frames.
            `avgen_bench`: more than 30 frames, tracks with a confidence of at least 5, each counts once.
        detector: Of faces; published numbers stand on `s3fd`.
        network: The extractor of the vectors. `mini_sync` sees the whole frame and looks for no face; its frames are 1/24 s.

    Raises:
        BadParameter: for an unknown choice, and for `yunet` with `wav2lip_lrs`, which has no detector.
    """

    variant: Variant = "syncnet_python"
    detector: Literal["s3fd", "yunet"] = "s3fd"
    network: Literal["syncnet", "mini_sync"] = "syncnet"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant == "wav2lip_lrs" and self.detector != "s3fd":
            raise BadParameter(f"{self.name}: wav2lip_lrs looks for no face; leave detector out, got {self.detector!r}")
        if self.network == "mini_sync" and {"variant", "detector"} & set(self.changed()):
            raise BadParameter(
                f"{self.name}: variant and detector are of SyncNet's face pipeline; leave them out with mini_sync"
            )

    def extractors(self) -> tuple[Need, ...]:
        """Vectors of face and sound."""
        if self.network == "mini_sync":
            return (Need.of("mini_sync"),)
        if self.variant == "wav2lip_lrs":
            return (Need.of(self.network, faces="whole_frame"),)
        return (Need.of(self.network, faces=self.detector, min_track=_LEAST_TRACK[self.variant]),)

    @abstractmethod
    def columns_of(self, found: list[Reading]) -> list[float]:
        """The row of one clip without the number of tracks."""

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The values of one clip, and the number of tracks that they are of.

        Raises:
            Unscorable: `no_face`, if no track of `avgen_bench` is confident enough.
        """
        found = readings(got, self.network)
        if self.variant == "avgen_bench":
            best = max(r.confidence for r in found)
            found = [r for r in found if r.confidence >= LEAST_CONFIDENCE]
            if not found:
                raise Unscorable(
                    "no_face", f"no face track has a confidence of {LEAST_CONFIDENCE:.0f}; the best has {best:.2f}"
                )
        return np.array([*self.columns_of(found), len(found)], dtype=np.float64)

    def score(self, rows: NDArray[np.float64], ref_rows: NDArray[np.float64] | None) -> float:
        """The mean over clips; over tracks in `wav2lip_real` and `avgen_bench`."""
        return float(np.average(rows[:, 0], weights=rows[:, -1] if self.variant in _POOLED else None))

    def interval(
        self, rows: Sequence[NDArray[np.float64]], ref_rows: Sequence[NDArray[np.float64]] | None, *, seed: int
    ) -> tuple[float, float, str]:
        """Bootstrap over clips; halves of the clips where tracks are averaged, so that those of a clip stay together."""
        if self.variant in _POOLED:
            return stats.subset_interval(self.score, rows, None, seed=seed)
        low, high = stats.mean_interval(np.stack(rows)[:, 0], seed=seed)
        return low, high, f"95 % BCa bootstrap over clips, {stats.RESAMPLES} resamples, seed {seed}"

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """The sync curve: mean distance at each shift, and the confidence of every window over time.

        Distances are those of the longest track, shifts in frames. Confidences of all tracks, smoothed by a median over 9 as
        the published script prints them, with their times in seconds.
        """
        found = readings(got, self.network)
        longest = max(found, key=lambda r: len(r.over_time))
        width = len(longest.by_shift) // 2
        if self.network == "mini_sync":
            heard = np.flatnonzero(np.isfinite(longest.over_time))  # steps whose sound is there at the best shift
            times, track = heard / MINI_RATE, np.zeros(len(heard), np.int64)
        else:
            times, track = got[f"{self.network}.frame"] / RATE, got[f"{self.network}.track"]
        smooth = [median_filter(r.over_time[np.isfinite(r.over_time)], _SMOOTHED) for r in found]
        return {
            "shift": np.arange(-width, width + 1),
            "distance": longest.by_shift,
            "confidence": np.concatenate(smooth),
            "confidence_times": times,
            "confidence_track": track,
        }

    def flags(self, got: Features) -> tuple[str, ...]:
        """What to know of a clip beside its number.

        `several_tracks`; `not_25_fps` for a whole-frame clip of another rate, whose frames are taken as they are, as published;
        `mostly_padding` if no track has 31 windows, so that at the largest shifts zeros stand for most of the sound.
        """
        if self.network == "mini_sync":
            return ()
        track = got[f"{self.network}.track"]
        raised = {
            "several_tracks": int(track.max()) > 0,
            "not_25_fps": abs(float(got[f"{self.network}.frame_rate"]) - RATE) > 0.01,
            "mostly_padding": int(np.bincount(track).max()) < 2 * SHIFT + 1,
        }
        return tuple(name for name, is_so in raised.items() if is_so)
