"""Statistics files in place of reference clips: built, shown, used, refused; JavisBench's feature cache."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

import avbench
from avbench import reference_stats, registry, stats
from avbench.encode import write_clip
from avbench.errors import BadManifest, BadParameter, MissingData, OtherRun
from avbench.options import Wanted
from avbench.reference_build import build
from avbench.reference_stats import StatisticsFile, opened
from avbench.types import Clip

IDS = [f"clip{n}" for n in range(10)]
METRICS = ("fad_spectrum", "kd_spectrum")


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path) -> Iterator[None]:
    """`fad_spectrum` and `kd_spectrum`, also in child processes, and the weights of their network."""
    folder = tmp_path / "plugin"
    kept = folder / "avbench_spectrum-1.0.dist-info"
    kept.mkdir(parents=True)
    shutil.copyfile(Path(__file__).with_name("spectrum_plugin.py"), folder / "avbench_spectrum.py")
    (kept / "METADATA").write_text("Metadata-Version: 2.1\nName: avbench-spectrum\nVersion: 1.0\n")
    (kept / "entry_points.txt").write_text(
        "[avbench.extractors]\nspectrum = avbench_spectrum\n"
        "[avbench.metrics]\nfad_spectrum = avbench_spectrum\nkd_spectrum = avbench_spectrum\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        registry._modules.cache_clear()
        put_weights(0)
        yield
    registry._modules.cache_clear()


def put_weights(seed: int) -> None:
    folder = Path(os.environ["AVBENCH_HOME"]) / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.lock.json").unlink(missing_ok=True)
    matrix = np.random.default_rng(seed).standard_normal((8, 6)).astype(np.float32)
    (folder / "spectrum.safetensors").write_bytes(safetensors.numpy.save({"matrix": matrix}))


def write_all(folder: Path, clips: Sequence[Clip]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        write_clip(folder / f"{clip.id}.mp4", clip)
    return folder


@pytest.fixture
def suite(suite_folder: Callable[..., Path], make_clip: Callable[..., Clip]) -> Path:
    folder = suite_folder(IDS, metrics=METRICS)
    write_all(folder / "reference", [make_clip(id, seed=n) for n, id in enumerate(IDS)])
    return folder


@pytest.fixture
def generated(tmp_path: Path, make_clip: Callable[..., Clip]) -> Path:
    return write_all(tmp_path / "generated", [make_clip(id, seed=100 + n) for n, id in enumerate(IDS)])


@pytest.fixture
def bare(suite: Path, suite_folder: Callable[..., Path]) -> Path:
    """The same items without reference clips."""
    return suite_folder(IDS, name="bare", metrics=METRICS, reference=None)


def built(suite: Path, tmp_path: Path, **more: Any) -> Path:
    return build(str(suite), out=tmp_path / "kept" / "file.safetensors", **more)


def test_rows_give_the_numbers_that_clips_give(suite: Path, bare: Path, generated: Path, tmp_path: Path) -> None:
    clips = avbench.score(generated, suite=str(suite), out=tmp_path / "a", workers=1)
    file = built(suite, tmp_path, rows=True)
    shutil.rmtree(suite / "reference")
    for where in (suite, bare):
        found = avbench.score(generated, suite=str(where), out=tmp_path / f"b{where.name}", reference_stats=[file], workers=1)
        for name in METRICS:
            assert found[name].value == clips[name].value
            assert (found[name].low, found[name].high) == (clips[name].low, clips[name].high)
            assert found[name].n_scored == 10
            digest = opened(file).sha256
            assert f"|reference:{digest[:12]},rows,n=10|" in found[name].signature
            assert "reference:" not in clips[name].signature
        assert found.request["reference_stats"] == [opened(file).sha256]


def test_moments_give_frechet_distances(suite: Path, generated: Path, tmp_path: Path) -> None:
    clips = avbench.score(generated, suite=str(suite), metrics=["fad_spectrum"], out=tmp_path / "a", workers=1)
    file = built(suite, tmp_path, metrics=["fad_spectrum"])
    found = avbench.score(generated, metrics=["fad_spectrum"], out=tmp_path / "b", reference_stats=[str(file)], workers=1)
    score, other = found["fad_spectrum"], clips["fad_spectrum"]
    assert score.value == pytest.approx(other.value, rel=2e-6)
    assert score.low < score.value < score.high
    assert score.interval.endswith("the reference fixed")
    assert ",moments,n=10|" in score.signature
    assert found.suite == {}
    made = avbench.score(
        generated, metrics=["fad_inf[of=fad_spectrum,min_n=20]"], out=tmp_path / "c", reference_stats=[file], workers=1
    )
    assert np.isfinite(made["fad_inf"].value)


def test_the_file(suite: Path, tmp_path: Path) -> None:
    """Plain safetensors with what numpy says of the same rows."""
    path = built(suite, tmp_path)
    tensors = safetensors.numpy.load_file(path)
    rows = tensors["set0.rows"]
    assert rows.shape == (50, 6)
    assert rows.dtype == np.float32
    assert tensors["set0.rows_per_clip"].tolist() == [5] * 10
    mean, covariance = stats.moments(rows)
    np.testing.assert_allclose(tensors["set0.mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(tensors["set0.covariance"], covariance, rtol=1e-10, atol=1e-14)
    assert {t.dtype.str for k, t in tensors.items() if k.endswith(("mean", "covariance"))} == {"<f8"}
    about = opened(path).described()
    assert about["suite"]["name"] == "mine"
    assert about["suite"]["items"] == 10
    (entry,) = about["entries"]  # both metrics stand on the same rows
    assert entry["kind"] == "spectrum.embeddings"
    assert entry["ddof"] == 1
    assert entry["left_out"] == {}
    (made,) = entry["extractors"]
    assert made["weights"] == about["entries"][0]["extractors"][0]["weights"]
    assert len(made["weights"]) == 64
    assert made["reader"].startswith("pyav")
    before = path.read_bytes()
    assert built(suite, tmp_path).read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_reference_clip_without_a_row_is_named(suite: Path, make_clip: Callable[..., Clip], tmp_path: Path) -> None:
    write_all(suite / "reference", [make_clip("clip3", seconds=0.4)])
    (suite / "reference" / "clip4.mp4").unlink()
    (entry,) = opened(built(suite, tmp_path)).described()["entries"]
    assert entry["clips"] == 8
    assert {k: v.split(":")[0] for k, v in entry["left_out"].items()} == {"clip3": "too_short", "clip4": "no_reference"}


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("fad_spectrum[scale=2.0]", r"spectrum: scale is 1\.0 in the file and 2\.0 now"),
        ("fad_spectrum[rounded=true]", r"fad_spectrum\[rounded=True\] needs every reference row.*--rows"),
        ("kd_spectrum", r"kd_spectrum needs every reference row"),
    ],
)
def test_another_setting_is_refused(suite: Path, generated: Path, tmp_path: Path, metric: str, words: str) -> None:
    file = built(suite, tmp_path, metrics=["fad_spectrum"])
    with pytest.raises(BadParameter, match=words):
        avbench.score(generated, suite=str(suite), metrics=[metric], out=tmp_path / "b", reference_stats=[file], workers=1)
    assert not (tmp_path / "b").exists()


def test_other_weights_and_revisions_are_refused(
    suite: Path, generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = built(suite, tmp_path)
    put_weights(1)
    with pytest.raises(BadParameter, match=r"spectrum: weights is '[0-9a-f]{64}' in the file and '[0-9a-f]{64}' now"):
        avbench.score(generated, suite=str(suite), out=tmp_path / "b", reference_stats=[file], workers=1)
    put_weights(0)
    monkeypatch.setattr(registry.extractor_class("spectrum"), "revision", 2)
    with pytest.raises(BadParameter, match="revision is 1 in the file and 2 now; build it again"):
        avbench.score(generated, suite=str(suite), out=tmp_path / "b", reference_stats=[file], workers=1)


def test_other_decoders_and_packages_are_taken(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = opened(built(suite, tmp_path))
    metric = registry.metric("fad_spectrum")
    wanted = avbench.api.want(registry.extractor("spectrum"))
    monkeypatch.setattr("avbench.media.READER", "pyav-0.0")
    assert json.loads(wanted.identity)["reader"] == "pyav-0.0"
    assert file.reference(metric, [wanted]) is not None


def test_metrics_that_no_statistics_stand_in_for(suite: Path, bare: Path, generated: Path, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="kl_passt compares each clip with its own reference"):
        built(suite, tmp_path, metrics=["kl_passt"])
    with pytest.raises(BadParameter, match="is_passt needs no reference clips"):
        built(suite, tmp_path, metrics=["is_passt"])
    with pytest.raises(BadParameter, match="suite bare has no reference clips"):
        build(str(bare), out=tmp_path / "x.safetensors")
    file = built(suite, tmp_path)
    with pytest.raises(BadParameter, match=r"fvd compares with reference clips.*--reference-stats.*cannot stand in"):
        avbench.score(generated, metrics=["fvd"], out=tmp_path / "b", reference_stats=[file], workers=1)
    with pytest.raises(BadParameter, match="kl_passt compares with reference clips; give a suite that has some with --suite; "):
        avbench.score(generated, metrics=["kl_passt"], out=tmp_path / "b", reference_stats=[file], workers=1)


def test_a_folder_keeps_its_reference(suite: Path, generated: Path, tmp_path: Path) -> None:
    file = built(suite, tmp_path)
    first = avbench.score(generated, suite=str(suite), out=tmp_path / "a", reference_stats=[file], workers=1)
    before = (tmp_path / "a" / "result.json").read_bytes()
    avbench.score(generated, suite=str(suite), out=tmp_path / "a", reference_stats=[file], workers=1)
    assert (tmp_path / "a" / "result.json").read_bytes() == before
    assert first.request["reference_stats"]
    for other in ([], [built(suite, tmp_path, limit=9)]):
        with pytest.raises(OtherRun, match="reference_stats"):
            avbench.score(generated, suite=str(suite), out=tmp_path / "a", reference_stats=other, workers=1)


def test_a_folder_of_an_older_version_goes_on(suite: Path, generated: Path, tmp_path: Path) -> None:
    avbench.score(generated, suite=str(suite), out=tmp_path / "a", workers=1)
    path = tmp_path / "a" / "run.json"
    table = json.loads(path.read_text())
    del table["reference_stats"]
    path.write_text(json.dumps(table))
    avbench.score(generated, suite=str(suite), out=tmp_path / "a", workers=1)


# ------------------------------------------------------------------ damaged files


def test_every_flipped_byte_of_the_numbers_is_noticed(suite: Path, tmp_path: Path) -> None:
    path = built(suite, tmp_path)
    data, metric = bytearray(path.read_bytes()), registry.metric("kd_spectrum")
    wanted = [avbench.api.want(registry.extractor("spectrum"))]
    draw = np.random.default_rng(0)
    (length,) = np.frombuffer(bytes(data[:8]), "<u8")
    rows = safetensors.numpy.load_file(path)["set0.rows"].nbytes
    for at in [*draw.integers(len(data) - rows, len(data), 10), *draw.integers(0, 8 + int(length), 30)]:
        data[at] ^= 1 << int(draw.integers(8))
        other = tmp_path / "flipped.safetensors"
        other.write_bytes(bytes(data))
        try:
            found = StatisticsFile(other).reference(metric, wanted)
        except (BadManifest, BadParameter):
            found = None
        # Spaces and names that nobody reads are all that may be flipped unnoticed.
        if found is not None:
            good = StatisticsFile(path).reference(metric, wanted)
            assert good is not None
            assert good.rows is not None
            assert found.rows is not None
            np.testing.assert_array_equal(found.rows, good.rows)
        data = bytearray(path.read_bytes())


@pytest.mark.parametrize("text", [b"", b"12345678", b"\xff" * 100, b"\x02" + b"\0" * 7 + b"{}", b"\x02" + b"\0" * 7 + b"[]"])
def test_what_is_no_statistics_file(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(text)
    with pytest.raises(BadManifest, match=r"x\.safetensors"):
        opened(path)


def test_a_missing_file_and_another_schema(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingData, match="avbench stats build"):
        opened(tmp_path / "none.safetensors")
    path = built(suite, tmp_path)
    monkeypatch.setattr(reference_stats, "SCHEMA", 2)
    with pytest.raises(BadManifest, match="schema 1, and this avbench reads 2"):
        opened(path)


# ------------------------------------------------------------------ JavisBench's feature cache


def cache(path: Path, **tensors: Any) -> Path:
    torch.save({k: torch.from_numpy(v) for k, v in tensors.items()}, path)
    return path


def test_the_feature_cache_of_javisbench(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    video, audio = draw.standard_normal((40, 400)), draw.standard_normal((40, 1024))
    file = opened(cache(tmp_path / "mini.pt", video=video.astype(np.float32), audio=audio.astype(np.float32)))
    rows = draw.standard_normal((40, 400)) + 0.3
    for metric in (
        registry.metric("fvd", variant="javisbench"),
        registry.metric("kvd", variant="javisbench"),
        registry.metric("fvd", variant="javisbench", float64=True),
    ):
        wanted = [Wanted(registry.needed(need)) for need in metric.extractors()]
        found = reference_stats.find([file], metric, wanted)
        assert found is not None
        assert found.clips == 40
        assert found.score(metric, rows) == metric.score(rows, video.astype(np.float32).astype(np.float64))
    kvd = registry.metric("kvd", variant="javisbench")
    standing_in = reference_stats.find([file], kvd, [])
    assert standing_in is not None
    low, high, _ = standing_in.interval(kvd, list(rows), 0.0)
    assert low < high
    for metric in (registry.metric("fvd"), registry.metric("fvd", variant="javisbench", frames=16)):
        with pytest.raises(BadParameter, match=r"stands in for fvd\[javisbench\] alone"):
            reference_stats.find([file], metric, [])
    assert reference_stats.find([file], registry.metric("fd_passt"), []) is None
    assert {e["kind"]: e["dimensions"] for e in file.described()["entries"]} == {"video": 400, "audio": 1024}


def test_a_feature_cache_that_is_none(tmp_path: Path) -> None:
    wrong = np.zeros((5, 300), np.float32)
    with pytest.raises(BadManifest, match=r"'video' \(N, 400\)"):
        opened(cache(tmp_path / "a.pt", video=wrong))
    with pytest.raises(BadManifest, match="NaN or infinite"):
        opened(cache(tmp_path / "b.pt", video=np.full((5, 400), np.nan, np.float32)))
    with pytest.raises(BadManifest, match="nothing"):
        opened(cache(tmp_path / "c.pt"))

    class Hostile:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "touched",))

    (tmp_path / "d.pt").write_bytes(pickle.dumps({"video": Hostile()}, protocol=2))
    torch.save({"video": Hostile()}, tmp_path / "e.pt")
    for name in ("d.pt", "e.pt"):
        with pytest.raises(BadManifest, match="not JavisBench's feature cache"):
            opened(tmp_path / name)
    assert not (tmp_path / "touched").exists()


# ------------------------------------------------------------------ the command line


def test_command_line(suite: Path, generated: Path, tmp_path: Path, avbench_cli: Callable[..., Any]) -> None:
    made = avbench_cli("stats", "build", suite, "--workers", "1")
    assert made.code == 0, made.err
    assert "mine-v1.safetensors" in made.out
    shown = json.loads(avbench_cli("stats", "show", "mine-v1.safetensors", "--json").out)
    assert shown["metrics"] == list(METRICS)
    assert "spectrum.embeddings" in avbench_cli("stats", "show", "mine-v1.safetensors").out
    shutil.rmtree(suite / "reference")
    arguments = ("score", generated, "--suite", suite, "--out", tmp_path / "r", "--workers", "1", "--json")
    found = avbench_cli(*arguments, "--reference-stats", "mine-v1.safetensors")
    assert found.code == 0, found.err
    assert {m["metric"] for m in json.loads(found.out)["metrics"]} >= set(METRICS)
    lost = avbench_cli("score", generated, "--reference-stats", "none.safetensors")
    assert lost.code == 2
    assert "there is no statistics file none.safetensors" in lost.message
