"""PANNs Cnn14 at 16 kHz: 527 class scores of AudioSet and a 2048-d embedding of a clip's sound.

Definition:
    Centred frames of 512 samples every 160 (reflected edges), power, 64 Slaney mel bands, 10 log10 with a floor of 1e-10,
    batch norm per band; six convolution blocks; mean over bands, maximum plus mean over time; a dense layer with ReLU
    (embedding); a dense layer (logits). Fourier and mel weights are those in the checkpoint.
Shapes:
    logits (527,), before the sigmoid; embedding (2048,), at least 0; one each for the whole clip, float32.
Too short:
    `Unscorable("too_short")` below 31 hops (4960 samples at 16 kHz, 0.31 s), where the pooling of the sources fails; the chain
    `audioldm_eval` adds zeros and never meets this. Silence has an embedding like any other sound.
Source:
    Q. Kong et al., PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition, 2020;
    github.com/qiuqiangkong/audioset_tagging_cnn at d2f4b8c; the chains are named in `avbench.audio_chains`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from avbench import audio_chains
from avbench.errors import BadParameter, Unscorable
from avbench.resampling import ResampyVersion
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

Chain = Literal["av_benchmark", "audioldm_eval", "frechet_audio_distance"]

_LEAST_HOPS = 31


@dataclass(frozen=True)
class PannsCnn14At16k(Extractor):
    """Class scores and embedding of a clip's sound.

    Layers: `logits` (527,) float32; `embedding` (2048,) float32.

    Args:
        chain: From decoded sound to the network's rate, see `avbench.audio_chains`. `av_benchmark`: mean of the channels,
            offset removed, torchaudio's resampler, first 8 s. `audioldm_eval`: first channel, offset removed, torchaudio's
            resampler, at least 32000 samples. `frechet_audio_distance`: mean of the channels, resampy.
        resampy: Version that the chain `frechet_audio_distance` follows.

    Raises:
        BadParameter: for an unknown chain or version.
    """

    chain: Chain = "av_benchmark"
    resampy: ResampyVersion = "0.4.3"

    name: ClassVar[str] = "panns_cnn14_16k"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("logits", "embedding")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("audio",)
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        "Cnn14_16k_mAP=0.438.pth",
        ("https://zenodo.org/record/3987831/files/Cnn14_16k_mAP%3D0.438.pth",),
        "CC BY 4.0, free for commercial use",
    )
    packages: ClassVar[tuple[str, ...]] = ("numpy", "torch")
    batch_size: ClassVar[int] = 4
    rate: ClassVar[int] = 16_000
    """Hz of the network."""
    size: ClassVar[int] = 512
    """Samples of a frame."""
    hop: ClassVar[int] = 160
    """Samples from frame to frame."""

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted."""
        return _Samples(self)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network: `samples` (clips, N) to the layers.

        Raises:
            BadParameter: if the file is not in the published layout: a dictionary with the state under `model`.
        """
        import torch

        from avbench.models.cnn14 import Cnn14
        from avbench.models.loading import load_exactly
        from avbench.weights import read

        if weights is None:
            raise BadParameter(f"{self.name}: weights are needed and None came")
        state = read(weights).get("model")
        if not isinstance(state, Mapping):
            raise BadParameter(f"{weights}: not a checkpoint of PANNs: it has no state under 'model'")
        with torch.device("meta"):
            network = Cnn14(self.size, self.hop)
        load_exactly(network, state, weights)
        network.to(device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            return dict(zip(self.layers, network(batch["samples"]), strict=True))

        return forward


@dataclass
class _Samples(Preparation):
    settings: PannsCnn14At16k

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        if audio is None:
            raise Unscorable("no_audio")
        rate, least = self.settings.rate, _LEAST_HOPS * self.settings.hop
        match self.settings.chain:
            case "av_benchmark":
                samples = audio_chains.av_benchmark(audio, rate)
            case "audioldm_eval":
                samples = audio_chains.audioldm_eval(audio, rate)
            case "frechet_audio_distance":
                samples = audio_chains.frechet_audio_distance(audio, rate, self.settings.resampy)
        if len(samples) < least:
            raise Unscorable("too_short", f"Cnn14 needs {least} samples at {rate} Hz, the clip has {len(samples)}")
        return {"samples": samples}
