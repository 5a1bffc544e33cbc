"""Names to components: files, plug-ins, parameters, specs on the command line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avbench import registry
from avbench.errors import BadParameter, UnknownName
from avbench.types import MetricSpec

Python = Callable[..., subprocess.CompletedProcess[str]]

PLUGIN = '''
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from avbench.types import Better, Extractor, Metric, Need, Preparation

class _Count(Preparation):
    def __init__(self, frames):
        self.count = frames
    def finish(self, audio):
        return {"frames": np.asarray(float(self.count))}

@dataclass(frozen=True)
class FrameCount(Extractor):
    name: ClassVar[str] = "plugged_count"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("frames",)
    needs: ClassVar[tuple[str, ...]] = ("video",)
    def start(self, info, earlier):
        return _Count(info.frames)

@dataclass(frozen=True)
class Frames(Metric):
    """Mean number of frames."""
    factor: float = 1.0
    name: ClassVar[str] = "{metric}"
    title: ClassVar[str] = "Number of frames"
    unit: ClassVar[str] = "frames"
    better: ClassVar[Better] = "none"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "a plug-in"
    columns: ClassVar[tuple[str, ...]] = ("frames",)
    def extractors(self):
        return (Need.of("plugged_count"),)
    def row(self, item, got, ref):
        return self.factor * np.atleast_1d(got["plugged_count.frames"])
'''


def install(site: Path, points: str, module: str, metric: str = "plugged_frames") -> None:
    """A distribution as pip leaves it: a module, and metadata with entry points."""
    info = site / "plugged-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    (site / f"{module}.py").write_text(PLUGIN.replace("{metric}", metric), encoding="utf-8")


POINTS = """
[avbench.metrics]
plugged_frames = plugged

