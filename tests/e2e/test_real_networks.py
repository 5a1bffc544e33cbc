"""Every metric that stands on a network, the whole way over real clips, with seeded weights in the published layouts.

Seeded networks know nothing, so what is asked of them is little: numbers for every clip, and that noise is farther away than
another half of the real clips.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import avbench
from avbench import registry, weights
from avbench.encode import write_frames
from avbench.errors import REASONS, BadClip, MissingData
from avbench.generators.shifted import shift
from avbench.media import Reader
from avbench.types import ClipFile
from tests.parity import seeded_home

MEDIA = Path(os.environ.get("AVBENCH_MEDIA") or Path(__file__).resolve().parents[3] / "shared")
pytestmark = [
    pytest.mark.real_media,
    pytest.mark.slow,
    pytest.mark.skipif(not MEDIA.is_dir(), reason="the real clips are not here"),
]
PROMPTS = {
    "case1": "A knitted puppet hand repeatedly dips a pyramid-shaped tea bag into a clear glass mug of hot water.",
    "case6": "A player frets a single note on an electric guitar and plucks it four times with even timing. " * 8,
}
WIDTH, HEIGHT, FRAME_RATE, SECONDS = 96, 72, 25.0, 10.0


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded weights under published names; their hashes are not the published ones."""
    seeded_home.fill(weights.folder())
    monkeypatch.setattr(weights, "_checked", lambda checkpoint, path: "0" * 64)


