"""Melception: features and class scores of SpecVQGAN's mel spectrogram, behind the FID, MKL and IS of video-to-audio work.

Input:
    The channels' average at 22050 Hz (soxr, high quality), cut or filled with zeros to 220500 samples (10 s). Magnitudes of
    1024-point Hann frames every 256 samples, centred, zeros beyond the edges; 80 Slaney mel bands from 125 to 7600 Hz; x
    becomes (20 log10(max(x, 1e-5)) + 80) / 100, clipped to [0, 1]. The first 860 frames, or the 848 in their middle. Each band
    is then standardised with the published mean and deviation of VGGSound's training set.
Source:
    V. Iashin and E. Rahtu, Taming visually guided sound generation, arXiv:2110.08791; github.com/v-iashin/SpecVQGAN at 33c601d:
    `feature_extraction/extract_mel_spectrogram.py`, `evaluation/feature_extractors/melception.py`, and the table
    `train_means_stds_melspec_10s_22050hz.txt`.
Differs from the source:
    The source reads a file at whatever rate it has and uses it as 22050 Hz, without a message: `resample=False`. It makes the
    spectrogram of clips of 10 s or more in float32; here it is float64 always, which moves features by rounding only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

SAMPLE_RATE = 22050
SAMPLES = 220_500
"""10 s; what every clip is cut or filled to."""
_FRAMES = 860


@dataclass(frozen=True)
class Melception(Extractor):
    """Melception's features and class scores.

    Layers: `embedding` (2048,) float32, the global average pool; `logits` (309,) float32, before the softmax over VGGSound's
    classes; `logits_unbiased` (309,) float32, the same without the last layer's bias, which the inception score uses.

    Unused keys of the checkpoint: `AuxLogits.*`, the auxiliary classifier of training.

    Args:
        frames: 848, the frames in the middle: SpecVQGAN's evaluation, whose generated spectrograms have that many. 860: all.
        resample: False takes samples of any rate for 22050 Hz, as the source does.

    Raises:
        BadParameter: for another number of frames.
    """

    frames: Literal[848, 860] = 848
    resample: bool = True

    name: ClassVar[str] = "melception"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding", "logits", "logits_unbiased")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("audio",)
    packages: ClassVar[tuple[str, ...]] = ("librosa", "numpy", "scipy", "soxr", "torch")
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        file="melception-21-05-10T09-28-40.pt",
        urls=(
            "https://a3s.fi/swift/v1/AUTH_a235c0f452d648828f745589cde1219a/specvqgan_public/melception-21-05-10T09-28-40.pt",
        ),
        licence="MIT",
    )
    batch_size: ClassVar[int] = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames not in (848, 860):
            raise BadParameter(f"melception: frames must be 848 or 860, got {self.frames!r}")

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted."""
        return _Mel(self)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The network, ready on `device`.

        Raises:
            BadParameter: if the file is not a Melception checkpoint: a dictionary with the state under `model`.
        """
        import torch

        from avbench.models.loading import load_exactly
        from avbench.models.melception import UNUSED
        from avbench.models.melception import Melception as Network
        from avbench.weights import read

        if weights is None:
            raise BadParameter("melception: weights are needed and None came")
        state = read(weights).get("model")
        if not isinstance(state, Mapping):
            raise BadParameter(f"{weights}: not a checkpoint of Melception: it has no state under 'model'")
        with torch.device("meta"):
            network = Network()
        load_exactly(network, state, weights, UNUSED)
        network.to(device)

        def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
            return dict(zip(self.layers, network(batch["mel"]), strict=True))

        return forward


@dataclass
class _Mel(Preparation):
    settings: Melception

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        if audio is None or audio.samples.size == 0:
            raise Unscorable("no_audio")
        samples = audio.mono
        if self.settings.resample and audio.sample_rate != SAMPLE_RATE:
            import librosa

            samples = librosa.resample(samples, orig_sr=audio.sample_rate, target_sr=SAMPLE_RATE, res_type="soxr_hq")
        mel = mel_spectrogram(samples)
        skipped = (_FRAMES - self.settings.frames) // 2
        return {"mel": standardised(mel[:, skipped : skipped + self.settings.frames]).astype(np.float32)}


def mel_spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """SpecVQGAN's mel spectrogram of the first 10 s: `(N,)` at 22050 Hz to `(80, 860)` in [0, 1]."""
    import librosa

    filled = np.zeros(SAMPLES)
    filled[: min(len(samples), SAMPLES)] = samples[:SAMPLES]
    magnitude = np.abs(librosa.stft(filled, n_fft=1024, hop_length=256, pad_mode="constant"))
    bands = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=1024, n_mels=80, fmin=125.0, fmax=7600.0)
    mel = (20.0 * np.log10(np.maximum(bands @ magnitude, 1e-5)) + 80.0) / 100.0
    return np.asarray(np.clip(mel, 0.0, 1.0)[:, :_FRAMES], dtype=np.float64)


