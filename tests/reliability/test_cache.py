"""R7, R8: nothing stale, nothing damaged, and a clear word where nothing can be written."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from avbench import media, pipeline, store
from avbench.errors import AvbenchError, OtherRun
from avbench.media import Reader
from avbench.options import Options, Wanted
from avbench.types import Array, Clip, ClipFile, ClipInfo, Extractor, Features, Preparation

from .support import PROGRAM, avbench, environment, info, moving, records, write_clips, write_suite

ONE = Options(workers=1)


@dataclass(frozen=True)
class Mean(Extractor):
    """Does nothing; only its identity is asked for."""

    scale: float = 1.0

    name: ClassVar[str] = "mean"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("value",)
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("video",)

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        raise NotImplementedError


def _key(wanted: Wanted, clip: Clip | ClipFile, **more: Any) -> str:
    with Reader(clip) as reader:
        return store.feature_key(wanted.identity, reader.sha256, **more)


def test_everything_that_moves_a_value_moves_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clip, extractor, weights, decoder and packages: each change is another key, and none changes twice."""
    clip = moving("x")
    assert clip.video is not None
    assert clip.audio is not None
    wanted = Wanted(Mean(), None, "w" * 64)
    base = _key(wanted, clip)
    assert _key(wanted, moving("another name")) == base
    brighter = clip.video.copy()
    brighter[0, 0, 0, 0] ^= 1
    keys = {
        "picture": _key(wanted, replace(clip, video=brighter)),
        "sound": _key(wanted, replace(clip, audio=np.nextafter(clip.audio, 1))),
        "frame rate": _key(wanted, replace(clip, frame_rate=10.5)),
        "length": _key(wanted, replace(clip, video=clip.video[:-1])),
        "sample rate": _key(wanted, replace(clip, sample_rate=16_001)),
        "offset": _key(wanted, replace(clip, audio_start_seconds=0.1)),
        "caption": _key(wanted, clip, text="caption"),
        "earlier features": _key(wanted, clip, earlier=("k",)),
        "weights": _key(replace(wanted, weights_sha256="v" * 64), clip),
        "parameter": _key(replace(wanted, extractor=Mean(scale=2.0)), clip),
    }
    with monkeypatch.context() as patch:
        patch.setattr(media, "READER", "pyav-0.0.0")
        keys["decoder"] = _key(wanted, clip)
    with monkeypatch.context() as patch:
        patch.setattr(Mean, "revision", 2)
        keys["revision"] = _key(wanted, clip)
    with monkeypatch.context() as patch:
        patch.setattr(Mean, "packages", ("numpy", "scipy"))
        keys["packages"] = _key(wanted, clip)
    with monkeypatch.context() as patch:
        patch.setattr("importlib.metadata.version", lambda name: "0.0.0")
        keys["package version"] = _key(wanted, clip)
    assert base not in keys.values()
    assert len(set(keys.values())) == len(keys)
    assert '"dtype":"float32"' in wanted.identity
    (path,) = write_clips(tmp_path, ["x"])
    assert _key(wanted, ClipFile("x", path)) != base


def _score(root: Path, **more: Any) -> dict[str, Any]:
    pipeline.score(root / "clips", out=root / "out", metrics=["motion_score"], options=ONE, **more)
    return info(root / "out")


