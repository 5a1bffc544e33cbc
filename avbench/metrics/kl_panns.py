"""KL divergence between Cnn14's class posteriors of a generated sound and of its reference (nats).

Definition:
    r and g are the posteriors over 527 AudioSet classes that PANNs' Cnn14 at 16 kHz (`panns_cnn14_16k`) gives the reference
    clip and the generated clip of an item; the clip's value is KL(r || g), and the score is the mean over clips.

    | variant | preparation of the sound | posterior | value of a clip |
    |---|---|---|---|
    | `av_benchmark` (default) | channels averaged, first 8 s | softmax | r (ln r - ln g) summed over the classes |
    | `av_benchmark_sigmoid` | the same | sigmoid of each class | the same sum |
    | `audioldm_softmax` | first channel, at least 2 s | softmax | r (ln r - ln(g + 1e-6)) summed |
    | `audioldm_sigmoid` | the same | sigmoid of each class | the same sum |

    Their values cannot be compared. The sigmoid variants leave out the complementary events: they are no divergence.
Columns:
    kl: the value. kl_reversed: the same with the roles of r and g exchanged.
Range:
    at least 0 for `av_benchmark`; the others can be slightly less than 0; no upper end; lower is better.
Source:
    see `avbench.posteriors.KL_RULES`.
Differs from the source:
    audioldm_eval answers -1 where file names do not match; here an item without a reference is unscored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter
from avbench.posteriors import KL_RULES, kl_by_rule
from avbench.types import Better, Features, Item, Metric, Need

Variant = Literal["av_benchmark", "av_benchmark_sigmoid", "audioldm_softmax", "audioldm_sigmoid"]


@dataclass(frozen=True)
class KlPanns(Metric):
    """Mean over pairs of the KL divergence of Cnn14's posteriors.

    Args:
        variant: See the module.

    Raises:
        BadParameter: for another variant.
    """

    variant: Variant = "av_benchmark"

    name: ClassVar[str] = "kl_panns"
    title: ClassVar[str] = "KL divergence of PANNs' class posteriors, paired"
    unit: ClassVar[str] = "nats"
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "; ".join(f"{v}: {KL_RULES[v].source}" for v in get_args(Variant))
    columns: ClassVar[tuple[str, ...]] = ("kl", "kl_reversed")
    needs_reference: ClassVar[bool] = True

    def extractors(self) -> tuple[Need, ...]:
        """Cnn14 on the sound as the variant prepares it."""
        chain = "audioldm_eval" if self.variant.startswith("audioldm") else "av_benchmark"
        return (Need.of("panns_cnn14_16k", chain=chain),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Value, and value with the roles exchanged, of one pair: `(2,)`.

        Raises:
            BadParameter: without the reference's features.
        """
        if ref is None:
            raise BadParameter("kl_panns: the reference clip is needed and None came")
        generated, reference = (np.atleast_2d(f["panns_cnn14_16k.logits"]) for f in (got, ref))
        rule = KL_RULES[self.variant]
        return np.concatenate([kl_by_rule(generated, reference, rule), kl_by_rule(reference, generated, rule)])