def suite(folder: Path, items: dict[str, str], references: dict[str, Path]) -> Path:
    """A suite of these items, its reference clips beside it."""
    (folder / "reference").mkdir(parents=True)
    (folder / "suite.toml").write_text(
        'name = "real"\nversion = 1\ntitle = "real clips"\nitems = "items.jsonl"\ndefault_protocol = "all"\n'
        "[clip]\nseconds = 8.0\nframe_rate = 24.0\nwidth = 1280\nheight = 720\nsample_rate = 48000\n"
        '[reference]\nfolder = "reference"\n[protocols.all]\nmetrics = ["duration"]\n',
        encoding="utf-8",
    )
    lines = [json.dumps({"id": id, "prompt": prompt, "fields": {"audio_text": "water"}}) for id, prompt in items.items()]
    (folder / "items.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for id, path in references.items():
        shutil.copyfile(path, folder / "reference" / f"{id}{path.suffix}")
    return folder


def on_a_network(name: str) -> bool:
    metric = registry.metric(name)
    needs = (*metric.extractors(), *(metric.reference_extractors() if metric.needs_reference else ()))
    found = [registry.needed(need) for need in needs]
    if not any(e.weights is not None for e in found):
        return False
    try:
        for extractor in found:
            weights.resolve(extractor, None)
    except MissingData:
        return False
    return True


def run_all(clips: Path, suite_folder: Path, out: Path, count: int) -> avbench.Result:
    """Score clips with every metric on a network, print what came, and check that nothing failed in silence."""
    names = [n for n in registry.names("metrics") if on_a_network(n)]
    assert len(names) >= 30, names
    result = avbench.score(clips, suite=str(suite_folder), metrics=names, out=out)
    for name in names:
        score = result[name]
        print(f"{name:16} {score.value:12.5g} {score.n_scored}/{score.n_items} {score.interval[:60]} {score.unscored}")
        assert score.n_scored + len(score.unscored) == score.n_items == count
        for reason in score.unscored.values():
            assert reason.split(":")[0] in REASONS
            assert reason.split(":")[0] not in ("error", "crash", "timeout", "memory", "missing"), (name, reason)
        if registry.metric(name).better != "none" and score.n_scored >= 2:
            assert np.isfinite(score.value) or "too_short" in score.interval, name
    return result


@pytest.mark.parametrize(("model", "other"), [("veo3_1_fast", "ovi"), ("ovi", "ltx2"), ("ltx2", "veo3_1_fast")])
def test_generated_clips_with_their_prompts(tmp_path: Path, model: str, other: str) -> None:
    """Another generator's clips of the same prompts stand in for the reference."""
    generated = MEDIA / "generated"
    folder = suite(tmp_path / "suite", PROMPTS, {id: generated / other / f"{id}.mp4" for id in PROMPTS})
    result = run_all(generated / model, folder, tmp_path / "out", len(PROMPTS))
    for name in ("ib_tv", "clip_tv", "clap_ta"):
        assert result[name].flagged["case6"] == ["caption_truncated"], name
    assert {s.metric.split("[")[0] for s in result.metrics if s.unscored} <= {"lse_c", "lse_d", "sync_offset"}


CONTAINERS = (
    "animal_bear.webm",
    "canary_0nib7bMm8BA.mp4",
    "dance_10s.avi",
    "dog_run_1s.mp4",
    "edge_vfr_stove_dog.mp4",
    "film_steamboat_10s.mp4",
    "speech_grid_brbk7n.mpg",
    "speech_latentsync_demo1.mp4",
)


def test_media_clips(tmp_path: Path) -> None:
    """Every container, a short clip, one of changing frame rate, faces; the next clip is the reference, so sets are equal."""
    found = [MEDIA / "media" / "video" / name for name in CONTAINERS]
    clips = tmp_path / "clips"
    clips.mkdir()
    sources = {f"item{n:02}": path for n, path in enumerate(found)}
    for id, path in sources.items():
        shutil.copyfile(path, clips / f"{id}{path.suffix}")
    references = dict(zip(sources, [*found[1:], found[0]], strict=True))
    folder = suite(tmp_path / "suite", {id: path.stem.replace("_", " ") for id, path in sources.items()}, references)
    result = run_all(clips, folder, tmp_path / "out", len(found))
    assert result["ib_va"].n_scored >= len(found) // 2
    # A seeded detector sees no face, and says so of each clip.
    assert {reason.split(":")[0] for reason in result["lse_c"].unscored.values()} == {"no_face"}
    assert result["fad_vggish"].value == pytest.approx(0.0, abs=1e-6)


def real_clips() -> list[Path]:
    """Clips with picture and sound, each at least 2 s long."""
    found = []
    for path in sorted((MEDIA / "media" / "video").iterdir()):
        if path.suffix.lower() not in (".mp4", ".mkv", ".webm", ".mov", ".avi", ".mpg"):
            continue
        try:
            with Reader(ClipFile(path.stem, path)) as reader:
                if reader.info.video_seconds >= 2 and reader.info.sample_rate and reader.info.frames >= 50:
                    found.append(path)
        except BadClip:
            continue
    return found


def prepared(folder: Path, sources: dict[str, Path], shift_seconds: float = 0.0) -> Path:
    """The clips under their items' names, small, their sound later by some seconds."""
    folder.mkdir()
    for id, path in sources.items():
        with Reader(ClipFile(id, path)) as reader:
            rows, columns = max(1, reader.info.height // HEIGHT), max(1, reader.info.width // WIDTH)
            images = [image[::rows, ::columns] for image in reader.frames()]
            sound, rate = reader.audio(), reader.info.frame_rate
        assert sound is not None
        samples = sound.samples[:2, : int(SECONDS * sound.sample_rate)]
        write_frames(
            folder / f"{id}.mp4",
            images[: int(SECONDS * rate)],
            frame_rate=rate,
            audio=shift(samples, round(shift_seconds * sound.sample_rate)),
            sample_rate=sound.sample_rate,
        )
    return folder


def noise(folder: Path, ids: list[str]) -> Path:
    """Uniform noise in picture, white noise in sound."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    for id in ids:
        frames = draw.integers(0, 256, (75, HEIGHT, WIDTH, 3), dtype=np.uint8)
        audio = 0.1 * draw.standard_normal((1, 48_000), dtype=np.float32)
        write_frames(folder / f"{id}.mp4", frames, frame_rate=FRAME_RATE, audio=audio, sample_rate=16_000)
    return folder


def test_noise_is_farther_than_the_other_half(tmp_path: Path) -> None:
    """Distances of one half of the real clips, of the same clips with their sound late, and of noise to the other half."""
    clips = real_clips()
    assert len(clips) >= 16, clips
    half = len(clips) // 2
    ids = [f"item{n}" for n in range(half)]
    references = dict(zip(ids, clips[::2], strict=False))
    others = dict(zip(ids, clips[1::2], strict=False))
    folder = suite(tmp_path / "suite", dict.fromkeys(ids, "a clip"), {})
    shutil.rmtree(folder / "reference")
    prepared(folder / "reference", references)
    sides = {
        "the same": folder / "reference",
        "shifted": prepared(tmp_path / "shifted", references, 0.5),
        "other half": prepared(tmp_path / "others", others),
        "noise": noise(tmp_path / "noise", ids),
    }
    names = ["fvd[styleganv]", "fad_vggish", "fad_melception", "fd_panns", "fd_passt", "kd_panns"]
    names += ["kl_passt", "kl_panns", "kl_melception"]
    found = {
        side: avbench.score(clips_dir, suite=str(folder), metrics=names, out=tmp_path / f"out-{side}")
        for side, clips_dir in sides.items()
    }
    for name in names:
        values = {side: found[side][name].value for side in sides}
        print(f"{name:18}", {side: float(f"{value:.4g}") for side, value in values.items()})
        assert np.isfinite(list(values.values())).all()
        unrelated = [(values["the same"], values["shifted"]), (values["other half"], values["noise"])]
        assert all(near <= far + 1e-9 for near, far in unrelated), (name, values)
        assert values["the same"] < values["noise"]
        # Nothing more is asked of "shifted": it begins with digital silence, and what an untrained network makes of
        # the logarithm of nothing can be farther away than anything else.
