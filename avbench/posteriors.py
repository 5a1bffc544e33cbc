"""Divergence and diversity of class posteriors: KL between paired clips, and the inception score of a set.

A classifier's answer to `n` clips is `(n, classes)` logits, before softmax or sigmoid. Everything is computed in float64 with
natural logarithms. Nothing here knows which network the logits came from.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable

Array = NDArray[Any]
Float64s = NDArray[np.float64]
Posterior = Literal["softmax", "sigmoid"]

EPS = 1e-6
"""What most published codes add to the second posterior before its logarithm."""
SEED = 2020
"""Of the one permutation before an inception score is split, in every published code."""


@dataclass(frozen=True)
class KlRule:
    """How a published code compares a reference posterior r with a generated posterior g.

    Args:
        posterior: `softmax` makes a distribution over the classes. `sigmoid` takes each class by itself and leaves out the
            complementary event, so the sum is not a divergence and can be negative.
        eps: Added to the posterior inside the second logarithm. Equal posteriors then give slightly less than 0.
        reversed: False for KL(r || g), True for KL(g || r).
        source: Repository and file of the code.
    """

    posterior: Posterior
    eps: float
    reversed: bool
    source: str


KL_RULES: Mapping[str, KlRule] = {
    "av_benchmark": KlRule("softmax", 0.0, False, "github.com/hkchengrex/av-benchmark av_bench/metrics/kl.py at 050a5cd"),
    "av_benchmark_sigmoid": KlRule("sigmoid", 0.0, False, "the same file; not reported by it"),
    "audioldm_softmax": KlRule("softmax", EPS, False, "github.com/haoheliu/audioldm_eval metrics/kl.py at 8dc07ee"),
    "audioldm_sigmoid": KlRule("sigmoid", EPS, False, "the same file"),
    "specvqgan": KlRule("softmax", EPS, False, "github.com/v-iashin/SpecVQGAN evaluation/metrics/kl.py at 33c601d"),
    "audiocraft": KlRule("softmax", EPS, False, "github.com/facebookresearch/audiocraft audiocraft/metrics/kld.py at 896ec7c"),
    "stable": KlRule("softmax", EPS, True, "github.com/Stability-AI/stable-audio-metrics src/passt_kld.py at fd55536"),
    "verse": KlRule("softmax", EPS, False, "the KL of Verse-Bench: preparation of stable-audio-metrics, arguments exchanged"),
}


def log_softmax(logits: Array) -> Float64s:
    """Logarithm of the softmax over the last axis, float64, exact for any finite logits."""
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def log_sigmoid(logits: Array) -> Float64s:
    """Logarithm of the sigmoid, element by element, float64, exact for any finite logits."""
    return np.asarray(-np.logaddexp(0.0, -np.asarray(logits, dtype=np.float64)))


def kl(first: Array, second: Array, *, posterior: Posterior = "softmax", eps: float = 0.0) -> Float64s:
    """KL(first || second) of each pair of rows.

    With p and q the posteriors, the sum over the classes of p (log p - log(q + eps)).

    Args:
        first: Logits `(n, classes)`.
        second: Logits `(n, classes)`; row i belongs to row i of `first`.
        posterior: See `KlRule`.
        eps: See `KlRule`.

    Returns:
        `(n,)`, nats; at least 0 for `softmax` without eps.

    Raises:
        BadParameter: if the shapes differ, or `eps` is negative.

    >>> kl(np.log([[0.36, 0.48, 0.16]]), np.zeros((1, 3))).round(4).tolist()
    [0.0853]
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape or first.ndim != 2:
        raise BadParameter(f"paired logits must be two arrays (n, classes), got {first.shape} and {second.shape}")
    if not eps >= 0.0:
        raise BadParameter(f"eps must be at least 0, got {eps}")
    to_log = log_softmax if posterior == "softmax" else log_sigmoid
    log_p, log_q = to_log(first), to_log(second)
    if eps:
        log_q = np.log(np.exp(log_q) + eps)
    return np.asarray((np.exp(log_p) * (log_p - log_q)).sum(axis=1))


def kl_by_rule(generated: Array, reference: Array, rule: KlRule) -> Float64s:
    """KL of paired logits as a published code computes it, in its direction.

    Args:
        generated: Logits `(n, classes)`.
        reference: Logits `(n, classes)`, paired by row.
        rule: One of `KL_RULES`.

    Returns:
        `(n,)`, nats.

    Raises:
        BadParameter: if the shapes differ.
    """
    first, second = (generated, reference) if rule.reversed else (reference, generated)
    return kl(first, second, posterior=rule.posterior, eps=rule.eps)


def inception_score(logits: Array, *, splits: int = 10, seed: int | None = SEED) -> tuple[float, float]:
    """Inception score: how sure the classifier is of each clip, and how many classes the set covers.

    The rows are permuted once and cut into `splits` parts at i n // splits. With p_i the softmax of a row and p its mean over
    the part, a part's score is exp(mean over i of KL(p_i || p)).

    Args:
        logits: `(n, classes)`.
        splits: Number of parts. The score of a part grows with its rows: compare equal n and equal splits only.
        seed: Of `numpy.random.RandomState`, whose permutation is used; None keeps the order.

    Returns:
        Mean over the parts, from 1 to the number of classes, and their standard deviation (of the population).

    Raises:
        BadParameter: for logits that are not `(n, classes)`, or fewer than one split.
        Unscorable: `too_short` with fewer rows than splits, where the published codes answer NaN.

    Source:
        Salimans et al., Improved techniques for training GANs, arXiv:1606.03498; splits and permutation as in
        github.com/hkchengrex/av-benchmark `av_bench/metrics/isc.py` at 050a5cd (SpecVQGAN and audioldm_eval do the same).
    """
    logits = np.asarray(logits)
    if logits.ndim != 2:
        raise BadParameter(f"logits must be (n, classes), got {logits.shape}")
    if splits < 1:
        raise BadParameter(f"splits must be 1 or more, got {splits}")
    count = len(logits)
    if count < splits:
        raise Unscorable("too_short", f"an inception score in {splits} splits needs at least {splits} clips, got {count}")
    if seed is not None:
        logits = logits[np.random.RandomState(seed).permutation(count)]
    edges = [i * count // splits for i in range(splits + 1)]
    scores = [_split_score(log_softmax(logits[low:high])) for low, high in itertools.pairwise(edges)]
    return float(np.mean(scores)), float(np.std(scores))


def _split_score(log_p: Float64s) -> float:
    p = np.exp(log_p)
    mean = p.mean(axis=0)
    log_mean = np.log(np.where(mean > 0.0, mean, 1.0))  # a class of no mass in the mean has none in any row
    return float(np.exp((p * (log_p - log_mean)).sum(axis=1).mean()))
