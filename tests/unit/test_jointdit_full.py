"""JointDiT at full size: the published shapes on the device meta, and everything for real with two tiny UNets."""

from __future__ import annotations

import copy
import functools
import importlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from avbench import diffusers_stages, registry
from avbench.encode import write_clip
from avbench.errors import AvbenchError, BadManifest, BadParameter, MissingData
from avbench.types import Clip, Suite

pytest.importorskip("diffusers", reason="the extra avbench[diffusers] is not installed")

from avbench.models import jointdit_full, jointdit_published
from avbench.models.guidance import terms
from avbench.models.joint_attention import MODES
from avbench.models.jointdit_full import DDPM, EDM, pairing_gap, predicted, sample, training_loss
from avbench.models.jointdit_unets import (
    Condition,
    JointDiTFull,
    Widths,
    audio_steps,
    build,
    described,
    load_checkpoint,
    parameters,
    save_checkpoint,
)
from tests import tiny_pipelines

WIDTHS = (Widths(16, 24, 2), Widths(32, 32, 4))


@functools.cache
def tiny(seed: int = 0, joined: bool = True, **changed: Any) -> JointDiTFull:
    """Two tiny UNets; the new layers drawn at random instead of zero where they should do something."""
    diffusers_stages.diffusers()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = JointDiTFull(tiny_pipelines.video_unet(), tiny_pipelines.audio_unet(), WIDTHS, **changed)
        if joined:
            for tensor in [*network.joints.parameters(), network.audio_image.weight]:
                torch.nn.init.normal_(tensor, std=0.1)
    return network.eval()


def fresh(**options: Any) -> JointDiTFull:
    """One that a test may change."""
    return copy.deepcopy(tiny(**options))


def inputs(batch: int = 2, seed: int = 0) -> tuple[Tensor, Tensor, Condition]:
    random = torch.Generator().manual_seed(seed)
    given = Condition(
        torch.randn(batch, 4, 8, 16, generator=random),
        torch.randn(batch, 32, generator=random),
        torch.tensor([[6.0, 127.0, 0.02]]).expand(batch, -1),
    )
    return torch.randn(batch, 3, 4, 8, 16, generator=random), torch.randn(batch, 4, 16, 16, generator=random), given


# ------------------------------------------------------------------ the published size


@pytest.fixture(scope="module")
def published() -> JointDiTFull:
    diffusers_stages.diffusers()
    with torch.device("meta"):
        network = build()
    return network.to("meta")  # diffusers makes a few numbers with a constructor that knows no default device


def test_the_published_unets_have_the_published_number_of_parameters(published: JointDiTFull) -> None:
    counts = parameters(published)
    assert counts["video UNet"] == 1_524_623_082
    assert counts["audio UNet"] == 346_943_496
    assert counts["video experts"] == 371_934_088
    assert counts["audio experts"] == 40_722_688
    assert counts["joint layers"] == 11_581_440 + 32_991_488
    assert counts["total"] == 1_916_663_794
    for name in ("video", "audio"):
        assert sum(counts[f"{name} {part}"] for part in ("input", "experts", "output")) == counts[f"{name} UNet"]
    assert (
        counts["total"]
        == sum(counts[f"{n} UNet"] for n in ("video", "audio")) + counts["joint layers"] + counts["image projection"]
    )


def test_the_joint_layers_see_the_shapes_of_the_authors_setting(published: JointDiTFull) -> None:
    seen: list[tuple[torch.Size, torch.Size]] = []

    def note(_: Any, given: Any) -> None:
        seen.append((given[0].shape, given[1].shape))

    hooks = [joint.register_forward_pre_hook(note) for joint in published.joints]
    meta = torch.device("meta")
    given = Condition(*(torch.zeros(shape, device=meta) for shape in ((1, 4, 40, 72), (1, 1024), (1, 3))))
    video, audio = published(
        torch.zeros(1, 14, 4, 40, 72, device=meta),
        torch.zeros(1, 8, audio_steps(14 / 7), 16, device=meta),
        torch.zeros(1, device=meta),
        torch.zeros(1, dtype=torch.long, device=meta),
        given,
    )
    for hook in hooks:
        hook.remove()
    assert (video.shape, audio.shape) == ((1, 14, 4, 40, 72), (1, 8, 56, 16))
    assert seen == [((1, 14 * 180, 640), (1, 14 * 4, 256)), ((1, 14 * 45, 1280), (1, 7 * 2, 384))]


