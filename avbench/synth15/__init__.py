"""Suite `synth15`: procedural sounding video, 15 kinds of event with exact times.

    from avbench.synth15 import items, write

    files = write(items("train", 3000), Path("train"))     # mp4 files by item id

An item is a caption, event times and a seed. Rendering it gives the same content at any size, frame rate and sample rate.
"""

from avbench.synth15.listing import items
from avbench.synth15.rendering import frames, render, sound
from avbench.synth15.scene import CATEGORIES
from avbench.synth15.writing import write

__all__ = ["CATEGORIES", "frames", "items", "render", "sound", "write"]
