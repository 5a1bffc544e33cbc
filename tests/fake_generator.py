"""A stand-in for a model in every deployment: a program, a folder, functions; and what can be wrong with it.

The program's sound follows from the seed; its picture is a file that lies beside it. `faults.json` beside it says what goes
wrong with which item, and how often: `{"b": ["die", 1]}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from avbench.encode import write_clip
from avbench.types import Clip

RUNNER = """
import json, math, os, shutil, struct, subprocess, sys, time, wave
from avbench_worker import Item, main

HERE = os.path.dirname(os.path.abspath(__file__))


def fault_of(item):
    path = os.path.join(HERE, "faults.json")
    faults = json.load(open(path)) if os.path.isfile(path) else {}
    kind, times = faults.get(item.id, ["", 0])
    if times <= 0:
        return ""
    faults[item.id] = [kind, times - 1]
    with open(path + ".new", "w") as file:
        json.dump(faults, file)
    os.replace(path + ".new", path)
    return kind


def load(options):
    print("third-party code prints while it is imported")
    if options.get("steps") == 13:
        raise RuntimeError("no such number of steps")
    return options


def generate(options, item, folder):
    print('{"type": "result", "id": "' + item.id + '", "status": "ok"}')
    sys.stdout.flush()
    subprocess.call(["echo", "a child prints as well"])
    kind = fault_of(item)
    with open(os.path.join(HERE, "asked.jsonl"), "a") as file:
        asked = {"id": item.id, "index": item.index, "seed": item.seed, "cond": item.cond, "folder": folder, "options": options,
                 "gpu": os.environ.get("CUDA_VISIBLE_DEVICES", "")}
        file.write(json.dumps(asked) + "\\n")
    item.progress(0.5)
    video, audio = os.path.join(folder, "v.mp4"), os.path.join(folder, "a.wav")
    shutil.copyfile(os.path.join(HERE, "picture.mp4"), video)
    with wave.open(audio, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        count = 16000 if kind != "short" else 4000
        level = 0 if kind == "constant" else 9000
        step = 0.02 + item.seed % 97 / 400
        sound.writeframes(b"".join(struct.pack("<h", int(level * math.sin(step * n))) for n in range(count)))
    if kind == "die":
        os._exit(9)
    if kind == "segfault":
        os.kill(os.getpid(), 11)
    if kind == "hang":
        child = subprocess.Popen(["sleep", "1000"])
        with open(os.path.join(HERE, "child"), "w") as file:
            file.write(str(child.pid))
        time.sleep(1000)
    if kind == "fail":
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    if kind == "exit":
        sys.exit(0)
    if kind == "truncate":
        with open(video, "r+b") as file:
            file.truncate(os.path.getsize(video) // 2)
    if kind == "empty":
        open(video, "wb").close()
    if kind == "absent":
        os.unlink(video)
    if kind == "picture":
        return {"video": video}
    if kind == "nothing":
        return {}
    if kind == "slow":
        time.sleep(1000)
    return {"video": video, "audio": audio, "meta": {"nfe": options.get("steps", 0)}}


if __name__ == "__main__":
    raise SystemExit(main(load, generate, card={"name": "fake", "revision": "1"}))
"""

RAW = """
import json, os, shutil, sys

def say(**message):
    sys.stdout.write(json.dumps(message) + "\\n")
    sys.stdout.flush()

def lines():
    for line in iter(sys.stdin.readline, ""):
        yield json.loads(line)
"""
"""The start of a program that speaks the protocol by itself, to break its rules."""

CONFIG = """
kind = "proc"
title = "A stand-in for a model"
task = "I2SV"
conditions = ["first_frame", "text?"]
source = "tests"
command = ["{{python}}", "{{dir}}/runner.py"]
timeout_s = {timeout}
start_timeout_s = 20
workers = {workers}
{extra}
[options]
steps = {steps}
"""


def write_program(
    folder: Path,
    *,
    workers: int = 1,
    timeout: float = 30,
    steps: int = 5,
    extra: str = "",
    body: str = RUNNER,
    faults: Mapping[str, Any] | None = None,
) -> Path:
    """A program and its description, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "picture.mp4").is_file():
        write_clip(folder / "picture.mp4", picture())
    (folder / "runner.py").write_text(body, encoding="utf-8")
    set_faults(folder, faults or {})
    path = folder / "config.toml"
    path.write_text(CONFIG.format(workers=workers, timeout=timeout, steps=steps, extra=extra), encoding="utf-8")
    return path


def set_faults(folder: Path, faults: Mapping[str, Any]) -> None:
    """What goes wrong from now on."""
    (folder / "faults.json").write_text(json.dumps(faults), encoding="utf-8")


def asked(folder: Path) -> list[dict[str, Any]]:
    """What the program was asked for so far."""
    path = folder / "asked.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def picture(frames: int = 12, seed: int = 0) -> Clip:
    """Frames that differ, without sound."""
    draw = np.random.default_rng(seed)
    images = draw.integers(0, 255, (frames, 48, 64, 3), dtype=np.uint8)
    return Clip("p", images, 12.0, None, 0)
