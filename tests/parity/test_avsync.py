"""AVSync classifier against ASVA's own code: chosen frames, pictures, spectrograms, embeddings, scores, RelSync, AlignSync."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench import asva_clips, registry
from avbench.errors import BadParameter
from avbench.extractors.avsync import Avsync
from avbench.extractors.imagebind_asva import ImagebindAsva
from avbench.metrics.alignsync import Alignsync
from avbench.metrics.relsync import Relsync
from avbench.types import Array, Clip, ClipFile, Extractor, Features, Item, Waveform

from .harness import Case, cases, families, file, forward, pictures, prepare, sound

GOLDENS = "video/avsync*"
PARTS = ("video_encoder", "audio_encoder", "head")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The three seeded files of a family under their names in one folder: the first one's path."""

    def made(case: Case) -> Path:
        first = case.family.checkpoint(f"avsync_{PARTS[0]}")
        folder = tmp_path_factory.getbasetemp() / f"avsync-{first.stem[-16:]}"
        if not folder.is_dir():
            folder.mkdir()
            for part in PARTS:
                (folder / f"avsync_{part}.bin").symlink_to(case.family.checkpoint(f"avsync_{part}"))
        return folder / f"avsync_{PARTS[0]}.bin"

    return made


def run(checkpoint: Path, **tensors: Array) -> dict[str, Array]:
    """The classifier on prepared clips; what is not given is zero."""
    clips = len(next(iter(tensors.values())))
    tensors.setdefault("pictures", np.zeros((clips, 12, 3, 224, 224), np.float32))
    tensors.setdefault("mels", np.zeros((clips, 128, 204), np.float32))
    return forward(Avsync(), tensors, checkpoint)


# ------------------------------------------------------------------ what the networks see


@pytest.mark.parametrize("case", cases(GOLDENS, "frames"))
def test_frames(case: Case) -> None:
    times = np.arange(case["frames"]) / float(Fraction(case["fps"]))
    # the reference was given a sound that was not shorter than the picture
    begin = asva_clips.starts(case["frames"] / float(Fraction(case["fps"])), case["clips"])
    assert [asva_clips.frames_from(times, start) for start in begin] == case["indices"]


@pytest.mark.parametrize("case", cases(GOLDENS, "pictures"))
def test_pictures(case: Case, checkpoint: Any) -> None:
    made = np.stack([asva_clips.seen(image, case["picture"]) for image in pictures(case["input"])])
    arrays, tolerance = case.family.arrays, "pictures as the networks see them"
    case.family.close(made[::3, :, ::16, ::16], arrays[f"pictures/{case.name}/seen_sample"], tolerance)
    found = {"mean": made.mean(dtype=np.float64), "std": made.std(dtype=np.float64), "min": made.min(), "max": made.max()}
    for name, want in case["seen"].items():
        case.family.close(found[name], want, tolerance, name)
    got = run(checkpoint(case), pictures=made[None])["picture"]
    case.family.close(got[0], arrays[f"pictures/{case.name}/embedding"], "embeddings")


@pytest.mark.parametrize("case", cases(GOLDENS, "sounds"))
def test_sounds(case: Case, checkpoint: Any) -> None:
    pcm, rate = sound(case["input"])
    heard = Waveform((pcm.T / 32768).astype(np.float32), rate)
    arrays, tolerance = case.family.arrays, "mel" if rate == 16_000 else "mel of resampled audio"
    mels = np.stack([asva_clips.spectrogram(asva_clips.packets(heard, start)) for start in case["starts"]])
    case.family.close(mels[:, ::8, ::6], arrays[f"sounds/{case.name}/packets/mel_sample"], tolerance)
    case.family.close(mels.mean(axis=(1, 2), dtype=np.float64), case["packets_mel_mean"], tolerance)
    case.family.close(run(checkpoint(case), mels=mels)["sound"], arrays[f"sounds/{case.name}/packets/embedding"], "embeddings")
    if "whole_clips" in case:
        begin = asva_clips.starts(len(pcm) / rate, case["whole_clips"])
        whole = np.stack([asva_clips.spectrogram(asva_clips.whole(heard, start)) for start in begin])
        case.family.close(whole[:, ::8, ::6], arrays[f"sounds/{case.name}/whole/mel_sample"], tolerance)
        case.family.close(whole.mean(axis=(1, 2), dtype=np.float64), case["whole_mel_mean"], tolerance)


# ------------------------------------------------------------------ pairs


def clip(given: dict[str, Any], name: str) -> Clip | ClipFile:
    if "sha256" in given:
        return ClipFile(name, file(given["sha256"], given["clip"]))
    pcm, rate = sound(given["audio"])
    return Clip(name, pictures(given["video"]), float(Fraction(given["fps"])), (pcm.T / 32768).astype(np.float32), rate)


def layers(extractors: list[Extractor], given: Clip | ClipFile, weights: dict[str, Path]) -> dict[str, Array]:
    made = {e: forward(e, tensors, weights[e.name]) for e, tensors in prepare(given, extractors).items()}
    return {f"{e.name}.{layer}": value for e, found in made.items() for layer, value in found.items()}


