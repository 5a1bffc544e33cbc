"""CLIP scores: the chain against open_clip's own on the same files, the variants by hand, captions that are long or none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from avbench import engine, registry
from avbench.clip_input import DEVIATION, MEAN, centre_crop
from avbench.errors import BadParameter, MissingData
from avbench.extractors.open_clip import OpenClip
from avbench.extractors.open_clip_text import OpenClipText
from avbench.metrics.clip_iv import ClipIv
from avbench.metrics.clip_tv import ClipTv
from avbench.models.clip import clip
from avbench.options import Options, Wanted
from avbench.store import MemoryStore
from avbench.torchvision_guard import open_clip
from avbench.types import Array, Clip, ClipInfo, Extractor, Item
from avbench.weights import resolve

GOLDEN = {
    name: json.loads((Path(__file__).parents[2] / "metrics" / name / "golden.json").read_text(encoding="utf-8"))
    for name in ("clip_tv", "clip_iv")
}
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


# ------------------------------------------------------------------ files as they are published


class _Holder(torch.nn.Module):
    def forward(self) -> int:
        return 0


def archive(state: Mapping[str, torch.Tensor], path: Path) -> None:
    """OpenAI's form: a TorchScript program that holds the tensors, in half precision, and three settings."""
    root = _Holder()
    for key, value in state.items():
        *where, name = key.split(".")
        at: torch.nn.Module = root
        for part in where:
            if part not in dict(at.named_children()):
                at.add_module(part, _Holder())
            at = at.get_submodule(part)
        at.register_buffer(name, value.half())
    for name, number in (("input_resolution", 224), ("context_length", 77), ("vocab_size", 49408)):
        root.register_buffer(name, torch.tensor(number))
    torch.jit.script(root).save(str(path))  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Seeded ViT-B/32 weights as OpenAI's archive and as LAION's safetensors."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    library = open_clip()
    with torch.random.fork_rng():
        torch.manual_seed(20261120)
        state = library.CLIP(**library.get_model_config("ViT-B-32")).state_dict()
    # the library's initial values leave the frames almost alike; wider ones tell them apart
    state = {k: (v * 3 if k.endswith(("in_proj_weight", "c_fc.weight")) else v).half() for k, v in state.items()}
    made = {"ViT-B-32": folder / "ViT-B-32.pt", "ViT-B-32-laion2b": folder / "CLIP-ViT-B-32-laion2B-s34B-b79K.safetensors"}
    archive(state, made["ViT-B-32"])
    save_file({k: v.contiguous() for k, v in state.items()}, made["ViT-B-32-laion2b"])
    yield made
    for path in made.values():
        path.unlink()


@pytest.fixture(scope="module")
def clips(make_clip: Callable[..., Clip]) -> list[Clip]:
    texts = ["A dog barks at the sea", "", "word " * 100, "Ein Hund bellt \N{DOG FACE} \N{CJK UNIFIED IDEOGRAPH-4E2D}"]
    return [make_clip(f"c{n}", seed=n, text=text, seconds=0.5) for n, text in enumerate(texts)]


def through_the_engine(extractor: Extractor, weights: Path, clips: list[Clip], batch_size: int) -> list[dict[str, Array]]:
    """Prepared, piped, batched and run as in a benchmark."""
    wanted = Wanted(extractor, *resolve(extractor, weights))
    found = engine.extract(
        clips, [wanted], store=MemoryStore(), options=Options(workers=1, device="cpu", batch_size=batch_size)
    )
    out = []
    for n in range(len(clips)):
        features = found.features(n, 0)
        assert not isinstance(features, engine.Failure), features
        out.append(features)
    return out


