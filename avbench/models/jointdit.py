r"""JointDiT at a size that a CPU can train: two small diffusion transformers, cut by depth and joined by full attention.

    image ------+----------------------------------------------+
                v                                              v
    video -> input blocks -> [expert block \\          / feed-forward] x joints -> output blocks -> clean video
    audio -> input blocks -> [expert block -  full attention  -      ] x joints -> output blocks -> clean audio

Kept from JointDiT (CVPR 2025): the split of two trained denoisers into input, expert and output layers; perceiver joint
attention with rotary positions; feed-forward and adaptive layer norm per modality; one timestep for EDM video and DDPM audio;
JointCFG and JointCFG*. Changed: the denoisers are transformers on the codes of a small autoencoder (`motion_codec`) and on
components of a spectrogram (`sound_codec`) instead of U-Nets on the latents of large autoencoders; the image enters as patches
added to every step's tokens and as an embedding added to the time embeddings, instead of through CLIP; audio is v-predicted
with a cosine schedule; rotary positions count sixteenths of a second in both streams, and joint attention begins with tokens of
about the same time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from avbench.errors import BadParameter
from avbench.models.diffusion import Ddpm, Edm, grid
from avbench.models.guidance import Term, guided
from avbench.models.joint_attention import (
    FeedForward,
    JointLayer,
    JointMode,
    Modulation,
    attend,
    modulated,
    rotary,
    time_embedding,
)

POSITIONS_PER_SECOND = 16.0
"""Of the rotary embedding of time, the same for both streams: the fastest pair of numbers turns by 1 radian in 62 ms."""
SLOWEST = 32.0
"""How many times more slowly the slowest pair turns: half a turn in 6 s."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a model.

    Args:
        side: Of the picture in pixels, a multiple of 16.
        steps: Video tokens over time.
        step_seconds: Of one video token.
        components: Numbers of a video token, 3 frames of the codec's channels.
        sounds: Audio tokens.
        sound_seconds: Of one audio token.
        sound_components: Numbers of an audio token.
        width: Of the video stream.
        sound_width: Of the audio stream.
        head: Width of a head.
        qk: Width of queries and keys of the joint attention.
        v: Of its values.
        joint_head: Width of a joint head's queries and keys, a multiple of 8.
        condition: Width of the time and image embeddings.
        inputs: Blocks before the first joint block, per stream.
        joints: Joint blocks, each with one expert block per stream.
        outputs: Blocks after the last joint block, per stream.
    """

    side: int = 64
    steps: int = 8
    step_seconds: float = 0.25
    components: int = 24
    sounds: int = 40
    sound_seconds: float = 0.05
    sound_components: int = 64
    width: int = 160
    sound_width: int = 128
    head: int = 32
    qk: int = 128
    v: int = 128
    joint_head: int = 32
    condition: int = 128
    inputs: int = 1
    joints: int = 2
    outputs: int = 2

    def __post_init__(self) -> None:
        counts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.type == "int"}
        low = [f"{name} = {value}" for name, value in counts.items() if not isinstance(value, int) or value < 1]
        if low or self.step_seconds <= 0 or self.sound_seconds <= 0:
            raise BadParameter(f"JointDiT: sizes must be 1 or more and seconds positive, got {', '.join(low) or self}")
        if self.side % 16 or self.joint_head % 8:
            raise BadParameter(
                f"JointDiT: side must be a multiple of 16 and joint_head of 8, got {self.side}, {self.joint_head}"
            )
        for name, divisor in (("width", self.head), ("sound_width", self.head), ("qk", self.joint_head)):
            if getattr(self, name) % divisor:
                raise BadParameter(f"JointDiT: {name} {getattr(self, name)} is not a multiple of its head's width {divisor}")

    @property
    def patches(self) -> int:
        """Patches along one side of a frame."""
        return self.side // 16


class Block(nn.Module):
    """Self-attention and feed-forward with adaptive layer norm: one layer of one of the two denoisers."""

    def __init__(self, width: int, head: int, condition: int) -> None:
        super().__init__()
        self.heads = width // head
        self.qkv = nn.Linear(width, 3 * width)
        self.norms = nn.Parameter(torch.ones(2, head))
        self.out = nn.Linear(width, width)
        self.ffn = FeedForward(width)
        self.modulation = Modulation(condition, width, 2)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """`(B, N, width)` and `(B, condition)` to `(B, N, width)`."""
        shift, scale, gate, f_shift, f_scale, f_gate = self.modulation(condition)
        q, k, v = self.qkv(modulated(x, shift, scale)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q = functional.rms_norm(q, q.shape[-1:], eps=1e-6) * self.norms[0].to(q.dtype)
        k = functional.rms_norm(k, k.shape[-1:], eps=1e-6) * self.norms[1].to(k.dtype)
        x = torch.addcmul(x, gate, self.out(attend(q, k, v).transpose(1, 2).flatten(2)))
        return torch.addcmul(x, f_gate, self.ffn(modulated(x, f_shift, f_scale)))


class Stream(nn.Module):
    """What one modality brings along: the layers of its denoiser, before, between and after the joint blocks."""

    def __init__(self, shape: Shape, numbers: int, tokens: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(numbers, width)
        self.place = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.time = nn.Sequential(nn.Linear(128, shape.condition), nn.SiLU(), nn.Linear(shape.condition, shape.condition))
        self.image = nn.Linear(shape.condition, shape.condition)
        self.inputs = nn.ModuleList(Block(width, shape.head, shape.condition) for _ in range(shape.inputs))
        self.experts = nn.ModuleList(Block(width, shape.head, shape.condition) for _ in range(shape.joints))
        self.outputs = nn.ModuleList(Block(width, shape.head, shape.condition) for _ in range(shape.outputs))
        self.last = nn.Linear(shape.condition, 2 * width)
        self.head = nn.Linear(width, numbers)
        for layer in (self.last, self.head):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def out(self, x: Tensor, condition: Tensor) -> Tensor:
        """The network's output `(B, N, numbers)` after the output layers."""
        for block in self.outputs:
            x = block(x, condition)
        shift, scale = self.last(functional.silu(condition))[:, None].chunk(2, dim=-1)
        made: Tensor = self.head(modulated(x, shift, scale))
        return made