def compared(case: Case, side: str, clips: int, got: Features, scores: str) -> None:
    arrays, at = case.family.arrays, f"{case.name}/{side}/{clips}"
    for layer, quantity in (("picture", "embeddings"), ("sound", "embeddings"), ("score", scores)):
        if scores == "scores" or layer == "score":
            case.family.close(got[f"avsync.{layer}"], arrays[f"{at}/{layer}"], quantity, f"{at}: {layer}")
    if "imagebind_asva.frames" in got:
        cosines = Alignsync()._cosines(got)
        case.family.close(cosines, arrays[f"{at}/ia_sim"], "cosines" if scores == "scores" else scores, f"{at}: cosines")


def scored(case: Case, checkpoint: Any, scores: str) -> None:
    """From clips to both metrics, with one clip of 2 s for each."""
    metrics = Relsync(picture=case["picture"]), Alignsync(picture=case["picture"])
    extractors = [registry.needed(need) for need in metrics[1].extractors()]
    weights = {"avsync": checkpoint(case), "imagebind_asva": case.family.checkpoint("imagebind_reduced")}
    both = [layers(extractors, clip(case[side], side), weights) for side in ("generated", "reference")]
    for side, got in zip(("generated", "reference"), both, strict=True):
        compared(case, side, 1, got, scores)
    relsync, alignsync = (metric.row(Item("x"), *both) for metric in metrics)
    quantity = "relsync and alignsync" if scores == "scores" else scores
    case.family.close(relsync[0], case["relsync"], quantity, "relsync")
    case.family.close(alignsync[:2], [case["alignsync"], case["relsync"]], quantity, "alignsync")
    case.family.close(relsync[1:3], [*case["generated"]["score"], *case["reference"]["score"]], scores)
    assert relsync[3] == alignsync[3] == 1


@pytest.mark.parametrize("case", cases(GOLDENS, "pairs"))
def test_pairs(case: Case, checkpoint: Any) -> None:
    scored(case, checkpoint, "scores")


@pytest.mark.parametrize("case", cases(GOLDENS, "pairs"))
def test_three_clips(case: Case, checkpoint: Any) -> None:
    extractor = Avsync(clips=3, picture=case["picture"])
    for side in ("generated", "reference"):
        compared(case, side, 3, layers([extractor], clip(case[side], side), {"avsync": checkpoint(case)}), "scores")


@pytest.mark.real_media
@pytest.mark.parametrize("case", cases(GOLDENS, "media_pairs"))
def test_files(case: Case, checkpoint: Any) -> None:
    """The same from files; another build of the sound's decoder may move a score."""
    scored(case, checkpoint, "scores of file clips")
    extractor = Avsync(clips=3, picture=case["picture"])
    for side in ("generated", "reference"):
        got = layers([extractor], clip(case[side], side), {"avsync": checkpoint(case)})
        compared(case, side, 3, got, "scores of file clips")


# ------------------------------------------------------------------ batches


@pytest.mark.parametrize("case", [c for c in cases(GOLDENS, "pairs") if "stereo" in c.id])
def test_a_batch_is_its_clips(case: Case, checkpoint: Any) -> None:
    """Both extractors' own function on two clips at once, of two clips of 2 s each."""
    import torch

    extractors = {Avsync(clips=2): checkpoint(case), ImagebindAsva(clips=2): case.family.checkpoint("imagebind_reduced")}
    both = [prepare(clip(case[side], side), extractors) for side in ("generated", "reference")]
    for extractor, weights in extractors.items():
        run = extractor.load(weights, "cpu")
        first, second = (made[extractor] for made in both)
        with torch.inference_mode():
            together = run({k: torch.from_numpy(np.stack([first[k], second[k]])) for k in first})
            alone = run({k: torch.from_numpy(second[k][None]) for k in second})
        assert set(together) == set(extractor.layers)
        for layer in extractor.layers:
            assert together[layer].shape[:2] == (2, 2)
            torch.testing.assert_close(together[layer][1], alone[layer][0], rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------ checkpoint


def test_every_key_is_used(tmp_path: Path) -> None:
    """A lacking key, a surplus key and another shape are refused in each of the three files."""
    import torch

    (family,) = families("video/avsync") or (pytest.skip("no goldens video/avsync.json in the root"),)
    states = {part: torch.load(family.checkpoint(f"avsync_{part}"), weights_only=True) for part in PARTS}
    keys = {"video_encoder": "conv3x.0.res_conv.weight", "audio_encoder": "block1.bn1.weight", "head": "fc.6.bias"}

    def written(part: str, state: dict[str, Any]) -> None:
        torch.save(state, tmp_path / f"avsync_{part}.bin")

    for part in PARTS:
        written(part, states[part])
    Avsync().load(tmp_path / "avsync_video_encoder.bin", "cpu")
    for part, key in keys.items():
        state = states[part]
        for said, changed in {
            f"{key} is missing": {k: v for k, v in state.items() if k != key},
            "surplus is not known": state | {"surplus": state[key]},
            rf"{key} is \(": state | {key: state[key][None]},
        }.items():
            written(part, changed)
            with pytest.raises(BadParameter, match=rf"avsync_{part}\.bin is not in the published layout: {said}"):
                Avsync().load(tmp_path / "avsync_video_encoder.bin", "cpu")
        written(part, state)


def test_layouts_are_of_one_commit() -> None:
    """What the layouts say of their source is what the golden says of its."""
    folder = Path(__file__).parent / "layouts"
    for family in families("video/avsync"):
        commits = {json.loads((folder / layout).read_text())["source"].split("@")[1][:40] for layout, *_ in family.weights[:3]}
        assert commits == {family.data["references"][0]["commit"]}
