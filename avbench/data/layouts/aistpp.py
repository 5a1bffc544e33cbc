"""MM-Diffusion's `AIST++_crop`: `train/` with videos in any folders."""

from __future__ import annotations

from avbench.data.layout import Found, Tree
from avbench.data.mmdiffusion import how, windows
from avbench.types import Item, Suite

HOW = how("aistpp", "AIST++_crop")


def recognise(tree: Tree, suite: Suite, items: tuple[Item, ...]) -> Found:
    """Its training videos."""
    return windows(tree, items, "AIST++_crop")
