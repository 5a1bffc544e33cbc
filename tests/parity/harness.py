"""Goldens: what the published implementations answered, and the inputs they were given.

A family is one JSON file under the goldens' root, `$AVBENCH_GOLDENS` or the copies beside this module. Its inputs are code,
quoted as the call of a function in `synthetic_inputs.py`, or files, found by SHA-256 anywhere under `$AVBENCH_MEDIA` or under
the folder `shared` beside the repository. Nothing here knows the names or the number of cases, so another root with other
seeds and clips works as well. A case whose files are absent is skipped by its name. Tolerances are the family's own.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import functools
import hashlib
import importlib.util
import inspect
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.media import Reader
from avbench.registry import needed
from avbench.types import Array, Clip, ClipFile, Extractor, Features, Forward, Item, Metric

HERE = Path(__file__).resolve().parent
ROOT = Path(os.environ.get("AVBENCH_GOLDENS") or HERE / "goldens").resolve()
MEDIA = Path(os.environ.get("AVBENCH_MEDIA") or HERE.parents[1].parent / "shared").resolve()
_PICTURE = {".mp4", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".m4v", ".png", ".jpg", ".jpeg"}
_INDEXED = _PICTURE | {".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus", ".aac"}


# ------------------------------------------------------------------ families and cases


@dataclass(frozen=True, eq=False)
class Family:
    """One file of goldens.

    Args:
        name: Its path under the root, without suffix: `video/av_align`.
        data: The JSON.
    """

    name: str
    data: Mapping[str, Any]

    @functools.cached_property
    def arrays(self) -> Mapping[str, Array]:
        """The arrays of the `.npz` beside the JSON."""
        at = ROOT / Path(self.name).parent / self.data.get("arrays", f"{Path(self.name).name}.npz")
        with np.load(at) as made:
            return dict(made)

    def checkpoint(self, layout: str) -> Path:
        """The seeded checkpoint of that layout (part of its name) that made the numbers; see `seeded_checkpoint`.

        Where the JSON names the published files, it has that name, and the family's others are beside it: its companions.
        """
        found = [w for w in self.weights if layout in w[0]]
        assert len(found) == 1, f"{self.name}: {len(found)} of {self.weights} are named {layout}"
        return self._together[found[0][0]] if self._together else seeded_checkpoint(*found[0])

    @functools.cached_property
    def _together(self) -> dict[str, Path]:
        """Seeded checkpoints by layout, under the names of the published files; empty where the JSON does not name them."""
        given = self.data.get("weights") or []
        names = [] if isinstance(given, Mapping) else [w["file"] for w in given if "file" in w]
        if not names:
            return {}
        digest = hashlib.sha256(repr(self.weights).encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"avbench-seeded-{digest}"
        folder.mkdir(exist_ok=True)
        for wanted, name in zip(self.weights, names, strict=True):
            with contextlib.suppress(FileExistsError):
                os.link(seeded_checkpoint(*wanted), folder / name)
        return {wanted[0]: folder / name for wanted, name in zip(self.weights, names, strict=True)}

    @property
    def weights(self) -> list[tuple[str, int, str]]:
        """Layout, seed and fingerprint of every seeded checkpoint that made the numbers."""
        found = self.data.get("weights") or []
        if isinstance(found, Mapping):
            seed = found["seed"]
            if "fingerprints" in found:
                return [(layout, seed, found["fingerprints"][Path(layout).stem]) for layout in found["layouts"]]
            return [(found["layout"], seed, found["fingerprint"])]
        return [(Path(w["layout"]).name, w["seed"], w["fingerprint"]) for w in found]

    def close(self, got: Any, want: Any, quantity: str, what: str = "") -> None:
        """Fails unless `got` has the shape of `want` and is within the family's tolerance for the quantity."""
        allowed = self.data["tolerance"][quantity]
        got, want = np.asarray(got, dtype=np.float64), np.asarray(want, dtype=np.float64)
        assert got.shape == want.shape, f"{what or quantity}: shape {got.shape}, the golden has {want.shape}"
        rtol, atol = allowed.get("rtol", 0.0), allowed.get("atol", 0.0)
        np.testing.assert_allclose(got, want, rtol=rtol, atol=atol, err_msg=what or quantity)


