"""JointDiT at full size: a picture to video and sound, through Stable Video Diffusion and AudioLDM 2 joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from avbench import conditions
from avbench.batches import choose_device
from avbench.diffusers_stages import (
    Precision,
    Published,
    diffusers,
    missing,
    telling_of_memory,
    weights_folder,
    without_deprecations,
)
from avbench.errors import BadParameter, MissingData
from avbench.generators.audioldm2 import AudioLdm2
from avbench.generators.svd import Svd
from avbench.types import Clip, ClipFile, Generator, Item, Suite, Task

_UNTRAINED = (
    "model jointdit_full needs trained joint weights, and none are public: the authors of JointDiT released neither code nor "
    "weights. Train your own with `avbench train jointdit --config baselines/jointdit/full.toml --suite ...` and give the "
    'file: --model "jointdit_full[checkpoint=/path/jointdit_full.safetensors]"; use the tiny model `jointdit`, whose weights '
    "come with avbench; or score the authors' samples with `avbench score`"
)


@dataclass(frozen=True)
class JointDiTFull(Generator):
    """JointDiT (CVPR 2025), reimplemented by avbench at full size; not the authors' model, whose weights are not public.

    The denoisers of Stable Video Diffusion (arXiv 2311.15127; Stability AI community licence, gated) and of AudioLDM 2 (arXiv
    2308.05734; CC-BY-NC-SA-4.0) with joint attention between them; 1.9 billion parameters, of which the joint layers are 45
    million. Size and length are those of the authors' samples: 14 frames of 576 x 320 at 7 a second, 2 s of sound at 16 kHz.

    Args:
        checkpoint: safetensors with the trained weights: the joint layers alone, or the whole network.
        svd: Folder of Stable Video Diffusion; empty for the published one.
        audioldm2: Folder of AudioLDM 2; empty for the published one.
        guidance: `joint_cfg_star` is the paper's default; see `avbench.models.guidance`.
        w: Strength of the guidance, 0 for none; the usual "scale" is 1 + w. The paper does not give its value.
        steps: Values of the common timestep; each costs one evaluation of the network per term of the guidance. The paper
            does not give its value.
        spacing: Of those values.
        width: Pixels, a multiple of 64.
        height: Pixels, a multiple of 64.
        frames: Of the video.
        fps: Frames per second; told to the network.
        motion: Bucket of the amount of motion that the network is told, 0 to 255.
        noise: Standard deviation of the noise that is laid over the picture.
        chunk: Frames that are decoded together; 0 for all.
        precision: Of the UNets. The other networks stay in float32.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
    """

    checkpoint: str = ""
    svd: str = ""
    audioldm2: str = ""
    guidance: Literal["none", "cfg", "joint_cfg", "joint_cfg_star", "dual"] = "joint_cfg_star"
    w: float = 2.0
    steps: int = 50
    spacing: Literal["uniform", "cosine"] = "uniform"
    width: int = 576
    height: int = 320
    frames: int = 14
    fps: int = 7
    motion: int = 127
    noise: float = 0.02
    chunk: int = 0
    precision: Precision = "auto"
    device: str = "auto"

    name: ClassVar[str] = "jointdit_full"
    title: ClassVar[str] = "JointDiT (avbench reimplementation, full size)"
    shown: ClassVar[str] = title
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "JointDiT, CVPR 2025; diffusers for the base models"
    task: ClassVar[Task] = "I2SV"
    conditions: ClassVar[tuple[str, ...]] = ("first_frame",)
    requires: ClassVar[Mapping[str, str]] = {
        "environment": "pip install 'avbench[diffusers]'",
        "weights": "trained joint weights (none are public), stabilityai/stable-video-diffusion-img2vid, cvssp/audioldm2",
        "vram": "not measured; 3.8 GB for the UNets in half precision, about 3.4 GB for the others, and what they compute",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 64 or self.height < 64 or self.width % 64 or self.height % 64:
            raise BadParameter(f"{self.name}: width and height must be multiples of 64, got {self.width} and {self.height}")
        if self.frames < 1 or self.fps < 1 or self.steps < 1:
            raise BadParameter(f"{self.name}: frames, fps and steps must be 1 or more")

    def missing(self) -> tuple[str, ...]:
        """Weights and the extra, where they are not on this machine."""
        lacking = [] if Path(self.checkpoint or " ").is_file() else [self._no_checkpoint()]
        for wanted, given, key in self._base():
            lacking += missing(self.name, wanted, given, key)
        return tuple(dict.fromkeys(lacking))

    def _base(self) -> tuple[tuple[Published, str, str], ...]:
        return (Svd().published, self.svd, "svd"), (AudioLdm2().published, self.audioldm2, "audioldm2")

    def _no_checkpoint(self) -> str:
        return f"{self.name}: there is no file {self.checkpoint}" if self.checkpoint else _UNTRAINED

    def generate(self, items: Sequence[Item], *, suite: Suite, seed: int, folder: Path) -> Iterator[Clip | ClipFile]:
        """One clip per item at the model's own size and length, one at a time: a clip depends on (item, seed) alone.

        Raises:
            MissingData: if weights or the extra are not on this machine.
            BadParameter: if weights are damaged or do not fit.
            AvbenchError: if the memory does not suffice.
        """
        import torch

        if not Path(self.checkpoint or " ").is_file():
            raise MissingData(self._no_checkpoint())
        with telling_of_memory(self.label, self.requires["vram"], "sequential"):
            network, codecs = self.load()
        for item in items:
            random = torch.Generator("cpu").manual_seed(conditions.seed_of(item, seed))
            with telling_of_memory(self.label, self.requires["vram"], "sequential"):
                clip = self._one(network, codecs, item, suite, random)
            yield clip

    def load(self) -> tuple[Any, Any]:
        """The network with the trained weights, and the codecs, on the device. Raises as `generate` does."""
        from avbench.models.jointdit_published import load_codecs, load_network
        from avbench.models.jointdit_unets import described, load_checkpoint

        diffusers()
        device = choose_device(self.device)
        checkpoint = Path(self.checkpoint)
        joined = described(checkpoint)
        svd, audioldm2 = (weights_folder(self.name, *base) for base in self._base())
        network = load_network(svd, audioldm2, device, self.precision, *joined)
        load_checkpoint(network, checkpoint)
        return network.to(device).eval(), load_codecs(svd, audioldm2, device)

    def _one(self, network: Any, codecs: Any, item: Item, suite: Suite, random: Any) -> Clip:
        import torch

        from avbench.models.guidance import terms
        from avbench.models.jointdit_full import sample
        from avbench.models.jointdit_published import RATE
        from avbench.models.jointdit_unets import AUDIO_BINS, audio_steps

        seconds = self.frames / self.fps
        told = (self.fps, self.motion, self.noise)
        with without_deprecations():
            given = codecs.condition([conditions.first_frame(item, suite)], (self.width, self.height), told, [random])
            shapes = (
                (1, self.frames, 4, *given.latent.shape[2:]),
                (1, network.audio.config.in_channels, audio_steps(seconds), AUDIO_BINS),
            )
            noise = [torch.randn(shape, generator=random).to(given.latent.device) for shape in shapes]
            video, audio = sample(
                network,
                given,
                (noise[0], noise[1]),
                terms(self.guidance, self.w),
                steps=self.steps,
                spacing=self.spacing,
            )
            return Clip(
                item.id,
                codecs.frames(video[0], self.chunk),
                float(self.fps),
                codecs.sound(audio[0], round(seconds * RATE)),
                RATE,
                text=item.prompt,
            )