class ImageEmbedding(nn.Module):
    """The picture as one vector: three strided convolutions and two linear layers, `(B, 3, side, side)` to `(B, condition)`."""

    def __init__(self, side: int, condition: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 4, 4),
            nn.SiLU(),
            nn.Conv2d(32, 64, 2, 2),
            nn.SiLU(),
            nn.Conv2d(64, 64, 2, 2),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(64 * (side // 16) ** 2, condition),
            nn.SiLU(),
            nn.Linear(condition, condition),
        )

    def forward(self, image: Tensor) -> Tensor:
        """One vector per image."""
        made: Tensor = self.layers(image)
        return made


@torch.no_grad()
def near_in_time(layer: JointLayer, head: int) -> None:
    """Begin with attention to what is less than about 150 ms away, in both modalities.

    Queries and keys get the same bias in the numbers that turn with time: their product is highest where the times agree. From
    attention to everything alike, a sound would find its place in the picture thousands of steps later.
    """
    time = torch.zeros(head)
    # The first quarter of either half of a head turns with time (`turned` pairs number i with i + head / 2).
    time[: head // 4] = time[head // 2 : head // 2 + head // 4] = 1.0
    attention = layer.attention
    for linear in (attention.video_in, attention.audio_in):
        linear.bias[: 2 * attention.qk] = time.repeat(2 * attention.heads)


class JointDiT(nn.Module):
    """Denoises the video and audio tokens of a clip together, given its first frame.

    Args:
        shape: Sizes.
        edm: Noise process of the video.
        ddpm: Of the audio.
    """

    def __init__(self, shape: Shape, edm: Edm | None = None, ddpm: Ddpm | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.edm = edm or Edm(-0.4, 1.4)
        self.ddpm = ddpm or Ddpm("cosine", "v")
        self.embedding = nn.ModuleDict({name: ImageEmbedding(shape.side, shape.condition) for name in ("video", "audio")})
        self.first = nn.Conv2d(3, shape.width, 16, 16)
        self.video = Stream(shape, shape.components, shape.steps * shape.patches**2, shape.width)
        self.audio = Stream(shape, shape.sound_components, shape.sounds, shape.sound_width)
        heads = shape.qk // shape.joint_head
        joints = [
            JointLayer(shape.width, shape.sound_width, shape.qk, shape.v, heads, shape.condition) for _ in range(shape.joints)
        ]
        for joint in joints:
            near_in_time(joint, shape.joint_head)
        self.joints = nn.ModuleList(joints)
        video, audio = self._turns()
        self.register_buffer("video_turns", video, persistent=False)
        self.register_buffer("audio_turns", audio, persistent=False)
        self.video_turns: Tensor
        self.audio_turns: Tensor

    def _turns(self) -> tuple[Tensor, Tensor]:
        """Rotations: a token stands at the middle of its time, patches count rows and columns, audio has one band."""
        shape, head = self.shape, self.shape.joint_head
        times = (torch.arange(shape.steps) + 0.5) * shape.step_seconds * POSITIONS_PER_SECOND
        rows = torch.arange(shape.patches)
        where = torch.cartesian_prod(times, rows.float(), rows.float())
        sounds = (torch.arange(shape.sounds) + 0.5) * shape.sound_seconds * POSITIONS_PER_SECOND
        heard = torch.stack([sounds, torch.zeros_like(sounds)], dim=1)
        return rotary(where, (head // 2, head // 4, head // 4), SLOWEST), rotary(heard, (head // 2, head // 2), SLOWEST)

    def joint_parameters(self) -> list[nn.Parameter]:
        """Those that the two base models do not have."""
        return list(self.joints.parameters())

    def forward(
        self,
        video: Tensor,
        audio: Tensor,
        video_time: Tensor,
        audio_time: Tensor,
        image: Tensor,
        shown: Tensor,
        mode: JointMode = "full",
    ) -> tuple[Tensor, Tensor]:
        """The raw outputs F (EDM's, for video) and v or eps (for audio), shaped as the inputs.

        Args:
            video: Network input `(B, steps x patches^2, components)`, of unit variance.
            audio: Network input `(B, sounds, sound_components)`.
            video_time: `0.25 ln sigma`, `(B,)`.
            audio_time: Timestep divided by the number of steps, `(B,)`.
            image: First frame in [-1, 1], `(B, 3, side, side)`.
            shown: 1 where the image is given, 0 for the null condition, `(B,)`.
            mode: Of the joint layers.
        """
        return self.run(video, audio, video_time, audio_time, self.seen(image, shown), mode)

    def seen(self, image: Tensor, shown: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The condition, which is the same at every step of sampling: patches, and an embedding per stream."""
        shown = shown.to(image.dtype)
        patches = self.first(image).flatten(2).transpose(1, 2) * shown[:, None, None]
        vectors = [self.embedding[name](image) * shown[:, None] for name in ("video", "audio")]
        return patches, vectors[0], vectors[1]

    def run(
        self,
        video: Tensor,
        audio: Tensor,
        video_time: Tensor,
        audio_time: Tensor,
        condition: tuple[Tensor, Tensor, Tensor],
        mode: JointMode = "full",
    ) -> tuple[Tensor, Tensor]:
        """`forward` with the condition as `seen` gives it."""
        patches, video_image, audio_image = condition
        video_time = self.video.time(time_embedding(video_time, 128))
        audio_time = self.audio.time(time_embedding(audio_time, 128))
        video_all = video_time + self.video.image(video_image)
        audio_all = audio_time + self.audio.image(audio_image)
        x = self.video.embed(video) + self.video.place + patches.repeat(1, self.shape.steps, 1)
        y = self.audio.embed(audio) + self.audio.place
        for block in self.video.inputs:
            x = block(x, video_all)
        for block in self.audio.inputs:
            y = block(y, audio_all)
        for video_expert, audio_expert, joint in zip(self.video.experts, self.audio.experts, self.joints, strict=True):
            x, y = video_expert(x, video_all), audio_expert(y, audio_all)
            x, y = joint(x, y, video_time, audio_time, self.video_turns, self.audio_turns, mode)
        return self.video.out(x, video_all), self.audio.out(y, audio_all)

    def clean(
        self,
        video: Tensor,
        audio: Tensor,
        sigma: Tensor,
        timestep: Tensor,
        condition: tuple[Tensor, Tensor, Tensor],
        mode: JointMode = "full",
    ) -> tuple[Tensor, Tensor]:
        """Estimates of the clean tokens.

        Args:
            video: Noisy, `x_0 + sigma n`.
            audio: Noisy, at `timestep` of the DDPM.
            sigma: `(B,)`.
            timestep: Whole numbers, `(B,)`.
            condition: As `seen` gives it.
            mode: Of the joint layers.
        """
        times = self.edm.time_input(sigma), timestep.float() / self.ddpm.steps
        seen, heard = self.run(self.edm.network_input(video, sigma), audio, *times, condition, mode)
        return self.edm.clean(seen, video, sigma), self.ddpm.clean(heard, audio, timestep)


CLEAN_SIGMA = 0.002
"""The level at which a given video counts as clean: below every level of training, and its logarithm is finite."""


@torch.inference_mode()
def sample(
    model: JointDiT,
    image: Tensor,
    noise: tuple[Tensor, Tensor],
    combination: Sequence[Term],
    *,
    steps: int = 30,
    spacing: Literal["uniform", "cosine"] = "uniform",
    mode: JointMode | None = None,
    video: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Clean video and audio tokens from noise, Euler for the video and DDIM for the audio on one grid of u.

    Args:
        model: In evaluation mode.
        image: First frames in [-1, 1], `(B, 3, side, side)`.
        noise: Of unit variance, shaped as video and audio tokens.
        combination: Of `guidance.terms`.
        steps: Of the sampler.
        spacing: Of the grid.
        mode: Interaction in every term, in place of the terms' own: `uni` samples the two base models.
        video: Clean video tokens to make the audio for; the video part of the result is then this.

    Returns:
        Video tokens `(B, steps x patches^2, components)` and audio tokens `(B, sounds, sound_components)`.
    """
    count, given = len(image), video
    ones = torch.ones(count, device=image.device)
    conditions = {shown: model.seen(image, ones * float(shown)) for shown in sorted({term.conditioned for term in combination})}
    points = grid(steps, spacing=spacing).to(image.device)
    sigmas = torch.cat([model.edm.sigma(points), points.new_zeros(1)]).float()
    timesteps = torch.cat([model.ddpm.timestep(points), torch.zeros(1, dtype=torch.long, device=image.device)])
    video = noise[0] * sigmas[0] if given is None else given
    audio = noise[1]
    for n in range(steps):
        now, later = timesteps[n].expand(count), timesteps[n + 1].expand(count)
        sigma = (sigmas[n] if given is None else sigmas.new_tensor(CLEAN_SIGMA)).expand(count)
        x, y = video, audio

        def predict(conditioned: bool, interaction: JointMode) -> tuple[Tensor, Tensor]:
            return model.clean(x, y, sigma, now, conditions[conditioned], mode or interaction)  # noqa: B023 - called at once

        seen, heard = guided(predict, combination)
        if given is None:
            video = model.edm.step(video, seen, sigma, sigmas[n + 1].expand(count))
        audio = model.ddpm.step(audio, heard, now, later)
    return video, audio


def shape_from(table: dict[str, Any]) -> Shape:
    """The sizes that a configuration's table names; the rest are the defaults.

    Raises:
        BadParameter: for a name that is no size, or a value that is none.
    """
    known = {f.name for f in dataclasses.fields(Shape)}
    wrong = sorted(set(table) - known)
    if wrong:
        raise BadParameter(f"JointDiT: there is no size named {', '.join(wrong)}; there are {', '.join(sorted(known))}")
    return Shape(**table)
