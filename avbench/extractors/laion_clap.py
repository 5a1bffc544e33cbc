"""CLAP as LAION publishes it: a sound of up to 10 s as a unit vector of 512 numbers.

Input:
    Samples at 48 kHz, exactly 10 s, by one of the chains below. Decibels of 64 mel bands every 480 samples, with the transform
    and the bands of the checkpoint, through HTS-AT and a projection (`avbench.models.clap`).

    | chain | channels, resampler | then | shorter than 10 s | longer than 10 s |
    |---|---|---|---|---|
    | `av_benchmark` (default) | mean, mean taken off, torchaudio | the first 8 s | repeated | |
    | `file` | mean, soxr | 16 bits | repeated | the middle 10 s |
    | `stable` | mean, soxr | peak at -1 dBFS, 16 bits | repeated | the middle 10 s |
    | `fadtk` | mean, torchaudio Kaiser, 16 bits | 16 bits | zeros at the end | a window of 10 s at every second |

    Repeated means a whole number of times, then zeros. 16 bits are rounded towards zero, 1.0 is 32767.

    | network | file | HTS-AT |
    |---|---|---|
    | `music_speech_audioset` (default) | music_speech_audioset_epoch_15_esc_89.98.pt | base |
    | `music_audioset` | music_audioset_epoch_15_esc_90.14.pt | base |
    | `630k_audioset` | 630k-audioset-best.pt | tiny |
    | `630k_audioset_fusion` | 630k-audioset-fusion-best.pt | tiny |

    The fusion network hears mel bands of another kind (HTK's scale, triangles of equal height). Its parts for clips of more
    than 10 s take three pieces from random places; such clips are refused here, shorter ones never touch those parts.
Source:
    Y. Wu et al., arXiv:2211.06687; github.com/LAION-AI/CLAP `src/laion_clap/hook.py`, `training/data.py` at 1fd4c37;
    github.com/hkchengrex/av-benchmark `av_bench/extract.py` at 050a5cd; github.com/Stability-AI/stable-audio-metrics
    `src/clap_score.py` at fd55536; github.com/microsoft/fadtk `fadtk/model_loader.py` at ec74b1f.
Differs from the source:
    LAION's code stops at a clip of more than 10 s (`numpy.random.integers` does not exist) where it meant to crop at a random
    place. Here it is the middle, but for the fusion network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import audio_chains
from avbench.errors import BadParameter, Unscorable
from avbench.extractors.clap import HOP, SAMPLE_RATE, STEPS, WINDOW, hopped, log_mel, resampled, steps, ten_seconds
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

Chain = Literal["av_benchmark", "file", "stable", "fadtk"]
Network = Literal["music_speech_audioset", "music_audioset", "630k_audioset", "630k_audioset_fusion"]

_PLACE = "https://huggingface.co/lukewys/laion_clap/resolve/main/"
_LICENCE = "CC0, free for commercial use"
FILES: Mapping[Network, Checkpoint] = {
    "music_speech_audioset": Checkpoint(
        "music_speech_audioset_epoch_15_esc_89.98.pt",
        (_PLACE + "music_speech_audioset_epoch_15_esc_89.98.pt",),
        _LICENCE,
        "51c68f12f9d7ea25fdaaccf741ec7f81e93ee594455410f3bca4f47f88d8e006",
    ),
    "music_audioset": Checkpoint(
        "music_audioset_epoch_15_esc_90.14.pt",
        (_PLACE + "music_audioset_epoch_15_esc_90.14.pt",),
        _LICENCE,
        "fae3e9c087f2909c28a09dc31c8dfcdacbc42ba44c70e972b58c1bd1caf6dedd",
    ),
    "630k_audioset": Checkpoint(
        "630k-audioset-best.pt",
        (_PLACE + "630k-audioset-best.pt",),
        _LICENCE,
        "8053c9775516af2f4902e1e8281e356cc1bf7a85e8b761908170767b77c3f037",
    ),
    # two files of the authors' page are known by one hash, so this one's is not taken as published
    "630k_audioset_fusion": Checkpoint("630k-audioset-fusion-best.pt", (_PLACE + "630k-audioset-fusion-best.pt",), _LICENCE),
}
ALTERNATIVES = tuple(file for network, file in FILES.items() if network != "music_speech_audioset")
_PEAK = 10.0 ** (-1.0 / 20.0)
_FUSION_MOST = WINDOW + 479
"""Samples that make 1001 frames, which the fusion network still takes whole."""


@dataclass(frozen=True)
class LaionClap(Extractor):
    """LAION-CLAP's embedding of a clip's sound, one row for each window.

    Layers: `embedding` (windows, 512) float32, rows of unit length. Every chain but `fadtk` makes one window.

    Unused parts of the checkpoint: the text tower (`laion_clap_text`), a class head, a projection of the training's,
    temperatures, index buffers; with the fusion network also its own front end and its parts for clips of more than 10 s.

    Args:
        chain: See the module.
        network: Which file is loaded.

    Raises:
        BadParameter: for another chain or network.
    """

    chain: Chain = "av_benchmark"
    network: Network = "music_speech_audioset"

    name: ClassVar[str] = "laion_clap"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding",)
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("audio",)
    packages: ClassVar[tuple[str, ...]] = ("librosa", "numpy", "soxr", "torch", "transformers")
    weights: ClassVar[Checkpoint | None] = FILES["music_speech_audioset"]
    alternatives: ClassVar[tuple[Checkpoint, ...]] = ALTERNATIVES
    batch_size: ClassVar[int] = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "weights", FILES[self.network])

    @property
    def fusion(self) -> bool:
        """Whether mel spectrograms are prepared, not samples."""
        return self.network == "630k_audioset_fusion"

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted."""
        return _Windows(self)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The audio tower: `samples` (clips, N) or `mels` (clips, windows, 1001, 64) to the layer; windows one after another.

        Raises:
            BadParameter: if the file is not in the layout of `network`.
        """
        import torch

        from avbench.models.clap import AUDIO_UNUSED, FRONT_END, AudioTower, read_laion
        from avbench.models.loading import load_exactly

        if weights is None:
            raise BadParameter("laion_clap: weights are needed and None came")
        with torch.device("meta"):
            network = AudioTower("tiny" if self.network.startswith("630k") else "base", front_end=not self.fusion)
        unused = AUDIO_UNUSED + (FRONT_END if self.fusion else ())
        load_exactly(network, read_laion(weights), weights, unused)
        network.to(device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            if "mels" in batch:
                windows = batch["mels"]
            else:
                samples = batch["samples"]
                whole = samples if samples.is_floating_point() else samples.float() / STEPS
                windows = whole.unfold(1, WINDOW, HOP)
            return {"embedding": torch.stack([network(window) for window in windows.unbind(1)], dim=1)}

        return forward


@dataclass
class _Windows(Preparation):
    settings: LaionClap

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`samples` (N,), float32 or LAION's 16 bits, of which 10 s at every second are windows; `mels` for fusion."""
        if audio is None or audio.samples.size == 0:
            raise Unscorable("no_audio")
        samples = prepared(audio, self.settings)
        if not self.settings.fusion:
            return {"samples": samples}
        whole = len(samples) <= _FUSION_MOST
        windows = samples[None] if whole else np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
        scaled = windows if samples.dtype == np.float32 else windows / np.float32(STEPS)
        return {"mels": np.stack([log_mel(window, "htk") for window in scaled])}


