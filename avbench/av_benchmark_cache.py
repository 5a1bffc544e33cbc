"""av-benchmark's folder of cached features, in place of reference clips.

A `gt_cache` holds one file for each network: a dictionary from a clip's name to its features. `--reference-stats gt_cache`
lets the Fréchet distances on PANNs, VGGish and PaSST use it as they use a statistics file. Files are read with `weights_only`:
no code in them runs.

Not in it, and so not checked: which weights made them, and of how many seconds (av-benchmark's `audio_length`, 8 s by
default). KL and the paired scores need the reference clip itself beside the generated one and do not use it; av-benchmark
compares PaSST's features of paired clips alone, here the whole folder is the reference.

Source: github.com/hkchengrex/av-benchmark `av_bench/extract.py`, `av_bench/evaluate.py` at 050a5cd.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadManifest, BadParameter
from avbench.options import Wanted
from avbench.reference_stats import Reference, ReferenceFile
from avbench.types import Metric

_FILES: Mapping[str, tuple[str, str, int]] = {
    "fd_panns": ("pann_features.pth", "2048", 2048),
    "fad_vggish": ("vggish_features.pth", "", 128),
    "fd_passt": ("passt_features_embed.pth", "", 768),
}
"""By metric: the file, the layer in it where a clip has several, and the width of a row."""


class AvBenchmarkCache(ReferenceFile):
    """The folder; each file is read when a metric asks for it.

    Raises:
        BadManifest: if none of the files is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        there = [file for file, _, _ in _FILES.values() if (path / file).is_file()]
        if not there:
            names = ", ".join(file for file, _, _ in _FILES.values())
            raise BadManifest(f"{path}: no statistics file and no cache of av-benchmark, which would hold {names}")
        digest = hashlib.sha256()
        for file in there:
            with (path / file).open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        self.sha256 = digest.hexdigest()

    def has(self, metric: Metric) -> bool:
        """By the metric's name."""
        return metric.name in _FILES and (self.path / _FILES[metric.name][0]).is_file()

    def reference(self, metric: Metric, wanted: Sequence[Wanted], *, load: bool = True) -> Reference | None:
        """See `ReferenceFile.reference`."""
        if not self.has(metric):
            return None
        file = self.path / _FILES[metric.name][0]
        variant = metric.parameters().get("variant", "av_benchmark")
        if variant != "av_benchmark":
            raise BadParameter(
                f"{file}: av-benchmark's cache stands in for {metric.name}[av_benchmark], not for {metric.label}"
            )
        clips = self._clips(metric.name)
        rows = np.concatenate(clips) if load else None
        return Reference(len(clips), None, rows, np.cumsum([len(c) for c in clips])[:-1].astype(np.int64), self.source)

    def described(self) -> dict[str, Any]:
        """Files and shapes."""
        entries = []
        for name in (n for n, (file, _, _) in _FILES.items() if (self.path / file).is_file()):
            clips = self._clips(name)
            entries.append(
                {
                    "kind": _FILES[name][0],
                    "clips": len(clips),
                    "n": sum(len(c) for c in clips),
                    "dimensions": clips[0].shape[1],
                    "rows_stored": True,
                    "for": [f"{name}[av_benchmark]" if name != "fd_passt" else name],
                }
            )
        return {
            "file": str(self.path),
            "sha256": self.sha256,
            "published by": "av-benchmark; weights and length are not recorded and cannot be checked",
            "entries": entries,
        }

    def _clips(self, name: str) -> list[NDArray[np.float64]]:
        """Rows of each clip, in order of their names."""
        import torch

        from avbench.weights import read

        file, layer, width = _FILES[name]
        path = self.path / file
        try:
            found: dict[Any, Any] = read(path)
        except BadParameter as error:
            raise BadManifest(f"{path}: not av-benchmark's cache: {error}") from error
        if len(found) < 2:
            raise BadManifest(f"{path}: expected features of 2 clips or more, got {len(found)}")
        clips = []
        for clip in sorted(found, key=str):
            value = found[clip].get(layer) if layer and isinstance(found[clip], dict) else found[clip]
            if not isinstance(value, torch.Tensor) or value.ndim not in (1, 2) or value.shape[-1] != width:
                shape = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
                raise BadManifest(f"{path}: clip '{str(clip)[:80]}': expected {width} features, got {shape}")
            rows = np.atleast_2d(value.detach().double().numpy())
            if not np.isfinite(rows).all():
                raise BadManifest(f"{path}: clip '{str(clip)[:80]}' holds NaN or infinite values")
            clips.append(rows)
        return clips
