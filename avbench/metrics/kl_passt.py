"""KL divergence between PaSST's class posteriors of a generated sound and of its reference (nats).

Definition:
    r and g are the posteriors over 527 AudioSet classes that PaSST (`passt`) gives the reference clip and the generated clip of
    an item; the clip's value is KL(r || g), and the score is the mean over clips.

    | variant | preparation of the sound | posterior | value of a clip |
    |---|---|---|---|
    | `av_benchmark` (default) | first 8 s, zeros up to 10 s | softmax | KL(r, g), exact |
    | `av_benchmark_sigmoid` | the same | sigmoid | sum over classes of r (ln r - ln g), exact |
    | `audiocraft` | segments of 10 s, the last unpadded | softmax of each | mean of r (ln r - ln(g + 1e-6)) over segments |
    | `stable` | windows of 10 s every 5 s, peak at -1 dBFS | softmax of the mean logits | reversed: g (ln g - ln(r + 1e-6)) |
    | `verse` | as `stable` | as `stable` | r (ln r - ln(g + 1e-6)) |

    Their values cannot be compared.
Columns:
    kl: the value. kl_reversed: the same with the roles of r and g exchanged. windows: how many windows the value is made of.
Range:
    at least 0 for softmax without 1e-6 (with it slightly less than 0 for equal clips), no upper end; lower is better.
Source:
    see `avbench.posteriors.KL_RULES`.
Differs from the source:
    audiocraft weighs each segment alike over the whole set; here each clip weighs alike, which is the same for clips of one
    length. It stops where a pair differs in its number of segments; such a pair is unscored here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter, Unscorable
from avbench.posteriors import KL_RULES, kl_by_rule
from avbench.types import Array, Better, Features, Item, Metric, Need

Variant = Literal["av_benchmark", "av_benchmark_sigmoid", "audiocraft", "stable", "verse"]

_PREPARED: dict[Variant, str] = {
    "av_benchmark": "av_benchmark",
    "av_benchmark_sigmoid": "av_benchmark",
    "audiocraft": "audiocraft",
    "stable": "stable",
    "verse": "stable",
}


@dataclass(frozen=True)
class KlPasst(Metric):
    """Mean over pairs of the KL divergence of PaSST's posteriors.

    Args:
        variant: See the module.
        seconds: What is kept of each clip's beginning by `av_benchmark`, up to 10; the other variants use the whole clip.

    Raises:
        BadParameter: for another variant, or seconds that the variant does not use.
    """

    variant: Variant = "av_benchmark"
    seconds: float = 8.0

    name: ClassVar[str] = "kl_passt"
    title: ClassVar[str] = "KL divergence of PaSST's class posteriors, paired"
    unit: ClassVar[str] = "nats"
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = "; ".join(f"{v}: {KL_RULES[v].source}" for v in get_args(Variant))
    columns: ClassVar[tuple[str, ...]] = ("kl", "kl_reversed", "windows")
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seconds != 8.0 and _PREPARED[self.variant] != "av_benchmark":
            raise BadParameter(f"kl_passt: {self.variant} uses the whole clip, so it takes no seconds")

    def extractors(self) -> tuple[Need, ...]:
        """PaSST on the sound as the variant prepares it."""
        return (Need.of("passt", variant=_PREPARED[self.variant], seconds=self.seconds),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Value, value with the roles exchanged, and number of windows of one pair: `(3,)`.

        Raises:
            BadParameter: without the reference's features.
            Unscorable: `too_short` if the clips of an `audiocraft` pair have different numbers of segments.
        """
        if ref is None:
            raise BadParameter("kl_passt: the reference clip is needed and None came")
        generated, reference = np.asarray(got["passt.logits"]), np.asarray(ref["passt.logits"])
        if self.variant == "audiocraft":
            if len(generated) != len(reference):
                raise Unscorable(
                    "too_short", f"the generated clip makes {len(generated)} segments of 10 s, its reference {len(reference)}"
                )
        else:
            generated, reference = _pooled(generated), _pooled(reference)
        rule = KL_RULES[self.variant]
        values = kl_by_rule(generated, reference, rule), kl_by_rule(reference, generated, rule)
        return np.array([*(v.mean() for v in values), len(got["passt.logits"])], dtype=np.float64)


def _pooled(logits: Array) -> Array:
    """Mean logits over the windows, `(windows, classes)` to `(1, classes)`."""
    return np.asarray(np.mean(logits, axis=0, keepdims=True, dtype=np.float64))