def prepared(audio: Waveform, settings: LaionClap) -> Array:
    """The sound as the chain gives it: `(N,)` at 48 kHz, at least 10 s, float32 or in steps of 1 / 32767.

    Raises:
        Unscorable: `too_large` for a fusion network and more than 10 s, `silent` if
            `stable` cannot bring the peak to -1 dBFS.
    """
    chain = settings.chain
    if chain == "av_benchmark":
        return ten_seconds(audio_chains.av_benchmark(audio, SAMPLE_RATE))
    if chain == "fadtk":
        return _filled(steps(audio_chains.fadtk(audio, SAMPLE_RATE, 0.0)))
    samples = resampled(audio)
    if chain == "stable":
        peak = float(np.abs(samples).max(initial=0.0))
        if peak == 0.0:
            raise Unscorable("silent", "stable-audio-metrics divides the sound by its peak, which is 0")
        samples = samples * np.float32(_PEAK / peak)
    if settings.fusion and len(samples) > WINDOW:
        if len(samples) > _FUSION_MOST:
            found = f"{len(samples) / SAMPLE_RATE:.2f} s"
            raise Unscorable("too_large", f"{settings.network} crops more than 10 s at random, the clip has {found}")
        return steps(samples)
    return steps(ten_seconds(samples))


def _filled(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Zeros behind the end, as far as the last of `hopped`'s windows reaches."""
    count = (len(hopped(samples)) - 1) * HOP + WINDOW
    return np.pad(samples, (0, count - len(samples)))
