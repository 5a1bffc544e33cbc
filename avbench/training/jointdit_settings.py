"""The configuration of JointDiT's training at full size: `baselines/jointdit/full.toml` with its defaults and checks."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from avbench.errors import BadManifest
from avbench.models.jointdit_unets import WIDTHS, Clock


@dataclass(frozen=True)
class Model:
    """Table `[model]` of the configuration; see `baselines/jointdit/full.toml`."""

    size: Literal["full"] = "full"
    svd: str = ""
    audioldm2: str = ""
    experts: Literal["frozen", "trained"] = "frozen"
    clock: Clock = "index"
    joint: list[list[int]] = field(default_factory=lambda: [[w.qk, w.v, w.heads] for w in WIDTHS])


@dataclass(frozen=True)
class Clips:
    """Table `[clips]`."""

    width: int = 576
    height: int = 320
    frames: int = 14
    fps: int = 7
    motion: int = 127
    noise: float = 0.02
    workers: int = 0

    @property
    def seconds(self) -> float:
        """Length of a training clip."""
        return self.frames / self.fps


@dataclass(frozen=True)
class Training:
    """Table `[training]`."""

    steps: int = 40_000
    batch_size: int = 1
    gradient_accumulation: int = 1
    rate: float = 1e-4
    warmup: int = 500
    weight_decay: float = 0.01
    most_gradient: float = 1.0
    precision: Literal["no", "fp16", "bf16"] = "no"
    gradient_checkpointing: bool = False
    drop: float = 0.1
    lambda_video: float = 1.0
    lambda_audio: float = 1.0
    save_every: int = 500
    gap_every: int = 500
    keep: int = 2
    seed: int = 0


@dataclass(frozen=True)
class Settings:
    """A configuration file."""

    model: Model
    clips: Clips
    training: Training


def settings(path: Path) -> Settings:
    """Read a configuration.

    Raises:
        BadManifest: if the file is no TOML or holds a name or value that is not known.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadManifest(f"{path} cannot be read as TOML: {error}") from error
    tables: dict[str, Any] = {"model": Model, "clips": Clips, "training": Training}
    for name in found:
        if name not in tables:
            raise BadManifest(f"{path}: there is no table [{name}]; there are {', '.join(tables)}")
    return Settings(**{name: _table(path, name, kind, found.get(name, {})) for name, kind in tables.items()})


def _table(path: Path, name: str, kind: Any, found: dict[str, Any]) -> Any:
    hints, known = get_type_hints(kind), [f.name for f in fields(kind)]
    for key, value in found.items():
        if key not in known:
            raise BadManifest(f"{path}: [{name}] has no '{key}'; it has {', '.join(known)}")
        choices = get_args(hints[key]) if hints[key] is not list[list[int]] else ()
        wrong = value not in choices if choices else not isinstance(value, (int, float) if hints[key] is float else hints[key])
        if key == "joint":
            wrong = not all(isinstance(row, list) and len(row) == 3 and all(isinstance(n, int) for n in row) for row in value)
        if wrong or (isinstance(value, int | float) and value < 0):
            raise BadManifest(f"{path}: [{name}] {key} = {value!r} is not taken")
    made = kind(**found)
    for key in ("steps", "batch_size", "gradient_accumulation", "save_every", "keep", "frames", "fps"):
        if getattr(made, key, 1) < 1:
            raise BadManifest(f"{path}: [{name}] {key} must be 1 or more")
    return made