@dataclass(frozen=True, eq=False)
class Case:
    """One case of a family; subscripts read its JSON."""

    family: Family
    name: str
    data: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def __contains__(self, key: object) -> bool:
        return key in self.data

    @property
    def golden(self) -> str:
        """How the summary names it."""
        return f"{self.family.name}:{self.name}"

    @property
    def from_file(self) -> bool:
        """Whether its input is a file."""
        return "sha256" in self.data or str(_given(self.data).get("kind", "")).startswith("media")


@functools.cache
def families(pattern: str) -> tuple[Family, ...]:
    """Every family whose path under the root fits the pattern, `video/av_align*`."""
    paths = sorted(ROOT.glob(f"{pattern}.json"))
    return tuple(Family(str(p.relative_to(ROOT).with_suffix("")), json.loads(p.read_text(encoding="utf-8"))) for p in paths)


def cases(pattern: str, *lists: str, having: Iterable[str] = (), lacking: Iterable[str] = ()) -> list[Any]:
    """Parameters for `pytest.mark.parametrize`.

    Args:
        pattern: Of the families, see `families`.
        lists: Keys of the JSON that hold lists of cases.
        having: Keys that a case must have.
        lacking: Keys that it must not have.

    Returns:
        One parameter per case, marked `real_media` if its input is a file; one that is skipped if there is no family at all.
    """
    if not families(pattern):
        absent = Case(Family(pattern, {}), "absent", {})
        return [pytest.param(absent, id="absent", marks=pytest.mark.skip(reason=f"no goldens {pattern}.json in the root"))]
    found = []
    for family in families(pattern):
        for number, data in enumerate(entry for key in lists for entry in family.data.get(key, [])):
            if all(key in data for key in having) and not any(key in data for key in lacking):
                name = next((str(data[key]) for key in ("name", "id", "clip") if key in data), str(number))
                case = Case(family, name.removeprefix("shared/"), data)
                marks = [pytest.mark.real_media] if case.from_file else []
                found.append(pytest.param(case, id=f"{Path(family.name).name}-{case.name}", marks=marks))
    return found


# ------------------------------------------------------------------ inputs


def source(case: Case) -> Clip | ClipFile:
    """The case's clip: a file by its SHA-256, with the sound file that was made of it where there is one, or a call.

    Without a file the calls are under `input`, as `video` and `audio` (the frame rate is the case's `fps`) or as one text that
    makes pictures, or the case has the name of a function of `waveforms.py`.
    """
    given = _given(case.data)
    if case.from_file:
        sha256 = case.data.get("sha256") or given["sha256"]
        return ClipFile(case.name, file(sha256, case.name), _hashed().get(case.data.get("wav_sha256", "")))
    if "rate" in given:
        waveforms = module("audio/waveforms.py")
        rate, samples = waveforms.pcm(getattr(waveforms, case.name))
        return Clip(case.name, None, 0.0, (samples.T / 32768).astype(np.float32), int(rate))
    samples, rate = sound(given["audio"]) if "audio" in given else (None, 0)
    video = pictures(given["video"]) if "video" in given else None
    audio = None if samples is None else (samples.T / 32768).astype(np.float32)
    return Clip(case.name, video, float(case.data.get("fps", 25.0)), audio, rate)


