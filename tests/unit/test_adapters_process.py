"""Programs that speak `avbench-worker/1`: what they are asked, what they break, how a run goes on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from avbench import content, pipeline, registry, suites
from avbench.conditions import seed_of
from avbench.encode import write_clip
from avbench.errors import AvbenchError, BadManifest, MissingData
from avbench.types import Clip
from tests.fake_generator import RAW, asked, set_faults, write_program

IDS = ["a", "b", "c", "d e"]


@pytest.fixture
def suite(suite_folder: Callable[..., Path], make_clip: Callable[..., Clip]) -> str:
    folder = suite_folder(IDS, metrics=["duration"], conditions=["first_frame", "text"])
    (folder / "reference").mkdir()
    for n, id in enumerate(IDS):
        write_clip(folder / "reference" / f"{id}.mp4", make_clip(id, seed=n))
    return str(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "clips").iterdir())}


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_bytes().rsplit(b")", 1)[1].split()[0] != b"Z"
    except OSError:
        return False


def test_a_program_gets_its_conditions_and_its_seeds(suite: str, tmp_path: Path) -> None:
    config = write_program(tmp_path / "fake", steps=7)
    pipeline.generate(f"proc:{config}", suite, out=tmp_path / "run", seed=3)
    found = asked(tmp_path / "fake")
    items = suites.load(suite).items
    assert [f["id"] for f in found] == IDS
    assert [f["seed"] for f in found] == [seed_of(i, 3) for i in items]
    assert all(set(f["cond"]) == {"first_frame", "text"} for f in found)
    assert found[0]["cond"]["text"] == "prompt of a"
    assert found[0]["options"] == {"steps": 7}
    assert sorted(files(tmp_path / "run")) == sorted(f"{id}{end}" for id in IDS for end in (".mp4", ".wav"))
    metas = [json.loads(line) for line in (tmp_path / "run" / "meta.jsonl").read_text().splitlines()]
    assert [(m["clip"], m["nfe"]) for m in metas] == [(id, 7) for id in IDS]
    assert not (tmp_path / "run" / "making").exists()


def test_clips_depend_on_item_and_seed_alone(suite: str, tmp_path: Path) -> None:
    one = write_program(tmp_path / "fake", extra='name = "fake"')
    pipeline.generate(f"proc:{one}", suite, out=tmp_path / "one")
    several = write_program(tmp_path / "fake3", workers=3, extra='name = "fake"')
    pipeline.generate(f"proc:{several}", suite, out=tmp_path / "several")
    assert files(tmp_path / "one") == files(tmp_path / "several")
    assert {f["gpu"] for f in asked(tmp_path / "fake3")} <= {"0", "1", "2"}
    pipeline.generate(f"proc:{one}", suite, out=tmp_path / "part", limit=2)
    assert files(tmp_path / "part").items() <= files(tmp_path / "one").items()
    pipeline.generate(f"proc:{one}", suite, out=tmp_path / "other", seed=1)
    other = files(tmp_path / "other")
    assert all(other[f"{id}.wav"] != files(tmp_path / "one")[f"{id}.wav"] for id in IDS)


FAULTS = {
    "die": "the worker ended with exit status 9",
    "segfault": "killed by SIGSEGV",
    "hang": "silent for 1 s: killed",
    "fail": "RuntimeError: CUDA out of memory",
    "truncate": "the clip cannot be used: ",
    "empty": "v.mp4|is empty",
    "absent": "FileNotFoundError: generate returned .*v.mp4, which is not there",
    "picture": "there is no sound, which the model promises",
    "nothing": "neither video nor audio nor text",
    "short": "the picture lasts 1.000 s and the sound 0.250 s",
    "constant": "every sample of the sound is 0",
    "exit": "exit status 0",
}


def test_a_fault_is_its_items_own_and_the_same_command_repairs_it(
    suite_folder: Callable[..., Path], make_clip: Callable[..., Clip], tmp_path: Path
) -> None:
    """Every fault, each between two items without."""
    ids = [id for n, fault in enumerate(FAULTS) for id in (fault, f"good {n}")]
    place = suite_folder(ids, metrics=["duration"], conditions=["first_frame", "text"])
    (place / "reference").mkdir()
    write_clip(place / "reference" / f"{ids[0]}.mp4", make_clip("x"))
    for id in ids[1:]:
        shutil.copyfile(place / "reference" / f"{ids[0]}.mp4", place / "reference" / f"{id}.mp4")
    program = tmp_path / "fake"
    config = write_program(program, timeout=1, faults={fault: [fault, 2] for fault in FAULTS})
    folder, clips = pipeline.generate_clips(f"proc:{config}", str(place), out=tmp_path / "run")
    assert sorted(clips.unmade) == sorted(FAULTS)
    for fault, why in FAULTS.items():
        assert re.search(why, clips.unmade[fault]), (fault, clips.unmade[fault])
    tried = [f["id"] for f in asked(program)]
    assert all(tried.count(id) == (2 if id in FAULTS else 1) for id in ids), "a failed item is tried once more"
    assert not alive(int((program / "child").read_text())), "the children of a worker that hangs are killed with it"
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert len(before) == len(ids), "half of the items, two files each"
    _, clips = pipeline.generate_clips(f"proc:{config}", str(place), out=tmp_path / "run")
    assert sorted(f["id"] for f in asked(program)[len(tried) :]) == sorted(FAULTS)
    assert not clips.unmade
    assert before.items() <= {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}.items()
    whole = write_program(tmp_path / "whole", extra='name = "fake"')
    pipeline.generate(f"proc:{whole}", str(place), out=tmp_path / "fresh")
    assert files(tmp_path / "fresh") == files(tmp_path / "run")


def test_a_failed_item_is_counted_with_its_reason(suite: str, tmp_path: Path) -> None:
    config = write_program(tmp_path / "fake", faults={"b": ["fail", 2]})
    result = pipeline.run(f"proc:{config}", suite, out=tmp_path / "run")
    assert result["duration"].n_scored == 3
    assert result["duration"].n_items == 4
    assert result["duration"].unscored == {"b": "missing: RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB"}
    assert result.model == "fake"


def test_a_fault_that_passes_is_made_good_in_the_same_run(suite: str, tmp_path: Path) -> None:
    config = write_program(tmp_path / "fake", faults={"b": ["die", 1], "c": ["truncate", 1]})
    _, clips = pipeline.generate_clips(f"proc:{config}", suite, out=tmp_path / "run")
    assert not clips.unmade
    assert list(clips.made) == IDS


def test_three_failures_in_a_row_stop_the_run_and_what_is_made_stays(suite: str, tmp_path: Path) -> None:
    program = tmp_path / "fake"
    config = write_program(program, faults={id: ["fail", 9] for id in IDS[1:]})
    with pytest.raises(AvbenchError, match=r"failed 3 times in a row, at last at item 'd e'.*1 clips are kept"):
        pipeline.generate(f"proc:{config}", suite, out=tmp_path / "run")
    assert sorted(files(tmp_path / "run")) == ["a.mp4", "a.wav"]
    set_faults(program, {})
    pipeline.generate(f"proc:{config}", suite, out=tmp_path / "run")
    assert [f["id"] for f in asked(program)] == [*IDS, *IDS[1:]]


def test_a_clip_of_another_request_or_cut_short_is_made_again(suite: str, tmp_path: Path) -> None:
    program = tmp_path / "fake"
    config = write_program(program)
    folder = pipeline.generate(f"proc:{config}", suite, out=tmp_path / "run")
    whole = files(tmp_path / "run")
    with (folder / "c.mp4").open("r+b") as file:
        file.truncate(100)
    (folder / "a.wav").unlink()
    pipeline.generate(f"proc:{config}", suite, out=tmp_path / "run")
    assert sorted(f["id"] for f in asked(program)[4:]) == ["a", "c"]
    assert files(tmp_path / "run") == whole
    write_program(program, steps=9)  # the same file, another parameter
    pipeline.generate(f"proc:{config}", suite, out=tmp_path / "run")
    assert [f["options"]["steps"] for f in asked(program)[6:]] == [9] * 4


def test_samples_have_ids_and_seeds_of_their_own(suite: str, tmp_path: Path) -> None:
    config = write_program(tmp_path / "fake")
    _, clips = pipeline.generate_clips(f"proc:{config}", suite, out=tmp_path / "run", limit=2, samples=2)
    assert sorted(clips.made) == ["a_0", "a_1", "b_0", "b_1"]
    found = asked(tmp_path / "fake")
    assert [(f["id"], f["index"]) for f in found] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert len({f["seed"] for f in found}) == 4
    pipeline.generate(f"proc:{config}", suite, out=tmp_path / "single", limit=1)
    assert files(tmp_path / "single")["a.wav"] == files(tmp_path / "run")["a_0.wav"]


def test_paths_are_mapped_into_a_container_and_back(suite: str, tmp_path: Path) -> None:
    (tmp_path / "inside").symlink_to(tmp_path)  # what a container would mount
    config = write_program(tmp_path / "fake", extra=f'path_map = [["{tmp_path}", "{tmp_path}/inside"]]')
    _, clips = pipeline.generate_clips(f"proc:{config}", suite, out=tmp_path / "run", limit=1)
    assert not clips.unmade
    (found,) = asked(tmp_path / "fake")
    assert found["folder"].startswith(f"{tmp_path}/inside/run/")
    assert found["cond"]["first_frame"].startswith(f"{tmp_path}/inside/run/")
    assert found["cond"]["text"] == "prompt of a"


# ------------------------------------------------------------------ programs that do not keep to the protocol

LOOSE = (
    RAW
    + """
