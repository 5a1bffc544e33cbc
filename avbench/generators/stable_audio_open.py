"""Stable Audio Open: stereo sound from a caption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from avbench import conditions
from avbench.diffusers_stages import Published, Stage, samples, seconds_of
from avbench.types import Clip, Item, Stream, Suite, Task

_LICENCE = "Stability AI community licence, commercial use up to a yearly revenue"


@dataclass(frozen=True)
class StableAudioOpen(Stage):
    """Stable Audio Open 1.0 through `diffusers`.

    Evans et al., "Stable Audio Open", 2024 (arXiv 2407.14358). Weights: stabilityai/stable-audio-open-1.0, gated.

    Args:
        steps: Of the scheduler that comes with the weights.
        guidance: Scale of the caption.
    """

    steps: int = 100
    guidance: float = 7.0

    name: ClassVar[str] = "stable_audio_open"
    title: ClassVar[str] = "Stable Audio Open, a caption to stereo sound"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "arXiv 2407.14358; StableAudioPipeline of diffusers"
    task: ClassVar[Task] = "T2A"
    conditions: ClassVar[tuple[str, ...]] = ("text",)
    produces: ClassVar[tuple[Stream, ...]] = ("audio",)
    requires: ClassVar[Mapping[str, str]] = {
        "environment": "pip install 'avbench[diffusers]'",
        "weights": f"stabilityai/stable-audio-open-1.0; gated; {_LICENCE}",
        "vram": "not published; the transformer is 4.2 GB and the decoder 0.6 GB in float32",
    }

    @property
    def published(self) -> Published:
        """The published weights."""
        return Published(
            "stabilityai/stable-audio-open-1.0",
            "StableAudioPipeline",
            _LICENCE,
            "about 5.3 GB",
            "not published; the transformer is 4.2 GB and the decoder 0.6 GB in float32",
            gated=True,
        )

    def one(self, pipeline: Any, item: Item, suite: Suite, random: Any) -> Clip:
        """Stereo sound of the item's length, which the network is told."""
        wanted = seconds_of(item, suite)
        made = pipeline(
            conditions.audio_caption(item),
            audio_end_in_s=wanted,
            num_inference_steps=self.steps,
            guidance_scale=self.guidance,
            generator=random,
            output_type="pt",
        )
        rate = int(pipeline.vae.config.sampling_rate)
        return Clip(item.id, None, 0.0, samples(made.audios[0], round(wanted * rate)), rate)
