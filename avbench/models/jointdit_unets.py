"""JointDiT's network at full size: Stable Video Diffusion's and AudioLDM 2's denoisers, cut by depth and joined.

Source: JointDiT (CVPR 2025). "One block of a UNet is one layer": the first layers are the Input layer and the Experts of the
joint blocks, the rest is the Output layer. The paper's own choice of layers is in a supplement that is not public; here

    Input     conv_in and down block 0
    Expert n  down block n (1 and 2), then joint layer n
    Output    down block 3, the middle block, all up blocks

A joint layer works on what its Expert hands down, after the halving. Its output goes on, and takes the place of the block's
last skip connection too; otherwise the Output layer would see it through the bottleneck alone. The new parts are the joint
layers and the projection of the image for the audio side; both begin at zero, so that a new network is the two published ones
side by side.

Both UNets keep the published layers and names, so that published weights fit as they are. AudioLDM 2's text route is not used:
its cross-attention sees one token of zeros, which leaves a constant. The image comes to the audio side as its CLIP embedding,
added to the embedding of the timestep.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from avbench.errors import BadParameter
from avbench.models.joint_attention import JointLayer, JointMode, Modulation, rotary

SVD_UNET: Mapping[str, Any] = {
    "sample_size": 96,
    "in_channels": 8,
    "out_channels": 4,
    "down_block_types": (*("CrossAttnDownBlockSpatioTemporal",) * 3, "DownBlockSpatioTemporal"),
    "up_block_types": ("UpBlockSpatioTemporal", *("CrossAttnUpBlockSpatioTemporal",) * 3),
    "block_out_channels": (320, 640, 1280, 1280),
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 768,
    "layers_per_block": 2,
    "cross_attention_dim": 1024,
    "transformer_layers_per_block": 1,
    "num_attention_heads": (5, 10, 20, 20),
    "num_frames": 14,
}
"""Of stabilityai/stable-video-diffusion-img2vid; weights that are loaded bring their own."""
AUDIOLDM2_UNET: Mapping[str, Any] = {
    "sample_size": 256,
    "in_channels": 8,
    "out_channels": 8,
    "down_block_types": ("DownBlock2D", *("CrossAttnDownBlock2D",) * 3),
    "up_block_types": (*("CrossAttnUpBlock2D",) * 3, "UpBlock2D"),
    "block_out_channels": (128, 256, 384, 640),
    "layers_per_block": 2,
    "cross_attention_dim": ((None, 768, 1024),) * 4,
    "attention_head_dim": (4, 8, 12, 20),
}
"""Of cvssp/audioldm2: heads are 32 wide, and every resolution but the first has self-attention and two text contexts. The field
`attention_head_dim` counts heads, whatever its name. Weights that are loaded bring their own."""
CLIP_WIDTH = 1024
"""Of the image embedding that Stable Video Diffusion is given (OpenCLIP ViT-H/14)."""
LATENT_SECONDS = 0.04
"""Of one step of an AudioLDM 2 latent: 4 steps of 160 samples at 16 kHz."""
Clock = Literal["index", "seconds"]
AUDIO_BINS = 16
"""Of an AudioLDM 2 latent."""
JOINED_AFTER = (1, 2)
"""Down blocks that are Experts."""
TRAINED = ("joints.", "audio_image.")
"""Beginnings of the names of the new weights."""


@dataclass(frozen=True)
class Widths:
    """Of one joint layer: queries and keys, values, heads. The paper names no numbers."""

    qk: int
    v: int
    heads: int


WIDTHS = (Widths(512, 640, 8), Widths(1024, 1280, 16))
"""Heads of 64 for queries and keys, of 80 for values."""


@dataclass(frozen=True, eq=False)
class Condition:
    """What the network is given of the picture.

    Args:
        latent: `(B, 4, h, w)`, mode of the VAE's posterior, not scaled.
        embedding: `(B, width)` of CLIP.
        ids: `(B, 3)`: frames per second less one, bucket of motion, noise over the picture.
    """

    latent: Tensor
    embedding: Tensor
    ids: Tensor

    def null(self) -> Condition:
        """Without the picture: zeros for latent and embedding, the ids as they are."""
        return replace(self, latent=torch.zeros_like(self.latent), embedding=torch.zeros_like(self.embedding))

    def dropped(self, which: Tensor) -> Condition:
        """Without the picture for the items of a boolean `(B,)`."""
        kept = 1.0 - which.to(self.latent.dtype)
        return replace(self, latent=self.latent * kept[:, None, None, None], embedding=self.embedding * kept[:, None])


class _Stream:
    """One UNet on its way through its blocks."""

    def __init__(
        self, unet: Any, hidden: Tensor, time: Tensor, always: Mapping[str, Any], attending: Mapping[str, Any]
    ) -> None:
        self.unet, self.time, self.always, self.attending = unet, time, always, attending
        self.hidden: Tensor = unet.conv_in(hidden)
        self.skips = [self.hidden]

    def _options(self, block: Any) -> dict[str, Any]:
        attends = getattr(block, "has_cross_attention", False)
        return {"temb": self.time, **self.always, **(self.attending if attends else {})}

    def down(self, index: int) -> None:
        block = self.unet.down_blocks[index]
        self.hidden, made = block(hidden_states=self.hidden, **self._options(block))
        self.skips += made

    def put(self, hidden: Tensor) -> None:
        """Go on with this in place of the last block's output, in its skip connection too."""
        self.hidden = self.skips[-1] = hidden

    def finish(self) -> Tensor:
        unet = self.unet
        self.hidden = unet.mid_block(hidden_states=self.hidden, **self._options(unet.mid_block))
        for block in unet.up_blocks:
            count = len(block.resnets)
            skips, self.skips = self.skips[-count:], self.skips[:-count]
            # The size is that of the next skip connection, also where a halving has rounded.
            size = self.skips[-1].shape[2:] if self.skips else None
            self.hidden = block(
                hidden_states=self.hidden, res_hidden_states_tuple=tuple(skips), upsample_size=size, **self._options(block)
            )
        out: Tensor = unet.conv_out(unet.conv_act(unet.conv_norm_out(self.hidden)))
        return out


