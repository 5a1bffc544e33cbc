"""ImageBind's metrics together against one clip and one metric at a time; and the full-size network on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench import engine, imagebind, registry
from avbench.encode import write_clip
from avbench.options import Options, Wanted
from avbench.store import MemoryStore
from avbench.types import Array, Clip, ClipFile, Extractor, Item, Metric
from tests.parity.harness import seeded_arrays

NAMES = ("ib_va", "ib_tv", "ib_ta", "ib_iv", "ib_ia", "avh_score", "javisscore", "javisscore[function_defaults]")


def asked() -> list[Metric]:
    """The metrics of `NAMES`."""
    specs = [registry.parse_spec(name) for name in NAMES]
    return [registry.metric(spec.name, **dict(spec.parameters)) for spec in specs]


def needed(metric: Metric) -> list[Extractor]:
    needs = (*metric.extractors(), *(metric.reference_extractors() if metric.needs_reference else ()))
    return [registry.needed(need) for need in dict.fromkeys(needs)]


def rows(
    metrics: list[Metric], clips: Sequence[Clip | ClipFile], checkpoint: Path, options: Options
) -> dict[tuple[str, str], Array]:
    """Rows by metric and clip, each clip its own reference, from one pass over the clips."""
    extractors = list(dict.fromkeys(e for metric in metrics for e in needed(metric)))
    found = engine.extract(clips, [Wanted(e, checkpoint, "0") for e in extractors], store=MemoryStore(), options=options)
    out = {}
    for number, clip in enumerate(clips):
        for metric in metrics:
            layers: dict[str, Array] = {}
            for extractor in needed(metric):
                made = found.features(number, extractors.index(extractor))
                assert not isinstance(made, engine.Failure), made
                layers |= {f"{extractor.name}.{layer}": value for layer, value in made.items()}
            out[metric.label, clip.id] = metric.row(Item(clip.id), layers, layers)
    return out


@pytest.fixture
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.perf
@pytest.mark.usefixtures("one_thread")
def test_one_pass_against_a_clip_and_a_metric_at_a_time(
    make_clip: Callable[..., Clip], tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """Small network: all metrics of all clips in one pass against a pass for each metric and clip; equal values.

    The clips are in memory: with files the loop would also pay for its processes, and for decoding once for each metric.
    What is asserted is CPU time, which other work on the machine does not move.
    """
    import torch

    state = {key: torch.from_numpy(np.array(v)) for key, v in seeded_arrays("imagebind_reduced.json", 1).items()}
    torch.save(state, tmp_path / "reduced.pth")
    clips = [make_clip(f"c{n}", seed=n, seconds=4.0, width=320, height=180, text=f"caption {n}") for n in range(3)]
    metrics = asked()
    options = Options(workers=2, device="cpu")
    rows(metrics, clips[:1], tmp_path / "reduced.pth", options)  # imports and the file

    begun, used = time.perf_counter(), time.process_time()
    together = rows(metrics, clips, tmp_path / "reduced.pth", options)
    quick, cheap = time.perf_counter() - begun, time.process_time() - used
    begun, used = time.perf_counter(), time.process_time()
    apart: dict[tuple[str, str], Array] = {}
    for clip in clips:
        for metric in metrics:
            apart |= rows([metric], [clip], tmp_path / "reduced.pth", options)
    slow, dear = time.perf_counter() - begun, time.process_time() - used

    assert together.keys() == apart.keys()
    for key, row in together.items():
        np.testing.assert_allclose(
            row, apart[key], rtol=1e-4, atol=1e-4 if key[0].startswith("ib_") else 1e-6, err_msg=str(key)
        )
    figure(
        f"imagebind: {len(metrics)} metrics together have {slow / quick:.2f} x the throughput of one clip and one metric at a "
        f"time, {dear / cheap:.2f} x by CPU time; {len(clips)} clips of 4 s, small network"
    )
    assert dear > 2.0 * cheap


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_full_size_on_a_gpu(
    precision: str, make_clip: Callable[..., Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 clips of 10 s through every layer: clips per second, share of the time in the network, peak memory. Random weights.

    In bfloat16 by autocast; the scores of both precisions are printed so that their difference can be read off.
    """
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    from avbench.models.imagebind import UNUSED, ImageBind

    with torch.device("meta"):
        published = ImageBind()
    draw = torch.Generator().manual_seed(0)
    state = {key: _drawn(key, tuple(v.shape), draw) for key, v in published.state_dict().items()}
    assert not any(key.startswith(UNUSED) for key in state)
    torch.save(state, tmp_path / "huge.pth")
    del state

    clips = []
    for number in range(64):
        clip = make_clip(
            f"c{number}", seed=number, seconds=10.0, frame_rate=24.0, width=1280, height=720, text=f"caption {number}"
        )
        write_clip(tmp_path / f"{clip.id}.mp4", clip)
        clips.append(ClipFile(clip.id, tmp_path / f"{clip.id}.mp4", None, clip.text))

    spent = 0.0
    for tower in ("vision", "audio", "text"):
        plain = getattr(ImageBind, tower)

        def timed(self: Any, x: Any, plain: Any = plain) -> Any:
            nonlocal spent
            torch.cuda.synchronize()
            begun = time.perf_counter()
            with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16"):
                made = plain(self, x)
            torch.cuda.synchronize()
            spent += time.perf_counter() - begun
            return made.float()

        monkeypatch.setattr(ImageBind, tower, timed)
    metrics = asked()
    imagebind._network.cache_clear()
    rows(metrics, clips[:1], tmp_path / "huge.pth", Options(device="cuda"))  # reading the file, and the first kernels
    torch.cuda.reset_peak_memory_stats()
    spent, begun = 0.0, time.perf_counter()
    made = rows(metrics, clips, tmp_path / "huge.pth", Options(device="cuda"))
    wall = time.perf_counter() - begun
    memory = torch.cuda.max_memory_allocated() / 2**30
    means = {m.label: float(np.mean([made[m.label, c.id][0] for c in clips])) for m in metrics}
    print(f"\n{precision}: {len(clips) / wall:.2f} clips/s, {spent / wall:.0%} in the network, {memory:.1f} GiB; {means}")
    imagebind._network.cache_clear()
    assert all(np.isfinite(row).all() for row in made.values())


def _drawn(key: str, shape: tuple[int, ...], draw: Any) -> Any:
    """Values that keep the network's signal in range: norms near 1, matrices by their width, the text's causal mask."""
    import torch

    if key.endswith(".mask"):
        return torch.full(shape, float("-inf")).triu(1)
    if key.endswith("log_logit_scale"):
        return torch.tensor(3.0)
    noise = torch.randn(shape, generator=draw)
    if len(shape) == 1:
        return noise * 0.02 + (1.0 if key.endswith("weight") else 0.0)
    return noise * (0.5 if len(shape) == 3 else float(np.prod(shape[1:])) ** -0.5)
