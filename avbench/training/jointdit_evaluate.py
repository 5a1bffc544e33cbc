"""The tables of the card: `python -m avbench.training.jointdit_evaluate --data clips --out runs/jointdit-evaluation`.

Every model makes the clips of `synth15`'s test split (or the first `--limit` of them); then:

- events: F1 of what is seen against what is heard in the same clip, and against what is heard in another clip of the category
  (`shuffled`), within 125 ms and within 60 ms, with 95 % bootstrap intervals over clips (`jointdit_events`);
- metrics of the suite, with their intervals, where `--metrics` asks for them.

Rows beside the models: `reference` (the suite's clips at the model's size and rate) and `codec` (the same through codec and mel
inversion: what a perfect model would reach). Results of a row are kept in `--out` and found there by the next call.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avbench import api, suites
from avbench.encode import write_clip
from avbench.errors import AvbenchError
from avbench.folders import file_name
from avbench.media import Reader
from avbench.mini.inputs import clocked, samples_of, small
from avbench.models.jointdit_clips import package_path
from avbench.models.jointdit_package import load
from avbench.models.mel_inversion import log_mel
from avbench.models.motion_codec import FRAME_RATE
from avbench.registry import generator, parse_spec
from avbench.store import write_bytes
from avbench.training.jointdit_events import Detectors, f1_with_interval, fitted
from avbench.training.library import library
from avbench.types import Clip, ClipFile, Suite

MODELS = (
    "reference",
    "codec",
    "jointdit[w=0]",
    "jointdit[guidance=cfg]",
    "jointdit[guidance=joint_cfg]",
    "jointdit[guidance=joint_cfg_star]",
    "jointdit[guidance=joint_cfg_star,w=2]",
    "parallel_tiny",
    "cascade_tiny",
)
_ROLL = 15
_TIGHT = 0.06
_SAMPLES = 32_000


def main(arguments: list[str] | None = None) -> int:
    """Parse, generate, score; 0 when the tables are written."""
    parser = argparse.ArgumentParser(prog="python -m avbench.training.jointdit_evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered train clips, as the trainer made it")
    parser.add_argument("--clips", type=int, default=3000, help="how many the folder holds of the train split with seed 0")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", action="append", help=f"again for more; {', '.join(MODELS)} unless given")
    parser.add_argument("--metrics", nargs="*", help="of the suite; none unless given, all with 'all'")
    parser.add_argument("--limit", type=int, help="only the first items of the suite")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    try:
        suite = suites.load("synth15", limit=given.limit)
        detectors = fitted(library(given.data / "seed0", given.clips))
        rows = []
        for model in given.model or MODELS:
            rows.append(evaluated(model, suite, detectors, given.out, given.seed, given.metrics, given.limit))
            sys.stdout.write(f"{json.dumps(rows[-1])}\n")
            sys.stdout.flush()
        write_bytes(given.out / "evaluation.json", (json.dumps(rows, indent=1) + "\n").encode())
        write_bytes(given.out / "evaluation.md", markdown(rows).encode())
    except AvbenchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(markdown(rows))
    return 0


def evaluated(
    model: str, suite: Suite, detectors: Detectors, out: Path, seed: int, metrics: Sequence[str] | None, limit: int | None
) -> dict[str, Any]:
    """One row of the tables, from the folder if it is there."""
    folder = out / file_name(model)
    note = folder / "events.json"
    if note.is_file():
        row: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
    else:
        began = time.monotonic()
        made = list(clips_of(model, suite, seed))
        seconds = time.monotonic() - began
        (folder / "clips").mkdir(parents=True, exist_ok=True)
        for clip in made:
            write_clip(folder / "clips" / f"{file_name(clip.id)}.mp4", clip)
        pictures = [clip.video for clip in made if clip.video is not None]
        sounds = [np.pad(clip.audio[0], (0, _SAMPLES))[:_SAMPLES] for clip in made if clip.audio is not None]
        seen, heard = detectors.times(pictures, sounds)
        others = [*heard[_ROLL:], *heard[:_ROLL]]
        truth = [np.asarray(item.events) for item in suite.items]
        row = {"model": model, "clips": len(made), "seconds_per_clip": round(seconds / len(made), 2)}
        row["f1"], row["f1_shuffled"] = f1_with_interval(seen, heard), f1_with_interval(seen, others)
        # The same at 60 ms: chance is lower there, since clips have an event every half second.
        row["f1_60ms"] = f1_with_interval(seen, heard, _TIGHT)
        row["f1_60ms_shuffled"] = f1_with_interval(seen, others, _TIGHT)
        row["events_seen"], row["events_heard"], row["events_reference"] = (
            round(float(np.mean([len(t) for t in times])), 2) for times in (seen, heard, truth)
        )
        write_bytes(note, (json.dumps(row, indent=1) + "\n").encode())
    if metrics is not None:
        wanted = None if metrics == ["all"] else metrics
        result = api.score(
            folder / "clips", suite=suite.name, metrics=wanted, limit=limit, out=folder / "score", device="cpu", workers=1
        )
        row["metrics"] = {
            s.metric: {key: None if not np.isfinite(v := getattr(s, key)) else round(v, 5) for key in ("value", "low", "high")}
            for s in result.metrics
        }
    return row


def clips_of(model: str, suite: Suite, seed: int) -> list[Clip]:
    """The clips of a model, or the suite's own at the model's size and rate, as they are (`reference`) or coded (`codec`)."""
    if model not in ("reference", "codec"):
        spec = parse_spec(model)
        made = generator(spec.name, **dict(spec.parameters))
        with tempfile.TemporaryDirectory() as folder:
            found = list(made.generate(suite.items, suite=suite, seed=seed, folder=Path(folder)))
        return [clip for clip in found if isinstance(clip, Clip)]
    assert suite.reference is not None  # noqa: S101 - synth15 renders its own
    files = suite.reference.ready(suite.items)
    clips = [small_clip(files[item.id]) for item in suite.items]
    if model == "reference":
        return clips
    package = load(package_path("", "jointdit"), "joint")
    out = []
    for number, clip in enumerate(clips):
        assert clip.video is not None  # noqa: S101
        assert clip.audio is not None  # noqa: S101
        video = torch.from_numpy(package.video.tokens(clip.video))
        audio = torch.from_numpy(package.audio.tokens(log_mel(clip.audio[0])))
        sound = package.sound(audio, number)[None]
        out.append(dataclasses.replace(clip, video=package.picture(video, clip.video[0]), audio=sound))
    return out


def small_clip(file: ClipFile) -> Clip:
    """2 s of a clip file as the model sees them: 24 frames of 64 x 64, 32,000 samples."""
    with Reader(file) as reader:
        info = reader.info
        frames = np.stack([small(image) for image in reader.frames()])
        audio = reader.audio()
    assert audio is not None  # noqa: S101 - reference clips of synth15 have sound
    chosen = frames[clocked(info.frame_times, FRAME_RATE, 2.0, 2.0)]
    samples = np.pad(samples_of(audio, info.audio_start_seconds), (0, _SAMPLES))[:_SAMPLES]
    return Clip(file.id, chosen, FRAME_RATE, samples[None], 16_000, text=file.text)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as tables."""
    head = ("F1", "shuffled", "F1 (60 ms)", "shuffled (60 ms)")
    keys = ("f1", "f1_shuffled", "f1_60ms", "f1_60ms_shuffled")
    lines = ["| model | " + " | ".join(head) + " | events seen / heard |", "|---|" + "---|" * (len(head) + 1)]
    for row in rows:
        counts = f"{row['events_seen']} / {row['events_heard']} (reference {row['events_reference']})"
        lines.append(f"| {row['model']} | " + " | ".join(_cell(row[key]) for key in keys) + f" | {counts} |")
    names = list(dict.fromkeys(name for row in rows for name in row.get("metrics", {})))
    if names:
        lines += ["", "| metric | " + " | ".join(row["model"] for row in rows) + " |", "|---|" + "---|" * len(rows)]
        for name in names:
            cells = (_cell(row.get("metrics", {}).get(name, {"value": None})) for row in rows)
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(number: dict[str, Any]) -> str:
    if number["value"] is None:
        return "-"
    between = f" [{number['low']:.3g}, {number['high']:.3g}]" if number.get("low") is not None else ""
    return f"{number['value']:.3g}{between}"


if __name__ == "__main__":
    sys.exit(main())
