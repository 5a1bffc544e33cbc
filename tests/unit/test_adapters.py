"""Functions and packages as models, the checks on arrival, and `avbench check-generator`."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import pickle
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench import arrival, cards, pipeline, registry, suites
from avbench.adapters import generator
from avbench.encode import write_clip
from avbench.errors import AvbenchError, BadCondition, BadParameter, MissingData
from avbench.types import Clip, ClipFile, Generator, Item, NoClip, Suite
from tests import stage_models
from tests.fake_generator import picture, write_program


@pytest.fixture
def suite(suite_folder: Callable[..., Path], make_clip: Callable[..., Clip]) -> Suite:
    folder = suite_folder(["a", "b", "c", "d"], metrics=["duration"], conditions=["first_frame", "text"])
    (folder / "reference").mkdir()
    for n, id in enumerate("abcd"):
        write_clip(folder / "reference" / f"{id}.mp4", make_clip(id, seed=n))
    return suites.load(str(folder))


def test_a_function_is_a_model_with_parameters() -> None:
    cls = stage_models.picture
    assert (cls.name, cls.task, cls.produces, cls.conditions) == ("picture", "I2V", ("video",), ("first_frame",))
    assert cls.title == "A square that moves over the first frame"
    model = registry.model("py:tests.stage_models:picture?gain=3")
    assert model.label == "picture[gain=3]"
    assert pickle.loads(pickle.dumps(model)) == model  # noqa: S301
    with pytest.raises(BadParameter, match="gain must be int, got 'x'"):
        registry.model("py:tests.stage_models:picture?gain=x")
    with pytest.raises(BadParameter, match="parameter 'speed' is no condition and has no default"):

        @generator(task="I2V", conditions=("first_frame",))
        def lacking(first_frame: Any, speed: float) -> None:
            """No default."""


def test_what_a_function_returns_or_raises_is_its_items_own(suite: Suite, tmp_path: Path) -> None:
    answers: dict[str, Any] = {
        "a": (np.zeros((3, 4, 4, 3), np.uint8), 5, np.zeros(9, np.float64), 8_000),
        "b": (np.zeros((3, 4, 4), np.uint8), 5, None, 0),
        "c": ValueError("no"),
        "d": BadCondition("nothing to see"),
    }

    @generator(task="U2SV", title="answers")
    def answering(item: Item) -> Any:
        found = answers[item.id]
        if isinstance(found, Exception):
            raise found
        return found

    clips = list(answering().generate(suite.items, suite=suite, seed=0, folder=tmp_path))
    assert isinstance(clips[0], Clip)
    assert clips[0].audio is not None
    assert clips[0].audio.shape == (1, 9)
    assert isinstance(clips[1], NoClip)
    assert "video must be uint8" in clips[1].why
    assert clips[2] == NoClip("c", "ValueError: no")
    assert clips[3] == NoClip("d", "nothing to see", again=False)
    answers["a"] = 5
    with pytest.raises(AvbenchError, match=r"model answering: a function returns \(frames, .*'a' it returned int"):
        list(answering().generate(suite.items[:1], suite=suite, seed=0, folder=tmp_path))


# ------------------------------------------------------------------ a package of somebody else

PLUGIN = '''
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from avbench.adapters import generator
from avbench.conditions import seed_of
from avbench.types import Clip, ClipFile, Generator, Item, NoClip, Suite


@dataclass(frozen=True)
class Stripes(Generator):
    """Stripes that roll, and a tone."""

    speed: int = 1

    name: ClassVar[str] = "their_stripes"
    title: ClassVar[str] = "stripes of a plug-in"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "their lab"

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile | NoClip]:
        for item in items:
            draw = np.random.default_rng(seed_of(item, seed))
            line = draw.integers(0, 255, (1, suite.width, 3), dtype=np.uint8).repeat(suite.height, axis=0)
            frames = np.stack([np.roll(line, self.speed * k, axis=1) for k in range(round(suite.seconds * suite.frame_rate))])
            tone = np.sin(np.arange(round(suite.seconds * suite.sample_rate)) * draw.uniform(0.05, 0.2), dtype=np.float32)
            yield Clip(item.id, frames, suite.frame_rate, tone / 2, suite.sample_rate)


@generator(task="T2A", conditions=("text",), source="their lab")
def their_voice(text: str, seed: int, target: dict) -> tuple:
    """A tone for a text."""
    return None, 0.0, np.sin(np.arange(round(16000 * target["seconds"])) * 0.1 * (1 + seed % 7), dtype=np.float32) / 2, 16000
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A wheel, installed by pip into a folder that is put on the path."""
    wheel = tmp_path / "avbench_stripes-1.0-py3-none-any.whl"
    about = "avbench_stripes-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("avbench_stripes.py", PLUGIN)
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: avbench-stripes\nVersion: 1.0\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        points = "[avbench.generators]\ntheir_stripes = avbench_stripes:Stripes\ntheir_voice = avbench_stripes:their_voice\n"
        file.writestr(f"{about}/entry_points.txt", points)
        file.writestr(f"{about}/RECORD", "")
    target = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run([*command, "--quiet", "--disable-pip-version-check"], check=True, capture_output=True, timeout=120)
    monkeypatch.syspath_prepend(target)
    registry._modules.cache_clear()
    importlib.invalidate_caches()
    yield target
    registry._modules.cache_clear()
    sys.modules.pop("avbench_stripes", None)


