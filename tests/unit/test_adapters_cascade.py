"""Cascades: what stages pass on, what is kept of them, and how their outputs become one clip."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avbench import pipeline, registry, suites
from avbench.adapters.joining import filled_window, join
from avbench.encode import write_clip, write_wav
from avbench.errors import AvbenchError, BadManifest
from avbench.media import Reader
from avbench.types import Clip, ClipFile, Item
from tests import stage_models
from tests.fake_generator import picture

IDS = ["a", "b"]
CASCADES = {
    "I->V || I->A": [
        ("vid", "picture", "first_frame", "item.first_frame"),
        ("aud", "sound", "first_frame", "item.first_frame"),
    ],
    "I->V + V->A": [("vid", "picture", "first_frame", "item.first_frame"), ("aud", "foley", "video", "vid.video")],
    "I->A + A->V": [("aud", "sound", "first_frame", "item.first_frame"), ("vid", "seeing", "audio", "aud.audio")],
    "I->T->V + I->T->A": [
        ("cap", "captioner", "first_frame", "item.first_frame"),
        ("vid", "text_to_video", "text", "cap.text"),
        ("aud", "text_to_audio", "text", "cap.text"),
    ],
}


@pytest.fixture
def suite(suite_folder: Callable[..., Path], make_clip: Callable[..., Clip]) -> str:
    folder = suite_folder(IDS, metrics=["duration"], conditions=["first_frame", "text", "category"])
    (folder / "reference").mkdir()
    for n, id in enumerate(IDS):
        write_clip(folder / "reference" / f"{id}.mp4", make_clip(id, seed=n))
    return str(folder)


@pytest.fixture(autouse=True)
def calls() -> Iterator[list[tuple[str, str]]]:
    stage_models.CALLS.clear()
    stage_models.FAIL.clear()
    yield stage_models.CALLS
    stage_models.FAIL.clear()


def write(path: Path, process: str, *, merge: str = 'length = "video"', more: str = "", **extra: str) -> str:
    lines = ['kind = "cascade"', f'process = "{process}"', more]
    lines.append(f'merge = {{ video = "vid.video", audio = "aud.audio", {merge} }}')
    for name, use, key, source in CASCADES[process]:
        lines += ["[[stages]]", f'name = "{name}"', f'use = "py:tests.stage_models:{use}"', f'in = {{ {key} = "{source}" }}']
        lines.append(extra.get(name, ""))
    path.write_text("\n".join(lines) + "\n")
    return f"cascade:{path}"


def stages_of(calls: list[tuple[str, str]]) -> Counter[str]:
    return Counter(name for name, _ in calls)


@pytest.mark.parametrize("process", CASCADES)
def test_every_process_of_the_paper(process: str, suite: str, tmp_path: Path, calls: list[tuple[str, str]]) -> None:
    spec = write(tmp_path / "c.toml", process)
    model = registry.model(spec)
    assert (model.task, model.conditions, model.produces) == ("I2SV", ("first_frame",), ("video", "audio"))
    _, clips = pipeline.generate_clips(spec, suite, out=tmp_path / "run")
    assert list(clips.made) == IDS
    assert not clips.unmade
    assert stages_of(calls) == {use: 2 for _, use, _, _ in CASCADES[process]}
    for clip in clips.made.values():
        assert clip.audio is not None
        with Reader(ClipFile("x", clip.path)) as reader:
            assert reader.info.video_seconds == pytest.approx(1.0)
            assert reader.info.sample_rate == 0
        assert soundfile.info(clip.audio).frames == 16_000, "the sound is cut to the picture's length"
    assert clips.made["a"].path.read_bytes() != clips.made["b"].path.read_bytes()
    if "T->V" in process:
        assert {given for name, given in calls if name == "text_to_video"} == {
            given for name, given in calls if name == "text_to_audio"
        }
        assert all(given.startswith("a picture of brightness") for name, given in calls if name == "text_to_video")
    order = [name for name, _ in calls]
    assert order == sorted(order, key=order.index), "one stage over all items, then the next"


def test_a_stage_is_given_its_inputs_and_nothing_else(suite: str, tmp_path: Path, calls: list[tuple[str, str]]) -> None:
    pipeline.generate(write(tmp_path / "c.toml", "I->V + V->A"), suite, out=tmp_path / "run")
    assert [given for name, given in calls if name == "foley"] == ["1 s, prompt '', sound 0"] * 2
    calls.clear()
    spec = write(tmp_path / "d.toml", "I->A + A->V")
    path = tmp_path / "d.toml"
    path.write_text(path.read_text().replace('audio = "aud.audio" }\n[', 'audio = "aud.audio" }\n['))
    text = path.read_text().replace('in = { audio = "aud.audio" }', 'in = { audio = "aud.audio", category = "item.category" }')
    path.write_text(text)
    pipeline.generate(spec, suite, out=tmp_path / "run2")
    assert [given for name, given in calls if name == "seeing"] == [f"16000 samples, category c{n}" for n in (0, 1)]
    assert registry.model(spec).conditions == ("first_frame", "category")


def test_cascades_that_begin_alike_share_the_beginning(suite: str, tmp_path: Path, calls: list[tuple[str, str]]) -> None:
    first = write(tmp_path / "one.toml", "I->V + V->A")
    pipeline.generate(first, suite, out=tmp_path / "one")
    pipeline.generate(write(tmp_path / "two.toml", "I->V || I->A"), suite, out=tmp_path / "two")
    assert stages_of(calls) == {"picture": 2, "foley": 2, "sound": 2}
    for id in IDS:
        assert (tmp_path / "one/clips" / f"{id}.mp4").read_bytes() == (tmp_path / "two/clips" / f"{id}.mp4").read_bytes()
    pipeline.generate(first, suite, out=tmp_path / "seed", seed=1)
    assert stages_of(calls) == {"picture": 4, "foley": 4, "sound": 2}, "another seed is another clip"
    text = (tmp_path / "one.toml").read_text().replace(":picture", ":picture?gain=3")
    (tmp_path / "one.toml").write_text(text)
    pipeline.generate(first, suite, out=tmp_path / "gain")
    assert stages_of(calls)["picture"] == 6, "another parameter is another clip"


def test_a_damaged_output_is_made_again(suite: str, tmp_path: Path, calls: list[tuple[str, str]]) -> None:
    spec = write(tmp_path / "c.toml", "I->V || I->A")
    pipeline.generate(spec, suite, out=tmp_path / "one")
    victim = sorted((Path(os.environ["AVBENCH_HOME"]) / "stages").glob("*/*/out.mp4"))[0]
    victim.write_bytes(victim.read_bytes()[:-10])
    pipeline.generate(spec, suite, out=tmp_path / "two")
    assert stages_of(calls) == {"picture": 3, "sound": 2}
    for path in (tmp_path / "one/clips").iterdir():
        assert path.read_bytes() == (tmp_path / "two/clips" / path.name).read_bytes()
    shutil.rmtree(Path(os.environ["AVBENCH_HOME"]) / "stages")
    pipeline.generate(spec, suite, out=tmp_path / "three")
    assert (tmp_path / "three/clips/a.mp4").read_bytes() == (tmp_path / "one/clips/a.mp4").read_bytes()


def test_an_item_that_a_stage_fails_at_goes_no_further(suite: str, tmp_path: Path, calls: list[tuple[str, str]]) -> None:
    stage_models.FAIL.add("b")
    spec = write(tmp_path / "c.toml", "I->V + V->A")
    _, clips = pipeline.generate_clips(spec, suite, out=tmp_path / "run")
    assert clips.unmade == {"b": "stage vid (picture): RuntimeError: the picture fails"}
    assert stages_of(calls) == {"picture": 3, "foley": 1}, "once more after the others, and nothing that is kept"
    stage_models.FAIL.clear()
    _, clips = pipeline.generate_clips(spec, suite, out=tmp_path / "run")
    assert not clips.unmade
    assert stages_of(calls) == {"picture": 4, "foley": 2}


def test_a_stage_that_always_fails_stops_the_run(suite_folder: Callable[..., Path], suite: str, tmp_path: Path) -> None:
    folder = suite_folder(list("abcd"), conditions=["first_frame"])
    for id in "bcd":
        shutil.copyfile(folder / "reference" / "a.mp4", folder / "reference" / f"{id}.mp4")
    stage_models.FAIL.update("abcd")
    with pytest.raises(AvbenchError, match=r"stage vid \(picture\) failed 3 times in a row, at last at item 'c': RuntimeError"):
        pipeline.generate(write(tmp_path / "c.toml", "I->V || I->A"), str(folder), out=tmp_path / "run")


def test_a_short_video_fills_the_window_of_the_model(suite: str, tmp_path: Path, calls: list[tuple[str, str]]) -> None:
    spec = write(tmp_path / "c.toml", "I->V + V->A", aud='video_prep = "loop"\nwindow_s = 3.0')
    pipeline.generate(spec, suite, out=tmp_path / "run")
    assert [given for name, given in calls if name == "foley"] == ["3 s, prompt '', sound 0"] * 2
    write_clip(tmp_path / "v.mp4", picture(6), qp=0)
    looped = read(filled_window(tmp_path / "v.mp4", "loop", 1.25, tmp_path))
    held = read(filled_window(tmp_path / "v.mp4", "pad_last", 1.25, tmp_path))
    whole = read(tmp_path / "v.mp4")
    assert len(looped) == len(held) == 15
    assert np.abs(looped[6:12].astype(int) - whole).mean() < 6
    assert np.abs(held[6:].astype(int) - whole[5]).mean() < 6
    assert len(read(filled_window(tmp_path / "v.mp4", "loop", 0.1, tmp_path))) == 6, "a longer video stays as it is"


def read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Reader(ClipFile("x", path)) as reader:
        return np.stack(list(reader.frames()))


@pytest.mark.parametrize(
    ("length", "seconds", "frames"), [("video", 1.0, 12), ("audio", 1.5, 18), ("shortest", 1.0, 12), ("audio", 0.5, 6)]
)
def test_the_length_of_a_joined_clip(length: str, seconds: float, frames: int, tmp_path: Path) -> None:
    write_clip(tmp_path / "v.mp4", picture(12))
    tone = np.full((1, 16_000 if length == "video" else round(16_000 * (1.5 if seconds != 0.5 else 0.5))), 0.25, np.float32)
    write_wav(tmp_path / "a.wav", tone, 16_000)
    (tmp_path / "out").mkdir()
    clip = join(Item("i"), tmp_path / "v.mp4", tmp_path / "a.wav", length, tmp_path / "out")  # type: ignore[arg-type]
    assert len(read(clip.path)) == frames
    assert clip.audio is not None
    assert soundfile.info(clip.audio).frames == round(16_000 * seconds)
    if length != "audio":
        assert clip.path.read_bytes() == (tmp_path / "v.mp4").read_bytes(), "a picture that is not cut is copied"


def test_a_short_sound_is_filled_with_silence(tmp_path: Path) -> None:
    write_clip(tmp_path / "v.mp4", picture(12))
    write_wav(tmp_path / "a.wav", np.full((1, 8_000), 0.25, np.float32), 16_000)
    (tmp_path / "out").mkdir()
    clip = join(Item("i"), tmp_path / "v.mp4", tmp_path / "a.wav", "video", tmp_path / "out")
    assert clip.audio is not None
    samples, _ = soundfile.read(clip.audio)
    assert (samples[:8_000] == 0.25).all()
    assert (samples[8_000:] == 0).all()
    assert len(samples) == 16_000


WRONG = [
    ('use = "py:tests.stage_models:picture"', 'use = "svd_of_mine"', "no model 'svd_of_mine'"),
    ('"vid.video", audio', '"aud.video", audio', r"'aud.video' is wanted, and foley makes audio"),
    ('in = { video = "vid.video" }', 'in = { first_frame = "item.first_frame" }', "stage 'aud' gives foley no video"),
    ('in = { video = "vid.video" }', 'in = { video = "later.video" }', "video must be item.<condition> or <earlier stage>"),
    ('in = { video = "vid.video" }', 'in = { smell = "vid.video" }', "'smell' is no condition"),
    ('name = "aud"', 'name = "vid"', "name must be a word of its own, got 'vid'"),
    ('length = "video"', 'length = "longest"', "length must be one of video, audio, shortest"),
    ('"aud.audio"', '"nobody.audio"', r"audio must be one of vid.audio, aud.audio"),
    ('name = "aud"', 'name = "aud"\nvideo_prep = "loop"', "video_prep = 'loop' needs window_s"),
    ('name = "aud"', 'name = "aud"\nvideo_prep = "mirror"', "video_prep must be one of none, loop, pad_last"),
    ('kind = "cascade"', 'kind = "cascade"\nkonditions = []', "unknown key 'konditions'"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_a_wrong_cascade_is_refused(old: str, new: str, message: str, suite: str, tmp_path: Path) -> None:
    spec = write(tmp_path / "c.toml", "I->V + V->A")
    path = tmp_path / "c.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises((BadManifest, AvbenchError), match=message):
        pipeline.generate(spec, suite, out=tmp_path / "run")


def test_what_the_stages_miss_is_one_error(suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOLEY_PYTHON", raising=False)
    (tmp_path / "foley.toml").write_text(
        'kind = "proc"\ntask = "V2A"\nconditions = ["video"]\nsource = "x"\ncommand = ["{env:FOLEY_PYTHON}", "runner.py"]\n'
        '[requires]\nweights = "foley.pt, 2 GB"\nvram = "16 GB"\nenvironment = "foley.yml"\n'
    )
    spec = write(tmp_path / "c.toml", "I->V + V->A")
    path = tmp_path / "c.toml"
    path.write_text(path.read_text().replace("py:tests.stage_models:foley", "proc:foley.toml"))
    message = (
        r"model c cannot run on this machine: foley: the environment variable FOLEY_PYTHON is not set "
        r"\(foley needs weights: foley.pt, 2 GB; vram: 16 GB; environment: foley.yml\)"
    )
    with pytest.raises(AvbenchError, match=message):
        pipeline.generate(spec, suite, out=tmp_path / "run")


def test_a_cascade_is_a_value_and_names_its_process(tmp_path: Path) -> None:
    import pickle

    spec = write(tmp_path / "c.toml", "I->V + V->A")
    model = registry.model(spec)
    assert pickle.loads(pickle.dumps(model)) == model  # noqa: S301
    assert type(model).process == "I->V + V->A"  # type: ignore[attr-defined]
    assert suites.names()