say(type="hello", protocol=1, card={})
out = None
for m in lines():
    if m["type"] == "configure":
        out = m["out"]
        say(type="ready")
        say(type="banana")
    if m["type"] == "item":
        path = os.path.join(out, "x.mp4")
        shutil.copyfile("reference.mp4", path)
        say(type="result", id="somebody else", index=0, status="ok", video=path)
        say(type="result", id=m["id"], index=7, status="ok", video=path)
        say(type="result", id=m["id"], index=0, status="ok", video=path, request="0" * 64)
        sys.stdout.write("no JSON at all\\n[1, 2]\\n")
        target = path if m["id"] != "b" else "/etc/passwd"
        for _ in range(2):
            say(type="result", id=m["id"], index=0, status="ok", video=target)
    if m["type"] == "end":
        break
"""
)


def test_wrong_double_and_foreign_results_are_left_aside(suite: str, tmp_path: Path, make_clip: Callable[..., Clip]) -> None:
    config = write_program(tmp_path / "fake", body=LOOSE)
    write_clip(tmp_path / "fake" / "reference.mp4", make_clip("r"))
    _, clips = pipeline.generate_clips(f"proc:{config}", suite, out=tmp_path / "run")
    assert list(clips.made) == ["a", "c", "d e"]
    assert "/etc/passwd is not below the folder" in clips.unmade["b"]
    log = next((Path(os.environ["AVBENCH_HOME"]) / "logs").glob("fake-0.log")).read_text()
    assert "a result of 'somebody else' [0] came, which is not under way: ignored" in log
    assert "not a message: b'no JSON at all" in log
    assert "came for another request: ignored" in log


STARTS = {
    "ends at once": ("raise SystemExit(5)", "ended with exit status 5"),
    "another protocol": (RAW + 'say(type="hello", protocol=2); sys.stdin.read()', "speaks protocol 2, and avbench speaks 1"),
    "says nothing": ("import time; time.sleep(1000)", "silent for 1 s"),
    "cannot load": (None, "RuntimeError: no such number of steps"),
    "an import fails": ("import no_such_package", "ends with: ModuleNotFoundError: No module named 'no_such_package'"),
}


@pytest.mark.parametrize("how", STARTS)
def test_a_program_that_does_not_start_is_one_clear_error(how: str, suite: str, tmp_path: Path) -> None:
    body, message = STARTS[how]
    more = {} if body is None else {"body": body}
    config = write_program(tmp_path / "fake", steps=13, **more)  # type: ignore[arg-type]
    text = config.read_text().replace("start_timeout_s = 20", f"start_timeout_s = {1 if how == 'says nothing' else 20}")
    config.write_text(text + '[requires]\nweights = "12 GB"\n')
    with pytest.raises(MissingData, match=message) as caught:
        pipeline.generate(f"proc:{config}", suite, out=tmp_path / "run")
    assert "weights: 12 GB" in str(caught.value)
    assert "model fake cannot be started" in str(caught.value)


def test_what_is_missing_is_named_before_anything_begins(suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOLEY_PYTHON", raising=False)
    folder = Path(os.environ["AVBENCH_HOME"]) / "models" / "foley"
    config = write_program(folder, extra='cwd = "{env:FOLEY_HOME}"\nfiles = ["{dir}/weights.pt"]')
    text = config.read_text().replace('"{python}"', '"{env:FOLEY_PYTHON}"')
    config.write_text(text + '[requires]\nenvironment = "environment.yml"\nvram = "16 GB"\nweights = "hub/foley"\n')
    assert "foley" in registry.names("generators")
    with pytest.raises(MissingData) as caught:
        pipeline.run("foley", suite, out=tmp_path / "run")
    for part in (
        "model foley cannot run on this machine",
        "the environment variable FOLEY_PYTHON is not set",
        "the environment variable FOLEY_HOME is not set",
        "weights.pt is not there",
        "environment: environment.yml; vram: 16 GB; weights: hub/foley",
        "`avbench models foley`",
    ):
        assert part in str(caught.value)
    assert not (tmp_path / "run").exists()
    monkeypatch.setenv("FOLEY_PYTHON", "/nowhere/python")
    assert "the program /nowhere/python cannot be found" in registry.model("foley").missing()


def test_parameters_come_from_the_description(tmp_path: Path) -> None:
    config = write_program(Path(os.environ["AVBENCH_HOME"]) / "models" / "mine")
    assert registry.model("mine[steps=3]").label == "mine[steps=3]"
    assert registry.model(f"proc:{config}?steps=3") == registry.model("mine[steps=3]")
    for text, message in (("mine[step=3]", "mine takes 'steps', not 'step'"), ("mine[steps=x]", "steps must be int")):
        with pytest.raises(AvbenchError, match=message):
            registry.model(text)


WRONG = {
    'kind = "proc"': ('kind = "prock"', "kind must be one of cascade, dir, proc, py"),
    'task = "I2SV"': ('task = "I2SW"', "task: 'I2SW' is not known"),
    '"text?"]': '"smell"]',
    "timeout_s = 30": ("timeout_s = -1", "timeout_s must be a positive number"),
    "workers = 1": ("workers = true", "workers must be int, got bool"),
    'source = "tests"': ("", "key 'source' is missing"),
    "steps = 5": ("name = 5", "'name' cannot be the name of a parameter"),
    'command = ["{python}", "{dir}/runner.py"]': ("command = []", "command must be a list of texts"),
    'title = "A stand-in for a model"': ("titel = 1", "unknown key 'titel'"),
}


@pytest.mark.parametrize("old", WRONG)
def test_a_wrong_description_is_refused_by_key(old: str, tmp_path: Path) -> None:
    entry = WRONG[old]
    new, message = entry if isinstance(entry, tuple) else (entry, "conditions: 'smell' is not known")
    config = write_program(tmp_path / "fake")
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))
    with pytest.raises(BadManifest, match=f"config.toml: .*{message}|config.toml.*{message}"):
        registry.model(f"proc:{config}")


# ------------------------------------------------------------------ without a pipe


def test_requests_travel_and_clips_come_back(
    suite: str, tmp_path: Path, avbench_cli: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "fake"
    config = write_program(program)
    pipeline.generate(f"proc:{config}", suite, out=tmp_path / "direct")
    said = avbench_cli("export", "--model", f"proc:{config}", "--suite", suite, "-o", tmp_path / "job" / "requests.jsonl")
    assert said.code == 0, said  # type: ignore[attr-defined]
    shutil.move(tmp_path / "job", tmp_path / "elsewhere")

    def work(*more: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                python,
                str(program / "runner.py"),
                "--requests",
                str(tmp_path / "elsewhere/requests.jsonl"),
                "--out",
                "made",
                *more,
            ],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(content.folder("baselines"))},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    set_faults(program, {"b": ["die", 1], "c": ["fail", 1]})
    assert work().returncode == 9
    with (tmp_path / "made" / "results.jsonl").open("a") as file:
        file.write('{"type": "result", "id": "b", "ind')  # a kill amid a line
    done = len(asked(program))
    assert work("--resume").returncode == 1
    assert [f["id"] for f in asked(program)[done:]] == ["b", "c", "d e"], "what is made is left out"
    assert work("--resume").returncode == 0
    assert work("--resume").stderr.startswith("0 of 4 requests")
    said = avbench_cli(
        "import", tmp_path / "made", "--requests", tmp_path / "elsewhere/requests.jsonl", "--out", tmp_path / "run"
    )
    assert said.code == 0, said  # type: ignore[attr-defined]
    assert files(tmp_path / "run") == files(tmp_path / "direct")
    count = len(asked(program))
    _, clips = pipeline.generate_clips(f"proc:{config}", suite, out=tmp_path / "run")
    assert len(asked(program)) == count, "nothing is generated again"
    assert list(clips.made) == IDS


def test_an_imported_clip_of_another_request_is_refused(suite: str, tmp_path: Path, avbench_cli: Callable[..., object]) -> None:
    config = write_program(tmp_path / "fake")
    requests = tmp_path / "requests.jsonl"
    avbench_cli("export", "--model", f"proc:{config}", "--suite", suite, "-o", requests, "--limit", "1")
    made = tmp_path / "made"
    made.mkdir()
    shutil.copyfile(tmp_path / "fake" / "picture.mp4", made / "a.mp4")
    line = {"type": "result", "id": "a", "index": 0, "status": "ok", "video": "a.mp4", "request": "0" * 64}
    (made / "results.jsonl").write_text(json.dumps(line) + "\n")
    said = avbench_cli("import", made, "--requests", requests, "--out", tmp_path / "run")
    assert said.code == 1  # type: ignore[attr-defined]
    assert "refused: a: it was made for another request" in said.err  # type: ignore[attr-defined]


@pytest.mark.skipif(not Path("/root/.pyenv/versions/3.8.18/bin/python").exists(), reason="no Python 3.8 here")
def test_the_worker_file_runs_on_python_3_8(suite: str, tmp_path: Path) -> None:
    config = write_program(tmp_path / "fake")
    config.write_text(config.read_text().replace("{python}", "/root/.pyenv/versions/3.8.18/bin/python"))
    _, clips = pipeline.generate_clips(f"proc:{config}", suite, out=tmp_path / "run", limit=1)
    assert not clips.unmade