def test_a_package_brings_its_models(package: Path, suite: Suite, tmp_path: Path, avbench_cli: Callable[..., Any]) -> None:
    assert {"their_stripes", "their_voice"} <= set(registry.names("generators"))
    said = avbench_cli("models", "--json")
    listed = {m["model"]: m for m in json.loads(said.out)}
    assert listed["their_stripes"]["title"] == "stripes of a plug-in"
    assert listed["their_voice"]["task"] == "T2A"
    result = pipeline.run("their_stripes[speed=2]", str(suite.folder), out=tmp_path / "run", limit=2)
    assert result["duration"].n_scored == 2
    again = pipeline.generate("their_stripes[speed=2]", str(suite.folder), out=tmp_path / "again", limit=1)
    assert (again / "a.mp4").read_bytes() == (tmp_path / "run/clips/a.mp4").read_bytes()
    sound = pipeline.generate("their_voice", str(suite.folder), out=tmp_path / "sound", limit=1)
    assert [p.name for p in sound.iterdir()] == ["a.wav"]


# ------------------------------------------------------------------ one description among many


def test_a_wrong_description_hides_no_other_model(avbench_cli: Callable[..., Any], tmp_path: Path) -> None:
    home = Path(os.environ["AVBENCH_HOME"]) / "models"
    write_program(home / "good")
    (home / "broken").mkdir()
    (home / "broken" / "config.toml").write_text('kind = "proc"\ntitel = 1\n')
    (home / "training").mkdir()
    (home / "training" / "config.toml").write_text("[tiny]\nwidth = 4\n")
    listed = {m["model"]: m for m in cards.models()}
    assert listed["broken"]["here"] == "broken"
    assert "unknown key 'titel'" in listed["broken"]["title"]
    assert listed["good"]["here"] == "ready"
    assert "training" not in listed
    said = avbench_cli("models", "good")
    assert "A stand-in for a model" in said.out
    assert "steps (int; default 5)" in said.out


def test_a_description_that_takes_a_models_name_is_an_error() -> None:
    write_program(Path(os.environ["AVBENCH_HOME"]) / "models" / "noise")
    with pytest.raises(AvbenchError, match=r"takes the name 'noise' of a model that is there already"):
        registry.names("generators")


