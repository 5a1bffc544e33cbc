"""Each suite with a download: prepared from a miniature of it, then run and scored with its protocol.

Weights are seeded and lie under their published names; what they say means nothing, but every number has to be there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

import avbench
from avbench import registry, suites, weights
from tests import miniatures
from tests.conftest import Said
from tests.parity import seeded_home

Cli = Callable[..., Said]

MAKE: dict[str, Callable[[Path], Path]] = {
    "aistpp": lambda folder: miniatures.mmdiffusion(folder, "AIST++_crop", videos=2),
    "avsync15": miniatures.avsync15,
    "greatesthits": lambda folder: miniatures.greatesthits(folder, count=2),
    "landscape": miniatures.landscape,
    "landscape-mmdiffusion": lambda folder: miniatures.mmdiffusion(folder, "Landscape", videos=2),
    "vggsound": lambda folder: miniatures.vggsound(folder, seconds=8.2, frame_rate=5.0),
}
CHEAP = {
    # of the protocol where something is quick; else what shows that clips and reference clips meet
    "aistpp": ["fvd[network=mini_video]"],
    "avsync15": ["av_align"],
    "greatesthits": ["av_align"],
    "landscape": ["av_align"],
    "landscape-mmdiffusion": ["av_align"],
    "vggsound": ["ib_va[av_benchmark]"],
}


@pytest.fixture(autouse=True)
def own_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AVBENCH_DATA", raising=False)


def seeded(files: list[str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded weights under published names; their hashes are not the published ones."""
    if files is None:
        seeded_home.fill(weights.folder())
    else:
        weights.folder().mkdir(parents=True)
        for file in files:
            (weights.folder() / file).symlink_to(seeded_home.checkpoint(file))
    monkeypatch.setattr(weights, "_checked", lambda checkpoint, path: "0" * 64)


def label(metric: str) -> str:
    spec = registry.parse_spec(metric)
    return registry.metric(spec.name, **dict(spec.parameters)).label


@pytest.mark.parametrize("name", MAKE)
def test_prepared_run_and_scored(name: str, tmp_path: Path, avbench_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = CHEAP[name]
    if any(m.startswith("ib_") for m in quick):
        seeded(["imagebind_huge.pth"], monkeypatch)
    before = avbench_cli("data", "status", name)
    assert "not prepared" in before.out
    assert "1. " in before.out, "it says what to do"
    assert avbench_cli("run", "--model", "reference", "--suite", name, "--limit", "2").code == 2
    done = avbench_cli("data", "prepare", name, "--from", MAKE[name](tmp_path / "download"), "--workers", "1")
    assert done.code == 0, done.err
    asked = ("--suite", name, "--limit", "2", "--metrics", ",".join(quick), "--workers", "1")
    ran = avbench_cli("run", "--model", "reference", *asked, "--out", tmp_path / "run", "--json")
    assert ran.code == 0, ran.err
    one = json.loads(ran.out)
    assert one["suite"]["coverage"] == {"items": 2, "prepared": 2, "missing": 0}
    numbers = {s["metric"]: s["value"] for s in one["metrics"]}
    if name in ("aistpp", "avsync15"):  # the others in the slow test below
        scored = avbench_cli("score", tmp_path / "run" / "clips", *asked, "--out", tmp_path / "score", "--json")
        assert scored.code == 0, scored.err
        two = json.loads(scored.out)
        assert one["suite"] == two["suite"]
        assert numbers == {s["metric"]: s["value"] for s in two["metrics"]}
    for metric in quick:
        assert isinstance(numbers[label(metric)], float), (metric, numbers)
    if name not in ("aistpp", "landscape-mmdiffusion"):
        assert set(quick) <= {label(m) for m in protocol(name)}


def protocol(name: str) -> list[str]:
    suite = suites.described(name)
    return [registry.metric(s.name, **dict(s.parameters)).label for s in suite.metrics]


def test_missing_clips_stay_items_and_every_number_says_so(tmp_path: Path, avbench_cli: Cli) -> None:
    avbench_cli("data", "prepare", "avsync15", "--from", miniatures.avsync15(tmp_path), "--workers", "1")
    told = avbench_cli("data", "status", "avsync15")
    assert "partial; 5 of 6 items" in told.out
    assert "missing: lio-_xyz0001_10_20_1.0_4.5: not in the download" in told.out
    clips = tmp_path / "generated"
    miniatures.clips([clips / f"{item.id}.mp4" for item in suites.load("avsync15").items])
    command = ("score", clips, "--suite", "avsync15", "--metrics", "av_align,kl_mini", "--workers", "1")
    shown = avbench_cli(*command, "--out", tmp_path / "out")
    assert "clips of the suite that are here: 5/6 (83.3 %); `avbench data status avsync15` lists what is missing" in shown.out
    result = avbench.results.read(tmp_path / "out")
    assert result.suite["coverage"] == {"items": 6, "prepared": 5, "missing": 1}
    assert (result["av_align"].n_scored, result["av_align"].n_items) == (6, 6), "it needs no reference clip"
    assert (result["kl_mini"].n_scored, result["kl_mini"].n_items) == (5, 6)
    assert list(result["kl_mini"].unscored) == ["lio-_xyz0001_10_20_1.0_4.5"]
    assert result["kl_mini"].unscored["lio-_xyz0001_10_20_1.0_4.5"].startswith("no_reference")


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKE)
def test_every_metric_of_the_protocol(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from avbench.data.preparing import prepare

    seeded(None, monkeypatch)
    count = 10 if name == "vggsound" else 3  # inception scores need ten
    make = (lambda f: miniatures.vggsound(f, count=count, frame_rate=25.0)) if name == "vggsound" else MAKE[name]
    prepare(name, make(tmp_path / "download"), workers=1)
    for plan in ("mmaudio", "av-benchmark") if name == "vggsound" else (None,):
        metrics = [
            registry.metric(s.name, **dict(s.parameters)).label for s in suites.load(name, protocol=plan, limit=1).metrics
        ]
        ran = avbench.run("reference", name, limit=count, metrics=metrics, out=tmp_path / f"run-{plan}", workers=1)
        scored = avbench.score(
            tmp_path / f"run-{plan}" / "clips",
            suite=name,
            limit=count,
            metrics=metrics,
            out=tmp_path / f"score-{plan}",
            workers=1,
        )
        for metric in metrics:
            assert ran[metric].value == scored[metric].value
            assert math.isfinite(ran[metric].value), metric
            assert ran[metric].n_scored == count, (metric, ran[metric].unscored)
            if metric.startswith(("kl_", "fad_melception", "fd_passt", "fd_panns", "fad_vggish")):
                assert abs(ran[metric].value) < 1e-3, (metric, "the reference against itself")


def test_the_order_of_a_protocol_is_the_papers() -> None:
    assert protocol("avsync15") == ["fvd", "kvd", "fad_melception", "kl_passt", "ib_va", "av_align", "ib_iv", "ib_ia"]
    for name in ("landscape", "greatesthits"):
        assert protocol(name) == ["fvd", "fad_melception", "av_align"]
    for name in ("aistpp", "landscape-mmdiffusion"):
        assert [m.split("[")[0] for m in protocol(name)] == ["fvd", "kvd", "fad_audioclip"]
    assert [m.split("[")[0] for m in protocol("vggsound")] == [
        "fd_passt", "fd_panns", "fad_vggish", "kl_panns", "kl_passt", "is_panns", "ib_va", "desync",
    ]  # fmt: skip
