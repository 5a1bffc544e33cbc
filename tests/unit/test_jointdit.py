"""The tiny JointDiT as a network and as a model adapter: what it must do whatever it has learned, and on damaged files."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from avbench.batching import SmallerBatch
from avbench.content import folder
from avbench.errors import BadParameter, MissingData
from avbench.models import jointdit_clips, jointdit_package
from avbench.models.guidance import FORMS, terms
from avbench.models.jointdit import JointDiT, Shape, sample, shape_from
from avbench.models.jointdit_package import Package
from avbench.models.mel_inversion import log_mel, waveform
from avbench.models.motion_codec import MotionCodec
from avbench.models.sound_codec import SoundCodec
from avbench.registry import generator
from avbench.synth15 import frames as rendered
from avbench.synth15 import items
from avbench.types import Clip, Item, Suite

MICRO = Shape(
    components=12, sound_components=10, width=32, sound_width=32, head=16, qk=32, v=32, joint_head=16, condition=16, outputs=1
)


def micro(*, opened: bool = True, seed: int = 0) -> JointDiT:
    """A small network; `opened`: with random numbers where a new one has zeros, so that every layer matters."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = JointDiT(MICRO)
        if opened:
            for parameter in model.parameters():
                if not parameter.any():
                    torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


def silenced(model: JointDiT, part: str) -> None:
    """Make the joint layers' linear layers with this in their name say nothing."""
    chosen = [p for name, p in model.named_parameters() if name.startswith("joints.") and part in name]
    assert len(chosen) == 8
    for parameter in chosen:
        torch.nn.init.zeros_(parameter)


def inputs(count: int = 2) -> tuple[torch.Tensor, ...]:
    made = torch.Generator().manual_seed(3)
    video = torch.randn(count, 128, 12, generator=made)
    audio = torch.randn(count, 40, 10, generator=made)
    times = torch.rand(2, count, generator=made)
    image = torch.rand(count, 3, 64, 64, generator=made) * 2 - 1
    return video, audio, times[0], times[1], image, torch.ones(count)


# ------------------------------------------------------------------ the network


def test_outputs_have_the_shapes_of_the_inputs_in_every_mode() -> None:
    model = micro()
    for mode in ("full", "blockdiag", "removed", "uni"):
        video, audio = model(*inputs(), mode)
        assert (video.shape, audio.shape) == ((2, 128, 12), (2, 40, 10))


def test_the_two_streams_meet_in_the_joint_layers_alone() -> None:
    model, given = micro(), list(inputs())
    other = [*given]
    other[1] = torch.randn_like(given[1])
    for mode, meets in (("full", True), ("blockdiag", False), ("removed", False), ("uni", False)):
        assert (not torch.equal(model(*given, mode)[0], model(*other, mode)[0])) is meets


def test_without_feed_forward_the_removed_mode_is_the_unimodal_stack() -> None:
    model = micro()
    assert not torch.equal(model(*inputs(), "removed")[0], model(*inputs(), "uni")[0])
    silenced(model, "ffn.2")
    for removed, uni in zip(model(*inputs(), "removed"), model(*inputs(), "uni"), strict=True):
        assert torch.equal(removed, uni)


def test_the_image_is_seen_unless_it_is_dropped() -> None:
    model, given = micro(), list(inputs())
    other = [*given]
    other[4] = -given[4]
    for stream in (0, 1):
        assert not torch.equal(model(*given)[stream], model(*other)[stream])
    given[5] = other[5] = torch.zeros(2)
    for stream in (0, 1):
        assert torch.equal(model(*given)[stream], model(*other)[stream])


def test_gradient_reaches_every_parameter_and_only_the_joint_ones_miss_the_unimodal_loss() -> None:
    for mode in ("full", "uni"):
        model = micro()
        sum((out**2).mean() for out in model(*inputs(), mode)).backward()
        without = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
        assert without == (
            set() if mode == "full" else {name for name, _ in model.named_parameters() if name.startswith("joints.")}
        )


def test_guidance_forms_agree_where_the_streams_do_not_interact() -> None:
    model = micro()
    silenced(model, "_out")
    noise = torch.randn(2, 128, 12), torch.randn(2, 40, 10)
    made = {
        form: sample(model, inputs()[4], noise, terms(form, 1.5), steps=3) for form in ("cfg", "joint_cfg", "joint_cfg_star")
    }
    for form in ("joint_cfg", "joint_cfg_star"):
        for one, other in zip(made["cfg"], made[form], strict=True):
            torch.testing.assert_close(one, other)
    assert not torch.allclose(made["cfg"][0], sample(model, inputs()[4], noise, terms("none"), steps=3)[0])


