"""SyncNet against its published code: cepstra, vectors, distances, offset, confidence."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from avbench.extractors.syncnet import Syncnet
from avbench.lip_sync import distances, read
from avbench.metrics.lse_c import LseC
from avbench.metrics.lse_d import LseD
from avbench.metrics.sync_offset import SyncOffset
from avbench.speech_features import mfcc
from avbench.types import Array, Clip

from .harness import Case, called, cases, extract, module, pictures, score, sound

LAYOUT = "syncnet_v2"
WHOLE = Syncnet("whole_frame")


def crops(case: Case) -> Array:
    """The case's frames in RGB, through JPEG in memory where the golden says so."""
    given = case["input"]
    frames = pictures(given["video"])
    quality = re.search(r"JPEG quality (\d+)", given["frames_stored_as"])
    if quality is None:
        return frames
    import cv2

    made = []
    for frame in frames:
        decoded = cv2.imdecode(
            cv2.imencode(".jpg", frame[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality[1])])[1], cv2.IMREAD_COLOR
        )
        assert decoded is not None
        made.append(decoded[:, :, ::-1])
    return np.stack(made)


def described(got: Array, want: dict[str, Any], case: Case, quantity: str) -> None:
    """Shape, mean, spread and limits as the golden gives them."""
    assert list(got.shape) == want["shape"]
    wide = got.astype(np.float64)
    for name, value in (("mean", wide.mean()), ("std", wide.std()), ("min", wide.min()), ("max", wide.max())):
        case.family.close(value, want[name], quantity, f"{case.name}: {name}")


@pytest.mark.parametrize("case", cases("video/syncnet*", "clips", having=["mfcc"]))
def test_clips(case: Case) -> None:
    """A clip that is a cropped face, from pictures and samples to the three numbers."""
    samples, rate = sound(case["input"]["audio"])
    assert rate == 16_000
    cepstra = mfcc(samples[:, 0])
    described(cepstra, case["mfcc"], case, "mfcc")
    arrays = {key.split("/")[1]: value for key, value in case.family.arrays.items() if key.startswith(f"{case.name}/")}
    case.family.close(cepstra.T, arrays["mfcc"], "mfcc", f"{case.name}: mfcc")

    clip = Clip(case.name, crops(case), 25.0, (samples.T / 32768).astype(np.float32), rate)
    made = extract(clip, [WHOLE], case.family.checkpoint(LAYOUT))
    lips, heard = made[WHOLE]["syncnet.lips"], made[WHOLE]["syncnet.sound"]
    assert len(lips) == case["windows"]
    for got, name in ((lips, "im_feat"), (heard, "cc_feat")):
        described(got, case[name], case, "features")
        case.family.close(got, arrays[name], "features", f"{case.name}: {name}")
        spread = got.astype(np.float64).std(axis=0, ddof=0).mean()
        if f"{name}_spread_over_windows" in case:
            assert spread == pytest.approx(case[f"{name}_spread_over_windows"], rel=0.05)

    found = distances(lips, heard, case["vshift"])
    case.family.close(found, arrays["dists"], "distances, confidence", f"{case.name}: distances")
    compared(case, found)
    for key in (k for k in case.data if re.fullmatch(r"vshift_\d+", k)):
        reading, want = read(distances(lips, heard, int(key.split("_")[1]))), case[key]
        assert reading.offset == want["offset"]
        case.family.close(reading.confidence, want["confidence"], "distances, confidence")
        case.family.close(reading.distance, want["min_dist"], "distances, confidence")

    layers = made[WHOLE]
    case.family.close(score(LseC("wav2lip_lrs"), layers), case["wav2lip"]["lse_c"], "distances, confidence")
    case.family.close(score(LseD("wav2lip_lrs"), layers), case["wav2lip"]["lse_d"], "distances, confidence")
    assert score(SyncOffset("wav2lip_lrs"), layers) == abs(case["wav2lip"]["offset"])


def compared(case: Case, found: Array) -> None:
    """Curve, offset, confidence and distance of a table."""
    reading = read(found)
    case.family.close(reading.by_shift, case["mean_dist_per_shift"], "distances, confidence", f"{case.name}: curve")
    assert reading.offset == case["offset"]
    case.family.close(reading.confidence, case["confidence"], "distances, confidence")
    case.family.close(reading.distance, case["min_dist"], "distances, confidence")


@pytest.mark.parametrize("case", cases("video/syncnet*", "clips", lacking=["mfcc"]))
def test_distances(case: Case) -> None:
    """Vectors that are near one another at a shift, by the golden's recipe."""
    text = case["input"]
    first = called(re.search(r"f1 = (features\([^)]*\))", text)[1])  # type: ignore[index]
    rolled = re.search(r"f2 = roll\(f1, (-?\d+), axis 0\) \+ ([\d.]+) \* (features\([^)]*\))", text)
    assert rolled is not None, text
    second = np.roll(first, int(rolled[1]), axis=0) + np.float32(rolled[2]) * called(rolled[3])
    assert module("video/synthetic_inputs.py")
    compared(case, distances(first, second.astype(np.float32)))
