"""Pure functions of arrays: distances between sets, and what is said of a number beside the number.

A set of `n` features of `d` dimensions is `(n, d)`; everything is computed in float64 unless a published variant is asked for
by name. Nothing here knows metrics or clips; torch is imported by one variant alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter
from avbench.moments import BLOCK, lower_moments, mean_of, symmetric

Array = NDArray[Any]
Float64s = NDArray[np.float64]
Score = Callable[[Float64s, "Float64s | None"], float]

RESAMPLES = 9_999
SUBSETS = 100
FEWEST_FOR_SUBSETS = 8
"""With fewer clips than this their halves say nothing of the number."""
_ROOT_ERROR = 1e-9
"""Of the trace of the root: above it, eigenvalues give way to singular values."""


# ------------------------------------------------------------------ Fréchet distance

FrechetVariant = Literal["exact", "scipy", "scipy_complex", "tfgan_svd", "stylegan", "eig", "eps_always"]


def frechet(x: Array, y: Array, *, ddof: int = 1) -> float:
    """Fréchet distance of the Gaussians fitted to two sets, in float64 and without a matrix square root.

    The trace of the root of the product of the covariances is the sum of the square roots of that product's eigenvalues. With
    fewer rows than dimensions in a set, or where covariances are close to singular, these are the singular values of the
    product of the centred sets, whose absolute error is 1e-16 instead of 1e-8; otherwise the eigenvalues come from one Cholesky
    factor and one symmetric problem. Covariances are summed in blocks of rows, so a large set is never copied.

    Args:
        x: `(n, d)`, finite, any floating dtype.
        y: `(m, d)`.
        ddof: 1 for unbiased covariances, 0 for StyleGAN-V's.

    Returns:
        Distance in squared units of the features, at least 0 but for rounding.

    Raises:
        BadParameter: for sets that are not `(n, d)` with one `d`, or with fewer than two rows.

    Source:
        D. C. Dowson and B. V. Landau, The Fréchet distance between multivariate normal distributions, 1982.
    """
    _check_sets(x, y)
    dimensions = x.shape[1]
    if min(len(x), len(y)) > dimensions:
        first, second = lower_moments(x, ddof), lower_moments(y, ddof)
        traces = float(np.trace(first[1])), float(np.trace(second[1]))
        root = _root_of_product(first[1], second[1], overwrite=True)
        if root is not None:
            return _assembled(first[0] - second[0], *traces, root)
    means, factors = zip(*(_centred_factor(s, ddof) for s in (x, y)), strict=True)
    root = _nuclear_norm(*factors)
    return _assembled(means[0] - means[1], _squares(factors[0]), _squares(factors[1]), root)


def frechet_of_moments(mu1: Array, cov1: Array, mu2: Array, cov2: Array) -> float:
    """Fréchet distance of two Gaussians in float64, without a matrix square root.

    Args:
        mu1: `(d,)`.
        cov1: `(d, d)`, symmetric and positive semidefinite; eigenvalues below rounding count as 0.
        mu2: `(d,)`.
        cov2: `(d, d)`.

    Returns:
        Distance; good to 1e-8 of the trace, since moments of a singular covariance have lost the smallest eigenvalues.

    Raises:
        BadParameter: if shapes do not fit.
    """
    mu1, mu2 = (np.atleast_1d(np.asarray(m, dtype=np.float64)) for m in (mu1, mu2))
    cov1, cov2 = (np.atleast_2d(np.asarray(c, dtype=np.float64)) for c in (cov1, cov2))
    if mu1.shape != mu2.shape or cov1.shape != cov2.shape or cov1.shape != mu1.shape * 2:
        raise BadParameter(f"moments must be (d,) and (d, d) twice, got {mu1.shape}, {cov1.shape}, {mu2.shape}, {cov2.shape}")
    root = _root_of_product(cov1, cov2)
    if root is None:
        root = _nuclear_norm(_factor_of(cov1), _factor_of(cov2))
    return _assembled(mu1 - mu2, float(np.trace(cov1)), float(np.trace(cov2)), root)


def frechet_variant(x: Array, y: Array, variant: FrechetVariant) -> float:
    """Fréchet distance as a published implementation computes it.

    Args:
        x: Generated features, `(n, d)`, in the dtype that the implementation has them in: `scipy`, `scipy_complex`, `eig` and
            `eps_always` take the mean, and the squared distance of the means, in that dtype.
        y: Reference features, `(m, d)`.
        variant: `exact` is `frechet`. `scipy` is the pytorch-fid lineage (av-benchmark, audioldm_eval, SpecVQGAN),
            `scipy_complex` frechet-audio-distance, `eig` fadtk (which has float16 features): the same formula with three
            ways of taking the root. `stylegan` divides the covariance by n (StyleGAN-V, content-debiased-fvd). `eps_always`
            adds 1e-6 to the diagonal of both covariances (FastVideo). `tfgan_svd` is float32 on the CPU, with roots of
            singular values, those under 1e-10 left as they are (VideoGPT, MM-Diffusion, JavisBench).

    Returns:
        Distance. Where the published code calls `scipy.linalg.sqrtm`, the root is exact here: the two agree within 1e-6
        where that routine is sound, and SciPy's version does not matter.

    Raises:
        BadParameter: for another variant, or sets that do not fit.
    """
    _check_sets(x, y)
    if variant == "exact":
        return frechet(x, y)
    if variant == "stylegan":
        return frechet(x, y, ddof=0)
    if variant == "tfgan_svd":
        return _frechet_tfgan(x, y)
    if variant == "eps_always":
        ridge = 1e-6 * np.eye(x.shape[1])
        spread = frechet_of_moments(np.zeros(x.shape[1]), moments(x)[1] + ridge, np.zeros(x.shape[1]), moments(y)[1] + ridge)
    elif variant in ("scipy", "scipy_complex", "eig"):
        exact = mean_of(x) - mean_of(y)
        spread = frechet(x, y) - float(exact @ exact)
    else:
        raise BadParameter(f"no Fréchet variant {variant!r}")
    shift = x.mean(axis=0) - y.mean(axis=0)
    return float(shift.dot(shift)) + spread


def _frechet_tfgan(x: Array, y: Array) -> float:
    """`tfgan_svd`, with one thread, since the published result moves with the number of threads in its fourth digit."""
    import torch

    def fitted(rows: Array) -> tuple[torch.Tensor, torch.Tensor]:
        columns = torch.from_numpy(np.array(rows, dtype=np.float32)).T
        centred = columns - columns.mean(dim=1, keepdim=True)
        return columns.T.mean(dim=0), 1.0 / (len(rows) - 1) * (centred @ centred.T)

    def root(matrix: torch.Tensor) -> torch.Tensor:
        left, values, right = torch.linalg.svd(matrix)
        made: torch.Tensor = left @ torch.diag(torch.where(values < 1e-10, values, values.sqrt())) @ right
        return made

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        (mean_x, cov_x), (mean_y, cov_y) = fitted(x), fitted(y)
        half = root(cov_x)
        product = torch.trace(root(half @ (cov_y @ half)))
        return float(torch.trace(cov_x + cov_y) - 2.0 * product + (mean_x - mean_y).square().sum())
    finally:
        torch.set_num_threads(threads)


def moments(x: Array, *, ddof: int = 1) -> tuple[Float64s, Float64s]:
    """Mean `(d,)` and covariance `(d, d)` in float64, in two passes over blocks of rows.

    Args:
        x: `(n, d)`, n > ddof.
        ddof: The covariance is divided by n - ddof.
    """
    mean, cov = lower_moments(x, ddof)
    return mean, symmetric(cov)


def _check_sets(x: Array, y: Array) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise BadParameter(f"two sets of rows (n, d) and (m, d) are needed, got {x.shape} and {y.shape}")
    if min(len(x), len(y)) < 2:
        raise BadParameter(f"a covariance needs at least 2 rows, got {len(x)} and {len(y)}")


def _assembled(shift: Float64s, trace1: float, trace2: float, root: float) -> float:
    """The distance; 0 where it is less than the rounding of its terms."""
    apart = float(shift @ shift)
    found = apart + trace1 + trace2 - 2.0 * root
    return 0.0 if abs(found) < 1e-12 * (apart + trace1 + trace2) else found


def _squares(factor: Float64s) -> float:
    return float(np.vdot(factor, factor))


def _root_of_product(cov1: Float64s, cov2: Float64s, *, overwrite: bool = False) -> float | None:
    """Trace of the root of a product of covariances, from their lower triangles; None if one is close to singular.

    With cov2 = L L', the eigenvalues of cov1 cov2 are those of L' cov1 L. `overwrite` spares two copies of matrices in Fortran
    order, which are something else afterwards.
    """
    from scipy.linalg import eigvalsh
    from scipy.linalg.lapack import dpotrf, dsygst

    factor, failed = dpotrf(cov2, lower=1, overwrite_a=overwrite)
    if failed:
        return None
    reduced, _ = dsygst(cov1, factor, itype=2, lower=1, overwrite_a=overwrite)
    values = eigvalsh(reduced, lower=True, overwrite_a=True, check_finite=False, driver="evd")
    noise = np.finfo(np.float64).eps * max(float(np.abs(values).max()), 1e-300) * np.sqrt(len(values))
    roots = np.sqrt(np.maximum(values, 0.0))
    doubt = np.where(values > noise, noise / np.maximum(roots, np.sqrt(noise)), np.sqrt(noise)).sum()
    return float(roots.sum()) if doubt <= _ROOT_ERROR * roots.sum() else None


def _centred_factor(x: Array, ddof: int) -> tuple[Float64s, Float64s]:
    """Mean, and a matrix of at most d rows whose Gram matrix is the covariance."""
    mean = mean_of(x)
    factor = (x - mean) / np.sqrt(len(x) - ddof)
    return mean, factor if len(x) <= x.shape[1] else np.asarray(np.linalg.qr(factor, mode="r"))


def _factor_of(cov: Float64s) -> Float64s:
    from scipy.linalg import eigh

    values, vectors = eigh(cov, check_finite=False)
    floor = len(values) * np.finfo(np.float64).eps * max(float(values[-1]), 0.0)
    return np.asarray(np.sqrt(np.where(values > floor, values, 0.0))[:, None] * vectors.T)


def _nuclear_norm(first: Float64s, second: Float64s) -> float:
    """Sum of the singular values of `first @ second.T`."""
    from scipy.linalg import svdvals

    return float(svdvals(first @ second.T, overwrite_a=True, check_finite=False).sum())


@dataclass(frozen=True)
class FadInf:
    """A distance extrapolated to infinitely many rows.

    Args:
        score: Intercept of the line through (1 / n, distance).
        slope: Of that line.
        r2: Coefficient of determination; 1 if all distances are equal.
        points: (n, distance) pairs.
    """

    score: float
    slope: float
    r2: float
    points: tuple[tuple[int, float], ...]


def fad_inf(evaluation: Array, background: Array, *, steps: int = 25, min_n: int = 500, seed: int = 0) -> FadInf:
    """Fréchet distance extrapolated to infinitely many evaluation rows, as fadtk does.

    For `steps` sizes from `min_n` to the number of rows, rows are drawn with replacement from one `RandomState(seed)`, and a
    line is fitted to their distance over 1 / size. (fadtk leaves the generator unseeded.)

    Args:
        evaluation: `(n, d)`.
        background: `(m, d)`, used whole.
        steps: Number of sizes, at least 2.
        min_n: Smallest size; above n the sizes fall from `min_n` to n, as in fadtk.
        seed: Of the draws.

    Raises:
        BadParameter: if the sets do not fit, or all sizes are the same.

    Source:
        A. Gui et al., Adapting Frechet Audio Distance for Generative Music Evaluation, 2023; microsoft/fadtk ec74b1f.
    """
    _check_sets(evaluation, background)
    return fad_inf_of_moments(evaluation, *moments(background), steps=steps, min_n=min_n, seed=seed)


def fad_inf_of_moments(
    evaluation: Array, mean: Float64s, cov: Float64s, *, steps: int = 25, min_n: int = 500, seed: int = 0
) -> FadInf:
    """`fad_inf` against a background of which mean `(d,)` and covariance `(d, d)` are known."""
    evaluation = np.asarray(evaluation, dtype=np.float64)
    rng = np.random.RandomState(seed)
    sizes = [int(n) for n in np.linspace(min_n, len(evaluation), steps)]
    if len(set(sizes)) < 2:
        raise BadParameter(f"a line needs two sizes, got {steps} steps from {min_n} to {len(evaluation)} rows")
    points = []
    for n in sizes:
        drawn = evaluation[rng.choice(len(evaluation), size=n, replace=True)]
        points.append((n, frechet_of_moments(mean, cov, *moments(drawn))))
    over_n, distances = 1.0 / np.array(sizes), np.array([distance for _, distance in points])
    slope, score = np.polyfit(over_n, distances, 1)
    residual = distances - (slope * over_n + score)
    spread = float(((distances - distances.mean()) ** 2).sum())
    r2 = 1.0 - float(residual @ residual) / spread if spread > 0.0 else 1.0
    return FadInf(float(score), float(slope), r2, tuple(points))


# ------------------------------------------------------------------ kernel distance


def polynomial_mmd(x: Array, y: Array) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / d + 1)^3, in float64, over the full sets.

    Args:
        x: `(n, d)`, n at least 2.
        y: `(m, d)`, m at least 2.

    Returns:
        The estimate, negative where the sets differ less than their halves would.

    Raises:
        BadParameter: if the sets do not fit.

    Source:
        M. Binkowski et al., Demystifying MMD GANs, 2018.
    """
    _check_sets(x, y)
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)

    def within(rows: Float64s) -> float:
        diagonal = float(((np.einsum("nd,nd->n", rows, rows) / rows.shape[1] + 1.0) ** 3).sum())
        return (_kernel_sum(rows, rows) - diagonal) / (len(rows) * (len(rows) - 1))

    return within(x) + within(y) - 2.0 * _kernel_sum(x, y) / (len(x) * len(y))


