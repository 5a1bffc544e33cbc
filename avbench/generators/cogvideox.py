"""CogVideoX: video from a picture and a caption, or from a caption alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from avbench import conditions
from avbench.diffusers_stages import Published, Stage, cropped, pictures
from avbench.types import Clip, Item, Stream, Suite, Task

_LICENCE = "CogVideoX licence for the 5B models, Apache-2.0 for the 2B model"


@dataclass(frozen=True)
class CogVideoX(Stage):
    """CogVideoX through `diffusers`.

    Yang et al., "CogVideoX: Text-to-Video Diffusion Models with An Expert Transformer", 2024 (arXiv 2408.06072). Weights:
    THUDM/CogVideoX-5b-I2V, THUDM/CogVideoX-5b, THUDM/CogVideoX-2b.

    Args:
        variant: `i2v` takes the first frame and the caption; `5b` and `2b` the caption alone.
        steps: Of the scheduler that comes with the weights.
        guidance: Scale of the caption.
        frames: `4 k + 1`, or `8 k + 1` at most 49 as the weights were trained.
        width: Pixels; a multiple of 16. The picture model takes the published size only.
        height: Pixels; a multiple of 16.
        fps: The rate of the clip.
    """

    variant: Literal["i2v", "5b", "2b"] = "i2v"
    steps: int = 50
    guidance: float = 6.0
    frames: int = 49
    width: int = 720
    height: int = 480
    fps: int = 8

    half: ClassVar[Literal["float16", "bfloat16"]] = "bfloat16"
    name: ClassVar[str] = "cogvideox"
    title: ClassVar[str] = "CogVideoX, a picture and a caption to video"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "arXiv 2408.06072; CogVideoXImageToVideoPipeline and CogVideoXPipeline of diffusers"
    task: ClassVar[Task] = "I2V"
    conditions: ClassVar[tuple[str, ...]] = ("first_frame", "text")
    produces: ClassVar[tuple[Stream, ...]] = ("video",)
    requires: ClassVar[Mapping[str, str]] = {
        "environment": "pip install 'avbench[diffusers]'",
        "weights": f"THUDM/CogVideoX-5b-I2V, -5b or -2b; {_LICENCE}",
        "vram": "5B from 5 GB in bfloat16, 2B from 4 GB in float16, with every saving on",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant != "i2v":
            object.__setattr__(self, "task", "T2V")
            object.__setattr__(self, "conditions", ("text",))

    @property
    def published(self) -> Published:
        """The weights of the variant."""
        name = {"i2v": "THUDM/CogVideoX-5b-I2V", "5b": "THUDM/CogVideoX-5b", "2b": "THUDM/CogVideoX-2b"}[self.variant]
        small = self.variant == "2b"
        return Published(
            name,
            "CogVideoXImageToVideoPipeline" if self.variant == "i2v" else "CogVideoXPipeline",
            "Apache-2.0" if small else "CogVideoX licence",
            "more than 10 GB" if small else "about 20 GB",
            f"from {4 if small else 5} GB with every saving on",
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