[avbench.extractors]
plugged_count = plugged:FrameCount
"""


def test_a_plug_in_is_found_and_scores_clips_in_worker_processes(
    tmp_path: Path, fresh_python: Python, make_clip: Callable[..., Any]
) -> None:
    from avbench.encode import write_clip

    install(tmp_path / "site", POINTS, "plugged")
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips" / "a.mp4", make_clip("a"))
    code = (
        "import avbench\nfrom avbench import registry\n"
        "assert 'plugged_frames' in registry.names('metrics')\n"
        "result = avbench.score('clips', metrics=['plugged_frames[factor=2]'], out='out')\n"
        "score = result['plugged_frames']\nprint(score.metric, score.value, score.n_scored)\n"
    )
    done = fresh_python("-c", code, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["plugged_frames[factor=2.0]", "24.0", "1"]


@pytest.mark.parametrize(
    ("points", "metric", "message"),
    [
        ("[avbench.metrics]\nav_align = plugged\n", "av_align", "takes the name 'av_align' of a metric that is there already"),
        ("[avbench.metrics]\nother_name = plugged\n", "plugged_frames", "must define one Metric with name = 'other_name'"),
        ("[avbench.metrics]\nother_name = nowhere\n", "plugged_frames", "plug-in 'other_name' (nowhere) cannot be imported"),
    ],
)
def test_a_plug_in_that_is_wrong_is_named_in_one_message(
    points: str, metric: str, message: str, tmp_path: Path, fresh_python: Python
) -> None:
    install(tmp_path / "site", points, "plugged", metric)
    environment = {"PYTHONPATH": str(tmp_path / "site")}
    code = "import sys; sys.argv = ['avbench', 'metrics']; from avbench.cli import main; main()"
    done = fresh_python("-c", code, cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_listing_names_imports_no_component(fresh_python: Python, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom avbench import registry\n"
        "for kind in ('metrics', 'extractors', 'generators'): assert registry.names(kind) == sorted(registry.names(kind))\n"
        "registry.names('metrics')\n"
        "print(*[m for m in sys.modules if m.startswith(('avbench.metrics.', 'avbench.extractors.', 'avbench.generators.'))])"
    )
    done = fresh_python("-c", code, cwd=tmp_path)
    assert done.stdout.strip() == "", done.stderr


@pytest.mark.parametrize(
    ("find", "name", "nearest"),
    [
        (registry.metric, "av_aling", "av_align"),
        (registry.metric, "AV_ALIGN", "av_align"),
        (registry.extractor, "onset", "onsets"),
        (registry.generator, "refrence", "reference"),
    ],
)
def test_an_unknown_name_offers_the_nearest(find: Callable[[str], object], name: str, nearest: str) -> None:
    with pytest.raises(UnknownName, match=f"no .* '{name}'; did you mean '{nearest}'") as caught:
        find(name)
    assert caught.value.nearest == nearest


def test_a_name_like_no_other_lists_what_there_is() -> None:
    with pytest.raises(UnknownName, match=r"no metric 'zzzzzz'; there are: .*av_align") as caught:
        registry.metric("zzzzzz")
    assert caught.value.nearest is None
    for name in ("", "__init__", "../av_align", "os", "av_align.py"):
        with pytest.raises(UnknownName):
            registry.metric(name)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("av_align", MetricSpec("av_align")),
        (" av_align ", MetricSpec("av_align")),
        ("av_align[]", MetricSpec("av_align")),
        ("av_align[javisbench]", MetricSpec("av_align", (("variant", "javisbench"),))),
        (
            "av_align[svg,resize=min=64,keep_offset=true]",
            MetricSpec("av_align", (("keep_offset", True), ("resize", "min=64"), ("variant", "svg"))),
        ),
        ("x[a=1, b=2.5, c=none, d=False, e=-3]", MetricSpec("x", (("a", 1), ("b", 2.5), ("c", None), ("d", False), ("e", -3)))),
    ],
)
def test_a_spec_is_read(text: str, spec: MetricSpec) -> None:
    assert registry.parse_spec(text) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("av_align[svg", "the bracket does not close"),
        ("av_align[svg]x", "the bracket does not close"),
        ("av_align[variant=svg,oops]", "expected key=value, got 'oops'"),
        ("av_align[svg,variant=svg]", "'variant' is given twice"),
    ],
)
def test_a_spec_that_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        registry.parse_spec(text)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("av_align", {"keep_offset": 1}, "av_align: keep_offset must be bool, got 1"),
        ("av_align", {"resize": 64}, "av_align: resize must be str or none, got 64"),
        ("av_align", {"variant": None}, "av_align: variant must be one of 'tempotokens_2025', .*, got None"),
        ("av_align", {"width": 3}, "av_align takes 'variant', 'resize', 'keep_offset', not 'width'"),
        ("loudness", {"target": -23}, "loudness takes no parameters, not 'target'"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(name: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        registry.metric(name, **parameters)


def test_whole_numbers_pass_as_floats_and_truth_values_do_not() -> None:
    made = registry.generator("shifted", seconds=1)
    assert made.parameters() == {"seconds": 1.0}
    assert isinstance(made.parameters()["seconds"], float)
    with pytest.raises(BadParameter, match="shifted: seconds must be float, got True"):
        registry.generator("shifted", seconds=True)
    with pytest.raises(BadParameter, match=r"onsets: sample_rate must be int or none, got 22050.0"):
        registry.extractor("onsets", sample_rate=22050.0)


def test_only_a_changed_parameter_is_in_the_label() -> None:
    assert registry.metric("av_align").label == "av_align"
    assert registry.metric("av_align", variant="svg", keep_offset=True).label == "av_align[svg,keep_offset=True]"
    assert registry.extractor("onsets", sample_rate=None).label == "onsets[sample_rate=None]"


def test_a_model_that_bears_a_papers_name_is_shown_as_what_it_is() -> None:
    assert registry.shown("jointdit[w=0]") == "JointDiT (avbench reference, tiny)[w=0]"
    assert registry.shown("noise") == "noise"
    assert registry.shown("JointDiT") == "JointDiT"
    assert registry.shown("dir:/clips?name=<b>") == "dir:/clips?name=<b>"
    assert registry.shown("") == ""