def standardised(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each band minus its mean over VGGSound's training set, over its deviation: `(80, frames)` to the same."""
    table = np.asarray(BAND_MEANS_AND_DEVIATIONS)
    return np.asarray((mel - table[:, :1]) / table[:, 1:])


# fmt: off
BAND_MEANS_AND_DEVIATIONS = (
    (0.51234712, 0.08187601), (0.52630101, 0.08393201), (0.52002938, 0.08533191), (0.51831866, 0.08651366),
    (0.52457265, 0.08795700), (0.51129235, 0.08924046), (0.51403755, 0.09011565), (0.51189406, 0.09138965),
    (0.50142221, 0.09215379), (0.50632402, 0.09251092), (0.49724399, 0.09356590), (0.49062130, 0.09333057),
    (0.49971113, 0.09446411), (0.48442903, 0.09400197), (0.48598301, 0.09477853), (0.48681630, 0.09487848),
    (0.47436119, 0.09424447), (0.48031359, 0.09417475), (0.47422810, 0.09498061), (0.46369397, 0.09362415),
    (0.47413055, 0.09453825), (0.46062686, 0.09481226), (0.45677793, 0.09359464), (0.46135474, 0.09437913),
    (0.45246800, 0.09384014), (0.45232766, 0.09438247), (0.45208386, 0.09419720), (0.44351671, 0.09340880),
    (0.44667316, 0.09423184), (0.44447692, 0.09344461), (0.43676363, 0.09265266), (0.44002381, 0.09307925),
    (0.43772414, 0.09299363), (0.43061019, 0.09236166), (0.43120828, 0.09156491), (0.42603271, 0.09161403),
    (0.42863234, 0.09150530), (0.42296206, 0.09102536), (0.41733331, 0.09048366), (0.41804121, 0.09025013),
    (0.41605068, 0.09078869), (0.40875265, 0.08985338), (0.40666997, 0.08877566), (0.40407463, 0.08961667),
    (0.40353311, 0.08859275), (0.39708031, 0.08827818), (0.39375066, 0.08833999), (0.39301091, 0.08760654),
    (0.39047117, 0.08812327), (0.38461680, 0.08782288), (0.38145284, 0.08645484), (0.37985209, 0.08718211),
    (0.37419526, 0.08644421), (0.37080597, 0.08532454), (0.36786535, 0.08592822), (0.36569049, 0.08452069),
    (0.36336079, 0.08474272), (0.35775191, 0.08476392), (0.35504801, 0.08334654), (0.35284816, 0.08412110),
    (0.34594865, 0.08367254), (0.34112312, 0.08252251), (0.33784886, 0.08320975), (0.33095703, 0.08257768),
    (0.32559461, 0.08171253), (0.32003106, 0.08204872), (0.31506222, 0.08098545), (0.31138077, 0.08152917),
    (0.30403516, 0.08209135), (0.29969540, 0.08073266), (0.29578024, 0.08225822), (0.28861871, 0.08324076),
    (0.28581686, 0.08058489), (0.27922253, 0.08515350), (0.27444035, 0.08355056), (0.27339468, 0.08067638),
    (0.26571759, 0.08536921), (0.26280864, 0.08107620), (0.25664202, 0.08357468), (0.24853513, 0.08556041),
)
# fmt: on
"""80 pairs, lowest band first; averages over files of the mean and the deviation of each file."""
