"""A distribution with the components of `plugins.py`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from avbench import registry


@pytest.fixture
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Installs the plug-ins for this test, its children included."""
    folder = tmp_path_factory.mktemp("plugins")
    shutil.copyfile(Path(__file__).with_name("plugins.py"), folder / "avbench_test_plugins.py")
    kept = folder / "avbench_test_plugins-1.0.dist-info"
    kept.mkdir()
    (kept / "METADATA").write_text("Metadata-Version: 2.1\nName: avbench-test-plugins\nVersion: 1.0\n")
    (kept / "entry_points.txt").write_text(
        "[avbench.extractors]\nblemished = avbench_test_plugins\ntiny_network = avbench_test_plugins\n"
        "[avbench.metrics]\nname_mean = avbench_test_plugins\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        registry._modules.cache_clear()
        yield folder
    registry._modules.cache_clear()
