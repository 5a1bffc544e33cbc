"""Puts a trained stage into one file: `python -m avbench.training.jointdit_export --run runs/jointdit --stage joint --to FILE`.

With `--now` the averaged weights of a stage that is still being trained are taken. Settings and curves go beside the file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from avbench.errors import AvbenchError, MissingData
from avbench.models.jointdit import JointDiT, shape_from
from avbench.models.jointdit_package import Kind, Package
from avbench.models.motion_codec import GROUP
from avbench.store import write_bytes
from avbench.training.jointdit import read_sound
from avbench.training.jointdit_codec import read_codec
from avbench.training.jointdit_loop import STAGES
from avbench.weights import read

KINDS: dict[str, Kind] = {"experts": "uni", "uni": "uni", "joint": "joint", "v2a": "v2a"}


def main(arguments: list[str] | None = None) -> int:
    """Parse and export; 0 when the file is written."""
    parser = argparse.ArgumentParser(prog="python -m avbench.training.jointdit_export", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the trainer's folder")
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--to", type=Path, required=True, help="such as baselines/jointdit/model.safetensors")
    parser.add_argument("--now", action="store_true", help="also if the stage is not finished")
    given = parser.parse_args(arguments)
    try:
        path, step = export(given.run, given.stage, given.to, now=given.now)
    except AvbenchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{path}: stage {given.stage}, step {step}, {path.stat().st_size / 1e6:.1f} MB\n")
    return 0


def export(run: Path, stage: str, to: Path, *, now: bool = False) -> tuple[Path, int]:
    """Write the package of a stage, and its settings and curves as `<stage>.json` beside it.

    Returns:
        The file, and the step that its weights are of.

    Raises:
        MissingData: if the stage or the codec is not trained yet.
    """
    state_path, weights, note = run / f"{stage}.state.pt", run / f"{stage}.safetensors", run / f"{stage}.json"
    needed = [run / "sound.npz", run / "codec.safetensors", *([state_path] if now else [weights, note])]
    lacking = [str(path) for path in needed if not path.is_file()]
    if lacking:
        raise MissingData(f"{', '.join(lacking)} not there; train first, or give --now for a stage that is not finished")
    if note.is_file() and weights.is_file():
        table = json.loads(note.read_text(encoding="utf-8"))
        tensors, step = read(weights), table["settings"]["stage"]["steps"]
    else:
        state = torch.load(state_path, map_location="cpu", weights_only=True)
        tensors, step = state["average"], state["step"]
        hours = round(state["seconds"] / 3600, 3)
        table = {"settings": state["about"], "facts": {"hours": hours, "stopped_at": step}}
        table |= {"curve": state["curve"], "pairing_gap": state["gaps"]}
    model = JointDiT(shape_from(table["settings"]["shape"]))
    model.load_state_dict(tensors)
    video = read_codec(run / "codec.safetensors", model.shape.components // GROUP)
    to.parent.mkdir(parents=True, exist_ok=True)
    path = Package(KINDS[stage], model, video, read_sound(run / "sound.npz")).save(to)
    write_bytes(to.with_name(f"{stage}.json"), (json.dumps(table, separators=(",", ":")) + "\n").encode())
    return path, step


if __name__ == "__main__":
    sys.exit(main())
