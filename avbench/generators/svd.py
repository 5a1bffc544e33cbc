"""Stable Video Diffusion: a picture begins to move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from avbench import conditions
from avbench.diffusers_stages import Published, Stage, cropped, pictures
from avbench.types import Clip, Item, Stream, Suite, Task

_LICENCE = "Stability AI community licence, commercial use up to a yearly revenue"


@dataclass(frozen=True)
class Svd(Stage):
    """Stable Video Diffusion, image to video, through `diffusers`.

    Blattmann et al., "Stable Video Diffusion: Scaling Latent Video Diffusion Models to Large Datasets", 2023 (arXiv
    2311.15127). Weights: stabilityai/stable-video-diffusion-img2vid and -xt, gated.

    Args:
        variant: `img2vid` makes 14 frames, `xt` 25.
        steps: Of Euler's method over Karras' noise levels.
        min_guidance: Scale of the first frame; it rises in even steps to that of the last.
        max_guidance: Scale of the last frame.
        width: Pixels; a multiple of 8. JointDiT's comparison is made at 576 x 320, the model's own default is 1024 x 576.
        height: Pixels; a multiple of 8.
        fps: Told to the network, and the rate of the clip.
        motion: Bucket of the amount of motion that the network is told, 0 to 255.
        noise: Standard deviation of the noise that is laid over the picture.
        chunk: Frames that are decoded together; 0 for all, which flickers least and needs most memory.
    """

    variant: Literal["img2vid", "xt"] = "img2vid"
    steps: int = 25
    min_guidance: float = 1.0
    max_guidance: float = 3.0
    width: int = 1024
    height: int = 576
    fps: int = 7
    motion: int = 127
    noise: float = 0.02
    chunk: int = 0

    name: ClassVar[str] = "svd"
    title: ClassVar[str] = "Stable Video Diffusion, a picture to video"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "arXiv 2311.15127; StableVideoDiffusionPipeline of diffusers"
    task: ClassVar[Task] = "I2V"
    conditions: ClassVar[tuple[str, ...]] = ("first_frame",)
    produces: ClassVar[tuple[Stream, ...]] = ("video",)
    requires: ClassVar[Mapping[str, str]] = {
        "environment": "pip install 'avbench[diffusers]'",
        "weights": f"stabilityai/stable-video-diffusion-img2vid, or -xt; gated; {_LICENCE}",
        "vram": "under about 8 GB with every saving on",
    }

    @property
    def published(self) -> Published:
        """The weights of the variant."""
        return Published(
            f"stabilityai/stable-video-diffusion-img2vid{'-xt' if self.variant == 'xt' else ''}",
            "StableVideoDiffusionPipeline",
            _LICENCE,
            "4.5 GB in half precision",
            "under about 8 GB with every saving on; more is not published",
            gated=True,
        )

    def one(self, pipeline: Any, item: Item, suite: Suite, random: Any) -> Clip:
        """14 or 25 frames that begin with the item's picture, cut to the wanted aspect."""
        image = cropped(conditions.first_frame(item, suite), self.width, self.height)
        made = pipeline(
            image,
            height=self.height,
            width=self.width,
            num_inference_steps=self.steps,
            min_guidance_scale=self.min_guidance,
            max_guidance_scale=self.max_guidance,
            fps=self.fps,
            motion_bucket_id=self.motion,
            noise_aug_strength=self.noise,
            decode_chunk_size=self.chunk or None,
            generator=random,
            output_type="np",
        )
        return Clip(item.id, pictures(made.frames[0]), float(self.fps), None, 0)
