"""CLAP beside the goldens: windows, LAION's layouts, tokens, captions, and the metrics that stand on it."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench import registry
from avbench.errors import BadParameter, Unscorable
from avbench.extractors.clap import Clap, hopped, steps, ten_seconds, windows
from avbench.extractors.clap_text import MERGES, VOCABULARY, Caption, ClapText, captions, read_tokenizer, tokenised
from avbench.extractors.laion_clap import LaionClap, Network, prepared
from avbench.extractors.laion_clap_text import LaionClapText
from avbench.metrics.clap_ta import ClapTa
from avbench.metrics.fad_clap import FadClap
from avbench.metrics.fd_clap_pair import FdClapPair, distance
from avbench.types import Array, Clip, Extractor, Item, Waveform

ROOT = Path(__file__).parents[2]
FEATURES = runpy.run_path(str(ROOT / "tests" / "parity" / "matrices.py"))["features"]


def noise(seconds: float, rate: int = 48_000, channels: int = 1, seed: int = 0) -> Waveform:
    drawn = np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, round(seconds * rate)))
    return Waveform(drawn.astype(np.float32), rate)


def finished(extractor: Extractor, audio: Waveform | None) -> dict[str, Array]:
    return extractor.start(None, {}).finish(audio)  # type: ignore[arg-type]


# ------------------------------------------------------------------ sound of 10 s


def test_ten_seconds() -> None:
    three = noise(3.0).mono
    np.testing.assert_array_equal(ten_seconds(three), np.pad(np.tile(three, 3), (0, 48_000)))
    np.testing.assert_array_equal(ten_seconds(three, repeat=False), np.pad(three, (0, 336_000)))
    six = noise(6.0).mono
    np.testing.assert_array_equal(ten_seconds(six), ten_seconds(six, repeat=False))
    twelve = noise(12.0).mono
    np.testing.assert_array_equal(ten_seconds(twelve), twelve[48_000:528_000])
    np.testing.assert_array_equal(ten_seconds(twelve[:480_000]), twelve[:480_000])
    assert ten_seconds(twelve[:480_001]).shape == (480_000,)


@pytest.mark.parametrize(("samples", "count"), [(1, 1), (48_000, 1), (48_001, 2), (192_000, 4), (480_001, 11), (576_000, 12)])
def test_hopped(samples: int, count: int) -> None:
    """One window for each second that has begun, as `range(0, samples, 48000)`."""
    ramp = np.arange(1, samples + 1, dtype=np.float32)
    made = hopped(ramp)
    assert made.shape == (count, 480_000)
    for number, window in enumerate(made):
        kept = ramp[number * 48_000 : number * 48_000 + 480_000]
        np.testing.assert_array_equal(window[: len(kept)], kept)
        assert not window[len(kept) :].any()


def test_sixteen_bits_go_towards_zero() -> None:
    given = np.array([0.0, 1.0, 2.0, -1.0, -2.0, 0.99999, -0.99999, 1 / 32_767, 0.9 / 32_767, -0.9 / 32_767], np.float32)
    assert steps(given).tolist() == [0, 32_767, 32_767, -32_767, -32_767, 32_766, -32_766, 1, 0, 0]


def test_variants_of_clap() -> None:
    sound = noise(2.0, channels=2)
    repeated, filled = windows(sound, "transformers")[0], windows(sound, "javisbench")[0]
    np.testing.assert_array_equal(repeated[:96_000], filled[:96_000])
    np.testing.assert_array_equal(repeated[96_000:192_000], sound.mono)
    assert not filled[96_000:].any()
    assert finished(Clap("fadtk"), noise(2.5))["mels"].shape == (3, 1001, 64)
    with pytest.raises(Unscorable, match="no_audio"):
        finished(Clap(), None)


def test_chains_of_laion_clap() -> None:
    sound = noise(9.0, channels=2)
    eight = prepared(sound, LaionClap())
    assert eight.shape == (480_000,)
    assert not eight[384_000:].any()
    file, stable = prepared(sound, LaionClap("file")), prepared(sound, LaionClap("stable"))
    assert file.dtype == stable.dtype == np.int16
    assert np.abs(stable).max() == int(32_767 * 10 ** (-1 / 20))
    assert prepared(noise(2.5), LaionClap("fadtk")).shape == (2 * 48_000 + 480_000,)
    with pytest.raises(Unscorable, match="silent"):
        prepared(Waveform(np.zeros((1, 48_000), np.float32), 48_000), LaionClap("stable"))
    with pytest.raises(Unscorable, match="no_audio"):
        finished(LaionClap(), None)


def test_fusion_takes_ten_seconds() -> None:
    """Up to 479 samples more, which make no further frame; of the other chains its windows."""
    fusion = LaionClap("stable", "630k_audioset_fusion")
    assert finished(fusion, noise(1.0))["mels"].shape == (1, 1001, 64)
    assert finished(fusion, noise(480_479 / 48_000))["mels"].shape == (1, 1001, 64)
    with pytest.raises(Unscorable, match="too_large"):
        finished(fusion, noise(480_480 / 48_000))
    assert finished(LaionClap("fadtk", "630k_audioset_fusion"), noise(2.5))["mels"].shape == (3, 1001, 64)


# ------------------------------------------------------------------ LAION's files


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random HTSAT-tiny, wrapped as LAION's files are, with the keys that only the fusion file has."""
    import torch

    from avbench.models.clap import AudioTower

    torch.manual_seed(0)
    tower = AudioTower("tiny", front_end=True)
    with torch.no_grad():
        tower.get_parameter("audio_model.audio_encoder.logmel_extractor.melW").uniform_()
    state = {f"module.{key}": value for key, value in tower.state_dict().items()}
    more = ("patch_embed.mel_conv2d.weight", "patch_embed.fusion_model.local_att.0.weight", "tscam_conv.bias", "head.bias")
    state |= {f"module.audio_branch.{key}": torch.zeros(1) for key in more}
    at = tmp_path_factory.mktemp("laion") / "630k-audioset-best.pt"
    torch.save({"epoch": 1, "state_dict": state}, at)
    return at


