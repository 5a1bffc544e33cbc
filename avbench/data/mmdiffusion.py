"""What MM-Diffusion compares with: 2048 clips of 16 frames at 10 per second, drawn from the training videos.

Its reader lists every window of every video and shuffles them without a seed, so that no two of its runs compare with the same
clips. Here the draw has a seed, and everything else is as there: windows overlap, and a video counts by its length.

Source: github.com/researchmm/MM-Diffusion `mm_diffusion/video_datasets.py`, `py_scripts/eval.py` at 7250222.
"""

from __future__ import annotations

from avbench.data.layout import Found, How, Tree, Windows
from avbench.errors import BadFolder
from avbench.types import Item

FRAMES = 16
RATE = 10.0
_DRIVE = "https://drive.google.com/drive/folders/14A1zaQI5EfShlv3QirgCGeNFzZBzQ3lq"


def how(suite: str, name: str) -> How:
    """Steps for one of its two data sets."""
    return How(
        steps=(
            f"open {_DRIVE} and download {name} (Google Drive wants a person; the Baidu mirror has the code fec8)",
            f"run `avbench data prepare {suite} --from {name}` (the folder with train/, or the zip file as it came)",
        )
    )


def windows(tree: Tree, items: tuple[Item, ...], name: str) -> Found:
    """All training videos, to be cut; every video where there is no folder `train`.

    Raises:
        BadFolder: if there is none.
    """
    notes = []
    places = tree.videos(below="train")
    if not places:
        places = [place for place in tree.videos() if "test" not in place.split("/")[:-1]]
        notes.append("no folder train: every video is taken; the protocol compares with the training videos")
    if not places:
        raise BadFolder(f"{tree.root}: there are no videos; expected MM-Diffusion's {name} with train/")
    return Found(None, {p: tree.files[p] for p in places}, notes, windows=Windows(len(items), FRAMES, RATE))