# ------------------------------------------------------------------ two tiny UNets


@pytest.mark.parametrize(("height", "steps"), [(8, 16), (10, 20)])
def test_a_new_network_is_the_two_unets_alone(height: int, steps: int) -> None:
    network = tiny(joined=False)
    video, audio = torch.randn(2, 3, 4, height, 16), torch.randn(2, 4, steps, 16)
    given = replace(inputs()[2], latent=torch.randn(2, 4, height, 16))
    level, step = torch.tensor([-0.3, 0.7]), torch.tensor([5, 600])
    with torch.no_grad():
        found = network(video, audio, level, step, given)
        told = given.latent[:, None].expand(-1, 3, -1, -1, -1)
        alone = (
            network.video(torch.cat([video, told], 2), level, given.embedding[:, None], given.ids).sample,
            network.audio(audio, step, torch.zeros(2, 1, 16), encoder_hidden_states_1=torch.zeros(2, 1, 32)).sample,
        )
    for one, other in zip(found, alone, strict=True):
        assert one.std() > 0.1
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_each_mode_joins_what_it_says() -> None:
    network, (video, audio, given) = tiny(), inputs()
    level, step = torch.tensor([-0.3, 0.7]), torch.tensor([5, 600])
    with torch.no_grad():
        found = {mode: network(video, audio, level, step, given, mode) for mode in MODES}
        other = {mode: network(video, audio + 1.0, level, step, given, mode)[0] for mode in MODES}
        louder = {mode: network(video + 1.0, audio, level, step, given, mode)[1] for mode in MODES}
    for n, one in enumerate(MODES):
        for two in MODES[n + 1 :]:
            assert not torch.allclose(found[one][0], found[two][0], atol=1e-4), (one, two)
        assert torch.equal(found[one][0], other[one]) == (one != "full")
        assert torch.equal(found[one][1], louder[one]) == (one != "full")


def test_the_picture_reaches_both_streams_and_its_absence_is_zeros() -> None:
    network, (video, audio, given) = tiny(), inputs()
    u = torch.tensor([0.3, 0.8])
    with torch.no_grad():
        base = predicted(network, video, audio, u, given)
        for changed in (replace(given, embedding=given.embedding + 1.0), given.null()):
            for one, other in zip(base, predicted(network, video, audio, u, changed), strict=True):
                assert not torch.allclose(one, other, atol=1e-4)
        moved = predicted(network, video, audio, u, replace(given, latent=given.latent + 1.0), "uni")
        alone = predicted(network, video, audio, u, given, "uni")
    assert not torch.allclose(moved[0], alone[0], atol=1e-4)
    assert torch.equal(moved[1], alone[1])
    null = given.null()
    assert not null.latent.any()
    assert not null.embedding.any()
    assert torch.equal(null.ids, given.ids)
    half = given.dropped(torch.tensor([True, False]))
    assert torch.equal(half.latent[1], given.latent[1])
    assert not half.latent[0].any()
    assert not half.embedding[0].any()


def test_the_joint_output_takes_the_place_of_the_last_skip_connection() -> None:
    """Else the Output layer would see it through the bottleneck alone."""
    network, (video, audio, given) = tiny(), inputs()
    skipped: list[Tensor] = []
    joined: list[Tensor] = []

    def note(_: Any, __: Any, named: Any) -> None:
        skipped.append(named["res_hidden_states_tuple"][0])

    hooks = [unet.up_blocks[0].register_forward_pre_hook(note, with_kwargs=True) for unet in (network.video, network.audio)]
    hooks.append(network.joints[1].register_forward_hook(lambda _, __, made: joined.extend(made)))
    with torch.no_grad():
        network(video, audio, torch.tensor([-0.3, 0.7]), torch.tensor([5, 600]), given)
    for hook in hooks:
        hook.remove()
    looks, sounds = joined
    assert torch.equal(skipped[0].reshape(2, 3, 64, -1).permute(0, 1, 3, 2).flatten(1, 2), looks)
    assert torch.equal(skipped[1].flatten(2).transpose(1, 2), sounds)


