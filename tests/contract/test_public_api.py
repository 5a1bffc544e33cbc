"""The names that people import, what importing costs, and the version."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import avbench

ROOT = Path(__file__).resolve().parents[2]
Python = Callable[..., subprocess.CompletedProcess[str]]


def test_all_is_what_can_be_imported() -> None:
    assert sorted(avbench.__all__) == avbench.__all__
    assert set(avbench.__all__) == set(avbench._WHERE)
    for name in avbench.__all__:
        found = getattr(avbench, name)
        assert inspect.isclass(found) or inspect.isfunction(found), name
        assert inspect.getdoc(found), name
        assert found.__module__ == f"avbench.{avbench._WHERE[name]}"
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        _ = avbench.no_such_name


def test_no_module_takes_the_name_of_a_public_one(fresh_python: Python, tmp_path: Path) -> None:
    """In a fresh interpreter: every module is imported first, and then every name is still what it should be."""
    modules = [m.name for m in pkgutil.walk_packages(avbench.__path__, "avbench.") if not m.name.endswith("__main__")]
    assert len(modules) > 30
    code = (
        f"import importlib, inspect\nfor name in {modules!r}: importlib.import_module(name)\n"
        "import avbench\nfrom avbench import *\n"
        "for name in avbench.__all__:\n"
        "    assert not inspect.ismodule(getattr(avbench, name)), name\n"
        "    assert callable(getattr(avbench, name)), name\n"
    )
    done = fresh_python("-W", "error::DeprecationWarning:avbench", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_every_module_imports() -> None:
    for module in pkgutil.walk_packages(avbench.__path__, "avbench."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def test_importing_is_fast_and_loads_nothing_heavy(fresh_python: Python, tmp_path: Path) -> None:
    code = (
        "import sys, time\nbegun = time.perf_counter()\nimport avbench\n"
        "print(time.perf_counter() - begun)\n"
        "print(*sorted({'torch', 'numpy', 'av', 'cv2', 'librosa', 'scipy', 'pandas', 'rich'} & set(sys.modules)))"
    )
    seconds = []
    for _ in range(3):
        done = fresh_python("-c", code, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert lines[1] == ""
        seconds.append(float(lines[0]))
    assert min(seconds) < 0.5


def test_the_command_line_loads_no_torch(fresh_python: Python, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom avbench import cards, cli, pipeline, results\n"
        "cards.metrics(), cards.models(), cards.suites()\n"
        "print('torch' in sys.modules, 'librosa' in sys.modules)"
    )
    done = fresh_python("-c", code, cwd=tmp_path)
    assert done.stdout.strip() == "False False", done.stderr


def test_the_version_is_that_of_the_project() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert avbench.__version__ == table["project"]["version"]
    done = subprocess.run([sys.executable, "-m", "avbench.cli"], capture_output=True, text=True, check=False)
    assert done.returncode == 0


def test_the_changelog_starts_with_this_version() -> None:
    path = ROOT / "CHANGELOG.md"
    if not path.is_file():
        pytest.skip("there is no changelog yet")
    headings = re.findall(r"^## \[?([^\]\s]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings
    versions = [h for h in headings if h.lower() != "unreleased"]
    assert not versions or versions[0] == avbench.__version__
    assert headings[0].lower() == "unreleased" or headings[0] == avbench.__version__


def test_every_public_function_documents_its_arguments() -> None:
    for name in ("extract", "metric", "run", "score"):
        function = getattr(avbench, name)
        text = inspect.getdoc(function) or ""
        for parameter in inspect.signature(function).parameters:
            assert re.search(rf"^    \**{parameter}: ", text, re.MULTILINE), f"{name}: {parameter}"
        assert "Raises:" in text