def embeddings(extractor: Extractor, weights: Path, *clips: dict[str, Array]) -> Array:
    import torch

    run = extractor.load(weights, "cpu")
    with torch.inference_mode():
        return np.asarray(run({k: torch.from_numpy(np.stack([c[k] for c in clips])) for k in clips[0]})["embedding"])


def test_windows_of_a_batch_are_those_of_each_clip_alone(tiny: Path) -> None:
    extractor = LaionClap("fadtk", "630k_audioset")
    clips = [finished(extractor, noise(1.5, seed=seed)) for seed in (0, 1)]
    together = embeddings(extractor, tiny, *clips)
    assert together.shape == (2, 2, 512)
    np.testing.assert_allclose(np.linalg.norm(together, axis=-1), 1.0, atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 1e-4
    last = clips[1]["samples"][48_000:]
    np.testing.assert_allclose(embeddings(extractor, tiny, {"samples": last})[0, 0], together[1, 1], atol=1e-6)


def test_networks_want_their_own_files(tiny: Path) -> None:
    """The fusion network leaves LAION's front end over; base and tiny are told apart by their shapes."""
    fusion = LaionClap("stable", "630k_audioset_fusion")
    assert embeddings(fusion, tiny, finished(fusion, noise(1.0))).shape == (1, 1, 512)
    with pytest.raises(BadParameter, match="not in the published layout"):
        LaionClap().load(tiny, "cpu")
    with pytest.raises(BadParameter, match="weights"):
        LaionClap().load(None, "cpu")
    networks: dict[Network, str] = {"music_speech_audioset": "music_speech", "630k_audioset_fusion": "fusion"}
    for network, part in networks.items():
        for extractor in (LaionClap(network=network), LaionClapText(network)):
            assert extractor.weights is not None
            assert part in extractor.weights.file


# ------------------------------------------------------------------ captions

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "a", "Ġ", "d", "o", "g", "Ġa", "Ġd", "og", "Ġdog", "Ã", "©", "<mask>"]


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    """A folder with a tokenizer of 16 words."""
    (tmp_path / VOCABULARY.file).write_text(json.dumps({word: n for n, word in enumerate(WORDS)}), encoding="utf-8")
    (tmp_path / MERGES.file).write_text("#version: 0.2\nĠ a\no g\nĠ d\nĠd og\n", encoding="utf-8")
    return tmp_path


