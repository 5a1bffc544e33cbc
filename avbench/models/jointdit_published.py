"""The published networks around JointDiT at full size: the two UNets, and what leads from clips to latents and back.

Video: the temporal VAE, 8 times smaller, latents scaled to unit variance. The picture that is the condition: the mode of the
same VAE's posterior, not scaled, with a little noise laid over the picture first, and the CLIP embedding. Sound: a log mel
spectrogram (16 kHz, 1024-point frames, 160 apart, 64 bins to 8 kHz, peak 0.5), AudioLDM 2's VAE, 4 times smaller both ways;
back through the VAE and a HiFi-GAN. Sources: the pipelines of `diffusers`; AudioLDM 2 (arXiv 2308.05734) for the spectrogram.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avbench.diffusers_stages import Precision, cropped, diffusers, load_pipeline, pictures, samples
from avbench.models.jointdit_unets import Clock, Condition, JointDiTFull, Widths, audio_steps

RATE = 16_000
HOP = 160
_WINDOW = 1024
_BINS = 64
_STEP = 4 * HOP
"""Samples of one step of a latent."""


@dataclass(frozen=True, eq=False)
class Codecs:
    """The frozen networks, in float32: their arithmetic in half precision leaves the range of float16.

    Args:
        pictures: A `StableVideoDiffusionPipeline` without its UNet.
        sounds: AudioLDM 2's `AutoencoderKL`.
        vocoder: AudioLDM 2's `SpeechT5HifiGan`.
        device: Where they are.
    """

    pictures: Any
    sounds: Any
    vocoder: Any
    device: str

    @torch.no_grad()
    def condition(
        self, images: Sequence[NDArray[np.uint8]], size: tuple[int, int], told: tuple[int, int, float], randoms: Sequence[Any]
    ) -> Condition:
        """What the network is told of each picture.

        Args:
            images: uint8 `(H, W, 3)` of any size; the largest centred part of the wanted aspect is used.
            size: Width and height of the video.
            told: Frames per second, bucket of motion, standard deviation of the noise over the picture.
            randoms: A `torch.Generator` on the CPU for each.
        """
        rate, motion, noise = told
        fitted = [cropped(image, *size) for image in images]
        embedding = self.pictures._encode_image(fitted, self.device, 1, False)[:, 0]
        clean = self.pictures.video_processor.preprocess(fitted, height=size[1], width=size[0])
        grain = torch.stack([torch.randn(clean.shape[1:], generator=random) for random in randoms])
        latent = self.pictures._encode_vae_image(clean + noise * grain, self.device, 1, False)
        ids = torch.tensor([[rate - 1, motion, noise]], dtype=torch.float32, device=self.device)
        return Condition(latent, embedding, ids.expand(len(images), -1))

    @torch.no_grad()
    def video_latents(self, frames: NDArray[np.uint8], random: torch.Generator, chunk: int = 8) -> Tensor:
        """Frames `(T, H, W, 3)` of one clip to scaled latents `(T, 4, H / 8, W / 8)`, drawn from the posterior."""
        vae, out = self.pictures.vae, []
        for first in range(0, len(frames), chunk):
            part = torch.from_numpy(frames[first : first + chunk]).permute(0, 3, 1, 2).to(self.device).float() / 127.5 - 1.0
            posterior = vae.encode(part).latent_dist
            grain = torch.randn(posterior.mean.shape, generator=random).to(self.device)
            out.append((posterior.mean + posterior.std * grain) * vae.config.scaling_factor)
        return torch.cat(out)

    @torch.no_grad()
    def audio_latents(self, sound: NDArray[np.float32], random: torch.Generator) -> Tensor:
        """Mono sound at 16 kHz of one clip to scaled latents `(8, steps, 16)`; silence fills it up to a multiple of 8 steps."""
        steps = audio_steps(len(sound) / RATE)
        whole = torch.zeros(steps * _STEP)
        whole[: min(len(sound), len(whole))] = torch.from_numpy(levelled(sound))[: len(whole)]
        posterior = self.sounds.encode(log_mel(whole[None]).to(self.device)[:, None]).latent_dist
        grain = torch.randn(posterior.mean.shape, generator=random).to(self.device)
        latents: Tensor = (posterior.mean + posterior.std * grain) * self.sounds.config.scaling_factor
        return latents[0]

    @torch.no_grad()
    def frames(self, latents: Tensor, chunk: int = 0) -> NDArray[np.uint8]:
        """Scaled latents `(T, 4, h, w)` of one clip to frames `(T, H, W, 3)`.

        Args:
            latents: Of the video.
            chunk: Frames that are decoded together; 0 for all, which flickers least.
        """
        made = self.pictures.decode_latents(latents[None].to(self.device).float(), len(latents), chunk or len(latents))
        return pictures(self.pictures.video_processor.postprocess_video(made, output_type="np")[0])

    @torch.no_grad()
    def sound(self, latents: Tensor, length: int) -> NDArray[np.float32]:
        """Scaled latents `(8, steps, 16)` of one clip to sound `(1, length)` at 16 kHz."""
        mel = self.sounds.decode(latents[None].to(self.device).float() / self.sounds.config.scaling_factor).sample
        return samples(self.vocoder(mel[:, 0])[0], length)


def load_network(
    svd: Path, audioldm2: Path, device: str, precision: Precision, widths: Sequence[Widths], clock: Clock
) -> JointDiTFull:
    """The two published UNets, joined by layers that change nothing yet; in main memory. Raises as `load_pipeline` does."""
    kinds = diffusers()
    video = load_pipeline(kinds.UNetSpatioTemporalConditionModel, svd / "unet", device, precision, "float16")
    audio = load_pipeline(kinds.AudioLDM2UNet2DConditionModel, audioldm2 / "unet", device, precision, "float16")
    return JointDiTFull(video, audio, widths, clock).to(video.dtype)


def load_codecs(svd: Path, audioldm2: Path, device: str) -> Codecs:
    """The frozen networks from the folders of the published weights. Raises as `load_pipeline` does."""
    import transformers

    kinds = diffusers()
    loaded = load_pipeline(kinds.StableVideoDiffusionPipeline, svd, device, "float32", "float16", unet=None)
    loaded.set_progress_bar_config(disable=True)
    sounds = load_pipeline(kinds.AutoencoderKL, audioldm2 / "vae", device, "float32", "float16")
    vocoder = load_pipeline(transformers.SpeechT5HifiGan, audioldm2 / "vocoder", device, "float32", "float16")
    parts = (loaded.vae, loaded.image_encoder, sounds, vocoder)
    for part in parts:
        part.to(device).eval().requires_grad_(False)
    return Codecs(loaded, sounds, vocoder, device)


def levelled(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without its mean, and its peak at 0.5, as AudioLDM 2 was trained; silence stays silence."""
    centred = sound - sound.mean(dtype=np.float64)
    return np.asarray(centred / (np.abs(centred).max(initial=0.0) + 1e-8) * 0.5, dtype=np.float32)


def log_mel(sound: Tensor) -> Tensor:
    """`(B, N)` at 16 kHz, N a multiple of 160, to `(B, N / 160, 64)`: log of the mel magnitudes, not below 1e-5."""
    edge = (_WINDOW - HOP) // 2
    padded = torch.nn.functional.pad(sound[:, None], (edge, edge), mode="reflect")[:, 0]
    window = torch.hann_window(_WINDOW, device=sound.device)
    spectrum = torch.stft(padded, _WINDOW, HOP, _WINDOW, window, center=False, return_complex=True)
    mel = torch.from_numpy(_filters()).to(sound.device) @ spectrum.abs()
    return mel.clamp(min=1e-5).log().transpose(1, 2)


@functools.cache
def _filters() -> NDArray[np.float32]:
    import librosa

    return np.asarray(librosa.filters.mel(sr=RATE, n_fft=_WINDOW, n_mels=_BINS, fmin=0.0, fmax=8000.0), dtype=np.float32)
