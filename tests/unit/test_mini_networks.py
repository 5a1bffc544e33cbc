"""The mini networks that come with avbench: their files, what they reach on held-out clips, what they refuse."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench import doctor, registry, weights
from avbench.api import extract, want
from avbench.errors import AvbenchError, BadParameter, MissingData
from avbench.extractors.mini_av import windows
from avbench.extractors.mini_sync import OFFSETS
from avbench.synth15 import CATEGORIES, items
from avbench.training import probes
from avbench.training.evaluate import LONG, evaluate
from avbench.training.loop import NAMES
from avbench.types import Array, Checkpoint, Clip

FOLDER = Path(weights.__file__).with_name("mini")
LIMIT = 12_000_000


# ------------------------------------------------------------------ files


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_the_one_that_extractor_and_card_name(name: str) -> None:
    path = FOLDER / f"{name}.safetensors"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    checkpoint = registry.extractor_class(name).weights
    assert checkpoint is not None
    assert checkpoint.sha256 == digest
    card = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert f"`{digest}`" in card
    for heading in ("## Data", "## Training", "## Held-out clips", "## Limits"):
        assert heading in card
    settings = json.loads((FOLDER / f"{name}.json").read_text())["settings"]
    assert f"mini {name} --data" in card
    assert f"--clips {settings['clips']} --steps {settings['steps']} --seed {settings['seed']}" in card


def test_all_files_together_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.safetensors")) < LIMIT


def test_cards_quote_the_evaluation() -> None:
    numbers, probed = (json.loads((FOLDER / f"{name}.json").read_text()) for name in ("evaluation", "probes"))
    card = (FOLDER / "mini_video.md").read_text(encoding="utf-8")
    assert all(f"| {change} | {distance} |" in card for change, distance in probed["video_distance"].items())
    assert numbers["clips"] == 150
    quoted = {
        "mini_video": [numbers["mini_video_accuracy"]],
        "mini_audio": [numbers["mini_audio_accuracy"]],
        "mini_av": [numbers["picture_to_sound_top1_of_15"], numbers["sound_to_picture_top1_of_15"]],
        "mini_sync": [numbers["offset"][key]["impacts_within_0.1s"] for key in ("moved", "cut")],
    }
    for name, shares in quoted.items():
        card = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
        for share in shares:
            assert f"{100 * share:.1f} %" in card, (name, share)


# ------------------------------------------------------------------ held-out clips


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the committed weights reach on the first clip of each category, encoded and read back."""
    return evaluate(tmp_path_factory.mktemp("mini-test"), count=15, workers=1)


def test_categories_are_told(reached: Mapping[str, Any]) -> None:
    assert reached["clips"] == 15
    assert reached["mini_video_accuracy"] >= 13 / 15 - 1e-3
    assert reached["mini_audio_accuracy"] >= 13 / 15 - 1e-3


def test_the_matching_sound_is_found(reached: Mapping[str, Any]) -> None:
    for pair in ("picture_to_sound", "sound_to_picture", "text_to_picture", "text_to_sound"):
        assert reached[f"{pair}_top1_of_15"] >= 13 / 15 - 1e-3, pair


def test_offsets_are_found(reached: Mapping[str, Any]) -> None:
    assert reached["offset"]["moved"]["impacts_within_0.1s"] >= 0.85
    assert reached["offset"]["cut"]["all_within_0.1s"] >= 0.7
    assert set(reached["offset"]["cut_by_category"]) == set(CATEGORIES)


def test_probes_change_what_they_say_and_refuse_what_they_cannot_read() -> None:
    with pytest.raises(BadParameter, match="more than 15 clips"):
        probes.probe(FOLDER, 15)
    with pytest.raises(AvbenchError, match="test_baby_crying_000"):
        probes.probe(FOLDER / "nothing", 16)
    assert probes._agreement(np.asarray([0.5, 1.0]), np.asarray([0.5, 1.0]), 0.0) == pytest.approx(4 - 2.8)
    assert probes._agreement(np.asarray([0.5, 1.0]), np.asarray([0.8]), 0.0) < 0
    for sigma, least in ((0.0, 0.9), (0.2, 0.0)):
        shares = probes._matched(items("test", 30, seconds=LONG), sigma, np.random.default_rng(0))
        assert least <= shares["all"] <= (1.0 if sigma == 0.0 else 0.6)
    video = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    for name, change in probes.changes(np.random.default_rng(0)).items():
        assert change(video).shape == video.shape, name
        assert change(video).dtype == np.uint8, name
        assert (change(video) == video).all() == (name == "none"), name


