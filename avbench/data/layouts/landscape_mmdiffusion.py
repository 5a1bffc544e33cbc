"""MM-Diffusion's `Landscape`: `train/` with videos in any folders."""

from __future__ import annotations

from avbench.data.layout import Found, Tree
from avbench.data.mmdiffusion import how, windows
from avbench.types import Item, Suite

HOW = how("landscape-mmdiffusion", "Landscape")


def recognise(tree: Tree, suite: Suite, items: tuple[Item, ...]) -> Found:
    """Its training videos."""
    return windows(tree, items, "Landscape")
