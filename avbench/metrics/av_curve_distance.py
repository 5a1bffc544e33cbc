"""Distance between the curve of motion and the curve of onset strength (no unit).

Definition:
    x is the mean flow magnitude of every frame (`optical_flow`), y the onset strength (`onsets`) interpolated linearly at
    the frames' times, 0 where there is no sound. Both are z-scored (population standard deviation); the score of a clip is the
    root mean square of their difference, which equals sqrt(2 - 2 r) with Pearson's correlation r. Mean over clips.
Shapes:
    row: (2,) the distance, and the correlation r.
Range:
    [0, 2], lower is better; sqrt(2) = 1.414 for unrelated curves.
A curve that never changes:
    `Unscorable`: `no_motion` for the picture, `no_peaks` for the sound.
Source:
    own definition; a candidate for JointDiT's refined AV-Align, whose definition is not public. Not the authors' metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.errors import Unscorable
from avbench.types import Array, Better, Features, Item, Metric, Need

_FLAT = 1e-9
"""A curve whose largest and smallest values are nearer than this, pixels or decibels, does not change."""


@dataclass(frozen=True)
class AvCurveDistance(Metric):
    """Mean over clips of the distance between the z-scored curves of motion and of onset strength.

    Args:
        keep_offset: Whether a sound track that starts late or early is compared where it is played; False compares as if
            it started with the picture, as AV-Align does.
    """

    keep_offset: bool = True

    name: ClassVar[str] = "av_curve_distance"
    title: ClassVar[str] = "Distance between motion and onset-strength curves"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "own definition; a candidate for JointDiT's refined AV-Align, which has no public definition"
    columns: ClassVar[tuple[str, ...]] = ("distance", "correlation")

    def extractors(self) -> tuple[Need, ...]:
        """Flow of the picture, onset strength of the sound."""
        return (
            Need.of("optical_flow", resize=None),
            Need.of("onsets", sample_rate=22050, keep_offset=self.keep_offset),
        )

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Distance and correlation of one clip: `(2,)`.

        Raises:
            Unscorable: `no_motion` or `no_peaks` if a curve never changes.
        """
        flow, strength = _z_scored(got)
        return np.array([np.sqrt(np.mean((flow - strength) ** 2)), np.mean(flow * strength)], dtype=np.float64)

    def trace(self, item: Item, got: Features, ref: Features | None) -> Mapping[str, Array]:
        """Both z-scored curves over time."""
        flow, strength = _z_scored(got)
        return {"times": got["optical_flow.frame_times"], "flow_z": flow, "onset_strength_z": strength}


def _z_scored(got: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    flow = np.asarray(got["optical_flow.mean_magnitude"], dtype=np.float64)
    strength = np.asarray(got["onsets.strength"], dtype=np.float64)
    times = got["onsets.strength_start"] + np.arange(len(strength)) / got["onsets.strength_rate"]
    heard = np.interp(got["optical_flow.frame_times"], times, strength, left=0.0, right=0.0)
    if np.ptp(flow) < _FLAT:
        raise Unscorable("no_motion")
    if np.ptp(heard) < _FLAT:
        raise Unscorable("no_peaks", "the onset strength of the sound never changes")
    return (flow - flow.mean()) / flow.std(), (heard - heard.mean()) / heard.std()