def test_a_given_video_is_kept_and_the_sound_follows_it() -> None:
    model, noise = micro(), (torch.randn(2, 128, 12), torch.randn(2, 40, 10))
    videos = torch.randn(2, 128, 12), torch.randn(2, 128, 12)
    made = [sample(model, inputs()[4], noise, terms("cfg"), steps=3, video=video) for video in videos]
    assert torch.equal(made[0][0], videos[0])
    assert not torch.equal(made[0][1], made[1][1])


def test_every_form_of_guidance_samples_finite_tokens() -> None:
    noise = torch.randn(1, 128, 12), torch.randn(1, 40, 10)
    for form in FORMS:
        for tokens in sample(micro(), inputs(1)[4], noise, terms(form, 1.0), steps=2):
            assert torch.isfinite(tokens).all()


def test_sizes_that_make_no_network_are_refused() -> None:
    for wrong in ({"widht": 3}, {"width": 100}, {"steps": 0}, {"side": 60}, {"joint_head": 4, "qk": 4}, {"step_seconds": 0.0}):
        with pytest.raises(BadParameter, match="JointDiT"):
            shape_from(wrong)


# ------------------------------------------------------------------ codecs


def moving_square() -> np.ndarray:
    frames = np.full((24, 64, 64, 3), 90, np.uint8)
    frames[:, 40:50, 5:60] = (200, 30, 40)
    for n in range(24):
        frames[n, 10 + n : 20 + n, 20:30] = (20, 220, 60)
    return frames


def test_without_flow_and_paint_frames_are_the_first_one_and_tokens_go_by_time_row_and_column() -> None:
    frames = moving_square()
    torch.manual_seed(0)
    codec = MotionCodec(4).eval().requires_grad_(False)
    tokens = codec.tokens(frames)
    assert tokens.shape == (8 * 16, 12)
    for layer in (codec.at_half[-1], codec.finish[-1]):
        torch.nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    np.testing.assert_array_equal(codec.frames(tokens, frames[0]), np.repeat(frames[:1], 24, axis=0))
    # The token of a step, row and column holds its three frames' vectors of that patch, one after the other.
    first = torch.from_numpy(frames[0].astype(np.float32) / 127.5 - 1.0).permute(2, 0, 1)[None]
    frame = torch.from_numpy(frames[7].astype(np.float32) / 127.5 - 1.0).permute(2, 0, 1)[None]
    code = codec.encode(frame, first)[0]
    np.testing.assert_allclose(tokens.reshape(8, 4, 4, 3, 4)[2, 1, 3, 1], code[:, 1, 3], atol=1e-5)
    with pytest.raises(BadParameter, match="frames must be"):
        codec.tokens(frames[:23])


def test_decoding_is_of_each_clip_alone_and_follows_its_code() -> None:
    torch.manual_seed(1)
    codec = MotionCodec(4).eval().requires_grad_(False)
    for layer in (codec.at_half[-1], codec.finish[-1]):
        torch.nn.init.normal_(layer.weight, std=0.05)  # type: ignore[arg-type]
    codes, first = torch.randn(2, 5, 4, 4, 4), torch.rand(2, 3, 64, 64) * 2.0 - 1.0
    both = codec.decode(codes, first)
    assert both.shape == (2, 5, 3, 64, 64)
    torch.testing.assert_close(codec.decode(codes[1:], first[1:]), both[1:])
    torch.testing.assert_close(codec.decode(codes[:, 2:3], first), both[:, 2:3])
    assert not torch.allclose(codec.decode(codes + 1.0, first), both)


def test_the_committed_codec_keeps_motion_and_what_stands_still() -> None:
    codec = jointdit_package.load(folder("baselines") / "jointdit" / "model.safetensors", "joint").video
    errors, still = [], []
    for item in items("test", 15):
        frames = np.stack(list(rendered(item, width=64, height=64, frame_rate=12.0)))
        again = codec.frames(codec.tokens(frames), frames[0]).astype(np.float64)
        errors.append(((again - frames) ** 2).mean())
        still.append(((frames[:1].astype(np.float64) - frames) ** 2).mean())
    psnr, lazy = (10.0 * np.log10(255.0**2 / np.mean(part)) for part in (errors, still))
    assert psnr > 27.0
    assert psnr > lazy + 5.0


def test_the_sound_codec_is_exact_with_all_components() -> None:
    mels = np.random.default_rng(0).standard_normal((480, 4)).astype(np.float32)
    codec = SoundCodec.fit([mels[:240], mels[240:]], 16)
    tokens = codec.tokens(mels)
    assert tokens.shape == (120, 16)
    assert abs(float((tokens**2).mean()) - 1.0) < 1e-3
    np.testing.assert_allclose(codec.mels(tokens), mels, atol=1e-4)
    with pytest.raises(BadParameter, match="as many pieces"):
        SoundCodec.fit([mels[:8]], 16)


