"""VGGish: 128 numbers for every 0.96 s of sound.

Definition:
    Sound at 16 kHz, frames of 400 samples every 160, periodic Hann window, magnitude of a 512-point transform, 64 triangular
    bands evenly spaced from 125 to 7500 Hz on the HTK mel scale, logarithm of the sum plus 0.01, all in float64. 96 frames
    are one example; examples do not overlap, an incomplete last one is dropped. The network (`avbench.models.vggish`) runs in
    float32.
Shapes:
    embeddings: (windows, 128) float32, window k beginning at 0.96 k seconds.
Range:
    Any number without the last ReLU, at least 0 with it, whole numbers from 0 to 255 with whitening.
Too short:
    `Unscorable("too_short")` for fewer than 15600 samples at 16 kHz (0.975 s), where the sources raise; the chains
    `audioldm_eval` (2 s) and `fadtk` (1 s) add zeros and never meet this. Silence has embeddings like any other sound.
Source:
    S. Hershey et al., CNN Architectures for Large-Scale Audio Classification, 2017; github.com/harritaylor/torchvggish at
    f3f9096; the chains are named in `avbench.audio_chains`.
Differs from the source:
    torchvggish's whitening drops the first axis of a clip of one example; here it stays.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench import audio_chains
from avbench.errors import BadParameter, MissingData, Unscorable
from avbench.resampling import ResampyVersion
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

RATE = 16_000
Chain = Literal["torchvggish", "av_benchmark", "audioldm_eval", "frechet_audio_distance", "fadtk"]

_FRAME, _HOP, _TRANSFORM = 400, 160, 512
_FRAMES, _BANDS = 96, 64
_LOWEST, _HIGHEST = 125.0, 7500.0
_FLOOR = 0.01

PUBLISHED_PCA = "970ea276"
_RELEASE = "https://github.com/harritaylor/torchvggish/releases/download/v0.1/"


@dataclass(frozen=True)
class Vggish(Extractor):
    """Embeddings of 0.96 s windows of a clip's sound.

    Layers: `embeddings` (windows, 128) float32.

    Args:
        chain: From decoded sound to 16 kHz, see `avbench.audio_chains`. `torchvggish`: 16 bits, mean of the channels,
            resampy. `av_benchmark`: mean of the channels, offset removed, torchaudio's resampler, first 8 s. `audioldm_eval`:
            first channel, offset removed, torchaudio's resampler, at least 2 s. `frechet_audio_distance`: mean of the
            channels, resampy. `fadtk`: mean of the channels, a longer Kaiser window, 16 bits, at least 1 s.
        last_relu: Whether negative numbers become 0 at the end. torchvggish does so; every package that computes a distance
            does not.
        pca: Empty for none; else whitening and quantisation with the file `vggish_pca_params-PCA.pth` beside the network's
            checkpoint, PCA being the first 8 or more hexadecimal digits of its SHA-256: `970ea276` for the published one.
        resampy: Version that the chains `torchvggish` and `frechet_audio_distance` follow; it matters at other rates than 16
            kHz.

    Raises:
        BadParameter: for an unknown chain or version, or a `pca` that is not 8 to 64 hexadecimal digits.
    """

    chain: Chain = "av_benchmark"
    last_relu: bool = False
    pca: str = ""
    resampy: ResampyVersion = "0.4.3"

    name: ClassVar[str] = "vggish"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embeddings",)
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("audio",)
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        "vggish-10086976.pth", (f"{_RELEASE}vggish-10086976.pth",), "Apache-2.0, free for commercial use"
    )
    alternatives: ClassVar[tuple[Checkpoint, ...]] = (
        Checkpoint(
            f"vggish_pca_params-{PUBLISHED_PCA}.pth",
            (f"{_RELEASE}vggish_pca_params-{PUBLISHED_PCA}.pth",),
            "Apache-2.0, free for commercial use",
        ),
    )
    packages: ClassVar[tuple[str, ...]] = ("numpy", "torch")
    batch_size: ClassVar[int] = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pca and not (8 <= len(self.pca) <= 64 and set(self.pca) <= set("0123456789abcdef")):
            raise BadParameter(f"vggish: pca must be empty or 8 to 64 hexadecimal digits, got {self.pca!r}")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted."""
        return _Examples(self)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network: `examples` (clips, windows, 96, 64) to `embeddings` (clips, windows, 128).

        Raises:
            BadParameter: if a file is not in its published layout, or the whitening's is not the one that `pca` names.
            MissingData: if the whitening's file is not there.
        """
        import torch

        from avbench.models.loading import load_exactly
        from avbench.models.vggish import VggishNetwork, read_whitening
        from avbench.weights import read

        if weights is None:
            raise BadParameter("vggish: weights are needed and None came")
        with torch.device("meta"):
            network = VggishNetwork()
        load_exactly(network, read(weights), weights)
        network.to(device)
        whitening = read_whitening(self.whitening_file(weights)).to(device) if self.pca else None

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            examples = batch["examples"]
            made = network(examples.flatten(0, 1)).unflatten(0, examples.shape[:2])
            made = torch.relu(made) if self.last_relu else made
            return {"embeddings": made if whitening is None else whitening(made)}

        return forward

    def whitening_file(self, weights: Path) -> Path:
        """The file of principal components that `pca` names, beside the network's checkpoint `weights`.

        Raises:
            BadParameter: if its SHA-256 begins with other digits.
            MissingData: if it is not there.
        """
        path = weights.with_name(f"vggish_pca_params-{self.pca}.pth")
        if not path.is_file():
            where = f"; get it with `avbench weights fetch {path.name}`" if self.pca == PUBLISHED_PCA else ""
            raise MissingData(f"vggish: the whitening needs {path}, which is not there{where}")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if not found.startswith(self.pca):
            raise BadParameter(f"{path}: its sha256 is {found}, which does not begin with {self.pca}; get it again")
        return path


@dataclass
class _Examples(Preparation):
    settings: Vggish

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        if audio is None:
            raise Unscorable("no_audio")
        examples = log_mel_examples(self._waveform(audio))
        if not len(examples):
            raise Unscorable("too_short", "VGGish needs 0.975 s of sound for one example")
        return {"examples": examples}

    def _waveform(self, audio: Waveform) -> NDArray[np.floating]:
        match self.settings.chain:
            case "torchvggish":
                return audio_chains.torchvggish(audio, RATE, self.settings.resampy)
            case "av_benchmark":
                return audio_chains.av_benchmark(audio, RATE)
            case "audioldm_eval":
                return audio_chains.audioldm_eval(audio, RATE)
            case "frechet_audio_distance":
                return audio_chains.frechet_audio_distance(audio, RATE, self.settings.resampy)
            case "fadtk":
                return audio_chains.fadtk(audio, RATE)


def log_mel_examples(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """The front end in the module's docstring.

    Args:
        samples: `(N,)` at 16 kHz, in [-1, 1].

    Returns:
        `(windows, 96, 64)`; no window for fewer than 15600 samples.
    """
    count = max(0, 1 + (len(samples) - _FRAME) // _HOP) // _FRAMES * _FRAMES
    if not count:
        return np.zeros((0, _FRAMES, _BANDS), dtype=np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(samples, dtype=np.float64), _FRAME)[::_HOP][:count]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi / _FRAME * np.arange(_FRAME))
    magnitude = np.abs(np.fft.rfft(frames * hann, _TRANSFORM))
    return np.log(magnitude @ _mel_bands() + _FLOOR).reshape(-1, _FRAMES, _BANDS).astype(np.float32)


@functools.cache
def _mel_bands() -> NDArray[np.float64]:
    """Triangles `(257, 64)` of height 1, straight on the HTK mel scale; the bin at 0 Hz is left out."""

    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log(1.0 + hertz / 700.0)

    edges = np.linspace(mel(_LOWEST), mel(_HIGHEST), _BANDS + 2)
    bins = mel(np.linspace(0.0, RATE / 2, _TRANSFORM // 2 + 1))[:, None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    bands = np.maximum(0.0, np.minimum(rise, fall))
    bands[0] = 0.0
    return np.asarray(bands)
