"""AudioLDM 2: sound from a caption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from avbench import conditions
from avbench.diffusers_stages import Published, Stage, samples, seconds_of
from avbench.types import Clip, Item, Stream, Suite, Task

_LICENCE = "CC-BY-NC-SA-4.0, no commercial use"


@dataclass(frozen=True)
class AudioLdm2(Stage):
    """AudioLDM 2 through `diffusers`.

    Liu et al., "AudioLDM 2: Learning Holistic Audio Generation with Self-supervised Pretraining", 2023 (arXiv 2308.05734).
    Weights: cvssp/audioldm2, -large, -music.

    Args:
        variant: Which of the published weights.
        steps: Of DDIM.
        guidance: Scale of the caption.
        seconds: What is generated at least; the sound is then cut to the item's length. The network was trained on 10.24 s.
    """

    variant: Literal["base", "large", "music"] = "base"
    steps: int = 200
    guidance: float = 3.5
    seconds: float = 10.0

    name: ClassVar[str] = "audioldm2"
    title: ClassVar[str] = "AudioLDM 2, a caption to sound"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "arXiv 2308.05734; AudioLDM2Pipeline of diffusers"
    task: ClassVar[Task] = "T2A"
    conditions: ClassVar[tuple[str, ...]] = ("text",)
    produces: ClassVar[tuple[Stream, ...]] = ("audio",)
    requires: ClassVar[Mapping[str, str]] = {
        "environment": "pip install 'avbench[diffusers]'",
        "weights": f"cvssp/audioldm2, -large or -music; {_LICENCE}",
        "vram": "not published; small",
    }

    @property
    def published(self) -> Published:
        """The weights of the variant."""
        return Published(
            f"cvssp/audioldm2{'' if self.variant == 'base' else '-' + self.variant}",
            "AudioLDM2Pipeline",
            _LICENCE,
            "about 4.5 GB for the base model",
            "not published; the base model has 1.1 billion parameters",
        )

    def one(self, pipeline: Any, item: Item, suite: Suite, random: Any) -> Clip:
        """Mono sound of the item's length."""
        wanted = seconds_of(item, suite)
        made = pipeline(
            conditions.audio_caption(item),
            audio_length_in_s=max(self.seconds, wanted),
            num_inference_steps=self.steps,
            guidance_scale=self.guidance,
            generator=random,
            output_type="np",
        )
        rate = int(pipeline.vocoder.config.sampling_rate)
        return Clip(item.id, None, 0.0, samples(made.audios[0], round(wanted * rate)), rate)