def test_a_tone_survives_the_way_to_a_spectrogram_and_back() -> None:
    time = np.arange(32_000) / 16_000
    tone = (0.5 * np.sin(2 * np.pi * 880 * time) * (time > 0.7)).astype(np.float32)
    mels = log_mel(tone)
    assert mels.shape == (160, 64)
    back = waveform(mels)
    assert len(back) == 32_000
    assert np.abs(back[:10_000]).max() < 0.02
    spectrum = np.abs(np.fft.rfft(back[16_000:]))
    assert abs(spectrum.argmax() - 880) <= 20
    assert back[16_000:].std() == pytest.approx(tone[16_000:].std(), rel=0.35)
    np.testing.assert_array_equal(back, waveform(mels))
    for wrong in (mels[:, :60], np.full_like(mels, np.nan)):
        with pytest.raises(BadParameter, match="log-mel must be finite"):
            waveform(wrong)


# ------------------------------------------------------------------ the file


def package(kind: str = "joint") -> Package:
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((256, 10)))[0].astype(np.float32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        video = MotionCodec(4).eval().requires_grad_(False)
        for layer in (video.at_half[-1], video.finish[-1]):
            torch.nn.init.normal_(layer.weight, std=0.05)  # type: ignore[arg-type]
    return Package(kind, micro(), video, SoundCodec(basis, np.zeros(256, np.float32), 0.5))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["joint", "v2a", "uni"])
def test_a_package_comes_back_from_its_file(kind: str, tmp_path: Path) -> None:
    made = package(kind)
    path = made.save(tmp_path / "model.safetensors")
    again = jointdit_package.load(path, kind)  # type: ignore[arg-type]
    mode = "uni" if kind == "uni" else "full"
    for one, other in zip(made.model(*inputs(), mode), again.model(*inputs(), mode), strict=True):
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.02)
    assert any(name.startswith("model.joints.") for name in load_file(path)) is (kind != "uni")
    with pytest.raises(BadParameter, match=f"holds a model of kind '{kind}', wanted is"):
        jointdit_package.load(path, "v2a" if kind != "v2a" else "joint")


