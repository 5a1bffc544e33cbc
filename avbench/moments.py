"""Mean and covariance of rows that stream by, in float64.

Rows come in blocks of any size. A block is centred on its own mean and merged with what is there already, so neither a second
pass nor a copy of all rows is needed and no digits are lost to large means.

Source:
    T. F. Chan, G. H. Golub and R. J. LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter

Array = NDArray[Any]
Float64s = NDArray[np.float64]

BLOCK = 1_024
"""Rows that are centred at once."""


@dataclass(frozen=True, eq=False)
class Moments:
    """The Gaussian that is fitted to a set.

    Args:
        mean: `(d,)`, float64.
        covariance: `(d, d)`, float64, symmetric, divided by n - 1.
        n: Rows.
    """

    mean: Float64s
    covariance: Float64s
    n: int

    def divided_by_n(self) -> Float64s:
        """The covariance with n in place of n - 1."""
        return self.covariance * ((self.n - 1) / self.n)


class Accumulator:
    """Moments of rows that are added block by block; holds two matrices `(d, d)` and one block of rows."""

    def __init__(self) -> None:
        self.n = 0
        self._mean: Float64s = np.zeros(0)
        self._scatter: Float64s = np.zeros((0, 0))
        self._waiting: Float64s = np.zeros((0, 0))
        self._filled = 0

    def add(self, rows: Array) -> None:
        """Take rows `(n, d)`, or one row `(d,)`.

        Raises:
            BadParameter: if they are not of the dimensions of those before.
        """
        rows = np.atleast_2d(rows)
        if not self._waiting.size:
            self._waiting = np.empty((BLOCK, rows.shape[1]))
            self._mean = np.zeros(rows.shape[1])
            self._scatter = np.zeros((rows.shape[1], rows.shape[1]), order="F")
        if rows.ndim != 2 or rows.shape[1] != len(self._mean):
            raise BadParameter(f"rows must be (n, {len(self._mean)}) as those before, got {rows.shape}")
        while len(rows):
            part, rows = rows[: BLOCK - self._filled], rows[BLOCK - self._filled :]
            self._waiting[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            if self._filled == BLOCK:
                self._merge()

    def _merge(self) -> None:
        from scipy.linalg.blas import dsyr, dsyrk

        if not self._filled:
            return
        block = self._waiting[: self._filled]
        mean = block.mean(axis=0)
        block -= mean
        shift, both = mean - self._mean, self.n + self._filled
        self._scatter = dsyrk(1.0, block.T, beta=1.0, c=self._scatter, lower=1, overwrite_c=1)
        weight = self.n * self._filled / both
        self._scatter = dsyr(weight, shift, a=self._scatter, lower=1, overwrite_a=1)
        self._mean = self._mean + shift * (self._filled / both)
        self.n, self._filled = both, 0

    def moments(self) -> Moments:
        """Of everything so far.

        Raises:
            BadParameter: for fewer than two rows.
        """
        self._merge()
        if self.n < 2:
            raise BadParameter(f"a covariance needs at least 2 rows, got {self.n}")
        lower = self._scatter / (self.n - 1)
        return Moments(self._mean.copy(), symmetric(lower), self.n)


def moments_of(parts: Iterable[Array]) -> Moments:
    """Moments of the rows of all parts, each `(n, d)` or `(d,)`, one after the other.

    Raises:
        BadParameter: for parts of different dimensions, or fewer than two rows in all.
    """
    made = Accumulator()
    for part in parts:
        made.add(part)
    return made.moments()


def symmetric(lower: Float64s) -> Float64s:
    """The matrix of which this is the lower triangle, with zeros above."""
    return np.asarray(lower + np.tril(lower, -1).T)


def mean_of(x: Array) -> Float64s:
    """Mean of rows, added up in float64: `(n, d)` to `(d,)`."""
    return np.asarray(np.mean(x, axis=0, dtype=np.float64))


def lower_moments(x: Array, ddof: int) -> tuple[Float64s, Float64s]:
    """Mean, and the lower triangle of the covariance with zeros above, in two passes over rows that are all there.

    Args:
        x: `(n, d)`, n > ddof.
        ddof: The covariance is divided by n - ddof.
    """
    from scipy.linalg.blas import dsyrk

    mean = mean_of(x)
    cov = np.zeros((x.shape[1], x.shape[1]), order="F")
    block = np.empty((min(BLOCK, len(x)), x.shape[1]))
    for start in range(0, len(x), BLOCK):
        part = block[: len(x[start : start + BLOCK])]
        np.subtract(x[start : start + BLOCK], mean, out=part)
        cov = dsyrk(1.0 / (len(x) - ddof), part.T, beta=1.0, c=cov, lower=1, overwrite_c=1)
    return mean, cov
