"""HunyuanVideo: video from a caption, or from a picture and a caption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from avbench import conditions
from avbench.diffusers_stages import Published, Stage, cropped, pictures
from avbench.errors import BadParameter
from avbench.types import Clip, Item, Stream, Suite, Task

_LICENCE = "Tencent Hunyuan community licence, with limits of territory and use"


@dataclass(frozen=True)
class HunyuanVideo(Stage):
    """HunyuanVideo through `diffusers`.

    Kong et al., "HunyuanVideo: A Systematic Framework For Large Video Generative Models", 2024 (arXiv 2412.03603). Weights:
    hunyuanvideo-community/HunyuanVideo and HunyuanVideo-I2V, the published tensors in the layout of diffusers.

    Args:
        variant: `t2v` takes the caption; `i2v` the first frame and the caption.
        steps: Of Euler's method along the flow.
        guidance: Scale that the network is told (its guidance is distilled); 0 for the published one of the variant, 6 from a
            caption and 1 from a picture.
        frames: `4 k + 1`.
        width: Pixels; a multiple of 16.
        height: Pixels; a multiple of 16.
        fps: The rate of the clip.
        tiled: Whether the picture is decoded in tiles, without which 720p does not fit into 60 GB.
    """

    variant: Literal["t2v", "i2v"] = "t2v"
    steps: int = 50
    guidance: float = 0.0
    frames: int = 129
    width: int = 1280
    height: int = 720
    fps: int = 24
    tiled: bool = True

    half: ClassVar[Literal["float16", "bfloat16"]] = "bfloat16"
    name: ClassVar[str] = "hunyuanvideo"
    title: ClassVar[str] = "HunyuanVideo, a caption to video"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "arXiv 2412.03603; HunyuanVideoPipeline and HunyuanVideoImageToVideoPipeline of diffusers"
    task: ClassVar[Task] = "T2V"
    conditions: ClassVar[tuple[str, ...]] = ("text",)
    produces: ClassVar[tuple[Stream, ...]] = ("video",)
    requires: ClassVar[Mapping[str, str]] = {
        "environment": "pip install 'avbench[diffusers]'",
        "weights": f"hunyuanvideo-community/HunyuanVideo or HunyuanVideo-I2V; {_LICENCE}",
        "vram": "60 GB at 1280 x 720 and 129 frames, 45 GB at 960 x 544",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames % 4 != 1:
            raise BadParameter(f"hunyuanvideo: frames must be 4 k + 1, got {self.frames}")
        if self.variant == "i2v":
            object.__setattr__(self, "task", "I2V")
            object.__setattr__(self, "conditions", ("first_frame", "text"))

    @property
    def published(self) -> Published:
        """The weights of the variant."""
        picture = self.variant == "i2v"
        return Published(
            f"hunyuanvideo-community/HunyuanVideo{'-I2V' if picture else ''}",
            "HunyuanVideoImageToVideoPipeline" if picture else "HunyuanVideoPipeline",
            _LICENCE,
            "tens of GB",
            "60 GB at 1280 x 720 and 129 frames, 45 GB at 960 x 544",
        )

    def load(self) -> Any:
        """The pipeline, with the decoder as asked for."""
        pipeline = super().load()
        if self.tiled:
            pipeline.vae.enable_tiling()
        return pipeline

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
            guidance_scale=self.guidance or (1.0 if self.variant == "i2v" else 6.0),
            generator=random,
            output_type="np",
        )
        return Clip(item.id, pictures(made.frames[0]), float(self.fps), None, 0)
