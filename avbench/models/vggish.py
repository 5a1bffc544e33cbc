"""VGGish: the network, and the whitening after it.

Definition:
    Six 3x3 convolutions with four poolings and three dense layers turn a log mel example of 96 frames and 64 bands into 128
    numbers.
Source:
    S. Hershey et al., CNN Architectures for Large-Scale Audio Classification, 2017; layout of the weights from
    github.com/harritaylor/torchvggish at f3f9096.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avbench.errors import BadParameter

_PLAN = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool")
_CLIPPED = 2.0


class VggishNetwork(nn.Module):
    """`(n, 96, 64)` log mel examples to `(n, 128)`, before the last ReLU."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for step in _PLAN:
            if isinstance(step, int):
                layers += [nn.Conv2d(channels, step, 3, padding=1), nn.ReLU()]
                channels = step
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(512 * 6 * 4, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 128)
        )

    def forward(self, examples: Tensor) -> Tensor:
        """`(n, 96, 64)` to `(n, 128)`."""
        maps = self.features(examples[:, None])
        # the dense layers read time, then band, then channel
        made: Tensor = self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))
        return made


class Whitening(nn.Module):
    """The published post-processing: principal components, clipped to [-2, 2], as whole numbers 0 to 255.

    Args:
        vectors: `(128, 128)`, one component per row.
        means: `(128,)`.
    """

    vectors: Tensor
    means: Tensor

    def __init__(self, vectors: Tensor, means: Tensor) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors)
        self.register_buffer("means", means)

    def forward(self, embeddings: Tensor) -> Tensor:
        """`(..., 128)` to `(..., 128)`, whole numbers 0 to 255; halves go to the even one."""
        components = (embeddings - self.means) @ self.vectors.T
        return torch.round((components.clamp(-_CLIPPED, _CLIPPED) + _CLIPPED) * (255.0 / (2 * _CLIPPED)))


def read_whitening(path: Path) -> Whitening:
    """The published file of principal components, whose values are NumPy arrays or tensors.

    Args:
        path: A torch file with `pca_eigen_vectors` `(128, 128)` and `pca_means` `(128,)` or `(128, 1)`.

    Raises:
        BadParameter: if it holds anything else; nothing but arrays and tensors is ever unpickled.
    """
    try:
        with torch.serialization.safe_globals(_array_pickles()):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise BadParameter(f"{path}: not a checkpoint that is safe to load: {str(error).splitlines()[0]}") from error
    if not isinstance(state, dict) or set(state) != {"pca_eigen_vectors", "pca_means"}:
        raise BadParameter(f"{path}: expected pca_eigen_vectors and pca_means, got {_keys(state)}")
    vectors, means = (torch.as_tensor(state[key]).float() for key in ("pca_eigen_vectors", "pca_means"))
    if vectors.shape != (128, 128) or means.shape not in ((128,), (128, 1)):
        raise BadParameter(f"{path}: expected shapes (128, 128) and (128,), got {(*vectors.shape,)} and {(*means.shape,)}")
    return Whitening(vectors, means.flatten())


def _keys(state: Any) -> str:
    return ", ".join(map(str, state)) if isinstance(state, dict) else type(state).__name__


def _array_pickles() -> list[Any]:
    """What a pickled NumPy array of floats refers to, under the names of NumPy 1 and 2."""
    import _codecs

    from numpy._core.multiarray import _reconstruct

    return [
        _reconstruct,
        (_reconstruct, "numpy.core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        np.dtypes.Float32DType,
        np.dtypes.Float64DType,
        _codecs.encode,
    ]
