"""ImageBind, AVHScore and JavisScore against ImageBind, pytorchvideo and JavisDiT: inputs, tokens, embeddings, scores."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from avbench import clip_input, imagebind, registry
from avbench.errors import BadParameter
from avbench.extractors.imagebind_audio import ImagebindAudio
from avbench.extractors.imagebind_frames import ImagebindFrames
from avbench.extractors.imagebind_text import ImagebindText
from avbench.extractors.imagebind_video import ImagebindVideo, resized
from avbench.extractors.imagebind_windows import ImagebindWindows
from avbench.media import Reader
from avbench.metrics.avh_score import AvhScore
from avbench.metrics.javisscore import Javisscore
from avbench.types import Array, Clip, ClipFile, Extractor, Features, Item, Waveform

from .harness import Case, called, cases, forward, prepare, seeded_arrays, source

GOLDENS = "video/imagebind*"
LAYOUT = "imagebind_reduced"

SOUNDS = {
    "audio/clicks_5s_16k": "clicks(80000, 16000, [0.4, 1.3, 2.2, 3.9], 0)",
    "audio/chirp_3s_44k_stereo": "chirp(132300, 44100, 0, 2)",
    "audio/clicks_1s_16k_short": "clicks(16000, 16000, [0.2, 0.6], 0)",
    "audio/chirp_2s_16k_exact": "chirp(32000, 16000, 1)",
}
"""Inputs of the cases that do not quote theirs, found by their spectrograms."""
ONE_LEVEL = 1 / 255 / 0.26130258
"""One of 256 levels in the network's input: what the family's note grants another decoder."""


def synthetic(start: str) -> list[Any]:
    """Synthetic cases whose names begin so."""
    return [c for c in cases(GOLDENS, "synthetic") if c.values[0].name.startswith(start) or c.values[0].name == "absent"]


# ------------------------------------------------------------------ words


@pytest.mark.parametrize("case", synthetic("text"))
def test_tokens_and_text_embeddings(case: Case) -> None:
    embedded = []
    for prompt, want in zip(case["prompts"], case["tokens"], strict=True):
        for keep_end in (True, False):
            ids, count = clip_input.tokens(prompt, keep_end)
            assert ids[:count].tolist() == want
            assert not ids[count:].any()
        embedded.append(_text(case, prompt)["embedding"])
    case.family.close(embedded, case.family.arrays["text/embedding"], "embeddings")
    case.family.close(imagebind.cosine(np.array(embedded)[:, None], np.array(embedded)), case["cosines"], "cosines and scores")


@pytest.mark.parametrize("case", synthetic("text"))
def test_long_captions(case: Case) -> None:
    assert case["long_text"] == '60 words "word0" ... "word59" joined by spaces'
    text = " ".join(f"word{n}" for n in range(60))
    for keep_end, which in ((True, "facebook"), (False, "javisdit")):
        ids, count = clip_input.tokens(text, keep_end)
        want = case[f"long_text_tokens_{which}"]
        assert len(ids) == want["length"]
        assert ids[-len(want["last_three"]) :].tolist() == want["last_three"]
        assert count > 77


def _text(case: Case, prompt: str, extractor: ImagebindText = ImagebindText()) -> dict[str, Array]:  # noqa: B008
    clip = Clip("caption", None, 0.0, np.zeros((1, 16), np.float32), 16_000, text=prompt)
    return forward(extractor, prepare(clip, [extractor])[extractor], case.family.checkpoint(LAYOUT))


# ------------------------------------------------------------------ sound


@pytest.mark.parametrize("case", synthetic("audio/"))
def test_sound(case: Case) -> None:
    """Spectrograms, the embedding of each piece, and their mean; equal pieces are made once here and three times there."""
    pcm = np.asarray(called(case["input"] if "input" in case else SOUNDS[case.name]), dtype=np.int16)
    assert pcm.shape == (case["samples"], case["channels"])
    sound = Waveform((pcm.T / 32768).astype(np.float32), case["rate"])
    arrays, family = case.family.arrays, case.family
    extractor = ImagebindAudio()
    prepared = extractor.start(None, {}).finish(sound)  # type: ignore[arg-type]
    starts = sorted({start for start, _ in case["clip_times"]})
    assert len(prepared["mel"]) == len(starts)
    assert [float(s) for s in imagebind.clip_starts(case["samples"] / case["rate"], 3, "pinned")][: len(starts)] == starts

    mel = np.concatenate([prepared["mel"]] * (3 // len(starts)))
    tolerance = "mel" if case["rate"] == 16_000 else "mel of resampled audio"
    family.close(mel[:, ::8, ::12], arrays[f"{case.name}/mel_sample"], tolerance)
    family.close(mel.mean(axis=(1, 2)), case["mel_mean_per_clip"], tolerance)

    weights = family.checkpoint(LAYOUT)
    for piece, want in zip(mel, arrays[f"{case.name}/embedding_per_clip"], strict=True):
        family.close(forward(extractor, {"mel": piece[None]}, weights)["embedding"], want, "embeddings")
    family.close(forward(extractor, prepared, weights)["embedding"], arrays[f"{case.name}/embedding"], "embeddings")


def test_filter_bank() -> None:
    """Values of torchaudio 2.11 for 2 s of a tone in noise; half a step of the last printed digit and its own float error."""
    time = np.arange(32_000) / 16_000
    noise = np.random.RandomState(0).randn(32_000)
    samples = (0.3 * np.sin(2 * np.pi * 440 * time) + 0.05 * noise).astype(np.float32)
    mel = imagebind.kaldi_mel(samples - samples.mean())
    assert mel.shape == (198, 128)
    np.testing.assert_allclose([mel.mean(), mel.std(ddof=1)], [-1.88114, 3.41245], atol=1e-4)
    np.testing.assert_allclose(mel[0, :4], [-7.94765, -10.81382, -7.37042, -15.94238], atol=2e-4)
    np.testing.assert_allclose(mel[100, 60:64], [-2.82432, -2.66827, -1.25673, -0.14706], atol=2e-4)


# ------------------------------------------------------------------ pictures


@pytest.mark.parametrize("case", synthetic("vision/frames"))
def test_frames(case: Case) -> None:
    import torch

    pictures = called(case["input"])
    crops = np.stack([clip_input.centre_crop(image) for image in pictures])
    seen = clip_input.normalised(torch.from_numpy(crops)).numpy()
    family = case.family
    assert list(seen.shape) == case["input_stats"]["shape"]
    family.close(seen[:, :, ::28, ::28], family.arrays[f"{case.name}/input_sample"], "vision inputs")
    extractor = ImagebindFrames()
    got = forward(extractor, prepare(_silent(pictures), [extractor])[extractor], family.checkpoint(LAYOUT))["embedding"]
    family.close(got, family.arrays[f"{case.name}/embedding"], "embeddings")
    family.close(imagebind.cosine(got[1:], got[:-1]), case["adjacent_cosines"], "cosines and scores")


@pytest.mark.parametrize("case", synthetic("vision/video"))
def test_video_views(case: Case) -> None:
    """The first and the last frame of a clip, in three places of the picture."""
    import torch

    pictures = called(case["input"])
    family = case.family
    frames = np.stack([resized(pictures[n], smooth=False) for n in (0, len(pictures) - 1)])
    views = imagebind.three_crops(clip_input.normalised(torch.from_numpy(frames))).transpose(1, 2).numpy()
    assert list(views.shape) == case["shape"]
    family.close(views[:, :, :, ::28, ::28], family.arrays[f"{case.name}/input_sample"], "vision inputs")
    got = forward(ImagebindVideo(), {"frames": frames}, family.checkpoint(LAYOUT))["embedding"]
    family.close(got, family.arrays[f"{case.name}/embedding"], "embeddings")


def _silent(pictures: NDArray[np.uint8]) -> Clip:
    return Clip("pictures", pictures, 24.0, np.zeros((1, 16_000), np.float32), 16_000)


# ------------------------------------------------------------------ windows


@pytest.mark.parametrize("case", cases(GOLDENS, "windows"))
def test_window_arithmetic(case: Case) -> None:
    frames, sound = imagebind.windows(case["frames"], case["fps"], case["samples_16k"], case["window_s"], case["overlap_s"])
    assert [list(w) for w in frames] == case["video_windows"]
    assert [list(w) for w in sound] == case["audio_windows"]
    shares = [key.removeprefix("k_of_topk_min_") for key in case.data if key.startswith("k_of_topk_min_")]
    assert shares
    for share in shares:
        assert int((frames[0][1] - frames[0][0]) * float(share)) == case[f"k_of_topk_min_{share}"]


# ------------------------------------------------------------------ files


@pytest.mark.parametrize("case", cases(GOLDENS, "files"))
def test_files(case: Case, tmp_path: Path) -> None:
    """From a generated clip and its prompt to every score; frames within what another decoder may change."""
    import torch

    clip = source(case)
    assert isinstance(clip, ClipFile)
    clip = ClipFile(clip.id, clip.path, clip.audio or _in_16_bits(clip, tmp_path), case["prompt"])
    family, arrays = case.family, case.family.arrays
    ib = [registry.metric(n, variant="javisbench") for n in ("ib_tv", "ib_ta", "ib_va")]
    metrics = [*ib, AvhScore(), Javisscore()]
    short = ImagebindWindows(window=0.5, overlap=0.0)
    wanted = list(dict.fromkeys(registry.needed(need) for metric in metrics for need in metric.extractors()))
    with Reader(clip) as reader:
        assert reader.info.frames == case["frames"]
    prepared = prepare(clip, [*wanted, short])
    weights = family.checkpoint(LAYOUT)
    made = {e: forward(e, tensors, weights) for e, tensors in prepared.items()}
    layers: Features = {f"{e.name}.{layer}": value for e in wanted for layer, value in made[e].items()}
    rows = {m.name: m.row(Item("case"), layers, None) for m in metrics}

    for name, key in (("ib_tv", "text_video"), ("ib_ta", "text_audio"), ("ib_va", "audio_video")):
        family.close(rows[name][0], case["imagebind_score"][key], "scores of file clips", name)
    family.close(rows["avh_score"], [case["avh_score"], case["frames"]], "scores of file clips", "avh_score")
    family.close(rows["javisscore"][0], case["javis_score"], "scores of file clips", "javisscore")

    quick = Javisscore("function_defaults")
    assert short in [registry.needed(need) for need in quick.extractors()]
    given = {**layers, **{f"{short.name}.{layer}": value for layer, value in made[short].items()}}
    want = case["function_defaults_window_0.5_overlap_0"]["javis_score"]
    family.close(quick.row(Item("case"), given, None)[0], want, "scores of file clips", "function defaults")

    windows = _of(wanted, ImagebindWindows)
    assert made[windows]["frames"].tolist() == case["windows"]
    # Another AAC decoder rounds some samples to the 16-bit number beside: moving the sound by a thousandth of that step before
    # it is rounded changes 1 in 600 samples, and the bands that hold nothing else by up to 0.0035.
    mel, want = prepared[windows]["mel"][:, :, ::16, ::24], arrays[f"{case.name}/window_audio_mel_sample"][:, :1]
    assert mel.shape == want.shape
    assert (np.abs(mel - want) <= family.data["tolerance"]["mel of resampled audio"]["atol"]).mean() > 0.99
    heard = made[_of(wanted, ImagebindAudio)]["embedding"]
    family.close(heard, arrays[f"{case.name}/audio_embedding"], "scores of file clips", "sound")
    want = arrays[f"{case.name}/window_audio_embeddings"]
    family.close(made[windows]["embedding"], want, "scores of file clips", "windows")

    avh, javis = AvhScore().trace(Item("case"), layers, None), Javisscore().trace(Item("case"), layers, None)
    family.close(avh["frame_cosines"], case["frame_cosines"], "scores of file clips", "frame cosines")
    family.close(javis["window_scores"], case["window_scores"], "scores of file clips", "window scores")
    got = Javisscore()._cosines(layers)
    family.close(got, arrays[f"{case.name}/window_frame_cosines"], "scores of file clips", "window frame cosines")
    assert int(got.shape[1] * Javisscore().least) == case["k"]

    views = imagebind.three_crops(clip_input.normalised(torch.from_numpy(prepared[_of(wanted, ImagebindVideo)]["frames"])))
    seen = views.unflatten(1, (-1, 2)).permute(1, 0, 3, 2, 4, 5).flatten(0, 1)[..., ::32, ::32].numpy()  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(seen, arrays[f"{case.name}/video_input_sample"], atol=ONE_LEVEL, err_msg="video input")
    for extractor, want in ((ImagebindVideo, "video_embedding"), (ImagebindFrames, "frame_embeddings_every_8")):
        found = made[_of(wanted, extractor)]["embedding"]
        found = found[::8][: len(arrays[f"{case.name}/{want}"])] if want.startswith("frame") else found
        alike = imagebind.cosine(found, arrays[f"{case.name}/{want}"])
        family.close(alike, np.ones_like(alike), "scores of file clips", want)


def _in_16_bits(clip: ClipFile, folder: Path) -> Path:
    """The sound as the references read it: from a WAV file of 16 bits that was made of the clip."""
    with Reader(clip) as reader:
        for _ in reader.frames(picture=False):
            pass
        audio = reader.audio()
    assert audio is not None
    soundfile.write(
        folder / "sound.wav", np.rint(audio.samples.T * 32768).clip(-32768, 32767).astype(np.int16), audio.sample_rate
    )
    return folder / "sound.wav"


def _of(extractors: Iterable[Extractor], kind: type[Extractor]) -> Extractor:
    (found,) = [e for e in extractors if isinstance(e, kind)]
    return found


# ------------------------------------------------------------------ the published layout


def test_the_full_size_network_has_the_published_keys() -> None:
    """Every key and shape of imagebind_huge.pth but for the towers of other senses, and no other; on the device `meta`."""
    import torch

    from avbench.models.imagebind import HUGE, UNUSED, Config, ImageBind

    layout = json.loads((Path(__file__).parent / "layouts" / "imagebind_huge.json").read_text(encoding="utf-8"))
    shapes = {entry["key"]: tuple(entry["shape"]) for entry in layout["entries"]}
    published = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    assert Config.of(published) == HUGE
    with torch.device("meta"):
        network = ImageBind(Config.of(published))
    used = {key: shape for key, shape in shapes.items() if not key.startswith(UNUSED)}
    assert {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()} == used
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == layout["values"] == 1_200_786_990
    values = sum(tensor.numel() for tensor in network.state_dict().values())
    assert values == layout["values"] - sum(int(np.prod(s)) for k, s in shapes.items() if k.startswith(UNUSED)) == 1_073_103_659


def test_every_key_is_used_or_named(tmp_path: Path) -> None:
    """A lacking key, a surplus key and another shape are refused; the towers of other senses are the unused part."""
    import torch

    from avbench.models.imagebind import UNUSED

    arrays = seeded_arrays("imagebind_reduced.json", 1)
    state = {key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}
    torch.save({k: v for k, v in state.items() if not k.startswith(UNUSED)}, tmp_path / "without.pt")
    ImagebindFrames().load(tmp_path / "without.pt", "cpu")
    key = "modality_heads.audio.0.bias"
    for number, (name, changed) in enumerate(
        {
            "is missing": {k: v for k, v in state.items() if k != key},
            "is not known": state | {"surplus": state[key]},
            r"is \(63,\)": state | {key: state[key][:-1]},
            "modality_preprocessors.vision.cls_token is missing": {},
        }.items()
    ):
        torch.save(changed, tmp_path / f"{number}.pt")
        with pytest.raises(BadParameter, match=name):
            ImagebindText().load(tmp_path / f"{number}.pt", "cpu")