# ------------------------------------------------------------------ behaviour


def test_the_offset_is_that_of_the_sound_against_the_picture(make_beat: Callable[..., Clip]) -> None:
    """Sound that starts later in its file is late, however the file says so."""
    for late in (-0.25, 0.0, 0.25):
        scores = extract("mini_sync", [make_beat(start=late)], device="cpu", cache=False)["mini_sync.logits"][0]
        assert OFFSETS[int(scores.argmax())] == pytest.approx(late, abs=0.1)


@pytest.fixture(scope="module")
def make_beat() -> Callable[..., Clip]:
    from avbench.synth15 import items, render

    item = next(item for item in items("test") if item.category == "gun_shooting")
    clip = render(item, width=64, height=64)

    def make(start: float = 0.0, seconds: float = 2.0) -> Clip:
        assert clip.video is not None
        assert clip.audio is not None
        video, audio = clip.video[: round(24 * seconds)], clip.audio[:, : round(16_000 * seconds)]
        return Clip("beat", video, 24.0, audio, 16_000, start, text=clip.text)

    return make


def test_shapes(make_beat: Callable[..., Clip]) -> None:
    expected: dict[str, dict[str, tuple[int, ...]]] = {
        "mini_sync": {"logits": (49,), "picture": (48, 64), "sound": (48, 64)},
        "mini_video": {"logits": (15,), "features": (128,)},
        "mini_audio": {"logits": (15,), "features": (128,), "embeddings": (3, 128)},
        "mini_av": {
            **{"frames": (48, 64), "video": (64,), "windows": (1, 64), "audio": (64,), "text": (64,)},
            **{"times": (48,), "spans": (1, 2), "span_times": (1, 2), "words": ()},
        },
    }
    for name, layers in expected.items():
        found = extract(name, [make_beat()], device="cpu", cache=False)
        assert {key: value.shape[1:] for key, value in found.items()} == {f"{name}.{k}": v for k, v in layers.items()}
        assert all(np.isfinite(value).all() for value in found.values())
    av = extract("mini_av", [make_beat()], device="cpu", cache=False)
    for layer in ("frames", "video", "windows", "audio", "text"):
        np.testing.assert_allclose(np.linalg.norm(av[f"mini_av.{layer}"], axis=-1), 1.0, rtol=1e-5)


def test_an_offset_that_brings_too_little_together_cannot_win(make_beat: Callable[..., Clip]) -> None:
    scores = extract("mini_sync", [make_beat(seconds=1.0)], device="cpu", cache=False)["mini_sync.logits"][0]
    impossible = np.abs(np.asarray(OFFSETS)) > 0.5 + 1e-6
    assert (scores[impossible] == -1e4).all()
    assert (scores[~impossible] > -1e4).all()


@pytest.mark.parametrize(("name", "seconds"), [("mini_sync", 0.5), ("mini_video", 0.25), ("mini_audio", 0.2)])
def test_a_clip_that_is_too_short_is_refused(name: str, seconds: float, make_beat: Callable[..., Clip]) -> None:
    with pytest.raises(AvbenchError, match=f"beat: .*{name} needs"):
        extract(name, [make_beat(seconds=seconds)], device="cpu", cache=False)


def test_mini_av_takes_what_there_is(make_clip: Callable[..., Clip]) -> None:
    silent = extract("mini_av", [make_clip(audio=False, text="a dog barks")], device="cpu", cache=False)
    blind = extract("mini_av", [make_clip(video=False, text="a dog barks")], device="cpu", cache=False)
    assert silent["mini_av.audio"].shape == (1, 0)
    assert silent["mini_av.windows"].shape == (1, 0, 64)
    assert silent["mini_av.video"].shape == (1, 64)
    assert blind["mini_av.frames"].shape == (1, 0, 64)
    assert blind["mini_av.video"].shape == (1, 0)
    np.testing.assert_array_equal(silent["mini_av.text"], blind["mini_av.text"])


