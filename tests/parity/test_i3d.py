"""I3D against its published copies: frames, network input, feature maps, logits and features."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avbench.errors import BadParameter, Unscorable
from avbench.extractors.i3d_k400 import I3dK400, Network, Variant, chosen, network_input, transformed
from avbench.media import Reader
from avbench.models.i3d import I3d
from avbench.models.loading import load_exactly
from avbench.types import Array, Clip, ClipInfo
from avbench.weights import read

from .harness import Case, cases, families, forward, pictures, prepare, seeded_checkpoint, source

LAYOUT: Network = "i3d_pretrained_400"


def array(case: Case, name: str) -> Array:
    """The case's array; file cases are named after folder and file."""
    arrays = case.family.arrays
    key = case.name.removeprefix("generated/").removesuffix(".mp4").replace("/", "_")
    return arrays[f"{key}/{name}"]


def made_input(case: Case, variant: Variant) -> torch.Tensor:
    """What I3D sees: (1, 3, T, 224, 224)."""
    extractor = I3dK400(variant)
    return network_input(torch.from_numpy(prepare(source(case), [extractor])[extractor]["frames"])[None])


def described(got: torch.Tensor, want: Mapping[str, Any], case: Case, quantity: str) -> None:
    """Shape, mean, spread and limits as the golden gives them."""
    assert list(got.shape) == want["shape"]
    wide = got.double()
    for name, value in (("mean", wide.mean()), ("std", wide.std(correction=0)), ("min", wide.min()), ("max", wide.max())):
        case.family.close(value, want[name], quantity, f"{case.name}: {name}")


@pytest.mark.parametrize("case", cases("video/i3d*", "clips"))
def test_clips(case: Case) -> None:
    frames = pictures(case["input"])
    assert zlib.crc32(np.ascontiguousarray(frames).tobytes()) == case["input_crc32"]
    weights = case.family.checkpoint(LAYOUT)
    for variant, name in (("videogpt", "videogpt"), ("cdfvd", "content_debiased")):
        shown = torch.from_numpy(np.stack([transformed(f, variant) for f in frames], axis=1)[None])  # type: ignore[arg-type]
        described(shown, case[f"{name}_preprocess"], case, "preprocess")
        sample = shown[0, :, ::4, ::28, ::28].numpy()
        case.family.close(sample, array(case, f"{name}_pre_sample"), "preprocess", f"{case.name}: {name} input")
        prepared = {"frames": np.ascontiguousarray(shown[0].numpy().transpose(1, 0, 2, 3))}
        wanted = f"{name}_logits"
        if f"{case.name}/{wanted}" in case.family.arrays:
            got = forward(I3dK400(variant), prepared, weights)["logits"]  # type: ignore[arg-type]
            case.family.close(got, array(case, wanted), "logits and features", f"{case.name}: {wanted}")
    extractor = I3dK400("videogpt")
    again = prepare(source(case), [extractor])[extractor]["frames"]
    np.testing.assert_array_equal(again, np.stack([transformed(f, "videogpt") for f in frames]))


@pytest.mark.parametrize("case", cases("video/i3d*", "clips", having=["activations"]))
def test_feature_maps(case: Case) -> None:
    network = built(case.family.checkpoint(LAYOUT), 1e-5)
    with torch.inference_mode():
        maps = network.maps(made_input(case, "videogpt"))
    for name, want in case["activations"].items():
        described(maps[name], want, case, "logits and features")


@pytest.mark.parametrize("case", cases("video/i3d*", "clips", having=["pytorch_i3d_logits"]))
def test_rgb_imagenet(case: Case) -> None:
    """The layout of pytorch-i3d: another constant in the batch norms, and time is kept."""
    weights = case.family.checkpoint("rgb_imagenet")
    with torch.inference_mode():
        shown = made_input(case, "videogpt")
        logits, features = built(weights, 1e-3).over_time(shown)
    case.family.close(logits[0], array(case, "pytorch_i3d_logits_per_time"), "logits and features")
    case.family.close(features[0], array(case, "pytorch_i3d_extract_features"), "logits and features")
    got = forward(I3dK400("videogpt", "rgb_imagenet"), {"frames": shown[0].numpy().transpose(1, 0, 2, 3)}, weights)
    wanted = array(case, "pytorch_i3d_extract_features").mean(axis=1)
    case.family.close(got["features"], wanted, "logits and features", f"{case.name}: features averaged over time")


