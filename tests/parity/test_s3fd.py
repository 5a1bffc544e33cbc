"""S3FD against its published code: raw answers, places, boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from avbench.models.loading import load_exactly
from avbench.models.s3fd import S3fd, boxes_of, suppressed
from avbench.types import Array
from avbench.weights import read

from .harness import Case, cases, pictures

LAYOUT = "sfd_face"


def scaled(image: Array, scale: float) -> torch.Tensor:
    import cv2

    made = cv2.resize(image, (0, 0), fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(np.asarray(made))[None]


def described(got: Array, want: dict[str, Any], case: Case) -> None:
    assert list(got.shape) == want["shape"]
    wide = got.astype(np.float64)
    for name, value in (("mean", wide.mean()), ("std", wide.std()), ("min", wide.min()), ("max", wide.max())):
        case.family.close(value, want[name], "loc, conf", f"{case.name}: {name}")


@pytest.mark.parametrize("case", cases("video/s3fd*", "images"))
def test_images(case: Case) -> None:
    network = S3fd()
    path = case.family.checkpoint(LAYOUT)
    load_exactly(network, read(path), path)
    image = pictures(case["input"].split("[")[0])[0]
    found = []
    with torch.inference_mode():
        for scale in case["scales"]:
            corrections, probabilities, places = network(scaled(image, scale))
            if scale == 1:
                checked(case, corrections.numpy(), probabilities.numpy(), places.numpy())
            size = image.shape[:2]
            found.append(boxes_of(corrections[0], probabilities[0], places, size, case["conf_th"]))
    together = np.concatenate(found)
    boxes = together[suppressed(together, 0.1)]
    assert len(boxes) == case["boxes"]
    want = np.asarray(case["first_boxes"]).reshape(-1, 5)
    case.family.close(boxes[: len(want)], want, "boxes", f"{case.name}: boxes")


def checked(case: Case, corrections: Array, probabilities: Array, places: Array) -> None:
    """Raw answers, where the case has them."""
    if "priors" in case:
        assert len(places) == case["priors"]
        first = np.asarray(case["first_priors"])
        np.testing.assert_allclose(places[: len(first)], first, rtol=1e-7)
    if "loc" in case:
        described(corrections, case["loc"], case)
        described(probabilities[:, :, 1], case["face_probability"], case)
        key = f"{case.name}/loc_every_7"
        case.family.close(corrections[0, ::7], case.family.arrays[key], "loc, conf", key)
        key = f"{case.name}/conf_every_7"
        case.family.close(probabilities[0, ::7], case.family.arrays[key], "loc, conf", key)
