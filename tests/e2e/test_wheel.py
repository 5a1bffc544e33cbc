"""The wheel holds the package, the cards and the suites, and works from another directory."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_wheel_has_everything_and_runs(tmp_path: Path) -> None:
    """Needs the package index, since pip fetches hatchling for the build."""
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("avbench-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    for path in sorted((ROOT / "avbench").rglob("*.py")):
        assert path.relative_to(ROOT).as_posix() in names
    for pattern in ("mini/*.safetensors", "tables/**/*.toml", "study_page/*"):
        found = [path for path in (ROOT / "avbench").glob(pattern) if path.is_file()]
        assert found, pattern
        for path in found:
            assert path.relative_to(ROOT).as_posix() in names
    for kind in ("metrics", "benchmarks", "baselines"):
        for path in (p for p in (ROOT / kind).rglob("*") if p.is_file()):
            assert f"avbench/content/{path.relative_to(ROOT).as_posix()}" in names
    assert not any(name.startswith("tests/") for name in names)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import avbench\n"
        f"assert avbench.__file__.startswith({str(tmp_path)!r}), avbench.__file__\n"
        "from avbench import cards\n"
        "assert all(cards.metric(m['metric'])['card'].startswith('# ') for m in cards.metrics())\n"
        "result = avbench.run('reference', 'synth15', limit=2, metrics=['motion_score', 'kl_mini'], out='out')\n"
        "assert result['motion_score'].n_scored == result['kl_mini'].n_scored == 2\n"
    )
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
