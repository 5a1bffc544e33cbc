"""FAVD: windows, frames and sizes, bad clips, rows, what the networks are given; the networks are in tests/parity."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from avbench.extractors.i3d_windows import I3dWindows, cropped, flow_input, flows, resized, rgb_input
from avbench.media import Limits
from avbench.metrics.favd import Favd
from avbench.models.i3d import I3d, two_stream
from avbench.models.pwcnet import PwcNet, cost_volume, published, warped
from avbench.moments import moments_of
from avbench.registry import needed
from avbench.types import Array, Clip, Item
from avbench.worker import Answer, Job, Task, process
from tests.parity.harness import called

GOLDEN = json.loads((Path(__file__).parents[2] / "metrics" / "favd" / "golden.json").read_text(encoding="utf-8"))


def prepared(clip: Clip) -> list[Answer]:
    """The CPU half of one clip for all that the metric needs, as in a worker."""
    tasks = tuple(Task(needed(need), "{}") for need in Favd().extractors())
    answers = process(Job(clip, tasks, None, Limits(), 1)).answers
    assert not any(answer.trace for answer in answers), answers
    return answers


def frames_of(clip: Clip) -> Array:
    """What I3D is given of a clip."""
    made = prepared(clip)[0].prepared
    assert made is not None
    return made["frames"]


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda c: c["name"])
def test_golden(case: dict[str, Any]) -> None:
    fake, real = (called(case[side]).astype(np.float64) for side in ("generated", "reference"))
    real = real + case.get("add_to_reference", 0.0)
    np.testing.assert_allclose(Favd().compute(fake, real), case["value"], **({"rtol": 0.0, "atol": 0.0} | case["tolerance"]))


# ------------------------------------------------------------------ windows


@pytest.mark.parametrize(
    ("frames", "rate", "windows"),
    [(25, 25.0, 1), (48, 25.0, 1), (49, 25.0, 2), (250, 25.0, 10), (13, 12.5, 1), (60, 50.0, 1), (98, 50.0, 2)],
)
def test_windows_of_24_frames_and_one_more(frames: int, rate: float, windows: int) -> None:
    video = np.zeros((frames, 16, 16, 3), np.uint8)
    video[:, :, :, 0] = np.arange(frames)[:, None, None]
    got = frames_of(Clip("a", video, rate, np.zeros((1, 16_000), np.float32), 16_000))
    assert got.dtype == np.uint8
    assert got.shape == (24 * windows + 1, 3, 256, 256)
    np.testing.assert_allclose(got[:, 0, 0, 0], np.arange(24 * windows + 1) * rate / 25, atol=1.0)


def test_bad_clips_have_a_reason(make_clip: Callable[..., Clip]) -> None:
    picture, sound = prepared(make_clip("a", seconds=0.96, frame_rate=25.0))
    assert (picture.code, picture.detail) == ("too_short", "i3d_windows needs 25 frames at 25 a second, the picture has 24")
    assert sound.code == "too_short"
    assert [a.code for a in prepared(make_clip("a", seconds=0.1, frame_rate=25.0))] == ["too_short", "too_short"]
    one = np.zeros((1, 20, 20, 3), np.uint8)
    assert prepared(Clip("a", one, 25.0, np.zeros((1, 16_000), np.float32), 16_000))[0].code == "too_short"
    assert [a.code for a in prepared(make_clip("a", seconds=1.1, audio=False))] == ["", "no_audio"]
    assert [a.code for a in prepared(make_clip("a", seconds=1.1, video=False))] == ["no_video", ""]
    silent = Clip("a", np.zeros((26, 20, 20, 3), np.uint8), 25.0, np.zeros((1, 16_000), np.float32), 16_000)
    assert [a.code for a in prepared(silent)] == ["", ""]


@pytest.mark.parametrize(
    ("size", "want"),
    [
        ((48, 64), (256, 341)),
        ((75, 101), (256, 344)),
        ((101, 75), (344, 256)),
        ((1, 1), (256, 256)),
        ((255, 255), (256, 256)),
        ((720, 1280), (256, 455)),
    ],
)
def test_odd_sizes(size: tuple[int, int], want: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    made = resized(image)
    assert made.shape == (3, *want)
    np.testing.assert_array_equal(made.transpose(1, 2, 0), np.asarray(Image.fromarray(image).resize(want[::-1], 2)))
    assert rgb_input(torch.from_numpy(made)[None].float()).shape == (1, 3, 1, 224, 224)


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (256, 300, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resized(image).transpose(1, 2, 0), image)


def test_the_crop_is_in_the_middle_and_ranges_are_the_published_ones() -> None:
    places = torch.arange(256 * 345).view(1, 256, 345)
    assert cropped(places)[0, 0, 0] == 16 * 345 + 60
    black_white = torch.zeros(24, 3, 256, 256)
    black_white[:, :, :, 128:] = 255
    seen = rgb_input(black_white)
    assert seen.shape == (1, 3, 24, 224, 224)
    assert (float(seen.min()), float(seen.max())) == (-1.0, 1.0)
    motion = torch.tensor([-30.0, -20.0, 0.0, 0.1, 20.0, 30.0]).view(6, 1, 1, 1).expand(6, 2, 256, 256)
    levels = (flow_input(motion)[0, 0, :, 0, 0] + 1) * 127.5
    np.testing.assert_allclose(levels, [0, 0, 128, 129, 256, 256], atol=1e-4)  # 20 pixels are 255.5, rounded to even


# ------------------------------------------------------------------ rows


def test_rows_are_sums_beside_sound_and_end_with_the_shorter() -> None:
    rgb, flow, sound = (
        np.random.default_rng(n).random(shape, np.float32) for n, shape in enumerate(((3, 1024),) * 2 + ((2, 128),))
    )
    got = {"i3d_windows.rgb": rgb, "i3d_windows.flow": flow, "vggish.embeddings": sound}
    row = Favd().row(Item("x"), got, None)
    assert row.dtype == np.float64
    assert row.shape == (2, 1152)
    np.testing.assert_array_equal(row[:, :1024], rgb[:2].astype(np.float64) + flow[:2])
    np.testing.assert_array_equal(row[:, 1024:], sound)
    longer = got | {"vggish.embeddings": np.ones((9, 128), np.float32)}
    assert Favd().row(Item("x"), longer, None).shape == (3, 1152)


def test_what_it_asks_for_and_what_moments_make_of_it() -> None:
    metric = Favd()
    wanted = {need.extractor: dict(need.parameters) for need in metric.extractors()}
    assert wanted["vggish"]["last_relu"] is True
    assert wanted["vggish"]["pca"] == ""
    assert wanted["vggish"]["chain"] == "torchvggish"
    assert metric.row_kind() == "favd.joined"
    fake, real = (called(f"features(60, 32, {seed})").astype(np.float64) for seed in (1, 2))
    assert metric.score_from_moments(fake, moments_of([real])) == pytest.approx(metric.score(fake, real), rel=1e-9)


# ------------------------------------------------------------------ flow


def test_a_cost_volume_is_what_its_words_say() -> None:
    first, second = (torch.rand(2, 3, 6, 7, generator=torch.Generator().manual_seed(n)) for n in range(2))
    got = cost_volume(first, second)
    assert got.shape == (2, 81, 6, 7)
    for down in range(-4, 5):
        for right in range(-4, 5):
            for y, x in ((0, 0), (3, 2), (5, 6)):
                inside = 0 <= y + down < 6 and 0 <= x + right < 7
                want = (first[:, :, y, x] * second[:, :, y + down, x + right]).mean(dim=1) if inside else torch.zeros(2)
                torch.testing.assert_close(got[:, (down + 4) * 9 + right + 4, y, x], want, rtol=1e-6, atol=1e-7)


def test_what_comes_from_outside_is_zero() -> None:
    features = torch.ones(1, 2, 8, 8)
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 100.0
    assert not warped(features, flow).any()
    still = warped(features, torch.zeros(1, 2, 8, 8))[0, 0]
    assert not still[0].any()  # the grid's ends lie on the edges of the outer pixels, half outside
    torch.testing.assert_close(still[1:-1, 1:-1], torch.ones(6, 6))


@pytest.mark.parametrize("frames", [2, 9, 10, 25])
def test_pairs_go_through_in_parts_and_none_is_lost(frames: int) -> None:
    class Difference(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return pictures[1:, :2] - pictures[:-1, :2]

    pictures = torch.rand(frames, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(flows(Difference(), pictures), pictures[1:, :2] - pictures[:-1, :2], rtol=0, atol=0)


def test_names_that_are_not_of_a_layout_stay() -> None:
    odd = {"moduleNine.moduleOne.0.weight": 1, "mixed_9z.branch_7.0.weight": 2, "head": 3}
    for renamed, network in ((published(odd), PwcNet), (two_stream(odd), lambda: I3d(1e-5))):
        with torch.device("meta"):
            places = network().state_dict()
        assert not set(renamed) & set(places)
        assert sorted(renamed.values()) == [1, 2, 3]


def test_batches_are_of_one_clip() -> None:
    """A window alone keeps a processor busy, and clips seldom have equal numbers of windows."""
    assert I3dWindows().batch_size == 1