class Harm:
    """A pickle that would leave a mark if it were opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


def test_a_damaged_checkpoint_is_one_clear_error(tmp_path: Path) -> None:
    path = package().save(tmp_path / "model.safetensors")
    # Copies: what is loaded lies in the file itself, which is about to change.
    whole = {name: tensor.clone() for name, tensor in load_file(path).items()}
    about = {"format": jointdit_package.FORMAT, "kind": "joint"}
    about["shape"] = json.dumps(dataclasses.asdict(MICRO))

    def refused(match: str, error: type[Exception] = BadParameter) -> None:
        with pytest.raises(error, match=match) as caught:
            list(generator("jointdit", checkpoint=str(path)).generate([], suite=suite(tmp_path), seed=0, folder=tmp_path))
        assert str(path) in str(caught.value)

    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refused("not a safetensors file that can be read")
    path.write_bytes(b"")
    refused("not a safetensors file that can be read")
    path.write_bytes(pickle.dumps(Harm(tmp_path / "mark")))
    refused("a pickle is never opened")
    assert not (tmp_path / "mark").exists()
    save_file({**whole, "model.first.weight": whole["model.first.weight"] * float("nan")}, path, metadata=about)
    refused("1 tensors hold NaN or infinity, the first is model.first.weight")
    save_file({k: v for k, v in whole.items() if k != "model.first.weight"} | {"odd": torch.ones(1)}, path, metadata=about)
    refused("model.first.weight is missing; odd is not known")
    save_file({**whole, "model.first.weight": torch.ones(2, 2)}, path, metadata=about)
    refused(r"model.first.weight is \(2, 2\), not \(32, 3, 16, 16\)")
    save_file(whole, path)
    refused("format None, expected")
    save_file(whole, path, metadata={**about, "shape": "{"})
    refused("shape or kind cannot be read")
    path.unlink()
    refused("there is no checkpoint", MissingData)


# ------------------------------------------------------------------ the adapter


def suite(where: Path) -> Suite:
    return Suite("own", 1, "", (), (), ("first_frame",), 2.0, 24.0, 64, 64, 16_000, where)


@pytest.fixture
def few(tmp_path: Path) -> SimpleNamespace:
    """Ten items with pictures of many sizes and modes, and a checkpoint of an untrained network."""
    random = np.random.default_rng(1)
    modes = ("RGB", "L", "RGBA", "P", "1", "I;16", "CMYK", "LA", "RGB", "RGB")
    items = []
    for n, mode in enumerate(modes):
        size = [(64, 64), (200, 100), (31, 77), (640, 480), (64, 65), (90, 64), (128, 128), (33, 33), (1, 1), (500, 7)][n]
        if mode == "I;16":
            image = Image.fromarray(random.integers(0, 65536, (size[1], size[0]), dtype=np.uint16))
        else:
            image = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode)
        name = f"{n}.tiff" if mode == "CMYK" else f"{n}.png"
        image.save(tmp_path / name)
        items.append(Item(f"item_{n}", fields={"first_frame": name}))
    path = package().save(tmp_path / "model.safetensors")
    return SimpleNamespace(
        items=items, suite=suite(tmp_path), model=generator("jointdit", checkpoint=str(path), steps=2), folder=tmp_path
    )


def made(few: SimpleNamespace, items: list[Item], seed: int = 0) -> list[Clip]:
    return list(few.model.generate(items, suite=few.suite, seed=seed, folder=few.folder))


def test_pictures_of_any_size_and_mode_make_clips_of_one_size(few: SimpleNamespace) -> None:
    clips = made(few, few.items)
    assert [clip.id for clip in clips] == [item.id for item in few.items]
    for clip in clips:
        assert clip.video is not None
        assert clip.audio is not None
        assert (clip.video.shape, clip.frame_rate) == ((24, 64, 64, 3), 12.0)
        assert (clip.audio.shape, clip.sample_rate) == ((1, 32_000), 16_000)
        assert np.isfinite(clip.audio).all()


def test_a_clip_depends_on_item_and_seed_alone(few: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jointdit_clips, "BATCH", 4)
    whole = {clip.id: clip for clip in made(few, few.items[:5])}
    for clip in (*made(few, few.items[4:1:-1]), *made(few, few.items[3:4])):
        np.testing.assert_array_equal(clip.video, whole[clip.id].video)
        np.testing.assert_array_equal(clip.audio, whole[clip.id].audio)
    assert not np.array_equal(made(few, few.items[3:4], seed=1)[0].video, whole["item_3"].video)  # type: ignore[arg-type]
    monkeypatch.setattr(jointdit_clips, "BATCH", 1)
    for clip in made(few, few.items[:2]):
        assert np.abs(clip.video.astype(int) - whole[clip.id].video.astype(int)).max() <= 1  # type: ignore[union-attr]


def test_a_batch_that_does_not_fit_is_halved_and_says_so(few: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jointdit_clips, "BATCH", 4)
    whole, sizes = made(few, few.items[:5]), []

    def greedy(model: JointDiT, image: torch.Tensor, *rest: object, **more: object) -> object:
        sizes.append(len(image))
        if len(image) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        return sample(model, image, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(jointdit_clips, "sample", greedy)
    with pytest.warns(SmallerBatch) as told:
        clips = made(few, few.items[:5])
    said = [str(warning.message) for warning in told]
    assert said == [f"jointdit: a batch of {n} does not fit into memory; going on with {n // 2}" for n in (4, 2)]
    assert sizes == [4, 2, 1, 1, 1, 1, 1]
    sizes.clear()
    # A short batch is filled up to the size of the others; that goes first, without a word.
    assert len(made(few, few.items[:1])) == 1
    assert sizes == [4, 1]
    for clip, other in zip(clips, whole, strict=True):
        assert np.abs(clip.video.astype(int) - other.video.astype(int)).max() <= 1  # type: ignore[union-attr]


def test_a_cascade_makes_sound_for_the_picture_of_its_first_stage(few: SimpleNamespace) -> None:
    first, second = package("uni").save(few.folder / "uni.safetensors"), package("v2a").save(few.folder / "v2a.safetensors")
    parallel = generator("parallel_tiny", checkpoint=str(first), steps=2)
    cascade = generator("cascade_tiny", checkpoint=str(second), video_checkpoint=str(first), steps=2)
    one, other = (
        next(iter(model.generate(few.items[:1], suite=few.suite, seed=0, folder=few.folder))) for model in (parallel, cascade)
    )
    assert isinstance(one, Clip)
    assert isinstance(other, Clip)
    np.testing.assert_array_equal(one.video, other.video)
    assert not np.array_equal(one.audio, other.audio)  # type: ignore[arg-type]
    assert parallel.request(few.items[0], few.suite, 0) != cascade.request(few.items[0], few.suite, 0)


# ------------------------------------------------------------------ what comes with avbench


def test_what_is_committed_is_small_and_can_be_loaded() -> None:
    for name, kind in (("jointdit", "joint"), ("parallel_tiny", "uni"), ("cascade_tiny", "v2a")):
        path = folder("baselines") / name / "model.safetensors"
        assert path.stat().st_size < 16e6
        found = jointdit_package.load(path, kind)  # type: ignore[arg-type]
        assert found.model.shape == shape_from({})