@pytest.mark.parametrize("model", ["ViT-B-32", "ViT-B-32-laion2b"])
def test_the_chain_is_open_clips_own(model: Any, files: dict[str, Path], clips: list[Clip]) -> None:
    """Its loader on the same file, its own preprocessing of PIL pictures, its tokenizer; each frame and caption alone."""
    library = open_clip()
    if model == "ViT-B-32":
        reference = library.load_openai_model(str(files[model]), precision="fp32", device="cpu")
    else:
        reference = library.create_model("ViT-B-32", pretrained=str(files[model]), device="cpu")
    reference.eval()
    preprocess = library.image_transform(224, is_train=False)
    pictures = through_the_engine(OpenClip(model, frames=3), files[model], clips[:2], 2)
    captions = through_the_engine(OpenClipText(model), files[model], clips, 3)
    with torch.inference_mode():
        for made, source in zip(pictures, clips[:2], strict=True):
            assert source.video is not None
            shown = [source.video[i] for i in torch.linspace(0, len(source.video) - 1, 3).round().long().tolist()]
            want = [reference.encode_image(preprocess(Image.fromarray(f))[None], normalize=True)[0].numpy() for f in shown]
            np.testing.assert_allclose(made["embedding"], want, atol=2e-6)
            assert np.abs(want[0] - want[2]).max() > 1e-3, "different frames differ"
        for text, source in zip(captions, clips, strict=True):
            wanted = reference.encode_text(library.tokenize([source.text]), normalize=True)[0].numpy()
            np.testing.assert_allclose(text["embedding"], wanted, atol=2e-6)
    assert [int(c["truncated"]) for c in captions] == [0, 0, 1, 0]
    assert [int(c["empty"]) for c in captions] == [0, 1, 0, 0]


def test_the_activation_is_the_published_one(files: dict[str, Path], clips: list[Clip]) -> None:
    """The keys of both files are the same; OpenAI's networks have another activation."""
    frames = np.random.default_rng(0).integers(0, 255, (1, 1, 3, 224, 224), dtype=np.uint8)
    made = []
    for model in ("ViT-B-32", "ViT-B-32-laion2b"):
        with torch.inference_mode():
            forward = OpenClip(model, frames=1).load(files["ViT-B-32-laion2b"], "cpu")
            made.append(forward({"frames": torch.from_numpy(frames)})["embedding"])
    assert float((made[0] - made[1]).abs().max()) > 1e-4