def test_other_bytes_of_the_same_name_size_and_time(tmp_path: Path) -> None:
    a, b = write_clips(tmp_path / "clips", ["a", "b"])
    size = max(a.stat().st_size, b.stat().st_size) + 8
    for path in (a, b):
        data = path.read_bytes()
        path.write_bytes(data + struct.pack(">I4s", size - len(data), b"free") + bytes(size - len(data) - 8))
    other = b.read_bytes()
    b.unlink()
    first = _score(tmp_path)
    made = first["features_made"]
    before = (tmp_path / "out" / "result.json").read_bytes()
    assert _score(tmp_path)["features_made"] == 0
    assert (tmp_path / "out" / "result.json").read_bytes() == before
    old = a.stat()
    with a.open("r+b") as file:
        file.write(other)
    os.utime(a, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert (a.stat().st_size, a.stat().st_mtime_ns) == (old.st_size, old.st_mtime_ns)
    assert _score(tmp_path)["features_made"] == made
    assert (tmp_path / "out" / "result.json").read_bytes() != before


def test_the_reader_version_reaches_the_whole_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clips(tmp_path / "clips", ["a"])
    made = _score(tmp_path)["features_made"]
    monkeypatch.setattr(media, "READER", "pyav-0.0.0")
    assert _score(tmp_path)["features_made"] == made > 0


@pytest.mark.parametrize("change", ["prompt", "seconds", "frame_rate", "width", "sample_rate"])
def test_clips_of_an_edited_suite_are_not_taken_for_the_new_ones(change: str, tmp_path: Path) -> None:
    """Name and version stay, what the model is asked for does not: the folder holds another run."""
    suite = tmp_path / "suite"
    write_suite(suite, [{"id": "a", "prompt": "p"}], metrics=["motion_score"])
    pipeline.run("noise", str(suite), out=tmp_path / "out", options=ONE)
    pipeline.run("noise", str(suite), out=tmp_path / "out", options=ONE)
    if change == "prompt":
        write_suite(suite, [{"id": "a", "prompt": "q"}], metrics=["motion_score"])
    else:
        text = (suite / "suite.toml").read_text()
        old = next(line for line in text.splitlines() if line.startswith(f"{change} = "))
        (suite / "suite.toml").write_text(text.replace(old, f"{change} = {int(old.split('= ')[1]) * 2}"))
    with pytest.raises(OtherRun, match="another run"):
        pipeline.run("noise", str(suite), out=tmp_path / "out", options=ONE)


def test_flipped_bits_are_found_and_made_again(tmp_path: Path) -> None:
    """100 records with one flipped bit each, a cut one and an empty one."""
    draw = random.Random(7)
    disk = store.DiskStore(tmp_path)
    layers: dict[str, Array] = {"value": np.arange(9.0), "other": np.ones(3, dtype=np.float32)}
    for number in range(100):
        key = f"{number:064x}"
        disk.put(key, layers)
        data = bytearray(disk.path(key).read_bytes())
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        disk.path(key).write_bytes(bytes(data))
        assert disk.get(key) is None
        assert not disk.has(key)
        disk.put(key, layers)
        again = disk.get(key)
        assert again is not None
        assert all(np.array_equal(again[k], layers[k]) for k in layers)
    for short in (b"", store.pack(layers)[:-9]):
        disk.path(key).write_bytes(short)
        assert disk.get(key) is None


def test_a_run_mends_its_cache(tmp_path: Path) -> None:
    """A flipped bit in every record of a clip, a deleted one, and a folder in the place of one."""
    write_clips(tmp_path / "clips", ["a", "b"])
    made = _score(tmp_path)["features_made"]
    before = (tmp_path / "out" / "result.json").read_bytes()
    home = Path(os.environ["AVBENCH_HOME"])
    for number, path in enumerate(sorted(records(home))):
        if number % 2:
            path.unlink()
        else:
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(bytes(data))
    assert _score(tmp_path)["features_made"] == made
    assert (tmp_path / "out" / "result.json").read_bytes() == before
    assert _score(tmp_path)["features_made"] == 0


@pytest.mark.parametrize("what", ["home", "out", "ledger"])
def test_a_place_that_cannot_be_written_is_named(what: str, tmp_path: Path) -> None:
    """A file where a folder should be, since permissions do not bind the superuser; and a ledger of noise."""
    write_clips(tmp_path / "clips", ["a"])
    home, out = tmp_path / "home", tmp_path / "out"
    if what == "home":
        home.write_text("")
    elif what == "out":
        (tmp_path / "file").write_text("")
        out = tmp_path / "file" / "out"
    else:
        avbench(["score", "clips", "--out", str(out), "--metrics", "duration"], cwd=tmp_path, home=home)
        (out / "ledger.sqlite").write_bytes(b"noise" * 2000)
    _, err = avbench(["score", "clips", "--out", str(out), "--metrics", "duration"], cwd=tmp_path, home=home, expect=2)
    assert str({"home": home, "out": out, "ledger": out / "ledger.sqlite"}[what]).encode() in err


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_read_only_cache_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clips(tmp_path / "clips", ["a"])
    (tmp_path / "home").mkdir(mode=0o500)
    monkeypatch.setenv("AVBENCH_HOME", str(tmp_path / "home"))
    with pytest.raises(AvbenchError, match="cannot write"):
        _score(tmp_path)


@pytest.mark.parametrize("limit", [0, 2_000, 20_000])
def test_full_disk(limit: int, tmp_path: Path) -> None:
    """No file may grow over a limit, as on a full disk: exit code 2, and the same command goes on when there is room."""
    clips = tmp_path / "clips"
    write_clips(clips, ["a", "b"])
    arguments = ["score", "clips", "--out", "out", "--workers", "1", "--metrics", "motion_score"]
    home = tmp_path / "home"
    avbench(arguments, cwd=tmp_path, home=home)
    expected = (tmp_path / "out" / "result.json").read_bytes()
    shutil.rmtree(home)

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=tmp_path,
        env=environment(home, PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        preexec_fn=full,
        timeout=120,
        check=False,
    )
    assert (found.returncode, found.stdout) == (2, b""), found.stderr.decode()
    assert b"Traceback" not in found.stderr
    assert b"free some space" in found.stderr
    assert (tmp_path / "out" / "result.json").read_bytes() == expected, "the earlier result is gone"
    avbench(arguments, cwd=tmp_path, home=home)
    assert (tmp_path / "out" / "result.json").read_bytes() == expected
    assert json.loads(expected)["schema"] == 1


def test_half_records_of_killed_processes_are_swept(tmp_path: Path) -> None:
    kept = store.DiskStore(tmp_path)
    old, young = tmp_path / "partial" / ".a.partial", tmp_path / "partial" / ".b.partial"
    for half in (old, young):
        half.parent.mkdir(exist_ok=True)
        half.write_bytes(b"half")
    os.utime(old, (0, 0))
    kept.put("ab" * 32, {"x": np.zeros(3)})
    assert not old.exists()
    assert young.exists()
    assert kept.get("ab" * 32) is not None
    assert sorted(p.name for p in (tmp_path / "partial").iterdir()) == [".b.partial"]