def test_clocks_differ_and_one_that_is_not_known_is_refused() -> None:
    video, audio, given = inputs()
    u = torch.tensor([0.3, 0.8])
    with torch.no_grad():
        by_index, by_seconds = (predicted(tiny(clock=clock), video, audio, u, given)[0] for clock in ("index", "seconds"))
    assert not torch.equal(by_index, by_seconds)
    with pytest.raises(BadParameter, match="clock index or seconds"):
        tiny(clock="sundial")


def test_what_sounds_and_shows_at_one_time_has_one_position_on_the_clock_of_seconds() -> None:
    network = tiny(clock="seconds")
    video, audio = network._turns((14, 1, 1), (28, 1), 2, torch.tensor(6.0), 8)
    # 14 frames at 7 a second and 28 steps of 0.08 s: frame k is centred at (k + 0.5) / 7 s, step j at (j + 0.5) * 0.08 s.
    frames, steps = (torch.arange(n) + 0.5 for n in (14, 28))
    fastest = [turns[1, :, 0].arcsin() for turns in (video, audio)]
    assert torch.allclose(fastest[0].sin(), frames.sin(), atol=1e-5)
    assert torch.allclose(fastest[1].sin(), (steps * 0.08 * 7.0).sin(), atol=1e-5)


# ------------------------------------------------------------------ loss and sampling