def _given(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The case's `input`, a text standing for pictures alone."""
    given = data.get("input") or {}
    return {"video": given} if isinstance(given, str) else given


def file(sha256: str, name: str) -> Path:
    """The file with these bytes; skips the test if there is none."""
    path = _hashed().get(sha256)
    if path is None:
        pytest.skip(f"{name}: no file with SHA-256 {sha256[:12]} under the media folder")
    return path


def pictures(text: str) -> NDArray[np.uint8]:
    """`disc(72, 96, 160, 0)`, `waves(1, 64, 64, 0) repeated 24 times`: RGB `(T, H, W, 3)`."""
    (made, _), rest = _called(text)
    repeated = re.match(r"\s*repeated (\d+) times", rest)
    return np.tile(made, (int(repeated[1]), 1, 1, 1)) if repeated else np.asarray(made, dtype=np.uint8)


def sound(text: str) -> tuple[NDArray[np.int16], int]:
    """`clicks(66150, 22050, [0.36], 0)`, `24000 zeros at 24000 Hz`: `(samples, channels)` and the sample rate."""
    zeros = re.fullmatch(r"\s*(\d+) zeros at (\d+) Hz\s*", text)
    if zeros:
        return np.zeros((int(zeros[1]), 1), np.int16), int(zeros[2])
    (made, arguments), _ = _called(text)
    return np.asarray(made, dtype=np.int16), int(arguments["rate"])


def called(text: str) -> Any:
    """What the call makes: `features(64, 400, 121, shift=0.15)`; literals only."""
    return _called(text)[0][0]


def matrix(recipe: Mapping[str, Any], kind: str = "features") -> Array:
    """A matrix of `matrices.py` by its recipe; `kind` is `features` or `logits`."""
    return np.asarray(getattr(module("audio/matrices.py"), kind)(recipe))


def _called(text: str) -> tuple[tuple[Any, Mapping[str, Any]], str]:
    """The result and the arguments of the call that the text begins with, and what follows; literals only, no eval."""
    end = next((n for n in range(len(text)) if text[n] == ")" and text[: n + 1].count("(") == text[: n + 1].count(")")), -1)
    call = ast.parse(text[: end + 1].strip() or "None", mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError(f"cannot read the input '{text}'")
    function = getattr(module("video/synthetic_inputs.py"), call.func.id)
    positional = [ast.literal_eval(a) for a in call.args]
    bound = inspect.signature(function).bind(*positional, **{str(k.arg): ast.literal_eval(k.value) for k in call.keywords})
    return (function(*bound.args, **bound.kwargs), bound.arguments), text[end + 1 :]


@functools.cache
def module(path: str) -> ModuleType:
    """A module of the goldens' root, of the goldens under the media folder, or else of this folder, by its path there."""
    places = (ROOT / path, MEDIA / "goldens" / path, HERE / Path(path).name)
    found = next((p for p in places if p.is_file()), None)
    if found is None:
        pytest.skip(f"{path} is not in the goldens' root")
    spec = importlib.util.spec_from_file_location(f"avbench_goldens_{found.stem}", found)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[made.__name__] = made
    spec.loader.exec_module(made)
    return made


def _layout(name: str) -> Path:
    """A published checkpoint's keys and shapes; skips the test if they are absent."""
    name = Path(name).name
    folders = (
        ROOT / "checkpoint-layouts",
        ROOT.parent / "checkpoint-layouts",
        MEDIA / "checkpoint-layouts",
        HERE / "layouts",
    )
    found = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if found is None:
        pytest.skip(f"no checkpoint layout {name}")
    return found


def seeded_arrays(layout: str, seed: int) -> Mapping[str, Array]:
    """Arrays of a seeded checkpoint in a published layout; skips the test if layouts or generator are absent."""
    made: Mapping[str, Array] = dict(module("seeded_weights.py").seeded_arrays(_layout(layout), seed))
    return made


@functools.cache
def seeded_checkpoint(layout: str, seed: int, fingerprint: str) -> Path:
    """A file in a published layout, wrapped as the published one is, with seeded values.

    It is kept in the temporary folder under its fingerprint, so it is drawn once for all test runs and processes; a process
    that wants it while another draws it waits.

    Args:
        layout: Name of the layout, `i3d_pretrained_400.json`.
        seed: Of the values.
        fingerprint: What the golden says of keys, shapes and values; the file is only written if it fits.
    """
    at = Path(tempfile.gettempdir()) / f"avbench-seeded-{Path(layout).stem}-{fingerprint[:16]}.pt"
    if at.is_file():
        return at
    import torch

    with at.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if at.is_file():
            return at
        found, maker = _layout(layout), module("seeded_weights.py")
        drawn = seeded_arrays(layout, seed)
        digest = hashlib.sha256()
        for key in sorted(drawn):
            digest.update(f"{key}|{list(drawn[key].shape)}|{drawn[key].dtype}|".encode() + drawn[key].tobytes())
        assert digest.hexdigest() == fingerprint, f"{maker.__name__}: other values than the golden's for {layout}"
        wrap = json.loads(found.read_text(encoding="utf-8")).get("wrap")
        state = {key: torch.from_numpy(value.copy()) for key, value in drawn.items()}
        fresh = at.with_suffix(f".{os.getpid()}")
        torch.save({wrap: state} if wrap else state, fresh)
        fresh.replace(at)
    return at


@functools.cache
def _hashed() -> dict[str, Path]:
    """Media files by SHA-256; hashes are kept in the temporary folder by path, size and time."""
    kept_at = Path(tempfile.gettempdir()) / f"avbench-media-{hashlib.sha256(str(MEDIA).encode()).hexdigest()[:16]}.json"
    try:
        kept = json.loads(kept_at.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    index: dict[str, str] = {}
    for path in sorted(p for p in MEDIA.rglob("*") if p.suffix.lower() in _INDEXED and p.is_file()):
        stat = path.stat()
        key = f"{path}|{stat.st_size}|{stat.st_mtime_ns}"
        if key not in kept:
            with path.open("rb") as stream:
                kept[key] = hashlib.file_digest(stream, "sha256").hexdigest()
        index[key] = kept[key]
    fresh = kept_at.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(index), encoding="utf-8")
    fresh.replace(kept_at)
    return {sha256: Path(key.split("|")[0]) for key, sha256 in index.items()}


# ------------------------------------------------------------------ components without the engine


def extract(
    clip: Clip | ClipFile, extractors: Iterable[Extractor], weights: Path | None = None, device: str = "cpu"
) -> dict[Extractor, Features]:
    """What extractors make of one clip, which is decoded once; networks load `weights`, with one thread."""
    made: dict[Extractor, Features] = {}
    for e, layers in prepare(clip, extractors).items():
        if e.weights is not None:
            layers = forward(e, layers, weights, device)
        made[e] = {f"{e.name}.{k}": v for k, v in layers.items()}
    return made


def forward(extractor: Extractor, prepared: Mapping[str, Array], weights: Path | None, device: str = "cpu") -> dict[str, Array]:
    """The network's layers for one prepared clip, without the batch axis."""
    import torch

    run = network(extractor, weights, device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        batch = {k: torch.from_numpy(np.ascontiguousarray(v)[None]).to(device) for k, v in prepared.items()}
        with torch.inference_mode():
            return {k: np.asarray(torch.as_tensor(v).cpu()[0]) for k, v in run(batch).items()}
    finally:
        torch.set_num_threads(threads)


@functools.lru_cache(maxsize=4)
def network(extractor: Extractor, weights: Path | None, device: str) -> Forward:
    """The extractor's function, loaded once."""
    return extractor.load(weights, device)


def prepare(clip: Clip | ClipFile, extractors: Iterable[Extractor]) -> dict[Extractor, dict[str, Array]]:
    """What extractors prepare of one clip on the CPU, which is decoded once."""
    with Reader(clip) as reader:
        started = {e: e.start(reader.info, {}) for e in extractors}
        wanted = {e: set(preparation.frames) for e, preparation in started.items()}
        for index, image in enumerate(reader.frames()):
            for e, preparation in started.items():
                if index in wanted[e]:
                    preparation.take(index, image)
        audio = reader.audio()
        return {e: p.finish(audio) for e, p in started.items()}


def features(metric: Metric, extracted: Mapping[Extractor, Features]) -> Features:
    """What the metric finds in its `got`."""
    return {k: v for need in metric.extractors() for k, v in extracted[needed(need)].items()}


def score(metric: Metric, got: Features) -> float:
    """The metric's number for one clip."""
    return metric.compute(metric.row(Item("case"), got, None)[None])
