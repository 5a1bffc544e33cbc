"""The adapters of `diffusers`: loaded through their real loading code from tiny weights, every stage makes its clip."""

from __future__ import annotations

import importlib.util
import inspect
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from avbench import diffusers_stages, registry
from avbench.diffusers_stages import Stage, cropped, pictures, samples
from avbench.errors import AvbenchError, BadParameter, MissingData
from avbench.types import Clip, Item, Suite

pytest.importorskip("diffusers", reason="the extra avbench[diffusers] is not installed")

from tests import tiny_pipelines

SMALL: dict[str, dict[str, Any]] = {
    "svd": {"width": 32, "height": 16, "steps": 2},
    "cogvideox": {"width": 16, "height": 16, "frames": 9, "steps": 2},
    "hunyuanvideo": {"width": 16, "height": 16, "frames": 5, "steps": 2},
    "wan": {"width": 32, "height": 16, "frames": 5, "steps": 2},
    "wan[i2v]": {"width": 32, "height": 16, "frames": 5, "steps": 2, "variant": "i2v"},
    "audioldm2": {"steps": 2, "seconds": 0.6},
    "stable_audio_open": {"steps": 2},
}
MADE = {  # frames, height, width and rate, or channels, samples and rate
    "svd": (3, 16, 32, 7.0),
    "cogvideox": (9, 16, 16, 8.0),
    "hunyuanvideo": (5, 16, 16, 24.0),
    "wan": (5, 16, 32, 16.0),
    "wan[i2v]": (5, 16, 32, 16.0),
    "audioldm2": (1, 8000, 16000),
    "stable_audio_open": (2, 400, 800),
}
VARIANTS = [
    *(("svd", v) for v in ("img2vid", "xt")),
    *(("cogvideox", v) for v in ("i2v", "5b", "2b")),
    *(("hunyuanvideo", v) for v in ("t2v", "i2v")),
    *(("wan", v) for v in ("t2v", "t2v-14b", "i2v")),
    *(("audioldm2", v) for v in ("base", "large", "music")),
    ("stable_audio_open", ""),
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def of(which: str) -> Path:
        if which not in made:
            made[which] = tiny_pipelines.made(which, tmp_path_factory.mktemp("weights") / which.partition("[")[0])
        return made[which]

    return of


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Two items with a caption each and a picture of an odd size."""
    draw = np.random.default_rng(0)
    for name in ("a", "b"):
        Image.fromarray(draw.integers(0, 255, (41, 67, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    items = tuple(
        Item(id, f"{text} in the yard", fields={"first_frame": f"{id}.png"})
        for id, text in (("a", "a dog barks"), ("b", "hammers hit nails"))
    )
    return Suite("mine", 1, "Two items", items, (), ("first_frame", "text"), 0.5, 12.0, 64, 64, 16000, tmp_path)


def stage(which: str, folder: Path | str, **changed: Any) -> Stage:
    made = registry.generator(which.partition("[")[0], **(SMALL[which] | changed), weights=str(folder))
    assert isinstance(made, Stage)
    return made


def clips(model: Stage, suite: Suite, items: tuple[Item, ...], tmp_path: Path, seed: int = 0) -> list[Clip]:
    made = list(model.generate(items, suite=suite, seed=seed, folder=tmp_path))
    assert all(isinstance(clip, Clip) for clip in made)
    return made  # type: ignore[return-value]


def content(clip: Clip) -> np.ndarray[Any, Any]:
    found = clip.audio if clip.video is None else clip.video
    assert found is not None
    return found


@pytest.mark.parametrize("which", MADE)
def test_a_stage_makes_its_stream_from_saved_weights(
    which: str, weights: Callable[[str], Path], suite: Suite, tmp_path: Path
) -> None:
    model = stage(which, weights(which))
    assert model.missing() == ()
    first, second = clips(model, suite, suite.items, tmp_path)
    if model.produces == ("video",):
        assert first.audio is None
        assert (*content(first).shape[:3], first.frame_rate) == MADE[which]
    else:
        assert first.video is None
        assert (*content(first).shape, first.sample_rate) == MADE[which]
    assert content(first).std() > 0
    assert [first.id, second.id, first.text] == ["a", "b", suite.items[0].prompt]
    assert not np.array_equal(content(first), content(second))
    (alone,) = clips(model, suite, suite.items[1:], tmp_path)
    assert np.array_equal(content(alone), content(second))


def test_picture_caption_and_seed_all_matter(weights: Callable[[str], Path], suite: Suite, tmp_path: Path) -> None:
    model = stage("wan[i2v]", weights("wan[i2v]"))
    item = suite.items[0]
    (plain,) = clips(model, suite, (item,), tmp_path)
    for changed in (
        Item("a", item.prompt, fields={"first_frame": "b.png"}),
        Item("a", item.prompt, fields={"first_frame": "a.png", "video_caption": "zebras"}),
    ):
        (other,) = clips(model, suite, (changed,), tmp_path)
        assert not np.array_equal(content(other), content(plain))
    (reseeded,) = clips(model, suite, (item,), tmp_path, seed=1)
    assert not np.array_equal(content(reseeded), content(plain))


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_every_variant_calls_its_pipeline_as_it_wants_to_be_called(name: str, variant: str, suite: Suite) -> None:
    model = registry.generator(name, **({"variant": variant} if variant else {}))
    assert isinstance(model, Stage)
    kind = getattr(diffusers_stages.diffusers(), model.published.pipeline)
    bound: dict[str, Any] = {}

    class StandIn:
        class vae:  # noqa: N801
            class config:  # noqa: N801
                sampling_rate = 44100

        class vocoder:  # noqa: N801
            class config:  # noqa: N801
                sampling_rate = 16000

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            bound.update(inspect.signature(kind.__call__).bind(self, *args, **kwargs).arguments)
            return type("Made", (), {"frames": np.zeros((1, 2, 4, 4, 3)), "audios": np.zeros((1, 2, 50_000))})

    clip = model.one(StandIn(), suite.items[0], suite, torch.Generator())
    assert clip.id == "a"
    assert ("image" in bound) == ("first_frame" in model.conditions)
    if name != "svd":
        assert bound["prompt"] == suite.items[0].prompt
    assert bound["num_inference_steps"] == getattr(model, "steps")  # noqa: B009
    assert model.task[0] == ("I" if "first_frame" in model.conditions else "T")
    assert model.task[-1] == ("V" if model.produces == ("video",) else "A")


def test_published_defaults_are_those_of_the_pipelines() -> None:
    kinds = diffusers_stages.diffusers()
    fields = {"steps": "num_inference_steps", "guidance": "guidance_scale", "frames": "num_frames"}
    fields |= {"min_guidance": "min_guidance_scale", "max_guidance": "max_guidance_scale", "width": "width", "height": "height"}
    for name in ("svd", "wan", "hunyuanvideo", "audioldm2", "stable_audio_open", "cogvideox"):
        model = registry.generator(name)
        assert isinstance(model, Stage)
        there = inspect.signature(getattr(kinds, model.published.pipeline).__call__).parameters
        for field, argument in fields.items():
            if field in model.parameters() and there[argument].default is not None:
                own = model.parameters()[field] or 6.0  # HunyuanVideo's 0 is the published one of the variant
                assert own == there[argument].default, (name, field)


# ------------------------------------------------------------------ what is missing


def test_missing_weights_are_one_error_that_says_all(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diffusers_stages, "_cached", lambda name: None)
    model = registry.generator("svd")
    with pytest.raises(MissingData) as caught:
        next(iter(model.generate(suite.items, suite=suite, seed=0, folder=tmp_path)))
    said = str(caught.value)
    for part in ("svd", "stabilityai/stable-video-diffusion-img2vid", "licence", "GB", "hf download", "Accept", "weights="):
        assert part in said
    assert model.missing() == (said,)
    assert "Accept" not in registry.generator("wan").missing()[0]


def test_weights_are_found_in_the_folder_of_all_weights(
    weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(diffusers_stages, "_cached", lambda name: None)
    model = registry.generator("audioldm2")
    assert model.missing()
    shutil.copytree(weights("audioldm2"), tmp_path / "avbench-home" / "weights" / "audioldm2")
    assert model.missing() == ()


def test_the_extra_is_named_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingData, match=r"avbench\[diffusers\]"):
        diffusers_stages.diffusers()
    assert "avbench[diffusers]" in registry.generator("wan").missing()[0]


def test_weights_of_another_pipeline_and_folders_without_any_are_refused(
    weights: Callable[[str], Path], tmp_path: Path
) -> None:
    with pytest.raises(BadParameter, match="holds a WanPipeline, model wan loads a WanImageToVideoPipeline"):
        stage("wan[i2v]", weights("wan")).load()
    with pytest.raises(BadParameter, match=r"no folder of weights in the layout of diffusers: model_index\.json"):
        stage("wan", tmp_path).load()
    (tmp_path / "model_index.json").write_text("[]")
    with pytest.raises(BadParameter, match="no folder of weights"):
        stage("wan", tmp_path).load()


def test_offload_without_a_gpu_is_refused(weights: Callable[[str], Path]) -> None:
    with pytest.raises(BadParameter, match="offload=model keeps networks off the GPU"):
        stage("wan", weights("wan"), offload="model", device="cpu").load()


# ------------------------------------------------------------------ damaged weights


def _damaged(folder: Path, how: str) -> None:
    part, _, what = how.partition(" ")
    path = next((folder / part).glob("*.safetensors"))
    tensors = safetensors.torch.load(path.read_bytes())
    key = next(k for k in sorted(tensors) if k.endswith("bias"))
    if what == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return
    if what == "lacking":
        del tensors[key]
    elif what == "reshaped":
        tensors[key] = tensors[key][:1].clone()
    else:
        tensors[key][0] = float("nan")
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize("what", ["cut", "lacking", "reshaped", "nan"])
@pytest.mark.parametrize("part", ["image_encoder", "transformer"])
def test_damaged_weights_are_refused(part: str, what: str, weights: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(weights("wan[i2v]"), folder)
    _damaged(folder, f"{part} {what}")
    expected = {
        "cut": "cannot be loaded",
        "lacking": "missing from the files",
        "reshaped": "cannot be loaded",
        "nan": "hold NaN",
    }
    with pytest.raises(BadParameter, match=expected[what]):
        stage("wan[i2v]", folder).load()


class _Attack:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_pickle_with_code_is_not_run(weights: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(weights("wan"), folder)
    for part, file in (("transformer", "diffusion_pytorch_model.bin"), ("text_encoder", "pytorch_model.bin")):
        kept = next((folder / part).glob("*.safetensors"))
        held = kept.read_bytes()
        kept.unlink()
        torch.save({"weight": _Attack(tmp_path / "touched")}, folder / part / file)
        with pytest.raises(BadParameter, match="cannot be loaded"):
            stage("wan", folder).load()
        assert not (tmp_path / "touched").exists()
        (folder / part / file).unlink()
        kept.write_bytes(held)


# ------------------------------------------------------------------ memory, pictures, sounds


def test_a_full_gpu_is_an_error_that_says_what_to_do(
    weights: Callable[[str], Path], suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = stage("wan", weights("wan"))

    def full(*_: Any) -> Clip:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(type(model), "one", full)
    with pytest.raises(AvbenchError, match=r"memory does not suffice \(published: 8.2 GB.*offload=model.*are kept"):
        clips(model, suite, suite.items, tmp_path)


@pytest.mark.parametrize("shape", [(41, 67), (67, 41), (6, 300), (64, 64)])
def test_the_largest_centred_part_of_the_picture_is_used(shape: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), dtype=np.uint8)
    image[shape[0] // 2 :, :, 0] = 200
    image[:, shape[1] // 2 :, 1] = 200
    made = np.asarray(cropped(image, 32, 16))
    assert made.shape == (16, 32, 3)
    assert np.abs(made[-1, 0].astype(int) - image[-1, 0]).max() <= 20  # bicubic, overshoots at edges
    assert np.abs(made[0, -1].astype(int) - image[0, -1]).max() <= 20
    still = np.random.default_rng(0).integers(0, 255, (16, 32, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(cropped(still, 32, 16)), still)


def test_what_a_network_gives_becomes_bytes_and_samples_or_an_error() -> None:
    assert pictures(np.full((1, 2, 2, 3), 1.2)).max() == 255
    assert samples(torch.tensor([0.5, -3.0, 0.1], dtype=torch.float16), 2).tolist() == [[0.5, -1.0]]
    for call in (lambda: pictures(np.full((1, 2, 2, 3), np.nan)), lambda: samples(np.array([np.inf]), 1)):
        with pytest.raises(AvbenchError, match="NaN or infinite"):
            call()


def test_frames_that_the_latents_cannot_have_are_refused() -> None:
    for name in ("wan", "hunyuanvideo"):
        with pytest.raises(BadParameter, match=r"4 k \+ 1"):
            registry.generator(name, frames=50)