def tokens_of(folder: Path) -> Callable[[str], list[int]]:
    return read_tokenizer(folder / VOCABULARY.file, folder / MERGES.file)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("a dog", [4, 12]),
        (" dog", [12]),
        ("dog", [6, 11]),
        ("", []),
        (" ", [5]),
        ("a  a", [4, 5, 9]),
        ("é", [13, 14]),
        ("a </s> a", [4, 5, 2, 9]),
        ("a <mask>", [4, 15]),
    ],
)
def test_tokens_by_hand(vocabulary: Path, text: str, inside: list[int]) -> None:
    """Merges in their order; bytes of other scripts; special tokens in a caption are themselves, as in transformers."""
    assert tokens_of(vocabulary)(text) == [0, *inside, 2]


def test_tokens_are_those_of_transformers(vocabulary: Path) -> None:
    """On a vocabulary of all bytes and a few words, for captions that are drawn."""
    transformers = pytest.importorskip("transformers")
    from tokenizers.pre_tokenizers import ByteLevel

    words = [*WORDS[:4], *sorted(ByteLevel.alphabet()), "Ġa", "og", "Ġd", "Ġdog", "<mask>"]
    files = vocabulary / VOCABULARY.file, vocabulary / MERGES.file
    files[0].write_text(json.dumps({word: n for n, word in enumerate(words)}), encoding="utf-8")
    theirs = transformers.RobertaTokenizer(vocab=str(files[0]), merges=str(files[1]))
    tokens, rng = read_tokenizer(*files), np.random.default_rng(0)
    for _ in range(200):
        text = "".join(rng.choice([*"a dog's 12!<>/\n\té犬🎵\u00a0"], size=rng.integers(0, 60)))
        assert tokens(text) == theirs(text)["input_ids"], repr(text)
    long = "dog " * 100
    rows, _ = tokenised([long], tokens, 77)
    assert rows[0].tolist() == theirs(long, truncation=True, max_length=77)["input_ids"]


def test_tokenizers_that_are_refused(vocabulary: Path) -> None:
    (vocabulary / VOCABULARY.file).write_text(json.dumps({w: n for n, w in enumerate(WORDS[1:])}), encoding="utf-8")
    with pytest.raises(BadParameter, match="<s> must be token 0"):
        tokens_of(vocabulary)
    (vocabulary / VOCABULARY.file).write_text("not a vocabulary", encoding="utf-8")
    with pytest.raises(BadParameter, match="not a vocabulary and merges"):
        tokens_of(vocabulary)


def test_long_and_empty_captions(vocabulary: Path) -> None:
    tokens = tokens_of(vocabulary)
    rows, said = tokenised(["", "a", " \n", "a" * 80], tokens, 77, fill=True)
    assert rows.shape == (4, 77)
    assert rows[0].tolist() == [0, 2] + [1] * 75
    assert rows[3].tolist() == [0] + [4] * 75 + [2]
    assert said.tolist()[:2] == [[0, 2, 2], [1, 3, 3]]
    assert said[2, 0] == 0
    assert said[3].tolist() == [80, 82, 77]
    rows, said = tokenised(["a", "a dog"], tokens, 512)
    assert rows.tolist() == [[0, 4, 2, 1], [0, 4, 12, 2]]