def test_windows_end_with_the_sound_and_keep_their_overlap() -> None:
    sound = np.arange(60_000, dtype=np.float32)
    found = windows(sound, 2.0, 1.5)
    assert [int(w[0]) for w in found] == [0, 8000, 16000, 24000, 28000]
    assert {len(w) for w in found} == {32_000}
    assert [int(w[0]) for w in windows(sound[:48_000], 2.0, 1.5)] == [0, 8000, 16000]
    assert [len(w) for w in windows(sound[:20_000], 2.0, 1.5)] == [20_000]
    for wrong in ({"window": 0.1}, {"overlap": 2.0}, {"overlap": -0.1}, {"window": float("nan")}):
        with pytest.raises(BadParameter, match=r"mini_av: (window|overlap)"):
            registry.extractor("mini_av", **wrong)


def test_too_many_frames_are_refused() -> None:
    clip = Clip("long", np.zeros((1501, 8, 8, 3), np.uint8), 24.0, None, 0)
    with pytest.raises(AvbenchError, match="takes 1500 frames"):
        extract("mini_av", [clip], device="cpu", cache=False)


# ------------------------------------------------------------------ weights that come with avbench


def test_files_of_the_package_are_there_without_a_home(tmp_path: Path) -> None:
    found = want("mini_audio")
    assert found.weights == FOLDER / "mini_audio.safetensors"
    assert not (tmp_path / "avbench-home").exists(), "nothing is recorded for a file whose hash is known"
    (entry,) = weights.listed("mini_audio")
    assert (entry.state, entry.path) == ("present", FOLDER / "mini_audio.safetensors")
    assert weights.fetch("mini_audio") == entry.path
    assert {check.state for check in doctor.examine() if check.what.startswith("weights of mini_")} == {"ok"}


def test_a_file_of_the_package_is_never_looked_for_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (weights.folder()).mkdir(parents=True)
    (weights.folder() / "mini_audio.safetensors").write_bytes(b"something else")
    assert want("mini_audio").weights == FOLDER / "mini_audio.safetensors"
    given = tmp_path / "mini_audio.safetensors"
    given.write_bytes((FOLDER / "mini_audio.safetensors").read_bytes())
    with pytest.raises(BadParameter, match="comes with avbench and is not imported"):
        weights.bring(given)
    assert want("mini_audio", given).weights == given


def test_an_installation_without_the_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    cls = registry.extractor_class("mini_audio")
    gone = Checkpoint("gone.safetensors", ("comes with avbench",), "MIT", "0" * 64, package="avbench.mini")
    monkeypatch.setattr(cls, "weights", gone)
    with pytest.raises(MissingData, match=r"gone.safetensors comes with avbench and is not there; install avbench again"):
        want("mini_audio")
    with pytest.raises(MissingData, match="comes with avbench and is missing; install avbench again"):
        weights.fetch("mini_audio")
    monkeypatch.setattr(cls, "weights", Checkpoint("x", ("comes with avbench",), "MIT", "0" * 64, package="avbench.no_such"))
    with pytest.raises(MissingData, match=r"package avbench.no_such, which is not here"):
        want("mini_audio")


def test_a_file_of_the_package_that_was_changed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cls = registry.extractor_class("mini_audio")
    changed = Checkpoint("mini_audio.safetensors", ("comes with avbench",), "MIT", "0" * 64, package="avbench.mini")
    monkeypatch.setattr(cls, "weights", changed)
    with pytest.raises(BadParameter, match="its sha256 is"):
        want("mini_audio")


def test_weights_of_another_network_are_refused(make_beat: Callable[..., Clip]) -> None:
    with pytest.raises(BadParameter, match="not in the published layout"):
        extract("mini_audio", [make_beat()], weights=FOLDER / "mini_video.safetensors", device="cpu", cache=False)


def test_a_long_clip_is_read_to_its_limit() -> None:
    random = np.random.default_rng(0)
    audio = random.standard_normal((1, 31 * 16_000)).astype(np.float32) * 0.1
    found: dict[str, Array] = extract("mini_audio", [Clip("a", None, 0.0, audio, 16_000)], device="cpu", cache=False)
    cut = extract("mini_audio", [Clip("a", None, 0.0, audio[:, : 30 * 16_000], 16_000)], device="cpu", cache=False)
    for key, value in found.items():
        np.testing.assert_array_equal(value, cut[key])
