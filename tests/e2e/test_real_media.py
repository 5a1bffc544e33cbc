"""Every real clip is scored or listed with a reason, whatever its container."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import avbench
from avbench.errors import REASONS

MEDIA = Path(os.environ.get("AVBENCH_MEDIA") or Path(__file__).resolve().parents[3] / "shared")
MOST_BYTES = 700_000
pytestmark = [pytest.mark.real_media, pytest.mark.skipif(not MEDIA.is_dir(), reason="the real clips are not here")]


def files() -> list[Path]:
    known = {".mp4", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".wav", ".flac", ".ogg", ".png", ".jpg"}
    return sorted(p for p in MEDIA.rglob("*") if p.suffix.lower() in known and p.is_file() and "golden" not in str(p))


def copied(chosen: list[Path], folder: Path) -> Path:
    for path in chosen:
        target = folder / path.relative_to(MEDIA)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return folder


def check(result: avbench.Result, chosen: list[Path]) -> None:
    images = {p.relative_to(MEDIA).as_posix() for p in chosen if p.suffix.lower() in (".png", ".jpg")}
    clips = {p.relative_to(MEDIA).with_suffix("").as_posix() for p in chosen} - {i.rsplit(".", 1)[0] for i in images}
    assert set(result.clips) == clips
    assert set(result.others) == images
    for score in result.metrics:
        assert score.n_items == len(clips)
        assert score.n_scored + len(score.unscored) == len(clips)
        assert score.n_scored > 0
        for reason in score.unscored.values():
            assert reason.split(":")[0] in REASONS
            assert reason.split(":")[0] not in ("error", "crash", "timeout", "memory"), reason
    # These need no stream, and nothing here is damaged.
    for name in ("duration", "missing_stream"):
        assert result[name].unscored == {}
    audio_only = {c for c in clips if (MEDIA / c).with_suffix("").parent.name == "audio"}
    assert audio_only <= set(result["av_align"].unscored)
    assert all(result["av_align"].unscored[c].startswith("no_video") for c in audio_only)
    assert audio_only <= set(result["missing_stream"].flagged)


def test_small_clips_of_every_container(tmp_path: Path) -> None:
    by_suffix: dict[str, list[Path]] = {}
    for path in sorted(files(), key=lambda p: p.stat().st_size):
        if path.stat().st_size <= MOST_BYTES:
            by_suffix.setdefault(path.suffix, []).append(path)
    # Sound costs little, so there are two of each kind.
    chosen = [path for suffix, paths in by_suffix.items() for path in paths[: 2 if suffix in (".wav", ".flac", ".ogg") else 1]]
    if len(by_suffix) < 5:
        pytest.skip("too few real clips here")
    result = avbench.score(copied(chosen, tmp_path / "clips"), out=tmp_path / "out")
    check(result, chosen)


@pytest.mark.slow
def test_everything(tmp_path: Path) -> None:
    chosen = files()
    result = avbench.score(copied(chosen, tmp_path / "clips"), out=tmp_path / "out")
    check(result, chosen)