def test_a_folder_that_a_description_names_by_a_variable(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Path(os.environ["AVBENCH_HOME"]) / "models" / "theirs"
    place.mkdir(parents=True)
    (place / "config.toml").write_text(
        'kind = "dir"\nfolder = "{env:THEIR_CLIPS}"\ntitle = "Their samples"\ntask = "TI2SV"\nsource = "x"\n'
        '[requires]\nlicence = "theirs"\n'
    )
    monkeypatch.delenv("THEIR_CLIPS", raising=False)
    (listed,) = (m for m in cards.models() if m["model"] == "theirs")
    assert (listed["title"], listed["task"], listed["here"]) == ("Their samples", "TI2SV", "1 missing")
    with pytest.raises(MissingData, match=r"model theirs cannot run on this machine: .*THEIR_CLIPS.*licence: theirs"):
        pipeline.generate("theirs", str(suite.folder), out=tmp_path / "run")
    monkeypatch.setenv("THEIR_CLIPS", str(suite.folder / "reference"))
    model = registry.model("theirs")
    assert pickle.loads(pickle.dumps(model)) == model  # noqa: S301
    folder = pipeline.generate("theirs", str(suite.folder), out=tmp_path / "run")
    assert (folder / "b.mp4").read_bytes() == (suite.folder / "reference/b.mp4").read_bytes()


def test_descriptions_of_folders_and_classes(suite: Suite, tmp_path: Path) -> None:
    home = Path(os.environ["AVBENCH_HOME"]) / "models"
    for name, text in {
        "theirs": f'kind = "dir"\nfolder = "{suite.folder}/reference"\npattern = "{{id}}.mp4"\n',
        "bright": 'kind = "py"\ntarget = "tests.stage_models:picture"\ntitle = "gain 3"\n[options]\ngain = 3\n',
    }.items():
        (home / name).mkdir(parents=True)
        (home / name / "config.toml").write_text(text)
    folder = pipeline.generate("theirs", str(suite.folder), out=tmp_path / "run")
    assert (folder / "a.mp4").read_bytes() == (suite.folder / "reference/a.mp4").read_bytes()
    model = registry.model("bright")
    assert (model.name, model.parameters(), type(model).title) == ("bright", {"gain": 3}, "gain 3")
    assert registry.model("bright[gain=4]").parameters() == {"gain": 4}
    assert pickle.loads(pickle.dumps(model)) == model  # noqa: S301


# ------------------------------------------------------------------ arrival


def clip(seconds: float = 1.0, heard: float | None = 1.0, **change: Any) -> Clip:
    base = picture(round(12 * seconds))
    sound = None if heard is None else np.sin(np.arange(round(16_000 * heard)) * 0.1, dtype=np.float32)[None]
    return dataclasses.replace(base, audio=sound, sample_rate=16_000 if heard else 0, **change)


BROKEN: dict[str, tuple[Callable[[], Clip], str | None]] = {
    "sound": (clip, None),
    "nearly as long": (lambda: clip(1.0, 1.08), None),
    "another length": (lambda: clip(1.0, 1.2), "the picture lasts 1.000 s and the sound 1.200 s"),
    "no sound": (lambda: clip(1.0, None), "there is no sound"),
    "no picture": (lambda: dataclasses.replace(clip(), video=None), "there is no picture"),
    "too long": (lambda: clip(1.5, 1.5), "the clip lasts 1.50 s, and 1 s were asked for"),
    "within a fifth": (lambda: clip(14 / 12, 14 / 12), None),
    "flat": (lambda: clip(video=np.full((12, 8, 8, 3), 7, np.uint8)), "every pixel of the picture has the same value"),
    "still": (lambda: clip(video=np.repeat(picture(1).video, 12, axis=0)), None),  # type: ignore[arg-type]
    "NaN": (lambda: dataclasses.replace(clip(), audio=np.full((1, 16_000), np.nan, np.float32)), "NaN or infinite"),
    "constant": (lambda: dataclasses.replace(clip(), audio=np.full((1, 16_000), 0.5, np.float32)), "every sample .* is 0.5"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_looked_at_on_arrival(what: str) -> None:
    made, message = BROKEN[what]
    found = arrival.fault_of(made(), ("video", "audio"), 1.0)
    if message is None:
        assert found is None
    else:
        assert found is not None
        assert re.search(message, found)


def test_files_are_decoded_to_their_end_on_arrival(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    write_clip(path, clip())
    assert arrival.fault_of(ClipFile("x", path), ("video", "audio"), 1.0) is None, "AAC fills its last frame"
    path.write_bytes(path.read_bytes()[:-2000])
    assert "cannot be used: damaged" in (arrival.fault_of(ClipFile("x", path), ("video", "audio"), 1.0) or "")


def test_a_model_of_one_length_says_so(suite: Suite) -> None:
    class Long(Generator):
        name = "long"
        clip_seconds = 3.0

    assert arrival.fault_of(clip(3.0, 3.0), ("video", "audio"), Long.clip_seconds) is None
    assert arrival.fault_of(clip(3.0, 3.0), ("video", "audio"), suite.seconds) is not None


# ------------------------------------------------------------------ items without a condition


def test_an_item_without_a_condition_stops_the_run_before_it_begins(suite: Suite, tmp_path: Path) -> None:
    (suite.folder / "reference" / "c.mp4").unlink()
    spec = "py:tests.stage_models:picture"
    with pytest.raises(
        BadCondition, match=r"for 1 of the 4 items .* the first is 'c': item 'c' has no first_frame.*--allow-missing"
    ):
        pipeline.generate(spec, str(suite.folder), out=tmp_path / "run")
    _, clips = pipeline.generate_clips(spec, str(suite.folder), out=tmp_path / "run", allow_missing=True)
    assert list(clips.made) == ["a", "b", "d"]
    assert list(clips.unmade) == ["c"]
    place = suite.folder.parent / "none"
    place.mkdir()
    text = (suite.folder / "suite.toml").read_text().replace('"mine"', '"none"').partition("[reference]")[0]
    (place / "suite.toml").write_text(text.replace(', "text"', ""))
    (place / "items.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(BadParameter, match="model seeing needs audio; suite none gives first_frame"):
        pipeline.generate("py:tests.stage_models:seeing", str(place), out=tmp_path / "other")


# ------------------------------------------------------------------ check-generator


def test_a_good_model_keeps_every_rule(suite: Suite, tmp_path: Path, avbench_cli: Callable[..., Any]) -> None:
    config = write_program(tmp_path / "fake")
    said = avbench_cli("check-generator", f"proc:{config}", "--suite", suite.folder)
    assert said.code == 0, said
    assert said.out.count("ok  ") == 9
    assert "FAIL" not in said.out


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("restless", "an item alone, in a second run, gives the same bytes: it does not"),
        ("silent", "the clips pass the checks on arrival: a: every sample of the sound is 0"),
        ("alike", "two items have two clips: they are the same, byte for byte"),
        ("short", "one clip per item, and none twice: it ended without a clip for item 'b'"),
    ],
)
def test_a_model_that_breaks_a_rule_is_told_which(name: str, rule: str, suite: Suite, avbench_cli: Callable[..., Any]) -> None:
    said = avbench_cli("check-generator", f"py:tests.bad_models:{name}", "--suite", suite.folder)
    assert said.code == 1
    assert f"FAIL {rule}" in said.out, said
