"""VGGish and Cnn14 beside the goldens: files that are refused, whitening, clips that are too short, batches."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench import audio_chains
from avbench.errors import BadParameter, MissingData, Unscorable
from avbench.extractors.panns_cnn14_16k import PannsCnn14At16k
from avbench.extractors.panns_cnn14_32k import PannsCnn14At32k
from avbench.extractors.vggish import Chain, Vggish, log_mel_examples
from avbench.media import Reader
from avbench.types import Array, Clip, Extractor, Waveform

MEDIA = Path(os.environ.get("AVBENCH_MEDIA", Path(__file__).parents[3] / "shared"))


def noise(seconds: float, rate: int = 16_000, channels: int = 1, seed: int = 0) -> Waveform:
    samples = 0.1 * np.random.default_rng(seed).standard_normal((channels, round(seconds * rate)))
    return Waveform(samples.astype(np.float32), rate)


def prepared(extractor: Extractor, audio: Waveform | None) -> dict[str, Array]:
    clip = Clip("a", None, 0.0, np.zeros((1, 16), np.float32), 16_000)
    with Reader(clip) as reader:
        return extractor.start(reader.info, {}).finish(audio)


# ------------------------------------------------------------------ VGGish


def test_examples_need_15600_samples() -> None:
    assert log_mel_examples(np.zeros(15_599)).shape == (0, 96, 64)
    silent = log_mel_examples(np.zeros(15_600))
    assert silent.shape == (1, 96, 64)
    np.testing.assert_allclose(silent, np.log(0.01), rtol=1e-6)
    assert log_mel_examples(np.zeros(160_000)).shape == (10, 96, 64)


def test_short_and_silent_clips() -> None:
    short = noise(0.9)
    chains: tuple[Chain, ...] = ("torchvggish", "av_benchmark", "frechet_audio_distance")
    for chain in chains:
        with pytest.raises(Unscorable, match="too_short"):
            prepared(Vggish(chain), short)
    assert prepared(Vggish("fadtk"), short)["examples"].shape == (1, 96, 64)
    assert prepared(Vggish("audioldm_eval"), short)["examples"].shape == (2, 96, 64)
    with pytest.raises(Unscorable, match="no_audio"):
        prepared(Vggish(), None)
    assert np.isfinite(prepared(Vggish(), Waveform(np.zeros((1, 32_000), np.float32), 16_000))["examples"]).all()


@pytest.mark.parametrize("bad", [{"chain": "other"}, {"resampy": "0.3"}, {"pca": "xyz"}, {"pca": "970EA276"}])
def test_vggish_parameters(bad: dict[str, Any]) -> None:
    with pytest.raises(BadParameter, match="vggish"):
        Vggish(**bad)


def whitening_file(folder: Path, content: Any) -> tuple[Path, str]:
    import torch

    torch.save(content, folder / "made")
    digits = hashlib.sha256((folder / "made").read_bytes()).hexdigest()[:8]
    return (folder / "made").rename(folder / f"vggish_pca_params-{digits}.pth"), digits


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("column", [False, True])
def test_whitening_of_numpy_arrays(tmp_path: Path, dtype: Any, column: bool) -> None:
    """The published file holds arrays, not tensors."""
    import torch

    from avbench.models.vggish import read_whitening

    rng = np.random.default_rng(0)
    vectors, means = rng.standard_normal((128, 128)).astype(dtype) / 8, rng.standard_normal(128).astype(dtype)
    path, _ = whitening_file(tmp_path, {"pca_eigen_vectors": vectors, "pca_means": means[:, None] if column else means})
    rows = rng.standard_normal((2, 3, 128)).astype(np.float32)
    got = read_whitening(path)(torch.from_numpy(rows)).numpy()
    want = np.rint((np.clip((rows - means) @ vectors.T, -2, 2) + 2) * 63.75)
    assert np.abs(got - want).max() <= 1
    assert (got != want).mean() < 0.005


@pytest.mark.real_media
def test_published_whitening(tmp_path: Path) -> None:
    """The parameters that are published make whole numbers that use the range."""
    import torch

    from avbench.models.vggish import read_whitening

    source = MEDIA / "weights" / "vggish_pca_params.npz"
    if not source.is_file():
        pytest.skip("no published whitening beside the repository")
    with np.load(source) as arrays:
        path, _ = whitening_file(tmp_path, dict(arrays))
    whitening = read_whitening(path)
    at_the_mean = whitening(whitening.means[None])
    assert ((at_the_mean == 127) | (at_the_mean == 128)).all()
    rows = whitening.means + torch.randn(50, 128, generator=torch.Generator().manual_seed(0))
    made = whitening(rows)
    assert made.min() >= 0
    assert made.max() <= 255
    assert made.std() > 10


class Hostile:
    def __reduce__(self) -> Any:
        return os.system, ("false",)


def test_whitening_that_is_refused(tmp_path: Path) -> None:
    from avbench.models.vggish import read_whitening

    hostile, _ = whitening_file(tmp_path, {"pca_eigen_vectors": Hostile(), "pca_means": Hostile()})
    with pytest.raises(BadParameter, match="not a checkpoint that is safe to load"):
        read_whitening(hostile)
    wrong, _ = whitening_file(tmp_path, {"pca_means": np.zeros(128, np.float32)})
    with pytest.raises(BadParameter, match="expected pca_eigen_vectors and pca_means"):
        read_whitening(wrong)
    shapes, _ = whitening_file(tmp_path, {"pca_eigen_vectors": np.zeros((3, 3)), "pca_means": np.zeros(128)})
    with pytest.raises(BadParameter, match="expected shapes"):
        read_whitening(shapes)


def test_whitening_is_found_by_its_hash(tmp_path: Path) -> None:
    weights = tmp_path / "vggish.pth"
    with pytest.raises(MissingData, match=r"vggish_pca_params-970ea276\.pth.*avbench weights fetch"):
        Vggish(pca="970ea276").whitening_file(weights)
    (tmp_path / "vggish_pca_params-970ea276.pth").write_bytes(b"other")
    with pytest.raises(BadParameter, match="does not begin with 970ea276"):
        Vggish(pca="970ea276").whitening_file(weights)


# ------------------------------------------------------------------ Cnn14


@pytest.mark.parametrize(("extractor", "least"), [(PannsCnn14At16k(), 4960), (PannsCnn14At32k(), 9920)])
def test_cnn14_needs_31_hops(extractor: PannsCnn14At16k, least: int) -> None:
    enough = Waveform(np.zeros((1, least), np.float32), extractor.rate)
    assert prepared(extractor, enough)["samples"].shape == (least,)
    with pytest.raises(Unscorable, match="too_short"):
        prepared(extractor, Waveform(np.zeros((1, least - 1), np.float32), extractor.rate))
    with pytest.raises(Unscorable, match="no_audio"):
        prepared(extractor, None)


def test_cnn14_takes_the_least_length_and_rows_are_independent() -> None:
    import torch

    from avbench.models.cnn14 import Cnn14

    torch.manual_seed(0)
    network = Cnn14(512, 160).eval()
    torch.nn.init.uniform_(network.logmel_extractor.melW, 0.0, 0.01)
    batch = torch.from_numpy(np.stack([noise(0.31, seed=k).samples[0] for k in range(2)]))
    with torch.inference_mode():
        logits, embedding = network(batch)
        alone, _ = network(batch[1:])
    assert (logits.shape, embedding.shape) == ((2, 527), (2, 2048))
    torch.testing.assert_close(logits[1:], alone)


def test_other_layouts_are_refused(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "weights.pth"
    torch.save({"bn0.weight": torch.zeros(64)}, path)
    with pytest.raises(BadParameter, match="no state under 'model'"):
        PannsCnn14At16k().load(path, "cpu")
    with pytest.raises(BadParameter, match="not in the published layout"):
        Vggish().load(path, "cpu")
    torch.save({"model": {"bn0.weight": torch.zeros(63)}, "iteration": 5}, path)
    with pytest.raises(BadParameter, match="is missing"):
        PannsCnn14At32k().load(path, "cpu")


# ------------------------------------------------------------------ chains


def test_chains_differ_as_they_say() -> None:
    left, right = noise(3, 44_100).samples[0] + 0.2, noise(3, 44_100, seed=1).samples[0]
    stereo = Waveform(np.stack([left, right]), 44_100)
    first = Waveform(left[None], 44_100)
    np.testing.assert_array_equal(audio_chains.audioldm_eval(stereo, 16_000), audio_chains.audioldm_eval(first, 16_000))
    assert np.abs(audio_chains.av_benchmark(stereo, 16_000) - audio_chains.av_benchmark(first, 16_000)).max() > 0.01
    assert abs(audio_chains.av_benchmark(stereo, 16_000).mean()) < 1e-4
    assert abs(audio_chains.frechet_audio_distance(stereo, 16_000).mean() - 0.1) < 1e-2
    assert audio_chains.av_benchmark(noise(10), 16_000).shape == (128_000,)
    assert audio_chains.av_benchmark(noise(10), 16_000, None).shape == (160_000,)
    assert audio_chains.audioldm_eval(noise(0.5), 32_000).shape == (32_000,)
    for made in (audio_chains.fadtk(stereo, 16_000), audio_chains.torchvggish(Waveform(left[None], 16_000), 16_000)):
        np.testing.assert_array_equal(made * 32_768, np.rint(made * 32_768))
