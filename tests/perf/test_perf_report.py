"""A report reads each file of a run once, and its page grows with the clips and not faster."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from avbench import media, results
from avbench.encode import write_clip
from avbench.report import build
from avbench.types import Clip, ClipFile
from tests.made_runs import made_run

pytestmark = pytest.mark.perf

METRICS = ("av_align", "motion_score", "avh_score", "loudness", "duration")
CLIPS = 150


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, make_clip: Callable[..., Clip]) -> Path:
    """150 clips with five numbers and a curve each."""
    folder = tmp_path_factory.mktemp("report") / "run"
    rng = np.random.default_rng(0)
    ids = [f"c{k:03d}" for k in range(CLIPS)]
    made_run(folder, {label: rng.random(CLIPS) for label in METRICS}, ids=ids)
    times = np.arange(48) / 24
    traces = {id: {"frame_cosines": rng.random(48), "frame_times": times} for id in ids}
    results.write_traces(folder / "traces" / "avh_score.parquet", traces)
    (folder / "clips").mkdir()
    write_clip(folder / "clips" / f"{ids[0]}.mp4", make_clip("c", seconds=1.0))
    for id in ids[1:]:
        (folder / "clips" / f"{id}.mp4").hardlink_to(folder / "clips" / f"{ids[0]}.mp4")
    path = folder / "result.json"
    with media.Reader(ClipFile("c", folder / "clips" / "c000.mp4")) as reader:
        path.write_text(path.read_text().replace('"sha256": "0"', f'"sha256": "{reader.sha256}"'))
    return folder


def test_every_file_is_read_once(run: Path, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str], None]) -> None:
    opened: Counter[str] = Counter()
    parquet, sound = pyarrow.parquet.ParquetFile, media.sound_alone

    def counted(path: Any, *args: Any, **options: Any) -> Any:
        opened[Path(path).name] += 1
        return parquet(path, *args, **options)

    def heard(clip: Any) -> Any:
        opened[clip.path.name] += 1
        return sound(clip)

    monkeypatch.setattr(pyarrow.parquet, "ParquetFile", counted)
    monkeypatch.setattr(media, "sound_alone", heard)
    build([results.read(run)], out=run / "report.html")  # Vega's script is made at the first report
    opened.clear()
    wall, begun = time.monotonic(), time.process_time()
    page = build([results.read(run)], out=run / "report.html").html
    seconds, cpu = time.monotonic() - wall, time.process_time() - begun
    figure(f"report of {CLIPS} clips without embedding: {seconds:.2f} s, {cpu:.2f} s of CPU, {len(page) / 1e6:.2f} MB")
    rows = Counter({f"{label}.parquet": 1 for label in METRICS}) + Counter({"avh_score.parquet": 1})
    assert opened == rows + Counter({f"c{k:03d}.mp4": 1 for k in range(CLIPS)})


def test_a_page_grows_by_little_per_clip(run: Path, figure: Callable[[str], None]) -> None:
    few, many = (len(build([results.read(run)], out=run / "report.html", players=n).html) for n in (0, CLIPS))
    per_clip = (many - few) / CLIPS
    figure(f"waveform, curve and link of a clip: {per_clip:.0f} bytes of the page")
    assert 300 < per_clip < 1500
