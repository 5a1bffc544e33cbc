"""KL divergence between `mini_audio`'s class posteriors of a generated sound and of its reference (nats).

Definition:
    r and g are the softmax of the 15 class scores that the small network of avbench (`mini_audio`) gives the reference clip
    and the generated clip of an item, whole; the clip's value is KL(r || g), the sum over classes of r (ln r - ln g), exact.
    The score is the mean over clips.
Columns:
    kl: the value. kl_reversed: the same with the roles of r and g exchanged.
Range:
    at least 0, no upper end; lower is better.
Limits:
    The network was trained on the sounds of suite `synth15` alone. Never comparable with a divergence on a published network.
Source:
    The formula is av-benchmark's (`posteriors.KL_RULES`); the network is trained by this repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter
from avbench.posteriors import KL_RULES, kl_by_rule
from avbench.types import Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class KlMini(Metric):
    """Mean over pairs of the KL divergence of `mini_audio`'s posteriors."""

    name: ClassVar[str] = "kl_mini"
    title: ClassVar[str] = "KL divergence of class posteriors of avbench's own small network, paired"
    unit: ClassVar[str] = "nats"
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "the formula of github.com/hkchengrex/av-benchmark av_bench/metrics/kl.py at 050a5cd, on a network of this repository "
        "(avbench/mini/mini_audio.md)"
    )
    columns: ClassVar[tuple[str, ...]] = ("kl", "kl_reversed")
    needs_reference: ClassVar[bool] = True

    def extractors(self) -> tuple[Need, ...]:
        """The small network for sound."""
        return (Need.of("mini_audio"),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Value, and value with the roles exchanged, of one pair: `(2,)`.

        Raises:
            BadParameter: without the reference's features.
        """
        if ref is None:
            raise BadParameter("kl_mini: the reference clip is needed and None came")
        generated, reference = (np.atleast_2d(f["mini_audio.logits"]) for f in (got, ref))
        rule = KL_RULES["av_benchmark"]
        return np.concatenate([kl_by_rule(generated, reference, rule), kl_by_rule(reference, generated, rule)])
