"""The command line from the outside: what it prints, its exit codes, and one clear message for each mistake."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avbench import registry, suites
from avbench.encode import write_clip, write_wav
from avbench.types import Clip

Make = Callable[..., Clip]
Cli = Callable[..., Any]
Python = Callable[..., subprocess.CompletedProcess[str]]
QUICK = "loudness"  # every run reports the signal checks; asking for one of them adds nothing slow


@pytest.fixture
def folder(tmp_path: Path, make_clip: Make) -> Path:
    """Three clips."""
    path = tmp_path / "clips"
    path.mkdir()
    for n, id in enumerate("abc"):
        write_clip(path / f"{id}.mp4", make_clip(id, seed=n))
    return path


def refused(said: Any, *parts: str) -> None:
    """One message on standard error, nothing on standard output, exit 2."""
    assert said.code == 2, said
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.err.startswith("error: "), said.err
    assert said.err.count("error:") == 1
    for part in parts:
        assert part in said.message, said.message


# ------------------------------------------------------------------ what there is


@pytest.mark.parametrize("command", ["metrics", "models", "suites", "doctor"])
def test_lists_are_tables_or_json(command: str, avbench_cli: Cli) -> None:
    text, parsed = avbench_cli(command), avbench_cli(command, "--json")
    assert (text.code, parsed.code) == (0, 0)
    entries = json.loads(parsed.out)
    first = next(iter(entries[0].values()))
    assert all(str(next(iter(entry.values()))) in text.out for entry in entries)
    assert first in text.out
    assert text.err == parsed.err == ""


def test_every_name_has_a_card(avbench_cli: Cli) -> None:
    for command, names in (
        ("metrics", registry.names("metrics")),
        ("models", registry.names("generators")),
        ("suites", suites.names()),
    ):
        for name in names:
            said = avbench_cli(command, name)
            assert said.code == 0
            assert f"# {name}" in said.out
            assert json.loads(avbench_cli(command, name, "--json").out)["card"]


def test_version_and_help(avbench_cli: Cli) -> None:
    said = avbench_cli("--version")
    assert re.fullmatch(r"avbench \d+\.\d+\.\d+\n", said.out)
    for command in ("run", "score", "generate", "diff", "suites", "models", "metrics", "doctor"):
        assert avbench_cli(command, "--help").code == 0
    assert command in avbench_cli("--help").out


# ------------------------------------------------------------------ score


def test_score_prints_a_table_and_writes_what_it_says(folder: Path, avbench_cli: Cli) -> None:
    said = avbench_cli("score", folder, "--out", "out", "--workers", 2)
    assert said.code == 0
    assert said.err == "", "quiet where there is no terminal"
    table = json.loads(Path("out/result.json").read_text(encoding="utf-8"))
    assert [m["metric"] for m in table["metrics"]]
    for m in table["metrics"]:
        assert m["metric"] in said.out
        assert m["n_scored"] == m["n_items"] == 3
        assert Path(f"out/rows/{m['metric']}.parquet").is_file()
    assert "out/result.json" in said.out
    again = avbench_cli("score", folder, "--out", "out", "--json")
    assert json.loads(again.out) == table
    info = json.loads(Path("out/run_info.json").read_text(encoding="utf-8"))
    assert info["features_made"] == 0
    assert info["clip_files_opened"] == 3


def test_score_without_an_out_folder_writes_under_runs(folder: Path, avbench_cli: Cli) -> None:
    assert avbench_cli("score", folder, "--metrics", QUICK).code == 0
    (run,) = Path("runs").iterdir()
    assert run.name.startswith("score-clips-")
    assert (run / "result.json").is_file()


def test_javisbench_numbers_and_sound_files_beside_the_video(make_clip: Make, suite_folder: Any, avbench_cli: Cli) -> None:
    from avbench import api

    suite = suite_folder(["first", "second", "third"], reference=None)
    out = Path("outputs")
    out.mkdir()
    for n in range(2):
        write_clip(out / f"sample_{n:04d}.mp4", make_clip("x", seed=n))
        sound = make_clip("y", seed=50 + n).audio
        assert sound is not None
        write_wav(out / f"sample_{n:04d}.wav", 0.25 * sound, 16_000)
    (out / "prompts.csv").write_text("x", encoding="utf-8")
    said = avbench_cli("score", out, "--suite", suite, "--out", "scored", "--json")
    assert said.code == 0, said
    table = json.loads(said.out)
    assert set(table["clips"]) == {"first", "second"}
    assert all(m["unscored"] == {"third": "missing: the suite expects this clip and it is not there"} for m in table["metrics"])
    assert table["others"] == {"prompts.csv": "neither a video nor a sound file by its suffix"}
    loud = next(m for m in table["metrics"] if m["metric"] == "loudness")["value"]
    (out / "sample_0000.wav").unlink()
    (out / "sample_0001.wav").unlink()
    own = api.score(out, suite=str(suite), metrics=[QUICK], out="own")
    assert own["loudness"].value - loud > 6, "the WAV file is a quarter as loud as the video's own sound"
    text = avbench_cli("score", out, "--suite", suite, "--out", "own")
    assert "unscored, missing: 1 clips: third" in text.out
    assert "1 other files are listed in the result" in text.out


def test_a_clip_without_the_stream_a_metric_needs_is_listed(folder: Path, make_clip: Make, avbench_cli: Cli) -> None:
    write_clip(folder / "mute.mp4", make_clip("m", audio=False))
    sound = make_clip("s").audio
    assert sound is not None
    write_wav(folder / "blind.wav", sound, 16_000)
    (folder / "broken.mp4").write_bytes(b"no clip")
    (folder / "empty.mp4").touch()
    said = avbench_cli("score", folder, "--out", "out")
    assert said.code == 0
    for part in (
        "unscored, no_audio: 1 clips: mute",
        "unscored, no_video: 1 clips: blind",
        "unscored, unreadable: 1 clips: broken",
    ):
        assert part in said.out
    table = json.loads(Path("out/result.json").read_text(encoding="utf-8"))
    for m in table["metrics"]:
        assert m["n_items"] == 7
        assert m["n_scored"] + len(m["unscored"]) == 7
        assert {"broken", "empty"} <= set(m["unscored"])
    missing = next(m for m in table["metrics"] if m["metric"] == "missing_stream")
    assert missing["value"] == pytest.approx(40.0)
    assert missing["flagged"] == {"blind": ["no_video"], "mute": ["no_audio"]}


def test_a_folder_where_nothing_can_be_scored_has_no_numbers(tmp_path: Path, avbench_cli: Cli) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.mp4").write_bytes(b"no clip")
    said = avbench_cli("score", tmp_path / "bad", "--out", "out", "--metrics", QUICK)
    assert said.code == 0
    assert " - " in said.out
    table = json.loads(Path("out/result.json").read_text(encoding="utf-8"))
    assert {m["value"] for m in table["metrics"]} == {"NaN"}
    assert avbench_cli("diff", "out", "out").code == 0


# ------------------------------------------------------------------ generate, run, diff


def test_run_goes_on_from_generate_and_diff_names_what_differs(suite_folder: Any, avbench_cli: Cli) -> None:
    suite = suite_folder(["a", "b", "c"], reference=None, metrics=["motion_score"])
    made = avbench_cli("generate", "--model", "noise", "--suite", suite, "--out", "one", "--json")
    assert made.code == 0
    assert json.loads(made.out)["files"] == ["a.mp4", "b.mp4", "c.mp4"]
    stamps = {p.name: p.stat().st_mtime_ns for p in Path("one/clips").iterdir()}
    assert "3 files in one/clips" in avbench_cli("generate", "--model", "noise", "--suite", suite, "--out", "one").out
    run = ("run", "--model", "noise", "--suite", suite)
    first = avbench_cli(*run, "--out", "one", "--json")
    assert first.code == 0
    assert {p.name: p.stat().st_mtime_ns for p in Path("one/clips").iterdir()} == stamps
    assert avbench_cli(*run, "--out", "two").code == 0
    same = avbench_cli("diff", "one", "two")
    assert (same.code, same.out) == (0, "no difference\n")
    assert Path("one/result.json").read_bytes() == Path("two/result.json").read_bytes()

    for out, options, expected in (
        ("seed", ("--seed", "1"), {("request", "seed"), ("clip", "3 clips have other bytes")}),
        ("limit", ("--limit", "2"), {("request", "limit"), ("id only in A", "1 clips")}),
        (
            "variant",
            ("--metrics", "motion_score[native]"),
            {("request", "metrics"), ("metric", "motion_score"), ("metric", "motion_score[native]")},
        ),
    ):
        assert avbench_cli(*run, "--out", out, *options).code == 0
        said = avbench_cli("diff", "one", out, "--json")
        assert said.code == 1
        assert expected <= {(d["where"], d["what"]) for d in json.loads(said.out)}
        text = avbench_cli("diff", "one", f"{out}/result.json")
        assert text.code == 1
        assert all(where in text.out for where, _ in expected)


def test_run_over_a_suite_of_a_user_with_reference_clips(suite_folder: Any, make_clip: Make, avbench_cli: Cli) -> None:
    """A suite in five minutes: two files and a folder of clips."""
    suite = suite_folder(["dog", "cat"])
    (suite / "reference").mkdir()
    for n, id in enumerate(("dog", "cat")):
        write_clip(suite / "reference" / f"{id}.mp4", make_clip(id, seed=n))
    values = {}
    for model in ("reference", "shifted[seconds=0.25]"):
        said = avbench_cli("run", "--model", model, "--suite", suite, "--out", model, "--json")
        assert said.code == 0, said
        table = json.loads(said.out)
        assert table["suite"]["name"] == "mine"
        assert "|suite:mine@1|seed:0|" in table["metrics"][0]["signature"]
        values[model] = {m["metric"]: m["value"] for m in table["metrics"]}
    assert values["reference"]["static_picture"] == values["shifted[seconds=0.25]"]["static_picture"]
    assert avbench_cli("run", "--model", "reference", "--suite", suite, "--json").code == 0
    assert Path("runs/reference-mine-seed0/result.json").is_file()


# ------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("run", "--model", "refrence", "--suite", "synth15"), ("no model 'refrence'; did you mean 'reference'?",)),
        (("run", "--model", "reference", "--suite", "synth16"), ("no suite 'synth16'; did you mean 'synth15'?",)),
        (("generate", "--model", "nose", "--suite", "synth15"), ("did you mean 'noise'?",)),
        (
            ("run", "--model", "noise", "--suite", "synth15", "--metrics", "av_aling"),
            ("no metric 'av_aling'; did you mean 'av_align'?",),
        ),
        (("metrics", "loudnes"), ("did you mean 'loudness'?",)),
        (("models", "nois"), ("did you mean 'noise'?",)),
        (("suites", "synth"), ("did you mean 'synth15'?",)),
        (("score", "nowhere"), ("nowhere is not there", "expected a folder of clips")),
        (("score", "nowhere", "--metrics", "nothing"), ("nowhere is not there",)),
        (("run", "--model", "shifted[seconds=late]", "--suite", "synth15"), ("shifted: seconds must be float, got 'late'",)),
        (("run", "--model", "shifted[second=1]", "--suite", "synth15"), ("shifted takes 'seconds', not 'second'",)),
        (("run", "--model", "shifted[seconds=1", "--suite", "synth15"), ("the bracket does not close",)),
        (
            ("run", "--model", "noise", "--suite", "synth15", "--metrics", "av_align[jointdit_refined]"),
            ("is public", "av_curve_distance"),
        ),
        (
            ("run", "--model", "noise", "--suite", "synth15", "--metrics", "av_align[variant=best]"),
            ("variant must be one of", "'svg'"),
        ),
        (("run", "--model", "noise", "--suite", "synth15", "--metrics", "av_align[resize=big]"), ("resize must be", "'big'")),
        (("diff", "a", "b"), ("a: not a result", "expected the folder of a finished run")),
    ],
)
def test_a_mistake_is_one_message(arguments: tuple[str, ...], parts: tuple[str, ...], avbench_cli: Cli) -> None:
    refused(avbench_cli(*arguments), *parts)
    assert list(Path().iterdir()) == [], "a command that is refused leaves nothing behind"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--model", "noise", "--suite", "synth15", "--limit", "0"),
        ("run", "--model", "noise", "--suite", "synth15", "--limit", "many"),
        ("run", "--model", "noise"),
        ("score",),
        ("score", ".", "--workers", "0"),
        ("sorce", "."),
        ("score", ".", "--metric", "x"),
    ],
)
def test_a_wrong_option_is_a_usage_error(arguments: tuple[str, ...], avbench_cli: Cli) -> None:
    said = avbench_cli(*arguments)
    assert said.code == 2
    assert "Usage: avbench" in said.err
    assert "Traceback" not in said.err
    assert list(Path().iterdir()) == []


def test_a_device_that_is_not_there_is_refused(folder: Path, avbench_cli: Cli) -> None:
    for device in ("cuda:97", "banana"):
        refused(avbench_cli("score", folder, "--metrics", QUICK, "--device", device), f"device '{device}'", "avbench doctor")
    assert list(Path().iterdir()) == []


def test_folders_that_cannot_be_scored(tmp_path: Path, folder: Path, avbench_cli: Cli) -> None:
    (tmp_path / "empty").mkdir()
    refused(avbench_cli("score", tmp_path / "empty"), "has no clips: it holds nothing")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").touch()
    refused(avbench_cli("score", tmp_path / "texts"), "has no clips: it holds 1 other files, such as 'a.txt'")
    refused(avbench_cli("score", folder / "a.mp4"), "is a file; expected a folder")
    shutil.copy(folder / "a.mp4", folder / "a.mkv")
    refused(avbench_cli("score", folder), "'a.mkv' and 'a.mp4' are both clip 'a'; rename or remove one")
    (folder / "a.mkv").unlink()
    refused(
        avbench_cli("score", folder, "--suite", "synth15"), "none of the 3 clips", "expected names like 'test_baby_crying_000'"
    )
    assert list(Path().iterdir()) == []


def test_suite_data_that_are_not_on_disk(suite_folder: Any, avbench_cli: Cli) -> None:
    suite = suite_folder(["a", "b"])
    said = avbench_cli("run", "--model", "reference", "--suite", suite, "--out", "out")
    refused(said, "suite mine: the reference clips are not in", "get them from: https://example.org/clips.zip", "AVBENCH_DATA")


def test_an_out_folder_that_holds_something_else_is_left_alone(folder: Path, tmp_path: Path, avbench_cli: Cli) -> None:
    assert avbench_cli("score", folder, "--out", "out", "--metrics", QUICK).code == 0
    before = Path("out/result.json").read_bytes()
    refused(
        avbench_cli("score", folder, "--out", "out", "--limit", "1"),
        "holds another run (limit: None there, 1 asked for)",
        "--out",
    )
    refused(avbench_cli("run", "--model", "noise", "--suite", "synth15", "--limit", "2", "--out", "out"), "holds another run")
    assert Path("out/result.json").read_bytes() == before
    Path("thesis").mkdir()
    Path("thesis/chapter1.tex").write_text("precious", encoding="utf-8")
    refused(avbench_cli("score", folder, "--out", "thesis"), "is not a run of avbench and not empty (it holds 'chapter1.tex')")
    assert Path("thesis/chapter1.tex").read_text(encoding="utf-8") == "precious"
    Path("file").write_text("precious", encoding="utf-8")
    refused(avbench_cli("score", folder, "--out", "file"), "file is a file; give a folder with --out")
    refused(avbench_cli("score", folder, "--out", "file/sub"), "cannot be made")
    assert Path("file").read_text(encoding="utf-8") == "precious"


def test_names_from_files_cannot_play_with_the_terminal(folder: Path, avbench_cli: Cli) -> None:
    (folder / "\x1b[31mred[bold]x.mp4").write_bytes(b"no clip")
    said = avbench_cli("score", folder, "--out", "out", "--metrics", QUICK)
    assert said.code == 0
    assert "\x1b" not in said.out
    assert "\\x1b[31mred[bold]x" in said.out


def test_output_that_is_not_utf8_and_a_pipe_that_closes(folder: Path, fresh_python: Python, tmp_path: Path) -> None:
    code = "from avbench.cli import main; main()"
    done = fresh_python("-c", code, "score", folder, "--metrics", QUICK, cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "loudness" in done.stdout
    piped = subprocess.run(  # noqa: S602
        f"{sys.executable} -c '{code}' metrics av_align | head -n 1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in piped.stderr


# ------------------------------------------------------------------ a terminal, Ctrl-C


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", "from avbench.cli import main; main()", *map(str, arguments)]


def test_progress_is_shown_on_a_terminal_only(folder: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        command("score", folder, "--metrics", QUICK, "--out", tmp_path / "out"),
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=tmp_path,
        env=environment,
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            ready, _, _ = select.select([ours], [], [], 60)
            try:
                part = os.read(ours, 65_536) if ready else b""
            except OSError:  # the other side is closed
                part = b""
            if not part:
                break
            shown += part
        out = process.stdout.read() if process.stdout is not None else b""
    os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    assert "extract" in text
    assert re.search(r"[0-3]/3", text)
    assert "left" in text
    assert b"\x1b[" not in out, "what goes into a pipe is plain"
    assert b"loudness" in out


def test_ctrl_c_says_so_exits_130_and_the_same_command_goes_on(tmp_path: Path, suite_folder: Any) -> None:
    suite = suite_folder([f"item{n:03d}" for n in range(25)], reference=None, metrics=["motion_score"])
    run = command("run", "--model", "noise", "--suite", suite, "--out", tmp_path / "out")
    process = subprocess.Popen(
        run,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        # A shell's background jobs, and so these tests among them, ignore the signal, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    clips = tmp_path / "out" / "clips"
    patience = time.monotonic() + 60
    while time.monotonic() < patience and len(list(clips.glob("[!.]*.mp4"))) < 3:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert out == ""
    assert err == "stopped; the same command goes on from here\n"
    before = {p.name: p.stat().st_mtime_ns for p in clips.glob("[!.]*.mp4")}
    assert 0 < len(before) < 25
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    after = {p.name: p.stat().st_mtime_ns for p in clips.iterdir()}
    assert len(after) == 25, "nothing half-written is left"
    unchanged = [name for name in before if after[name] == before[name]]
    assert len(unchanged) >= len(before) - 1, "at most the clip that was not yet in the ledger is made again"