def test_the_loss_is_that_of_the_two_base_models() -> None:
    network, (video, audio, given) = tiny(), inputs()
    noise = (torch.randn_like(video), torch.randn_like(audio))
    u = torch.tensor([0.2, 0.9])
    with torch.no_grad():
        whole, seen, heard = training_loss(network, (video, audio), noise, u, given, (2.0, 3.0))
        sigma, step = EDM.sigma(u), DDPM.timestep(u)
        abar = DDPM.kept(step).reshape(-1, 1, 1, 1)
        level = sigma.reshape(-1, 1, 1, 1, 1)
        clean = predicted(network, video + level * noise[0], abar.sqrt() * audio + (1 - abar).sqrt() * noise[1], u, given)
    wanted = ((clean[0] - video) ** 2 * (level**2 + 1) / level**2).mean()
    eps = (abar.sqrt() * audio + (1 - abar).sqrt() * noise[1] - abar.sqrt() * clean[1]) / (1 - abar).sqrt()
    torch.testing.assert_close(seen, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(heard, ((eps - noise[1]) ** 2).mean(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(whole, 2.0 * seen + 3.0 * heard)


def test_the_pairing_gap_is_the_audio_loss_beside_another_picture() -> None:
    network, (video, audio, given) = tiny(), inputs()
    noise = (torch.randn_like(video), torch.randn_like(audio))
    u = torch.tensor([0.5, 0.5])
    gap = pairing_gap(network, (video, audio), noise, u, given)
    assert set(gap) == {"paired", "late", "masked", "rolled"}
    with torch.no_grad():
        for name, shown in (("paired", video), ("late", video.roll(video.shape[1] // 2, 1)), ("rolled", video.flip(0))):
            # Another picture with the same noise on it; the sound's part of the loss is all that is compared.
            heard = training_loss(network, (shown, audio), noise, u, given)[2].item()
            assert gap[name] == pytest.approx(heard, rel=1e-5)
    assert len(set(gap.values())) == 4
    alone = pairing_gap(network, (video[:1], audio[:1]), (noise[0][:1], noise[1][:1]), u[:1], inputs(1)[2])
    assert set(alone) == {"paired", "late", "masked"}


def test_gradients_reach_every_new_weight_and_every_expert() -> None:
    network, (video, audio, given) = fresh().train(), inputs()
    noise = (torch.randn_like(video), torch.randn_like(audio))
    training_loss(network, (video, audio), noise, torch.tensor([0.2, 0.9]), given)[0].backward()  # type: ignore[no-untyped-call]
    without = [name for name, p in network.named_parameters() if p.grad is None]
    assert without == []
    assert all(p.grad is not None and p.grad.any() for n, p in network.named_parameters() if n.startswith("joints."))


@pytest.mark.parametrize("form", ["none", "cfg", "joint_cfg", "joint_cfg_star", "dual"])
def test_two_steps_of_sampling_give_finite_latents_of_both_streams(form: Any) -> None:
    network, (video, audio, given) = tiny(), inputs(1)
    made = sample(network, given, (video, audio), terms(form, 1.5), steps=2, spacing="cosine")
    assert (made[0].shape, made[1].shape) == (video.shape, audio.shape)
    assert all(bool(torch.isfinite(part).all()) for part in made)


def test_guidance_and_chance_decide_what_is_sampled() -> None:
    network, (video, audio, given) = tiny(), inputs(1)
    made = [sample(network, given, (video, audio), terms(form, 1.5), steps=1) for form in ("none", "none", "cfg", "joint_cfg")]
    made.append(sample(network, given, (video + 1.0, audio), terms("none"), steps=1))
    assert torch.equal(made[0][0], made[1][0])
    for n in range(1, 5):
        for m in range(n + 1, 5):
            assert not torch.allclose(made[n][0], made[m][0], atol=1e-4)


def test_the_sampler_finds_the_clean_latents_of_a_network_that_knows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    video, audio, given = inputs()
    known = (video * 0.5, audio * 0.5)
    monkeypatch.setattr(jointdit_full, "predicted", lambda *_: known)
    made = sample(tiny(), given, (video, audio), terms("joint_cfg", 2.0), steps=5)
    for one, other in zip(made, known, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_an_audio_latent_covers_the_clip_in_eights() -> None:
    assert [audio_steps(seconds) for seconds in (0.01, 0.32, 0.33, 2.0, 10.24)] == [8, 8, 16, 56, 256]


# ------------------------------------------------------------------ checkpoints


def test_a_checkpoint_holds_the_new_weights_or_all(tmp_path: Path) -> None:
    network = tiny()
    for everything in (False, True):
        path = tmp_path / f"{everything}.safetensors"
        save_checkpoint(network, path, everything=everything)
        other = fresh(seed=0 if not everything else 1, joined=False)
        load_checkpoint(other, path)
        assert described(path) == (WIDTHS, "index")
        assert all(torch.equal(a, b) for a, b in zip(network.state_dict().values(), other.state_dict().values(), strict=True))
    assert (tmp_path / "False.safetensors").stat().st_size < (tmp_path / "True.safetensors").stat().st_size


@pytest.mark.parametrize("what", ["lacking", "unknown", "reshaped", "nan", "cut", "other file", "other clock"])
def test_a_checkpoint_that_does_not_fit_is_refused(what: str, tmp_path: Path) -> None:
    network, path = tiny(), tmp_path / "c.safetensors"
    save_checkpoint(network, path, everything=False)
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = safetensors.torch.load_file(path)
    key = "audio_image.weight"
    if what == "lacking":
        del tensors[key]
    elif what == "unknown":
        tensors["joints.7.weight"] = torch.zeros(2)
    elif what == "reshaped":
        tensors[key] = tensors[key][:1].clone()
    elif what == "nan":
        tensors[key][0, 0] = float("nan")
    elif what == "other file":
        metadata = None
    safetensors.torch.save_file(tensors, path, metadata)
    if what == "cut":
        path.write_bytes(path.read_bytes()[:500])
    expected = {
        "lacking": "audio_image.weight is missing",
        "unknown": r"joints.7.weight is not known",
        "reshaped": r"audio_image.weight is \(1, 32\), not \(128, 32\)",
        "nan": "audio_image.weight holds NaN",
        "cut": "cannot be read as safetensors",
        "other file": "is no checkpoint of JointDiT",
        "other clock": "was trained with",
    }
    with pytest.raises(BadParameter, match=expected[what]):
        load_checkpoint(tiny(clock="seconds") if what == "other clock" else tiny(), path)


# ------------------------------------------------------------------ clips and latents, the model, its training


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("base")
    return {name: tiny_pipelines.made(name, folder / name) for name in ("svd", "audioldm2")}


@pytest.fixture
def suite(suite_folder: Callable[..., Path], make_clip: Callable[..., Clip], tmp_path: Path) -> Suite:
    """Three reference clips with picture and sound."""
    from avbench import suites

    folder = suite_folder(["a", "b", "c"], conditions=("first_frame", "text"))
    (folder / "reference").mkdir()
    for n, id in enumerate("abc"):
        write_clip(folder / "reference" / f"{id}.mp4", make_clip(id, seed=n, seconds=1.5, sample_rate=44_100))
    return suites.load(str(folder))


def test_the_mel_spectrogram_is_that_of_librosa_with_the_published_frames() -> None:
    import librosa

    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 3200).astype(np.float32)
    found = jointdit_published.log_mel(torch.from_numpy(sound)[None])[0].numpy()
    assert found.shape == (20, 64)
    padded = np.pad(sound, 432, mode="reflect")
    wanted = librosa.feature.melspectrogram(
        y=padded, sr=16000, n_fft=1024, hop_length=160, n_mels=64, fmin=0, fmax=8000, center=False, power=1.0
    )
    assert np.abs(found - np.log(np.maximum(wanted, 1e-5)).T).max() < 1e-4


def test_clips_become_latents_and_latents_clips(base: dict[str, Path], make_clip: Callable[..., Clip]) -> None:
    codecs = jointdit_published.load_codecs(base["svd"], base["audioldm2"], "cpu")
    clip = make_clip(seconds=0.5, frame_rate=6.0, width=64, height=64)
    assert clip.video is not None
    assert clip.audio is not None
    random = torch.Generator().manual_seed(0)
    looks, sounds = codecs.video_latents(clip.video, random, chunk=2), codecs.audio_latents(clip.audio[0], random)
    assert (looks.shape, sounds.shape) == ((3, 4, 32, 32), (4, 16, 16))
    assert codecs.frames(looks, chunk=2).shape == (3, 64, 64, 3)
    heard = codecs.sound(sounds, 8000)
    assert heard.shape == (1, 8000)
    assert heard.std() > 0
    given = codecs.condition([clip.video[0], clip.video[2]], (64, 64), (7, 127, 0.02), [random, random])
    assert (given.latent.shape, given.embedding.shape) == ((2, 4, 32, 32), (2, 32))
    assert torch.allclose(given.ids, torch.tensor([[6.0, 127.0, 0.02]]))
    assert not codecs.audio_latents(np.zeros(8000, np.float32), random).isnan().any()


def joined(base: dict[str, Path], path: Path) -> Path:
    network = jointdit_published.load_network(base["svd"], base["audioldm2"], "cpu", "auto", WIDTHS, "index")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        for tensor in network.joints.parameters():
            torch.nn.init.normal_(tensor, std=0.1)
    save_checkpoint(network, path, everything=False)
    return path


def test_the_model_makes_a_clip_from_saved_weights(base: dict[str, Path], suite: Suite, tmp_path: Path) -> None:
    options: dict[str, Any] = {"steps": 1, "width": 64, "height": 64, "frames": 2}
    options["checkpoint"] = str(joined(base, tmp_path / "c"))
    model = registry.generator("jointdit_full", **options, **{k: str(v) for k, v in base.items()})
    assert model.missing() == ()
    first, second = model.generate(suite.items[:2], suite=suite, seed=0, folder=tmp_path)
    assert isinstance(first, Clip)
    assert isinstance(second, Clip)
    assert first.video is not None
    assert first.audio is not None
    assert first.video.shape == (2, 64, 64, 3)
    assert (first.audio.shape, first.sample_rate, first.frame_rate) == ((1, round(2 / 7 * 16000)), 16000, 7.0)
    assert second.video is not None
    assert not np.array_equal(first.video, second.video)
    (again,) = model.generate(suite.items[1:2], suite=suite, seed=0, folder=tmp_path)
    assert isinstance(again, Clip)
    for one, other in ((again.video, second.video), (again.audio, second.audio)):
        assert one is not None
        assert other is not None
        assert np.array_equal(one, other)


def test_without_trained_weights_one_error_says_that_none_are_public(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffusers_stages, "_cached", lambda name: None)
    model = registry.generator("jointdit_full")
    with pytest.raises(MissingData, match=r"none are public.*avbench train jointdit.*checkpoint=.*tiny model"):
        next(iter(model.generate(suite.items, suite=suite, seed=0, folder=tmp_path)))
    lacks = model.missing()
    assert len(lacks) == 3
    assert "jointdit_full[svd=/path]" in lacks[1]
    assert "jointdit_full[audioldm2=/path]" in lacks[2]
    elsewhere = registry.generator("jointdit_full", checkpoint="/nowhere")
    with pytest.raises(MissingData, match="there is no file /nowhere"):
        next(iter(elsewhere.generate(suite.items, suite=suite, seed=0, folder=tmp_path)))
    for wrong in ({"width": 100}, {"frames": 0}):
        with pytest.raises(BadParameter, match="jointdit_full"):
            registry.generator("jointdit_full", **wrong)


# ------------------------------------------------------------------ training


@pytest.fixture(autouse=True)
def _accelerate_anew() -> Iterator[None]:
    """accelerate keeps its precision for the life of a process."""
    yield
    importlib.import_module("accelerate.state").AcceleratorState._reset_state(reset_partial_state=True)


def configuration(path: Path, base: dict[str, Path], **changed: str) -> Path:
    model = {"svd": f'"{base["svd"]}"', "audioldm2": f'"{base["audioldm2"]}"', "joint": "[[16, 24, 2], [32, 32, 4]]"}
    clips = {"width": "32", "height": "32", "frames": "2", "fps": "4"}
    training = {"steps": "2", "gradient_accumulation": "1", "rate": "1e-3", "warmup": "1", "drop": "0.5"}
    lines = []
    for name, table in (("model", model), ("clips", clips), ("training", training)):
        own = {k.partition("_in_")[0]: v for k, v in changed.items() if k.endswith(f"_in_{name}")}
        lines += [f"[{name}]", *(f"{k} = {v}" for k, v in (table | own).items())]
    path.write_text("\n".join(lines))
    return path


def trained(folder: Path) -> dict[str, Tensor]:
    return safetensors.torch.load_file(folder / "jointdit_full.safetensors")


def test_an_interrupted_training_ends_with_the_same_weights(base: dict[str, Path], suite: Suite, tmp_path: Path) -> None:
    from avbench.training.jointdit_full import train

    config = configuration(tmp_path / "c.toml", base, gap_every_in_training="2")
    told: list[int] = []
    straight = train(config, suite, tmp_path / "straight", device="cpu", progress=lambda step, *_: told.append(step))
    assert told == [1, 2]
    train(config, suite, tmp_path / "halved", device="cpu", stop_after=1)
    assert not (tmp_path / "halved" / "jointdit_full.safetensors").exists()
    train(config, suite, tmp_path / "halved", device="cpu")
    one, two = trained(straight.parent), trained(tmp_path / "halved")
    assert one.keys() == two.keys()
    assert all(name.startswith(("joints.", "audio_image.")) for name in one)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert one["joints.0.video_modulation.linear.weight"].any()
    logs = [(tmp_path / name / "log.jsonl").read_text() for name in ("straight", "halved")]
    assert logs[0] == logs[1]
    lines = [json.loads(line) for line in logs[0].splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    # One clip in a batch: there is no other clip's video.
    assert [{name for name in line if name.startswith("gap_")} for line in lines] == [
        set(),
        {"gap_paired", "gap_late", "gap_masked"},
    ]
    assert json.loads((tmp_path / "halved" / "jointdit_full.json").read_text())["parameters"]["joint layers"] > 0
    with pytest.raises(BadParameter, match="other settings"):
        train(configuration(tmp_path / "d.toml", base, rate_in_training="2e-3"), suite, tmp_path / "halved", device="cpu")
    with pytest.raises(BadParameter, match="holds a run at step-00000002"):
        train(config, suite, tmp_path / "halved", resume=False, device="cpu")
    options = {"checkpoint": str(straight), "steps": 1, "width": 64, "height": 64, "frames": 2}
    model = registry.generator("jointdit_full", **options, **{k: str(v) for k, v in base.items()})
    assert len(list(model.generate(suite.items[:1], suite=suite, seed=0, folder=tmp_path))) == 1


def test_experts_can_be_trained_too(base: dict[str, Path], suite: Suite, tmp_path: Path) -> None:
    from avbench.training.jointdit_full import train

    config = configuration(
        tmp_path / "c.toml",
        base,
        experts_in_model='"trained"',
        steps_in_training="1",
        gradient_accumulation_in_training="2",
        gradient_checkpointing_in_training="true",
    )
    train(config, suite, tmp_path / "out", device="cpu")
    found = trained(tmp_path / "out")
    before = jointdit_published.load_network(base["svd"], base["audioldm2"], "cpu", "float32", WIDTHS, "index").state_dict()
    assert found.keys() == before.keys()
    for part in ("video.", "audio."):
        moved = [name for name in found if name.startswith(part) and not torch.equal(found[name], before[name])]
        assert len(moved) > 50


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_bfloat16_and_processes_that_decode_train_as_well(
    workers: str, base: dict[str, Path], suite: Suite, tmp_path: Path
) -> None:
    from avbench.training.jointdit_full import train

    config = configuration(tmp_path / "c.toml", base, precision_in_training='"bf16"', workers_in_clips=workers)
    assert all(
        tensor.isfinite().all() for tensor in trained(train(config, suite, tmp_path / "out", device="cpu").parent).values()
    )


def test_a_window_holds_the_sound_of_its_pictures(make_clip: Callable[..., Clip], tmp_path: Path) -> None:
    from avbench.training.jointdit_full import window
    from avbench.training.jointdit_settings import Clips
    from avbench.types import ClipFile

    clip = make_clip(seconds=3.0, frame_rate=12.0, width=64, height=64, sample_rate=16_000)
    assert clip.audio is not None
    assert clip.video is not None
    write_clip(tmp_path / "c.mp4", clip, qp=0)
    clips = Clips(width=64, height=64, frames=6, fps=6)
    for at in (0.0, 0.4, 1.0):
        frames, sound = window(ClipFile("c", tmp_path / "c.mp4"), clips, at)
        assert (frames.shape, sound.shape) == ((6, 64, 64, 3), (16_000,))
        first = round(2.0 * at * 16_000)
        assert np.corrcoef(sound, clip.audio[0, first : first + 16_000])[0, 1] > 0.9
        apart = [np.abs(frames[0].astype(int) - image).mean() for image in clip.video]
        assert apart[int(2.0 * at * 12 + 1e-6)] == min(apart)
    frames, sound = window(ClipFile("c", tmp_path / "c.mp4"), replace(clips, frames=30), 0.7)
    assert np.array_equal(frames[-1], frames[-10])
    assert not sound[-16_000:].any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[model]\nexperts = 'thawed'", r"\[model\] experts = 'thawed' is not taken"),
        ("[mode]\n", r"there is no table \[mode\]"),
        ("[training]\nsteps = 0", "steps must be 1 or more"),
        ("[training]\nrate = 'fast'", "rate = 'fast' is not taken"),
        ("[clips]\nwide = 3", r"\[clips\] has no 'wide'"),
        ("[model]\njoint = [[1, 2]]", "joint = .* is not taken"),
        ("steps = ", "cannot be read as TOML"),
    ],
)
def test_a_configuration_that_is_not_taken_is_refused(text: str, said: str, tmp_path: Path) -> None:
    from avbench.training.jointdit_settings import settings

    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(BadManifest, match=said):
        settings(tmp_path / "c.toml")


def test_the_committed_configuration_is_taken() -> None:
    from avbench.content import folder
    from avbench.models.jointdit_unets import WIDTHS as DEFAULT
    from avbench.training.jointdit_settings import settings

    found = settings(folder("baselines") / "jointdit" / "full.toml")
    assert [Widths(*row) for row in found.model.joint] == list(DEFAULT)
    model = registry.generator("jointdit_full").parameters()
    assert all(getattr(found.clips, key) == model[key] for key in ("width", "height", "frames", "fps", "motion", "noise"))


def test_training_needs_clips_with_picture_and_sound(
    base: dict[str, Path], suite: Suite, make_clip: Callable[..., Clip], tmp_path: Path
) -> None:
    from avbench.training.jointdit_full import train

    config = configuration(tmp_path / "c.toml", base)
    with pytest.raises(BadParameter, match="no reference clips to train on"):
        train(config, replace(suite, reference=None), tmp_path / "out", device="cpu")
    assert suite.reference is not None
    for path in suite.reference.ready(suite.items).values():
        write_clip(path.path, make_clip(seconds=1.0, audio=False))
    with pytest.raises(AvbenchError, match=r"training clip '.' .*: no_audio.*take it out"):
        train(config, suite, tmp_path / "out", device="cpu")
    shutil.rmtree(tmp_path / "out")