@pytest.mark.parametrize("text", ["", "a dog", "犬が吠える", "a\0b\0", "x" * 127, "x" * 129, "🎵" * 40])
def test_captions_survive_the_way_to_the_network(text: str) -> None:
    import torch

    made = Caption(text).finish(None)
    assert len(made["text"]) % 128 == 0
    assert captions({k: torch.from_numpy(v[None]) for k, v in made.items()}) == [text]


def test_a_lone_surrogate_is_a_question_mark() -> None:
    import torch

    made = Caption("a\ud800").finish(None)
    assert captions({k: torch.from_numpy(v[None]) for k, v in made.items()}) == ["a?"]


@pytest.mark.parametrize("extractor", [ClapText(), LaionClapText()], ids=lambda e: e.name)
def test_a_caption_does_not_depend_on_its_batch(
    extractor: Any, vocabulary: Path, monkeypatch: pytest.MonkeyPatch, make_clip: Callable[..., Clip]
) -> None:
    """With a small text tower in place of RoBERTa; the whole way from the clip to the layers."""
    import torch

    from avbench.media import Reader
    from avbench.models import clap

    monkeypatch.setattr(clap, "_TEXT", {**clap._TEXT, "num_hidden_layers": 1})
    torch.manual_seed(0)
    state = clap.TextTower(1e-5).state_dict()
    torch.save({"state_dict": state} if extractor.name.startswith("laion") else state, vocabulary / "weights.pt")
    run = extractor.load(vocabulary / "weights.pt", "cpu")

    def made(*texts: str) -> Any:
        prepared = []
        for text in texts:
            with Reader(make_clip("a", text=text)) as reader:
                prepared.append(extractor.start(reader.info, {}).finish(None))
        with torch.inference_mode():
            return run({k: torch.from_numpy(np.stack([p[k] for p in prepared])) for k in prepared[0]})

    together = made("a dog", "", "dog dog dog")
    assert together["caption"].tolist() == [[5, 4, 4], [0, 2, 2], [11, 6, 6]]
    np.testing.assert_allclose(np.linalg.norm(together["embedding"], axis=1), 1.0, atol=1e-6)
    assert np.abs(np.asarray(together["embedding"][0] - together["embedding"][2])).max() > 1e-4
    for row, text in zip(together["embedding"], ("a dog", "", "dog dog dog"), strict=True):
        np.testing.assert_allclose(made(text)["embedding"][0], row, atol=1e-6)


# ------------------------------------------------------------------ metrics


def golden(metric: str) -> list[Any]:
    made = json.loads((ROOT / "metrics" / metric / "golden.json").read_text(encoding="utf-8"))["cases"]
    return [pytest.param(case, id=case["name"]) for case in made]


def _allowed(case: dict[str, Any]) -> dict[str, Any]:
    return {"rtol": 0.0, "atol": 0.0, **case["tolerance"]}


@pytest.mark.parametrize("case", golden("fad_clap"))
def test_fad_clap_golden(case: dict[str, Any]) -> None:
    made = registry.metric("fad_clap", **case["parameters"])
    rows, refs = (np.asarray(FEATURES(case[side]), dtype=np.float64) for side in ("generated", "reference"))
    np.testing.assert_allclose(made.compute(rows, refs + case.get("add_to_reference", 0.0)), case["value"], **_allowed(case))


@pytest.mark.parametrize("case", golden("clap_ta"))
def test_clap_ta_golden(case: dict[str, Any]) -> None:
    with np.load(ROOT / "tests" / "parity" / "goldens" / "audio" / "clap.npz") as arrays:
        sound, text = (np.asarray(arrays[v] if isinstance(v, str) else v, np.float32) for v in (case["sound"], case["text"]))
    made = registry.metric("clap_ta", **case["parameters"])
    names = [need.extractor for need in made.extractors()]
    row = made.row(Item("a"), {f"{names[0]}.embedding": sound[None], f"{names[1]}.embedding": text}, None)
    np.testing.assert_allclose(made.compute(row[None]), case["value"], **_allowed(case))


