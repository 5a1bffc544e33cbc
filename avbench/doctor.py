"""What works on this machine: devices, decoders, packages, data, folders."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from avbench import media, registry, suites, torchvision_guard, weights
from avbench.data.references import Prepared
from avbench.encode import write_clip
from avbench.errors import AvbenchError
from avbench.store import default_home, package_versions
from avbench.suites import InFolder, Rendered
from avbench.types import Clip, ClipFile


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    what: str
    state: Literal["ok", "missing", "broken"]
    detail: str


def examine() -> list[Check]:
    """Try everything; nothing is downloaded, and only a temporary file is written."""
    return [*_devices(), *_round_trip(), *_codecs(), *_packages(), *_torchvision(), *_weights(), *_data(), *_folders()]


def _devices() -> list[Check]:
    import torch

    found = [Check("device cpu", "ok", f"{os.cpu_count()} cores, torch {torch.__version__}")]
    if torch.cuda.is_available():
        found += [Check(f"device cuda:{i}", "ok", torch.cuda.get_device_name(i)) for i in range(torch.cuda.device_count())]
    else:
        found.append(Check("device cuda", "missing", "networks run on the CPU"))
    if torch.backends.mps.is_available():
        found.append(Check("device mps", "ok", "Apple GPU"))
    return found


def _round_trip() -> list[Check]:
    """Write and read back an mp4, as a run does."""
    frames = np.zeros((8, 64, 64, 3), dtype=np.uint8)
    frames[4:] = 200
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.mp4"
        try:
            write_clip(path, Clip("probe", frames, 8.0, np.zeros((1, 16_000), dtype=np.float32), 16_000))
            with media.Reader(ClipFile("probe", path)) as reader:
                count = sum(1 for _ in reader.frames())
        except (AvbenchError, OSError, ValueError) as error:
            return [Check("write and read mp4", "broken", str(error))]
    state: Literal["ok", "broken"] = "ok" if count == len(frames) else "broken"
    return [Check("write and read mp4", state, f"H.264 + AAC, {count} of {len(frames)} frames, {media.READER}")]


def _codecs() -> list[Check]:
    import av

    names = ("h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mpeg1video", "aac", "mp3", "mp2", "opus", "vorbis", "flac")
    lacking = [name for name in names if name not in av.codecs_available]
    if lacking:
        return [Check("decoders", "missing", f"{', '.join(lacking)}; clips in these codecs stay unscored")]
    return [Check("decoders", "ok", ", ".join(names))]


def _packages() -> list[Check]:
    wanted = {p for name in registry.names("extractors") for p in registry.extractor_class(name).packages}
    return [
        Check(
            f"package {name}", "missing" if version == "none" else "ok", version if version != "none" else f"pip install {name}"
        )
        for name, version in sorted(package_versions(tuple(wanted)).items())
    ]


def _torchvision() -> list[Check]:
    """Whether it fits torch; CLIP is reached through it."""
    try:
        found = torchvision_guard.ensure_torchvision()
    except AvbenchError as error:
        return [Check("torchvision", "broken", str(error))]
    if found == "absent":
        return [Check("torchvision", "missing", "CLIP needs it: pip install torchvision")]
    if found == "without operators":
        return [
            Check("torchvision", "missing", "its compiled operators: it was built for another torch; avbench uses none of them")
        ]
    return [Check("torchvision", "ok", "fits torch")]


def _weights() -> list[Check]:
    found = []
    for name in registry.names("extractors"):
        cls = registry.extractor_class(name)
        for checkpoint in (*([cls.weights] if cls.weights is not None else []), *cls.companions):
            path = weights.place(checkpoint)
            state: Literal["ok", "missing"] = "ok" if path.is_file() else "missing"
            what = f"weights of {name}" if checkpoint is cls.weights else f"{checkpoint.file} of {name}"
            found.append(Check(what, state, f"{path}; from: {checkpoint.urls[0]}"))
    return found or [Check("weights", "ok", "no extractor of this release needs any")]


def _data() -> list[Check]:
    found = []
    for name in suites.names():
        reference = suites.described(name).reference
        if isinstance(reference, Rendered):
            made = len(list(reference.folder.glob("*.mp4"))) if reference.folder.is_dir() else 0
            found.append(Check(f"data of {name}", "ok", f"rendered when needed; {made} clips in {reference.folder}"))
        elif isinstance(reference, InFolder | Prepared):
            state: Literal["ok", "missing"] = "ok" if reference.there else "missing"
            found.append(Check(f"data of {name}", state, f"{reference.folder}; from: {reference.obtain}"))
        else:
            found.append(Check(f"data of {name}", "ok", "no reference clips"))
    return found


def _folders() -> list[Check]:
    home = default_home()
    above = next(p for p in (home, *home.parents) if p.exists())
    fault = f", {above} is a file" if not above.is_dir() else "" if os.access(above, os.W_OK) else ", not writable"
    free = shutil.disk_usage(above).free / 2**30
    checks = [Check("AVBENCH_HOME", "broken" if fault else "ok", f"{home}, {free:.0f} GiB free{fault}")]
    if importlib.util.find_spec("fcntl") is None:
        checks.append(Check("system", "broken", "avbench needs a POSIX system (Linux, macOS)"))
    return checks