class _Joint(JointLayer):
    """A joint layer between two UNets, whose time embeddings have different widths."""

    def __init__(self, video: int, audio: int, widths: Widths, video_time: int, audio_time: int) -> None:
        super().__init__(video, audio, widths.qk, widths.v, widths.heads, video_time)
        self.audio_modulation = Modulation(audio_time, audio, 2)


class JointDiTFull(nn.Module):
    """Two UNets of `diffusers` with joint layers between them.

    Args:
        video: `UNetSpatioTemporalConditionModel`.
        audio: `AudioLDM2UNet2DConditionModel`.
        widths: Of the joint layers, one for each of `JOINED_AFTER`.
        clock: Of the positions in time. `index`: each stream counts its own steps, as the paper describes. `seconds`: the
            middle of each step in units of a frame, so that what is simultaneous has one position.
    """

    def __init__(
        self,
        video: Any,
        audio: Any,
        widths: Sequence[Widths] = WIDTHS,
        clock: Clock = "index",
    ) -> None:
        super().__init__()
        if len(widths) != len(JOINED_AFTER) or clock not in ("index", "seconds"):
            raise BadParameter(f"JointDiT: {len(JOINED_AFTER)} joint layers and clock index or seconds, got {widths}, {clock}")
        self.video, self.audio, self.clock, self.widths = video, audio, clock, tuple(widths)
        seen, heard = video.config.block_out_channels, audio.config.block_out_channels
        times = video.time_embedding.linear_2.out_features, audio.time_embedding.linear_2.out_features
        self.joints = nn.ModuleList(_Joint(seen[n], heard[n], w, *times) for n, w in zip(JOINED_AFTER, widths, strict=True))
        self.audio_image = nn.Linear(_cross_width(video), times[1], bias=False)
        nn.init.zeros_(self.audio_image.weight)

    def forward(
        self, video: Tensor, audio: Tensor, noise_level: Tensor, timestep: Tensor, given: Condition, mode: JointMode = "full"
    ) -> tuple[Tensor, Tensor]:
        """What the two networks give: F of EDM for the video, the noise for the audio, in the shapes of the inputs.

        Args:
            video: `(B, T, 4, h, w)`, scaled to unit variance.
            audio: `(B, 8, steps, bins)`.
            noise_level: `(B,)`, a quarter of ln sigma.
            timestep: `(B,)`, 0 to 999.
            given: The picture.
            mode: See `JointMode`.
        """
        batch, frames = video.shape[:2]
        seen, video_time = self._video_stream(video, noise_level, given)
        heard, audio_time = self._audio_stream(audio, timestep, given)
        for index in range(len(self.video.down_blocks)):
            seen.down(index)
            heard.down(index)
            if index in JOINED_AFTER and mode != "uni":
                joint = cast(_Joint, self.joints[JOINED_AFTER.index(index)])
                rows, columns = seen.hidden.shape[2:]
                steps, bins = heard.hidden.shape[2:]
                looks = seen.hidden.reshape(batch, frames, -1, rows, columns).permute(0, 1, 3, 4, 2).flatten(1, 3)
                sounds = heard.hidden.flatten(2).transpose(1, 2)
                head = joint.attention.qk // joint.attention.heads
                turns = self._turns((frames, rows, columns), (steps, bins), audio.shape[2] // steps, given.ids[0, 0], head)
                looks, sounds = joint(looks, sounds, video_time, audio_time, *turns, mode)
                looks = looks.reshape(batch, frames, rows, columns, -1).permute(0, 1, 4, 2, 3).flatten(0, 1)
                seen.put(looks.contiguous())
                heard.put(sounds.transpose(1, 2).reshape(batch, -1, steps, bins))
        return seen.finish().reshape(video.shape), heard.finish()

    def _video_stream(self, video: Tensor, noise_level: Tensor, given: Condition) -> tuple[_Stream, Tensor]:
        unet, (batch, frames) = self.video, video.shape[:2]
        told = given.latent.to(video.dtype)[:, None].expand(-1, frames, -1, -1, -1)
        time = unet.time_embedding(unet.time_proj(noise_level).to(video.dtype))
        ids = unet.add_time_proj(given.ids.flatten()).reshape(batch, -1).to(video.dtype)
        whole = (time + unet.add_embedding(ids)).repeat_interleave(frames, dim=0)
        context = given.embedding.to(video.dtype)[:, None].repeat_interleave(frames, dim=0)
        # Zero says that an item is a film and no single picture.
        film = video.new_zeros(batch, frames)
        stream = _Stream(
            unet,
            torch.cat([video, told], dim=2).flatten(0, 1),
            whole,
            {"image_only_indicator": film},
            {"encoder_hidden_states": context},
        )
        return stream, time

    def _audio_stream(self, audio: Tensor, timestep: Tensor, given: Condition) -> tuple[_Stream, Tensor]:
        unet, batch = self.audio, len(audio)
        time = unet.time_embedding(unet.time_proj(timestep).to(audio.dtype))
        whole = time + self.audio_image(given.embedding.to(audio.dtype))
        widths = [width for width in unet.config.cross_attention_dim[-1] if width is not None]
        names = ("encoder_hidden_states", "encoder_hidden_states_1")
        silent = {name: audio.new_zeros(batch, 1, width) for name, width in zip(names, widths, strict=True)}
        return _Stream(unet, audio, whole, {}, silent), time

    def _turns(
        self, video: tuple[int, int, int], audio: tuple[int, int], halved: int, rate: Tensor, head: int
    ) -> tuple[Tensor, Tensor]:
        """Angles of the tokens. Half of a head turns with time in both modalities; space, or frequency, has the other half."""
        device = rate.device
        frames, rows, columns = (torch.arange(n, device=device, dtype=torch.float32) for n in video)
        steps, bins = (torch.arange(n, device=device, dtype=torch.float32) for n in audio)
        if self.clock == "seconds":
            frames = frames + 0.5
            steps = (steps + 0.5) * LATENT_SECONDS * halved * (rate.float() + 1.0)
        return (
            rotary(torch.cartesian_prod(frames, rows, columns), (head // 2, head // 4, head // 4)),
            rotary(torch.cartesian_prod(steps, bins), (head // 2, head // 2)),
        )


def _cross_width(video: Any) -> int:
    width = video.config.cross_attention_dim
    return int(width if isinstance(width, int) else width[0])


def build(
    video: Mapping[str, Any] = SVD_UNET,
    audio: Mapping[str, Any] = AUDIOLDM2_UNET,
    widths: Sequence[Widths] = WIDTHS,
    clock: Clock = "index",
) -> JointDiTFull:
    """A network without published weights, from the configurations of its UNets; on the device `meta` it costs no memory."""
    diffusers = importlib.import_module("diffusers")
    return JointDiTFull(
        diffusers.UNetSpatioTemporalConditionModel(**video), diffusers.AudioLDM2UNet2DConditionModel(**audio), widths, clock
    )


def parameters(network: JointDiTFull) -> dict[str, int]:
    """How many parameters each part has."""

    def count(*modules: nn.Module) -> int:
        return sum(p.numel() for module in modules for p in module.parameters())

    out: dict[str, int] = {}
    for name, unet in (("video", network.video), ("audio", network.audio)):
        experts = count(*(unet.down_blocks[n] for n in JOINED_AFTER))
        entry = count(unet.conv_in, unet.time_embedding, unet.down_blocks[0])
        entry += count(unet.add_embedding) if name == "video" else 0
        out |= {f"{name} input": entry, f"{name} experts": experts, f"{name} output": count(unet) - entry - experts}
        out[f"{name} UNet"] = count(unet)
    out |= {f"joint layer {n}": count(joint) for n, joint in zip(JOINED_AFTER, network.joints, strict=True)}
    out["joint layers"] = count(network.joints)
    out["image projection"] = count(network.audio_image)
    out["total"] = count(network)
    return out


def audio_steps(seconds: float) -> int:
    """Steps of an audio latent that covers a time; the UNet halves three times, so it is a multiple of 8."""
    return 8 * max(1, -int(-round(seconds / LATENT_SECONDS, 6) // 8))


# ------------------------------------------------------------------ checkpoints


_ABOUT = "avbench.jointdit_full"
"""Name in the file's metadata under which the shape of the joint layers is written."""


def described(path: Path) -> tuple[tuple[Widths, ...], Clock]:
    """The joint layers and the clock that a checkpoint was trained with.

    Raises:
        BadParameter: if the file is no such checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})[_ABOUT])
            return tuple(Widths(*w) for w in about["widths"]), about["clock"]
    except KeyError as error:
        raise BadParameter(f"{path} is no checkpoint of JointDiT at full size: its metadata lack {error}") from error
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise BadParameter(f"checkpoint {path} cannot be read as safetensors: {error}") from error


def load_checkpoint(network: JointDiTFull, path: Path) -> None:
    """Put trained weights into a network: the new parts alone, or all of it if the Experts were trained too.

    Raises:
        BadParameter: if the file is damaged, holds other names or shapes, or values that are not finite.
    """
    if described(path) != (network.widths, network.clock):
        raise BadParameter(f"checkpoint {path} was trained with {described(path)}, not {(network.widths, network.clock)}")
    tensors = load_file(path)
    places = network.state_dict()
    trained_all = any(not name.startswith(TRAINED) for name in tensors)
    wanted = [name for name in places if trained_all or name.startswith(TRAINED)]
    wrong = [f"{name} is missing" for name in wanted if name not in tensors]
    wrong += [f"{name} is not known" for name in tensors if name not in places]
    wrong += [
        f"{name} is {tuple(t.shape)}, not {tuple(places[name].shape)}"
        for name, t in tensors.items()
        if name in places and t.shape != places[name].shape
    ]
    wrong += [f"{name} holds NaN or infinite values" for name, t in tensors.items() if not torch.isfinite(t).all()]
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise BadParameter(f"checkpoint {path} does not fit: {'; '.join(wrong[:3])}{more}")
    network.load_state_dict(tensors, strict=False)


def save_checkpoint(network: JointDiTFull, path: Path, *, everything: bool) -> None:
    """Write what `load_checkpoint` reads, whole or not at all.

    Args:
        network: On any device.
        path: Ends in `.safetensors`.
        everything: With the UNets, which is needed if they were trained too.
    """
    kept = {k: v for k, v in network.state_dict().items() if everything or k.startswith(TRAINED)}
    about = {"widths": [[w.qk, w.v, w.heads] for w in network.widths], "clock": network.clock}
    part = path.with_name(path.name + ".part")
    save_file({k: v.detach().cpu().contiguous() for k, v in kept.items()}, part, metadata={_ABOUT: json.dumps(about)})
    part.replace(path)
