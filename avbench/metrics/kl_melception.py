"""KL divergence between Melception's class posteriors of a generated sound and of its reference (nats), also called MKL.

Definition:
    r and g are the softmax posteriors over VGGSound's 309 classes that Melception (`melception`) gives the reference clip and
    the generated clip of an item; the clip's value is the sum over classes of r (ln r - ln(g + 1e-6)), and the score is the
    mean over clips. Several generated clips of one item each count.
Columns:
    kl: the value. kl_reversed: the same with the roles of r and g exchanged.
Range:
    slightly less than 0 for equal clips, no upper end; lower is better.
Source:
    V. Iashin and E. Rahtu, arXiv:2110.08791; github.com/v-iashin/SpecVQGAN evaluation/metrics/kl.py at 33c601d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter
from avbench.posteriors import KL_RULES, kl_by_rule
from avbench.types import Better, Features, Item, Metric, Need


@dataclass(frozen=True)
class KlMelception(Metric):
    """Mean over pairs of the KL divergence of Melception's posteriors.

    Args:
        frames: Frames of the spectrogram, see `melception`.
        resample: False takes any rate for 22050 Hz as the source does, see `melception`.
    """

    frames: Literal[848, 860] = 848
    resample: bool = True

    name: ClassVar[str] = "kl_melception"
    title: ClassVar[str] = "KL divergence of Melception's class posteriors, paired (MKL)"
    unit: ClassVar[str] = "nats"
    better: ClassVar[Better] = "lower"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = f"Iashin and Rahtu, arXiv:2110.08791; {KL_RULES['specvqgan'].source}"
    columns: ClassVar[tuple[str, ...]] = ("kl", "kl_reversed")
    needs_reference: ClassVar[bool] = True

    def extractors(self) -> tuple[Need, ...]:
        """Melception on the first 10 s."""
        return (Need.of("melception", frames=self.frames, resample=self.resample),)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """Value, and value with the roles exchanged, of one pair: `(2,)`.

        Raises:
            BadParameter: without the reference's features.
        """
        if ref is None:
            raise BadParameter("kl_melception: the reference clip is needed and None came")
        generated, reference = (np.atleast_2d(f["melception.logits"]) for f in (got, ref))
        rule = KL_RULES["specvqgan"]
        return np.concatenate([kl_by_rule(generated, reference, rule), kl_by_rule(reference, generated, rule)])