@pytest.mark.parametrize("shape", [(48, 64), (64, 48), (224, 224), (225, 301), (720, 1280), (1280, 721), (100, 100), (7, 900)])
def test_preprocessing_is_the_librarys_to_the_bit(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(shape).integers(0, 256, (*shape, 3), dtype=np.uint8)
    # ToTensor divides by 255 and Normalize comes last; without it the bytes come back
    steps = open_clip().image_transform(224, is_train=False).transforms
    want: Any = Image.fromarray(image)
    for step in steps[:-1]:
        want = step(want)
    np.testing.assert_array_equal(centre_crop(image), np.rint(want.numpy() * 255).astype(np.uint8))


def test_keys_are_accounted_for(files: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(files["ViT-B-32-laion2b"])
    small = {k: torch.zeros((1,) * v.ndim) for k, v in state.items()}
    save_file({k: v for k, v in small.items() if k != "ln_final.bias"}, tmp_path / "x.safetensors")
    with pytest.raises(BadParameter, match=r"not in the published layout: ln_final.bias is missing"):
        clip("ViT-B-32", tmp_path / "x.safetensors", "text")
    with pytest.raises(BadParameter, match="weights of ViT-B-32 are needed"):
        clip("ViT-B-32", None, "visual")
    (tmp_path / "page.pt").write_text("<html>not found</html>")
    with pytest.raises(BadParameter, match="not a checkpoint that is safe to load"):
        clip("ViT-B-32", tmp_path / "page.pt", "visual")
    for extractor in (OpenClip(), OpenClipText(), OpenClip("ViT-L-14"), OpenClipText("ViT-H-14-laion2b")):
        assert extractor.weights is not None
        with pytest.raises(MissingData, match=extractor.weights.file):
            resolve(extractor, None)


def test_files_are_the_librarys_own() -> None:
    """Addresses, hashes and normalisation as open_clip lists them."""
    from avbench.models.clip import CONFIGURATIONS, FILES

    library = open_clip()
    tags = {"ViT-B-32-laion2b": "laion2b_s34b_b79k", "ViT-H-14-laion2b": "laion2b_s32b_b79k"}
    for model, checkpoint in FILES.items():
        architecture = CONFIGURATIONS[model].removesuffix("-quickgelu")
        listed = library.get_pretrained_cfg(architecture, tags.get(model, "openai"))
        if model in tags:
            assert checkpoint.urls[0].startswith(f"https://huggingface.co/{listed['hf_hub']}resolve/")
        else:
            assert checkpoint.urls[0] == listed["url"]
            assert checkpoint.sha256 in listed["url"]
        assert bool(listed.get("quick_gelu")) == CONFIGURATIONS[model].endswith("-quickgelu")
        assert (listed["mean"], listed["std"]) == (MEAN, DEVIATION)
        assert (listed["interpolation"], listed["resize_mode"]) == ("bicubic", "shortest")
        assert library.get_model_config(CONFIGURATIONS[model])["vision_cfg"]["image_size"] == 224


# ------------------------------------------------------------------ frames and captions


def info(frames: int, text: str = "") -> ClipInfo:
    return ClipInfo("x", np.arange(frames) / 25, 25.0, 32, 32, 0, 0, 0.0, text)


def test_48_frames_from_the_first_to_the_last() -> None:
    many = OpenClip().start(info(200), {})
    assert (len(many.frames), many.frames[0], many.frames[-1]) == (48, 0, 199)
    few = OpenClip().start(info(3), {})
    assert list(few.frames) == [0, 1, 2]
    for index in range(3):
        few.take(index, np.full((32, 32, 3), 10 * index, np.uint8))
    frames = few.finish(None)["frames"]
    assert frames.shape == (48, 3, 224, 224)
    assert np.unique(frames[:, 0, 0, 0], return_counts=True)[1].tolist() == [12, 24, 12]
    with pytest.raises(BadParameter, match="frames must be at least 1"):
        ClipTv(frames=0)
    with pytest.raises(BadParameter, match="frames must be at least 1"):
        ClipIv(frames=0)


@pytest.mark.parametrize("text", ["", "a", "\N{DOG FACE}" * 64, "x" * 257, "\ud800 lone surrogate", "with \0 inside"])
def test_any_caption_can_be_piped(text: str) -> None:
    made = OpenClipText().start(info(0, text), {}).finish(None)
    assert made["bytes"].dtype == np.uint8
    assert len(made["bytes"]) % 256 == 0
    assert bytes(made["bytes"][: int(made["length"])]).decode() == text.encode("utf-8", "replace").decode()


# ------------------------------------------------------------------ metrics by hand


def features(cosines: list[float], truncated: int = 0, empty: int = 0) -> dict[str, Array]:
    """Unit vectors in the plane, at these cosines to the caption (1, 0)."""
    frames = np.array([[c, (1 - c * c) ** 0.5] for c in cosines])
    return {
        "open_clip.embedding": frames,
        "open_clip_text.embedding": np.array([1.0, 0.0]),
        "open_clip_text.truncated": np.array(truncated, np.uint8),
        "open_clip_text.empty": np.array(empty, np.uint8),
    }


@pytest.mark.parametrize("case", GOLDEN["clip_tv"]["cases"], ids=lambda c: f"{c['variant']}: {c['name']}")
def test_variants_by_hand(case: dict[str, Any]) -> None:
    row = ClipTv(case["variant"]).row(Item("x"), features(case["cosines"]), None)
    np.testing.assert_allclose(row, [case["value"], np.mean(case["cosines"])], atol=GOLDEN["clip_tv"]["tolerance"]["atol"])


def test_flags_and_traces() -> None:
    assert ClipTv().flags(features([0.1])) == ()
    assert ClipTv().flags(features([0.1], truncated=1)) == ("caption_truncated",)
    assert ClipTv().flags(features([0.1], empty=1)) == ("caption_empty",)
    np.testing.assert_allclose(ClipTv().trace(Item("x"), features([0.1, 0.3]), None)["similarity"], [0.1, 0.3])


def test_only_hessel_puts_words_before_the_caption() -> None:
    prefixes = {v: dict(ClipTv(v).extractors()[1].parameters)["prefix"] for v in ("javisbench", "torchmetrics", "hessel")}
    assert prefixes == {"javisbench": "", "torchmetrics": "", "hessel": "A photo depicts "}
    assert all(registry.needed(need).parameters()["model"] == "ViT-B-16" for need in ClipTv(model="ViT-B-16").extractors())


@pytest.mark.parametrize("case", GOLDEN["clip_iv"]["cases"], ids=lambda c: c["name"])
def test_the_conditioning_picture_is_the_references_first_frame(case: dict[str, Any]) -> None:
    row = ClipIv().row(Item("x"), features(case["cosines"]), features([1.0, 0.0]))
    np.testing.assert_allclose(row, case["row"], atol=GOLDEN["clip_iv"]["tolerance"]["atol"])


def test_a_clip_is_like_itself() -> None:
    got = features([0.9, 0.6])
    assert ClipIv().row(Item("x"), got, got)[1] == pytest.approx(1.0, abs=1e-12)
    with pytest.raises(BadParameter, match="reference clip is needed"):
        ClipIv().row(Item("x"), got, None)
