"""Published downloads of suites in small: the same names, lists and columns, a few tiny clips."""

from __future__ import annotations

import json
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from avbench import suites
from avbench.encode import write_clip
from tests.conftest import synthetic

CLASSES = {"dog_barking": "dog barking", "playing_violin__fiddle": "playing violin, fiddle", "lions_roaring": "lions roaring"}


def clips(paths: Sequence[Path], *, seconds: float = 2.2, frame_rate: float = 12.0, width: int = 64, height: int = 48) -> None:
    """A clip with picture and sound at each path."""
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        made = synthetic(path.stem, seed=number, seconds=seconds, frame_rate=frame_rate, width=width, height=height)
        write_clip(path, made)


def avsync15(folder: Path, *, per_class: int = 2, seconds: float = 2.2) -> Path:
    """ASVA's folder; the last clip of the list is not there, and train clips are."""
    root = folder / "AVSync15"
    names = [f"{c}/{c[:3]}-_xyz{n:04d}_10_20_{n}.0_4.5.mp4" for c in CLASSES for n in range(per_class)]
    train = [f"{c}/train{n:06d}_30_40_0.0_9.0.mp4" for n, c in enumerate(CLASSES)]
    clips([root / "videos" / name for name in (*names[:-1], *train)], seconds=seconds)
    (root / "test.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    (root / "train.txt").write_text("\n".join(train), encoding="utf-8")
    (root / "class_mapping.json").write_text(json.dumps(CLASSES), encoding="utf-8")
    (root / "class_clip_text_encodings_stable-diffusion-v1-5.pt").write_bytes(b"not read")
    return root


def landscape(folder: Path, *, listed: bool = True) -> Path:
    """MM-Diffusion's release with ASVA's list beside it."""
    root = folder / "Landscapes"
    names = [f"{c}/{n}_clip.mp4" for c in ("explosion", "raining") for n in (f"{c}_1", f"{c}_2")]
    clips([root / "videos" / "test" / name for name in names])
    clips([root / "videos" / "train" / "raining" / "raining_1_clip.mp4"], seconds=1.0)
    if listed:
        (root / "test.txt").write_text("\n".join(names), encoding="utf-8")
        (root / "class_mapping.json").write_text(json.dumps({"explosion": "explosion", "raining": "raining"}), encoding="utf-8")
    return root


def greatesthits(folder: Path, *, count: int = 3) -> Path:
    """`vis-data-256.zip`: per recording two pictures with sound, the sounds, and the times of hits."""
    ids = [item.id for item in suites.load("greatesthits", limit=count).items]
    root = folder / "unpacked" / "vis-data-256"
    clips([root / f"{id}_denoised_thumb.mp4" for id in ids])
    clips([root / f"{id}_denoised.mp4" for id in ids], seconds=1.0)
    clips([root / "2015-01-01-00-00-00_denoised_thumb.mp4"], seconds=1.0)
    for id in ids:
        (root / f"{id}_times.txt").write_text("1.08 carpet hit static\n", encoding="utf-8")
    path = folder / "vis-data-256.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.iterdir()):
            archive.write(file, f"vis-data-256/{file.name}")
    return path


def mmdiffusion(folder: Path, name: str, *, videos: int = 3, seconds: float = 2.5) -> Path:
    """`AIST++_crop` or `Landscape`: videos below `train`, some below `test`."""
    root = folder / name
    clips([root / "train" / f"gBR_sBM_c01_d04_mBR0_ch{n:02d}_{n}.mp4" for n in range(videos)], seconds=seconds, frame_rate=20.0)
    clips([root / "test" / "gBR_sBM_c01_d05_mBR1_ch01_0.mp4"], seconds=1.0)
    return root


def vggsound(folder: Path, *, count: int = 3, seconds: float = 10.0, frame_rate: float = 10.0) -> Path:
    """A folder with clips by both ways to name them, and one of the release's archives."""
    root = folder / "VGGSound"
    ids = [item.id for item in suites.load("vggsound", limit=count).items]
    first = ids[0].rpartition("_")
    named = [f"{first[0]}_{int(first[2]) * 1000}_{(int(first[2]) + 10) * 1000}", *ids[1:]]
    clips([root / "video" / f"{name}.mp4" for name in named[:-1]], seconds=seconds, frame_rate=frame_rate)
    clips([root / "video" / "zzzzzzzzzzz_000001.mp4"], seconds=1.0)
    loose = folder / "loose" / f"{named[-1]}.mp4"
    clips([loose], seconds=seconds, frame_rate=frame_rate)
    with tarfile.open(root / "vggsound_19.tar.gz", "w:gz") as archive:
        archive.add(loose, f"scratch/shared/beegfs/hchen/train_data/VGGSound_final/video/{named[-1]}.mp4")
    return root