def polynomial_mmd_float32(x: Array, y: Array) -> float:
    """`polynomial_mmd` as MM-Diffusion and JavisBench compute it: kernels, sums and differences in float32.

    Of the order of 1e-6 off, which is a lot where the distance is small beside the kernel's values.

    Args:
        x: `(n, d)`.
        y: `(m, d)`.

    Raises:
        BadParameter: if the sets do not fit.
    """
    _check_sets(x, y)
    x, y = np.asarray(x, dtype=np.float32), np.asarray(y, dtype=np.float32)

    def kernel(a: Array, b: Array) -> Array:
        return np.asarray((a @ b.T * np.float32(1.0 / a.shape[1]) + np.float32(1.0)) ** 3)

    def within(rows: Array) -> Any:
        made = kernel(rows, rows)
        return (made.sum() - np.diagonal(made).sum()) / np.float32(len(rows) * (len(rows) - 1))

    return float(within(x) + within(y) - 2 * (kernel(x, y).sum() / np.float32(len(x) * len(y))))


def _kernel_sum(x: Float64s, y: Float64s) -> float:
    blocks = (x[start : start + BLOCK] @ y.T / x.shape[1] + 1.0 for start in range(0, len(x), BLOCK))
    return sum(float((block * block * block).sum()) for block in blocks)


