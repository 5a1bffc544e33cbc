"""Trains JointDiT: `python -m avbench.training.jointdit --config baselines/jointdit/config.toml --data clips --out runs/tiny`.

The same command goes on where an interrupted one stopped. Clips of `synth15`'s train split are rendered to `--data` first (1 MB
each), the codecs are made from them, the clips are coded to tokens (30 kB each), and the stages of the configuration are
trained in order.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avbench.errors import AvbenchError, BadParameter
from avbench.models.jointdit import Shape, shape_from
from avbench.models.motion_codec import GROUP
from avbench.models.sound_codec import SoundCodec
from avbench.training.jointdit_codec import CodecPlan
from avbench.training.jointdit_codec import train as codec_of
from avbench.training.jointdit_data import Tokens, fitted, tokens
from avbench.training.jointdit_loop import BEGINS_FROM, STAGES, Stage, StageName, Training, fresh, train
from avbench.training.library import library
from avbench.weights import read


def main(arguments: list[str] | None = None) -> int:
    """Parse, render, code, train; 0 when the last stage's weights are written."""
    parser = argparse.ArgumentParser(prog="python -m avbench.training.jointdit", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML with tables [shape], [training], [data], [[stages]]")
    parser.add_argument("--data", type=Path, required=True, help="folder of the rendered train clips")
    parser.add_argument("--out", type=Path, required=True, help="folder of tokens, weights, curves and states")
    parser.add_argument("--stage", choices=STAGES, action="append", help="only this one; may be given again")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of torch on the CPU; 1 repeats to the bit")
    parser.add_argument("--workers", type=int, default=1, help="processes that render")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    try:
        for path in run(given.config, given.data, given.out, given.stage, device=given.device, workers=given.workers):
            sys.stdout.write(f"{path}\n")
    except AvbenchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def run(
    config: Path,
    data: Path,
    out: Path,
    only: list[StageName] | None = None,
    *,
    device: str = "cpu",
    workers: int = 1,
) -> list[Path]:
    """Train the stages of a configuration in order; finished ones are left as they are.

    Returns:
        The weights of each stage.

    Raises:
        BadParameter: for a configuration that makes no sense, or a stage whose beginning is not trained yet.
    """
    shape, training, codec, clips, stages = read_config(config)
    rows = prepared(shape, training, codec, clips, data, out, device=device, workers=workers)
    done = []
    for stage in stages:
        if only and stage.name not in only:
            continue
        path = out / f"{stage.name}.safetensors"
        if not path.is_file():
            model = fresh(shape, training.seed)
            before = BEGINS_FROM[stage.name]
            if before is not None:
                source = out / f"{before}.safetensors"
                if not source.is_file():
                    raise BadParameter(f"stage {stage.name} begins from {source}, which is not there; train {before} first")
                # Experts leave the joint layers as they were, and every start of them is the model's own.
                kept = read(source)
                if before == "experts":
                    kept |= {name: value for name, value in model.state_dict().items() if name.startswith("joints.")}
                model.load_state_dict(kept)
            path = train(stage, training, model, rows, out, device=device, progress=_told)
        done.append(path)
    return done


def prepared(
    shape: Shape,
    training: Training,
    plan: CodecPlan,
    clips: tuple[int, ...],
    data: Path,
    out: Path,
    *,
    device: str = "cpu",
    workers: int = 1,
) -> Tokens:
    """The training clips as tokens; rendered and coded where they are not there yet.

    Args:
        shape: Of the model.
        training: Its seed and precision are those of the picture's codec, too.
        plan: Of the picture's codec.
        clips: How many of each train split, in order of the splits' seeds.
        data: Folder of the libraries `seed0`, `seed1` ...
        out: Folder of codecs and tokens.
        device: Of torch.
        workers: Processes that render.
    """
    libraries = [
        library(data / f"seed{seed}", count, seed=seed, workers=workers, progress=_rendered) for seed, count in enumerate(clips)
    ]
    channels, rest = divmod(shape.components, GROUP)
    if rest:
        raise BadParameter(f"JointDiT: components must be a multiple of {GROUP}, the frames of a token; got {shape.components}")
    video = codec_of(
        plan, channels, libraries, out, seed=training.seed, device=device, bfloat16=training.bfloat16, progress=_told
    )
    path = out / "sound.npz"
    if not path.is_file():
        sound = fitted(libraries[0], shape.sound_components)
        np.savez(path, basis=sound.basis, mean=sound.mean, scale=sound.scale)
    return tokens(libraries, (video, read_sound(path)), out, _coded)


def read_sound(path: Path) -> SoundCodec:
    """The sound's codec that `prepared` fitted."""
    with np.load(path) as parts:
        return SoundCodec(parts["basis"], parts["mean"], float(parts["scale"]))


def read_config(path: Path) -> tuple[Shape, Training, CodecPlan, tuple[int, ...], list[Stage]]:
    """Sizes, settings, plan of the codec, clips per train split, and stages of a TOML file.

    Raises:
        BadParameter: if it cannot be read, or holds a name or value that makes no sense.
    """
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        shape = shape_from(table.get("shape", {}))
        training = Training(**table.get("training", {}))
        codec = CodecPlan(**table.get("codec", {}))
        clips = tuple(int(count) for count in table["data"]["clips"])
        stages = [Stage(**stage) for stage in table["stages"]]
    except (OSError, tomllib.TOMLDecodeError, TypeError, KeyError, ValueError) as error:
        raise BadParameter(f"{path}: not a configuration of JointDiT: {error}") from error
    return shape, training, codec, clips, stages


def settings(config: Path) -> str:
    """A configuration as JSON, for logs."""
    shape, training, codec, clips, stages = read_config(config)
    return json.dumps(
        {
            "shape": asdict(shape),
            "training": asdict(training),
            "codec": asdict(codec),
            "clips": clips,
            "stages": [asdict(s) for s in stages],
        }
    )


def _rendered(done: int, count: int) -> None:
    _told(f"rendered {done} of {count}")


def _coded(done: int, count: int) -> None:
    if done % 1000 == 0:
        _told(f"coded {done} of {count}")


def _told(line: str) -> None:
    sys.stdout.write(f"{datetime.now():%H:%M:%S} {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
