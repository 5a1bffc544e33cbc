"""av-benchmark's folder of cached features stands in for reference clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avbench import reference_stats, registry
from avbench.errors import BadManifest, BadParameter


def cache(folder: Path, count: int = 6) -> tuple[Path, dict[str, Any]]:
    draw = torch.Generator().manual_seed(0)
    folder.mkdir()
    panns = {f"c{n}": {"2048": torch.randn(2048, generator=draw), "logits": torch.zeros(527)} for n in range(count)}
    vggish = {f"c{n}": torch.randn(8, 128, generator=draw) for n in range(count)}
    passt = {f"c{n}": torch.randn(768, generator=draw) for n in range(count)}
    torch.save(panns, folder / "pann_features.pth")
    torch.save(vggish, folder / "vggish_features.pth")
    torch.save(passt, folder / "passt_features_embed.pth")
    torch.save({}, folder / "passt_logits.pth")
    return folder, {"fd_panns": panns, "fad_vggish": vggish, "fd_passt": passt}


def test_distances_to_the_cached_features(tmp_path: Path) -> None:
    folder, made = cache(tmp_path / "gt_cache")
    file = reference_stats.opened(folder)
    draw = np.random.default_rng(1)
    for name, width, per_clip in (("fad_vggish", 128, 8), ("fd_passt", 768, 1)):
        metric = registry.metric(name)
        found = reference_stats.find([file], metric, [])
        assert found is not None
        assert found.clips == 6
        rows = draw.standard_normal((12, width))
        direct = torch.cat([made[name][k].reshape(-1, width) for k in sorted(made[name])]).double().numpy()
        assert len(direct) == 6 * per_clip
        assert found.score(metric, rows) == metric.score(rows, direct)
        assert len(found.edges if found.edges is not None else ()) == 5
    panns = reference_stats.find([file], registry.metric("fd_panns"), [])
    assert panns is not None
    assert panns.rows is not None
    assert panns.rows.shape == (6, 2048)
    assert [e["for"] for e in file.described()["entries"]] == [
        ["fd_panns[av_benchmark]"],
        ["fad_vggish[av_benchmark]"],
        ["fd_passt"],
    ]
    assert reference_stats.find([file], registry.metric("fvd"), []) is None
    with pytest.raises(BadParameter, match=r"stands in for fad_vggish\[av_benchmark\], not for fad_vggish\[fadtk\]"):
        reference_stats.find([file], registry.metric("fad_vggish", variant="fadtk"), [])


def test_what_is_no_cache(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match=r"no cache of av-benchmark, which would hold pann_features\.pth"):
        reference_stats.opened(tmp_path)
    folder, _ = cache(tmp_path / "gt_cache")
    metric = registry.metric("fd_passt")
    for value, message in (
        ({"a": torch.zeros(7), "b": torch.zeros(7)}, r"clip 'a': expected 768 features, got \(7,\)"),
        ({"a": torch.zeros(768), "b": torch.full((768,), float("nan"))}, "clip 'b' holds NaN"),
        ([1], "expected a dictionary"),
        ({"a": torch.zeros(768)}, "2 clips or more"),
    ):
        torch.save(value, folder / "passt_features_embed.pth")
        with pytest.raises(BadManifest, match=message):
            reference_stats.opened(folder).reference(metric, [])
    (folder / "passt_features_embed.pth").write_bytes(b"no pickle")
    with pytest.raises(BadManifest, match="not av-benchmark's cache"):
        reference_stats.opened(folder).reference(metric, [])
