"""CLAP against transformers: mel spectrogram, audio and text embedding, cosines; and the checkpoint's keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avbench.errors import BadParameter
from avbench.extractors.clap import SAMPLE_RATE, WINDOW, Clap, log_mel, resampled, windows
from avbench.media import Reader
from avbench.types import Array, Waveform

from .harness import Case, Family, cases, families, forward, source

CLAP = Clap()


def window(case: Case) -> Array:
    """10 s as the golden was made: where transformers drew a place for its crop, that place."""
    with Reader(source(case)) as reader:
        for _ in reader.frames(picture=False):
            pass
        audio = reader.audio()
    assert audio is not None
    if "random_crop" in case:
        first = case["random_crop"]["start"]
        audio = Waveform(resampled(audio)[None, first : first + WINDOW], SAMPLE_RATE)
    return np.asarray(windows(audio, "transformers")[0])


@pytest.mark.parametrize("case", cases("audio/clap*", "cases", having=["input"]))
def test_mel_and_embedding(case: Case) -> None:
    golden = case["outputs"]["librosa48k"]
    mel = log_mel(window(case))
    assert [1, 1, *mel.shape] == golden["mel_shape"]
    case.family.close([mel.mean(), mel.std()], [golden["mel_mean"], golden["mel_std"]], "mel")
    if "mel_first_120_frames" in golden:
        case.family.close(mel[:120], case.family.arrays[golden["mel_first_120_frames"]["array"]], "mel")
    embedding = forward(CLAP, {"mels": mel[None]}, case.family.checkpoint("clap"))["embedding"]
    assert embedding.shape[0] == 1
    case.family.close(embedding[0], case.family.arrays[golden["embedding"]["array"]], "embedding")


def text_embedding(family: Family, input_ids: list[int]) -> Array:
    import torch

    from avbench.models.clap import TEXT_UNUSED, TextTower, read_transformers
    from avbench.models.loading import load_exactly

    weights = family.checkpoint("clap")
    with torch.device("meta"):
        network = TextTower(eps=1e-12)
    load_exactly(network, read_transformers(weights), weights, TEXT_UNUSED)
    with torch.inference_mode():
        return np.asarray(network(torch.tensor([input_ids]))[0].numpy())


@pytest.mark.parametrize("case", cases("audio/clap*", "cases", having=["input_ids"]))
def test_text_and_cosines(case: Case) -> None:
    """Cosines with the golden audio embeddings, in their order."""
    assert [int(token != 1) for token in case["input_ids"]] == case["attention_mask"]
    got = text_embedding(case.family, case["input_ids"])
    case.family.close(got, case.family.arrays[case["embedding"]["array"]], "embedding")
    entries = [entry["outputs"]["librosa48k"]["embedding"]["array"] for entry in case.family.data["cases"] if "input" in entry]
    cosines = [float(case.family.arrays[name] @ got) for name in entries]
    case.family.close(cosines, case["cosine_with_audio_cases"], "embedding", "cosines")


@pytest.mark.skipif(not families("audio/clap"), reason="no goldens audio/clap.json in the root")
def test_every_key_is_used_or_named(tmp_path: Path) -> None:
    """Index buffers may be absent, in either file format; a lacking key, a surplus key and another shape are refused."""
    import torch
    from safetensors.torch import save_file

    published = torch.load(families("audio/clap")[0].checkpoint("clap"), weights_only=True)
    text = ("text_model.encoder.", "text_model.embeddings.word_embeddings.")  # large, and left over here anyway
    state = {key: value for key, value in published.items() if not key.startswith(text)}
    indices = ("relative_position_index", "position_ids", "token_type_ids")
    lean = {k: v for k, v in state.items() if not k.endswith(indices)}
    assert len(lean) < len(state)
    save_file(lean, str(tmp_path / "model.safetensors"))
    torch.save(state, tmp_path / "pytorch_model.bin")
    drawn = np.random.default_rng(0).standard_normal((1, WINDOW)).astype(np.float32)
    mels = np.stack([log_mel(row) for row in drawn])
    found = [forward(CLAP, {"mels": mels}, tmp_path / name) for name in ("model.safetensors", "pytorch_model.bin")]
    np.testing.assert_allclose(found[0]["embedding"], found[1]["embedding"], atol=1e-6)
    key = "audio_model.audio_encoder.layers.0.blocks.0.attention.self.key.bias"
    state = {k: torch.zeros(()).expand(v.shape) for k, v in state.items()}
    for name, changed in {
        "key.bias is missing": {k: v for k, v in state.items() if k != key},
        "is not known": state | {"audio_model.audio_encoder.surplus": state[key]},
        r"is \(95,\)": state | {key: state[key][:-1]},
    }.items():
        torch.save(changed, tmp_path / "changed.bin")
        with pytest.raises(BadParameter, match=name):
            CLAP.load(tmp_path / "changed.bin", "cpu")