@pytest.mark.parametrize("case", cases("video/i3d*", "files"))
def test_files(case: Case) -> None:
    """JavisBench's chain from the file."""
    clip = source(case)
    with Reader(clip) as reader:
        info = reader.info
    assert info.frames == case["frame_count_seen"]
    assert chosen("javisbench", None, info.frames, info.frame_rate).tolist() == case["indices"]
    extractor = I3dK400("javisbench")
    prepared = prepare(clip, [extractor])[extractor]
    frames = prepared["frames"]
    assert list(frames.shape) == case["uint8_after_transform"]["shape"]
    sample = frames[::6, :, ::16, ::16].astype(int)
    off = np.abs(sample - array(case, "javisdit_vanilla_uint8_sample"))
    assert off.max() <= 1, f"{case.name}: {off.max()} levels off"
    described(network_input(torch.from_numpy(frames)[None]), case["i3d_input"], case, "from files")
    got = forward(extractor, prepared, case.family.checkpoint(LAYOUT))
    case.family.close(got["logits"], array(case, "javisdit_vanilla_logits"), "from files", f"{case.name}: logits")


def built(weights: Path, epsilon: float) -> I3d:
    """The network with a checkpoint's values."""
    network = I3d(epsilon)
    counters = {key: torch.zeros((), dtype=torch.int64) for key in network.state_dict() if key.endswith("_tracked")}
    load_exactly(network, counters | read(weights), weights)
    return network


def any_checkpoint() -> Path:
    """A seeded file in the published layout."""
    found = families("video/i3d*")
    if not found:
        pytest.skip("no goldens video/i3d*.json in the root")
    return found[0].checkpoint(LAYOUT)


def test_layouts(tmp_path: Path) -> None:
    """Counters may be absent; anything else that is missing, left over or of another shape is refused."""
    state = read(any_checkpoint())
    bare = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    torch.save(bare, tmp_path / "bare.pt")
    I3dK400().load(tmp_path / "bare.pt", "cpu")
    for name, wrong in {
        "missing": {k: v for k, v in bare.items() if k != "logits.conv3d.bias"},
        "left_over": bare | {"head.weight": torch.zeros(1)},
        "shape": bare | {"logits.conv3d.bias": torch.zeros(600)},
    }.items():
        torch.save(wrong, tmp_path / f"{name}.pt")
        with pytest.raises(BadParameter, match="published layout"):
            I3dK400().load(tmp_path / f"{name}.pt", "cpu")
    torch.save(bare, tmp_path / "rgb_imagenet.pt")
    with pytest.raises(BadParameter, match="look alike"):
        I3dK400().load(tmp_path / "rgb_imagenet.pt", "cpu")
    with pytest.raises(BadParameter, match="torchscript"):
        I3dK400(network="i3d_torchscript").load(tmp_path / "bare.pt", "cpu")