@pytest.mark.parametrize("case", golden("fd_clap_pair"))
def test_fd_clap_pair_golden(case: dict[str, Any]) -> None:
    got, ref = (np.r_[case[side][0], np.full(511, case[side][1])] for side in ("generated", "reference"))
    row = FdClapPair().row(Item("a"), {"laion_clap.embedding": got[None]}, {"laion_clap.embedding": ref[None]})
    np.testing.assert_allclose(FdClapPair().compute(row[None]), case["value"], **_allowed(case))


def test_fd_clap_pair_is_the_formula_of_verse_bench() -> None:
    """Means, and one variance over the components as covariance, as NumPy 1 made it of one row; about 2 - 2 cos."""
    drawn = np.random.default_rng(0).standard_normal((2, 512))
    x, y = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    variances = np.var(x, ddof=1), np.var(y, ddof=1)
    want = ((x - y) ** 2).sum() + sum(variances) - 2 * np.sqrt(variances[0] * variances[1])
    got, cosine = distance(x, y)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    np.testing.assert_allclose(got, 2 - 2 * cosine, atol=1e-4)
    np.testing.assert_allclose(cosine, x @ y, rtol=1e-12)
    with pytest.raises(BadParameter, match="reference clip"):
        FdClapPair().row(Item("a"), {"laion_clap.embedding": x[None]}, None)


@pytest.mark.parametrize(
    ("caption", "flags"),
    [
        ([5, 4, 4], ()),
        ([0, 2, 2], ("caption_empty",)),
        ([400, 90, 77], ("caption_truncated",)),
        ([0, 90, 77], ("caption_empty", "caption_truncated")),
    ],
)
def test_flags_of_captions(caption: list[int], flags: tuple[str, ...]) -> None:
    assert ClapTa().flags({"laion_clap_text.caption": np.array(caption)}) == flags
    assert ClapTa("javisbench").flags({"clap_text.caption": np.array(caption)}) == flags


def test_what_metrics_ask_for() -> None:
    def asked(metric: Any) -> list[str]:
        return [registry.needed(need).label for need in metric.extractors()]

    assert asked(ClapTa()) == ["laion_clap", "laion_clap_text"]
    assert asked(ClapTa("javisbench")) == ["clap[javisbench]", "clap_text[caption=audio_text]"]
    fusion = "network=630k_audioset_fusion"
    assert asked(ClapTa("verse")) == [f"laion_clap[chain=stable,{fusion}]", f"laion_clap_text[{fusion}]"]
    assert asked(FdClapPair()) == asked(ClapTa("verse"))[:1]
    assert asked(FadClap()) == ["laion_clap[chain=fadtk,network=630k_audioset]"]
    assert asked(FadClap(network="clap")) == ["clap[fadtk]"]
    assert asked(FadClap("clip", network="clap")) == ["clap"]
    with pytest.raises(BadParameter, match="music_audioset is a file of laion_clap"):
        FadClap(network="clap", file="music_audioset")


def test_fad_clap_keeps_windows_of_a_clip_together() -> None:
    clips = [np.asarray(FEATURES({"seed": k, "n": 3, "d": 4}), dtype=np.float64) for k in range(10)]
    others = [clip + 0.5 for clip in clips]
    low, high, how = FadClap().interval(clips, others, seed=0)
    assert low < FadClap().score(np.concatenate(clips), np.concatenate(others)) < high
    assert "halves of the clips" in how
    assert FadClap().row(Item("a"), {"laion_clap.embedding": np.ones((3, 512), np.float32)}, None).shape == (3, 512)
    with pytest.raises(BadParameter, match="reference rows"):
        FadClap().score(clips[0], None)
