"""How well a clip's sound fits its caption: cosine of CLAP's embeddings of both.

Definition:
    cos(a, t) of the unit vectors that CLAP's two towers give the sound and the caption; the number of a run is the mean over
    clips.

    | variant | network | sound | tokens | published as |
    |---|---|---|---|---|
    | `av_benchmark` (default) | music_speech_audioset | first 8 s, repeated up to 10 s | 77 | LAION-CLAP-Score |
    | `javisbench` | laion/clap-htsat-unfused | zeros up to 10 s | 512 | CLAP score of JavisBench, SVG_baseline |
    | `laion` | 630k_audioset | 16 bits, repeated up to 10 s | 77 | LAION's package with its default file |
    | `verse` | 630k_audioset_fusion | peak at -1 dBFS, as `laion` | 77 | CS of Verse-Bench; stable-audio-metrics |

    `javisbench` stands on the extractors `clap` and `clap_text`, the others on `laion_clap` and `laion_clap_text`.

    Their values cannot be compared. Clips of more than 10 s: the middle 10 s (`javisbench`, `laion`); refused (`verse`).
Names:
    "CLAP score", "CS". UniAvatar-Bench (JoVA) reports CS without code; its values agree with `verse`.
Columns:
    cosine: the value.
Flags:
    caption_empty: the caption has no character but white space; the value compares the sound with what the network makes of
    nothing, as the published code does. caption_truncated: the caption has more tokens than the network takes; the first count.
Range:
    -1 to 1; higher is better. Unlike sound and caption score about 0, not -1.
Source:
    Y. Wu et al., arXiv:2211.06687; github.com/hkchengrex/av-benchmark `av_bench/evaluate.py`, `extract_text.py` at 050a5cd;
    github.com/JavisVerse/JavisDiT `eval/javisbench/src/metrics.py` at b505b37; github.com/LAION-AI/CLAP
    `src/laion_clap/hook.py` at 1fd4c37; github.com/Dorniwang/Verse-Bench `fd/clap_inferencer.py` at 5645a09;
    github.com/Stability-AI/stable-audio-metrics `src/clap_score.py` at fd55536.
Differs from the source:
    Longer clips are cropped at random there, and the number is another one each time; see `clap` and `laion_clap`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.types import Array, Better, Features, Item, Metric, Need

Variant = Literal["av_benchmark", "javisbench", "laion", "verse"]

_LAION: dict[Variant, tuple[str, str]] = {
    "av_benchmark": ("av_benchmark", "music_speech_audioset"),
    "laion": ("file", "630k_audioset"),
    "verse": ("stable", "630k_audioset_fusion"),
}
"""Chain and network of `laion_clap`."""


@dataclass(frozen=True)
class ClapTa(Metric):
    """Mean cosine of the CLAP embeddings of sound and caption.

    Args:
        variant: See the module.

    Raises:
        BadParameter: for another variant.
    """

    variant: Variant = "av_benchmark"

    name: ClassVar[str] = "clap_ta"
    title: ClassVar[str] = "CLAP score: sound and caption (CLAP, CS)"
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    revision: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Wu et al., arXiv:2211.06687; github.com/hkchengrex/av-benchmark at 050a5cd, JavisVerse/JavisDiT at b505b37, "
        "LAION-AI/CLAP at 1fd4c37, Dorniwang/Verse-Bench at 5645a09, Stability-AI/stable-audio-metrics at fd55536"
    )
    columns: ClassVar[tuple[str, ...]] = ("cosine",)

    def extractors(self) -> tuple[Need, ...]:
        """Both towers of the variant's network."""
        if self.variant == "javisbench":
            return Need.of("clap", variant="javisbench"), Need.of("clap_text", caption="audio_text")
        chain, network = _LAION[self.variant]
        return Need.of("laion_clap", chain=chain, network=network), Need.of("laion_clap_text", network=network)

    def row(self, item: Item, got: Features, ref: Features | None) -> NDArray[np.float64]:
        """The cosine of one clip: (1,)."""
        sound, text = (need.extractor for need in self.extractors())
        return np.asarray([cosine(got[f"{sound}.embedding"][0], got[f"{text}.embedding"])])

    def flags(self, got: Features) -> tuple[str, ...]:
        """`caption_empty`, `caption_truncated`, see the module."""
        characters, tokens, used = got[f"{self.extractors()[1].extractor}.caption"].tolist()
        raised = {"caption_empty": characters == 0, "caption_truncated": used < tokens}
        return tuple(flag for flag, there in raised.items() if there)


def cosine(x: Array, y: Array) -> float:
    """Of two vectors, in float64."""
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