class Scripted(torch.nn.Module):
    """Stands for StyleGAN-V's file: says what it was asked and shown."""

    def forward(
        self, x: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> torch.Tensor:
        asked = torch.tensor([float(rescale), float(resize), float(return_features)])
        seen = torch.stack([x.mean(), x.amin(), x.amax()])
        return torch.cat([asked, seen])[None].expand(x.shape[0], 6)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("variant", ["styleganv", "videogpt"])
def test_torchscript(variant: Variant, tmp_path: Path) -> None:
    """StyleGAN-V's own use lets the file rescale and resize; common_metrics does both before."""
    torch.jit.script(Scripted()).save(str(tmp_path / "i3d_torchscript.pt"))  # type: ignore[no-untyped-call]
    extractor = I3dK400(variant, "i3d_torchscript")
    clip = Clip("x", np.arange(16 * 30 * 40 * 3, dtype=np.uint8).reshape(16, 30, 40, 3), 25.0, None, 0)
    got = forward(extractor, prepare(clip, [extractor])[extractor], tmp_path / "i3d_torchscript.pt")
    inside = variant == "styleganv"
    assert got["logits"][:3].tolist() == [inside, inside, 1.0]
    assert got["logits"][4:].tolist() == ([0.0, 255.0] if inside else pytest.approx([-1.0, 1.0], abs=0.05))
    assert got["features"].shape == (0,)
    with pytest.raises(BadParameter, match="is a torchscript archive"):
        I3dK400(variant).load(tmp_path / "i3d_torchscript.pt", "cpu")


@pytest.mark.parametrize(
    ("variant", "count", "rate", "want"),
    [
        ("videogpt", 12, 25.0, list(range(12))),
        ("styleganv", 40, 25.0, list(range(16))),
        ("cdfvd", 16, 25.0, list(range(16))),
        ("javisbench", 1, 25.0, [0] * 24),
        ("javisbench", 6, 25.0, None),
        ("mmdiffusion", 96, 24.0, [0, 2, 4, 7, 9, 12, 14, 16, 19, 21, 24, 26, 28, 31, 33, 36]),
        ("mmdiffusion", 96, 30.0, list(range(0, 48, 3))),
        ("mmdiffusion", 20, 20.0, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, *[18] * 6]),
        ("mmdiffusion", 1, 24.0, [0] * 16),
    ],
)
def test_chosen_frames(variant: Variant, count: int, rate: float, want: list[int] | None) -> None:
    got = chosen(variant, None, count, rate)
    if want is None:
        assert (len(got), got[0], got[-1]) == (24, 0, count - 1)
        assert (np.diff(got) >= 0).all()
    else:
        assert got.tolist() == want


@pytest.mark.parametrize(("variant", "count"), [("videogpt", 9), ("styleganv", 15), ("cdfvd", 15)])
def test_too_few_frames(variant: Variant, count: int) -> None:
    info = ClipInfo("x", np.arange(count) / 25, 25.0, 32, 32, 0, 0, 0.0)
    with pytest.raises(Unscorable, match="too_short"):
        I3dK400(variant).start(info, {})


def test_repeated_frames_are_asked_for_once() -> None:
    info = ClipInfo("x", np.arange(6) / 25, 25.0, 32, 32, 0, 0, 0.0)
    preparation = I3dK400("javisbench").start(info, {})
    assert list(preparation.frames) == list(range(6))
    for index in preparation.frames:
        preparation.take(int(index), np.full((32, 32, 3), 10 * index, np.uint8))
    frames = preparation.finish(None)["frames"]
    assert frames.shape == (24, 3, 224, 224)
    assert (np.diff(frames[:, 0, 100, 100].astype(int)) >= 0).all()


def test_pixel_ranges() -> None:
    """Black and white through every variant, on a picture that is not square."""
    half = np.zeros((40, 80, 3), np.uint8)
    half[:, 40:] = 255
    for variant, low, high in (("videogpt", -1, 1), ("cdfvd", -1, 1), ("javisbench", 127, 255), ("javisbench_fixed", -1, 1)):
        made = transformed(half, variant)  # type: ignore[arg-type]
        assert made.shape == (3, 224, 224)
        assert (made.min(), made.max()) == pytest.approx((low, high), abs=1e-6)
    padded = transformed(np.full((40, 80, 3), 255, np.uint8), "javisbench")
    assert (padded[:, :56] == 127).all()
    assert (padded[:, 56:168] == 255).all()
    small = transformed(np.full((40, 80, 3), 255, np.uint8), "mmdiffusion")
    assert small.shape == (3, 64, 64)
    assert (small[:, :16] == 0).all()
    assert (small[:, 16:48] == 255).all()


def test_other_parameters_are_refused() -> None:
    for wrong in ({"variant": "x"}, {"network": "x"}, {"frames": 9}):
        with pytest.raises(BadParameter, match=next(iter(wrong))):
            I3dK400(**wrong)


def test_batch_is_one_at_a_time() -> None:
    """Batch norm uses stored statistics: a clip's logits do not depend on its company."""
    run = I3dK400().load(any_checkpoint(), "cpu")
    frames = torch.rand(2, 10, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        together = run({"frames": frames})["logits"]
        alone = torch.cat([run({"frames": frames[i : i + 1]})["logits"] for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_checkpoint_is_cached() -> None:
    path = any_checkpoint()
    layout, seed, fingerprint = next(w for w in families("video/i3d*")[0].weights if LAYOUT in w[0])
    assert seeded_checkpoint(layout, seed, fingerprint) == path