def kid_subsets(x: Array, y: Array, *, subsets: int = 100, size: int = 1_000, seed: int = 2020) -> tuple[float, float]:
    """Mean and population standard deviation of `polynomial_mmd` over subsets drawn without replacement.

    For each subset rows of `x` are drawn first, then rows of `y`, from one `RandomState(seed)`; a size above that of a set
    falls to it for both (av-benchmark, audioldm_eval, SpecVQGAN).

    Args:
        x: Generated features, `(n, d)`.
        y: Reference features, `(m, d)`.
        subsets: Number of subsets.
        size: Rows in each.
        seed: Of the draws.

    Raises:
        BadParameter: if the sets do not fit, or a subset would hold fewer than two rows.
    """
    _check_sets(x, y)
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    size = min(size, len(x), len(y))
    rng = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        of_x = x[rng.choice(len(x), size, replace=False)]
        values.append(polynomial_mmd(of_x, y[rng.choice(len(y), size, replace=False)]))
    return float(np.mean(values)), float(np.std(values))


# ------------------------------------------------------------------ intervals


def mean_interval(values: NDArray[np.float64], *, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """95 % interval of a mean by BCa bootstrap over clips.

    Args:
        values: `(n,)`, finite.
        seed: Of the resampling.
        resamples: Bootstrap samples.

    Returns:
        Low and high; NaN for fewer than two values, the value itself twice if all are equal.
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    from scipy.stats import bootstrap

    # From 0 to 1, and back afterwards: the interval moves with the values, and values that differ by a rounding error alone
    # leave nothing to divide by.
    least, width = float(values.min()), float(np.ptp(values))
    made = bootstrap(
        ((values - least) / width,),
        np.mean,
        n_resamples=resamples,
        vectorized=True,
        batch=max(1, 2_000_000 // len(values)),
        rng=np.random.Generator(np.random.PCG64(seed)),
        method="BCa" if len(values) > 2 else "percentile",
    )
    low, high = (least + width * float(end) for end in made.confidence_interval)
    return low, min(high, float(values.max()))


def subset_interval(
    score: Score,
    rows: Sequence[Array],
    ref_rows: Sequence[Array] | None,
    *,
    seed: int = 0,
    subsets: int = SUBSETS,
    value: float | None = None,
) -> tuple[float, float, str]:
    """95 % interval of a set metric from random halves of the clips, drawn without replacement.

    A bootstrap repeats clips, which biases covariances and kernel sums; a half holds a clip once. The variance of a statistic
    over subsets of m of n clips is (1 - m / n) s2 / m where its own is s2 / n, so deviations from the mean of the halves are
    scaled by sqrt(m / (n - m)), 1 for even n. A distance of halves is biased upwards against that of the whole, hence the
    deviations are laid around the value, not the halves' values themselves. It covers the score expected at this number of
    clips, not at infinitely many; what is of second order (small n) counts double, so the interval is wide rather than narrow.

    Args:
        score: From rows `(n, d)` and reference rows to the number.
        rows: One `(d,)` or `(parts, d)` per clip; the parts of a clip stay together.
        ref_rows: The same for the references, or None. With as many as `rows` they are taken to be the same items in the same
            order, and an item's two clips stay together; otherwise halves are drawn of each.
        seed: Of the draws.
        subsets: Number of halves.
        value: The number of the whole set, where `score` stands for something slower; None if `score` makes it.

    Returns:
        Low, high, and how they were made; NaN and the reason for fewer than 8 clips.

    Source:
        D. N. Politis and J. P. Romano, Large sample confidence regions based on subsamples under minimal assumptions, 1994.
    """
    fewest = min(len(rows), len(rows) if ref_rows is None else len(ref_rows))
    if fewest < FEWEST_FOR_SUBSETS:
        return float("nan"), float("nan"), f"none: {fewest} clips, halves need {FEWEST_FOR_SUBSETS}"
    rng = np.random.Generator(np.random.PCG64(seed))
    paired = ref_rows is not None and len(ref_rows) == len(rows)
    size = len(rows) // 2
    values = []
    for _ in range(subsets):
        chosen = np.sort(rng.permutation(len(rows))[:size])
        if ref_rows is None:
            values.append(score(_joined(rows, chosen), None))
            continue
        of_refs = chosen if paired else np.sort(rng.permutation(len(ref_rows))[: len(ref_rows) // 2])
        values.append(score(_joined(rows, chosen), _joined(ref_rows, of_refs)))
    whole = score(_joined(rows), None if ref_rows is None else _joined(ref_rows)) if value is None else value
    half_width = 1.959963984540054 * float(np.std(values, ddof=1)) * float(np.sqrt(size / (len(rows) - size)))
    how = f"95 % normal, {subsets} halves of the clips without replacement, seed {seed}, around the value"
    return whole - half_width, whole + half_width, how


def _joined(rows: Sequence[Array], chosen: NDArray[np.intp] | None = None) -> Float64s:
    taken = rows if chosen is None else [rows[i] for i in chosen]
    return np.concatenate([np.atleast_2d(np.asarray(row, dtype=np.float64)) for row in taken])
