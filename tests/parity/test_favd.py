"""FAVD against avgen-eval-toolkit: flow, both streams of I3D, clips, rows, distances; and the checkpoints' keys."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from avbench.errors import BadParameter
from avbench.extractors.i3d_windows import I3dWindows, flow_input, rgb_input
from avbench.metrics.favd import Favd
from avbench.models.i3d import I3d, two_stream
from avbench.models.loading import load_exactly
from avbench.models.pwcnet import PwcNet, published
from avbench.registry import needed
from avbench.types import Array, Clip, Extractor, Item
from avbench.weights import read

from .harness import Case, called, cases, families, forward, pictures, prepare, source

FILES = {"i3d_rgb.pt": two_stream, "i3d_flow.pt": two_stream, "pwc_net_sintel.pt": published}


def made(text: str, crc32: int) -> Array:
    frames = pictures(text)
    assert zlib.crc32(np.ascontiguousarray(frames).tobytes()) == crc32
    return frames


def motion_network(case: Case) -> PwcNet:
    network, weights = PwcNet(), case.family.checkpoint("pwc_net_sintel")
    load_exactly(network, published(read(weights)), weights)
    return network


def stream_network(case: Case, name: str) -> I3d:
    network, weights = I3d(1e-5, {"rgb": 3, "flow": 2}[name]), case.family.checkpoint(f"i3d_{name}")
    load_exactly(network, two_stream(read(weights)), weights)
    return network


@pytest.mark.parametrize("case", cases("video/favd*", "flow"))
def test_flow(case: Case) -> None:
    frames = torch.from_numpy(made(case["frames"], case["frames_crc32"])).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        got = motion_network(case)(frames)
    case.family.close(got, case.family.arrays[case["flow"]["array"]], "flow", case.name)


@pytest.mark.parametrize("case", cases("video/favd*", "streams"))
def test_streams(case: Case) -> None:
    """From frames and flow to what each I3D is given, and its features."""
    frames = torch.from_numpy(made(case["frames"], case["frames_crc32"])).permute(0, 3, 1, 2).float()
    levels = made(case["motion"], case["motion_crc32"])[..., :2].astype(np.float32)
    motion = torch.from_numpy((levels - 128) / 5).permute(0, 3, 1, 2)
    for name, seen in (("rgb", rgb_input(frames)), ("flow", flow_input(motion))):
        sample = case.family.arrays[f"{case.name}/{name}_input_sample"]
        case.family.close(seen[0, :, ::6, ::32, ::32], sample, "input", f"{case.name}: {name}")
        with torch.inference_mode():
            got = stream_network(case, name)(seen)[1][0]
        case.family.close(got, case.family.arrays[f"{case.name}/{name}"], "rgb", f"{case.name}: {name}")
    assert [float(seen.min()), float(seen.max())] == pytest.approx(case["flow_input_range"], abs=1e-6)


def check_clip(case: Case) -> None:
    """From the clip to its row: frames chosen, windows, features of picture and sound, their sum and join."""
    clip = source(case)
    assert isinstance(clip, Clip)
    metric = Favd()
    extractors: list[Extractor] = [needed(need) for need in metric.extractors()]
    frames = made(case["input"]["video"], case["input_crc32"])
    starting = dict(zip(("i3d_windows", "vggish"), extractors, strict=True))
    prepared = prepare(clip, extractors)
    wanted = I3dWindows()
    at_25 = Clip(case.name, frames[case["frames_at_25"]], 25.0, clip.audio, clip.sample_rate)
    again = prepare(at_25, [wanted])[wanted]["frames"]
    np.testing.assert_array_equal(prepared[starting["i3d_windows"]]["frames"], again, err_msg="frames at 25 a second")
    got: dict[str, Array] = {}
    for name, layout in (("i3d_windows", "i3d_rgb"), ("vggish", "vggish")):
        layers = forward(starting[name], prepared[starting[name]], case.family.checkpoint(layout))
        got |= {f"{name}.{layer}": value for layer, value in layers.items()}
    arrays, close = case.family.arrays, case.family.close
    close(got["i3d_windows.rgb"], arrays[f"{case.name}/rgb"], "rgb", f"{case.name}: rgb")
    close(got["i3d_windows.flow"], arrays[f"{case.name}/flow"], "flow features", f"{case.name}: flow")
    close(got["vggish.embeddings"], arrays[f"{case.name}/vggish"], "vggish", f"{case.name}: vggish")
    assert [len(got["i3d_windows.rgb"]), len(got["vggish.embeddings"])] == [case["windows"][k] for k in ("video", "audio")]
    row = metric.row(Item("x"), got, None)
    assert len(row) == case["windows"]["joined"]
    close(row, arrays[f"{case.name}/joined"], "flow features", f"{case.name}: joined")
    told = {f"i3d_windows.{k}": arrays[f"{case.name}/{k}"] for k in ("rgb", "flow")}
    exact = metric.row(Item("x"), told | {"vggish.embeddings": arrays[f"{case.name}/vggish"]}, None)
    np.testing.assert_array_equal(exact, arrays[f"{case.name}/joined"])


@pytest.mark.parametrize("case", cases("video/favd*", "clips"))
def test_clips(case: Case) -> None:
    check_clip(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", cases("video/favd*", "long_clips"))
def test_long_clips(case: Case) -> None:
    check_clip(case)


@pytest.mark.parametrize("case", cases("video/favd*", "distances"))
def test_distances(case: Case) -> None:
    fake, real = (called(case[side]).astype(np.float64) for side in ("fake", "real"))
    singular = min(len(fake), len(real)) <= fake.shape[1]
    case.family.close(Favd().compute(fake, real), case["value"], "distance, singular" if singular else "distance", case.name)


def test_every_key_is_used(tmp_path: Path) -> None:
    """With the prefix of parallel training, without counters; nothing is missing, left over or of another shape."""
    if not families("video/favd*"):
        pytest.skip("no goldens video/favd*.json in the root")
    family = families("video/favd*")[0]
    whole = {}
    for file in FILES:
        whole[file] = read(family.checkpoint(Path(file).stem))
        shutil.copy(family.checkpoint(Path(file).stem), tmp_path / file)
    for file, rename in FILES.items():
        state = whole[file]
        assert not set(rename(state)) & set(state)
        bare = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
        torch.save({f"module.{k}": v for k, v in bare.items()} if "pwc" in file else bare, tmp_path / file)
        I3dWindows().load(tmp_path / "i3d_rgb.pt", "cpu")
        key = next(k for k in bare if k.endswith("bias"))
        for reason, changed in {
            "is missing": {k: v for k, v in bare.items() if k != key},
            "surplus is not known": bare | {"surplus": bare[key]},
            "published layout": bare | {key: bare[key][:-1]},
        }.items():
            torch.save(changed, tmp_path / file)
            with pytest.raises(BadParameter, match=f"{file}.*{reason}") as refused:
                I3dWindows().load(tmp_path / "i3d_rgb.pt", "cpu")
            assert "more" not in str(refused.value)
        torch.save(bare, tmp_path / file)
    with pytest.raises(BadParameter, match="weights are needed"):
        I3dWindows().load(None, "cpu")
