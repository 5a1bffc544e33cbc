"""Memory of statistics over many rows, and I3D in batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ROOT = Path(__file__).parents[2]

STREAMED = """
import json, resource, sys
from pathlib import Path
import numpy as np
from scipy.linalg import blas, lapack
from avbench.reference_build import RowSource, write
from avbench.reference_stats import opened

n, d = int(sys.argv[1]), int(sys.argv[2])

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

class Rows(RowSource):
    kind, extractors, rows_wanted, left_out = "test", (), True, {}

    def rows(self):
        draw = np.random.default_rng(0)
        for _ in range(n):
            yield draw.standard_normal(d).astype(np.float32)

blas.dsyrk(1.0, np.ones((4, 4)))
before = peak()
write(Path(sys.argv[3]), [Rows()], {"suite": {"name": "test", "version": 1, "items": n, "ids": ""}})
print(json.dumps({"streamed": peak() - before, "rows": n * d * 4, "matrix": d * d * 8}))
"""

HELD = """
import json, resource, sys
import numpy as np
from avbench import stats

n, d = int(sys.argv[1]), int(sys.argv[2])
draw = np.random.default_rng(0)
x = draw.standard_normal((n, d), dtype=np.float32)
y = x + np.float32(0.5)
stats.frechet(x[: d // 4, :8], y[: d // 4, :8])
before = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
stats.frechet(x, y)
after = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"grown": after - before, "rows": x.nbytes, "matrix": d * d * 8}))
"""


def said(script: str, *arguments: object) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.perf
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_a_statistics_file_is_written_without_holding_the_rows(tmp_path: Path) -> None:
    """A few matrices (d, d) and one block of rows, however many rows there are."""
    found = said(STREAMED, 20_000, 1_024, tmp_path / "x.safetensors")
    print(f"20,000 x 1024 rows of {found['rows'] / 1e6:.0f} MB: {found['streamed'] / 1e6:.0f} MB more")
    assert found["streamed"] < 7 * found["matrix"] + 20e6
    assert found["streamed"] < found["rows"]


@pytest.mark.perf
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_features_are_streamed_and_not_doubled(tmp_path: Path) -> None:
    """10,000 x 2048: neither the file nor a distance of features that are there holds them once more."""
    found = said(STREAMED, 10_000, 2_048, tmp_path / "x.safetensors")
    print(f"10,000 x 2048 rows of {found['rows'] / 1e6:.0f} MB written: {found['streamed'] / 1e6:.0f} MB more")
    assert found["streamed"] < 7 * found["matrix"] + 40e6
    held = said(HELD, 10_000, 2_048)
    print(f"distance of two sets of {held['rows'] / 1e6:.0f} MB: {held['grown'] / 1e6:.0f} MB more")
    assert held["grown"] < 4 * held["matrix"] + 40e6


@pytest.mark.perf
@pytest.mark.slow
def test_i3d_on_a_batch_of_clips() -> None:
    """Small on one CPU thread, which one clip fills as well: a batch must not cost more; on a GPU it is several times less."""
    import torch

    from avbench import registry
    from tests.parity.harness import families

    weights = families("video/i3d")[0].checkpoint("i3d_pretrained_400")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    forward = registry.extractor("i3d_k400", variant="styleganv").load(weights, device)
    frames = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (4, 16, 3, 224, 224)).astype(np.float32)).to(device)

    def seconds(size: int) -> float:
        started = time.perf_counter()
        for part in torch.split(frames, size):
            forward({"frames": part})["logits"].cpu()
        return time.perf_counter() - started

    with torch.inference_mode():
        seconds(4)
        batch, single = min(seconds(4) for _ in range(2)), min(seconds(1) for _ in range(2))
    print(f"I3D on {device}: 4 clips in {batch:.2f} s together, {single:.2f} s one at a time, ratio {single / batch:.2f}")
    assert single / batch > (1.2 if device == "cuda" else 0.7)
