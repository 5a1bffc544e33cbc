"""Wan: video from a caption, or from a picture and a caption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from avbench import conditions
from avbench.diffusers_stages import Published, Stage, cropped, pictures
from avbench.errors import BadParameter
from avbench.types import Clip, Item, Stream, Suite, Task

_MEMORY = {
    "t2v": "8.2 GB with the text encoder in main memory, about 20 GB with all in the GPU's",
    "t2v-14b": "28.6 GB for the weights alone",
    "i2v": "28.6 GB for the weights alone",
}


@dataclass(frozen=True)
class Wan(Stage):
    """Wan 2.1 through `diffusers`.

    Wan team, "Wan: Open and Advanced Large-Scale Video Generative Models", 2025 (arXiv 2503.20314). Weights:
    Wan-AI/Wan2.1-T2V-1.3B-Diffusers, Wan2.1-T2V-14B-Diffusers, Wan2.1-I2V-14B-480P-Diffusers. Weights of Wan 2.2 in the same
    layout can be given as `weights`.

    Args:
        variant: `t2v` (1.3B) and `t2v-14b` take the caption; `i2v` (14B) the first frame and the caption.
        steps: Of the scheduler that comes with the weights.
        guidance: Scale of the caption.
        frames: `4 k + 1`.
        width: Pixels; a multiple of 16.
        height: Pixels; a multiple of 16.
        fps: The rate of the clip.
    """

    variant: Literal["t2v", "t2v-14b", "i2v"] = "t2v"
    steps: int = 50
    guidance: float = 5.0
    frames: int = 81
    width: int = 832
    height: int = 480
    fps: int = 16

    half: ClassVar[Literal["float16", "bfloat16"]] = "bfloat16"
    name: ClassVar[str] = "wan"
    title: ClassVar[str] = "Wan 2.1, a caption to video"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "arXiv 2503.20314; WanPipeline and WanImageToVideoPipeline of diffusers"
    task: ClassVar[Task] = "T2V"
    conditions: ClassVar[tuple[str, ...]] = ("text",)
    produces: ClassVar[tuple[Stream, ...]] = ("video",)
    requires: ClassVar[Mapping[str, str]] = {
        "environment": "pip install 'avbench[diffusers]'",
        "weights": "Wan-AI/Wan2.1-T2V-1.3B-Diffusers, -T2V-14B-Diffusers or -I2V-14B-480P-Diffusers; Apache-2.0",
        "vram": f"1.3B: {_MEMORY['t2v']}; 14B: {_MEMORY['i2v']}",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames % 4 != 1:
            raise BadParameter(f"wan: frames must be 4 k + 1, got {self.frames}")
        if self.variant == "i2v":
            object.__setattr__(self, "task", "I2V")
            object.__setattr__(self, "conditions", ("first_frame", "text"))

    @property
    def published(self) -> Published:
        """The weights of the variant."""
        name = {"t2v": "T2V-1.3B", "t2v-14b": "T2V-14B", "i2v": "I2V-14B-480P"}[self.variant]
        return Published(
            f"Wan-AI/Wan2.1-{name}-Diffusers",
            "WanImageToVideoPipeline" if self.variant == "i2v" else "WanPipeline",
            "Apache-2.0",
            "tens of GB",
            _MEMORY[self.variant],
        )

    def one(self, pipeline: Any, item: Item, suite: Suite, random: Any) -> Clip:
        """The caption's scene, which begins with the item's picture where the variant takes one."""
        given = {}
        if self.variant == "i2v":
            given["image"] = cropped(conditions.first_frame(item, suite), self.width, self.height)
        made = pipeline(
            **given,
            prompt=conditions.video_caption(item),
            height=self.height,
            width=self.width,
            num_frames=self.frames,
            num_inference_steps=self.steps,
            guidance_scale=self.guidance,
            generator=random,
            output_type="np",
        )
        return Clip(item.id, pictures(made.frames[0]), float(self.fps), None, 0)
