"""The text tower of LAION's CLAP: a caption as a unit vector of 512 numbers.

Input:
    As `clap_text`, but filled up or cut to 77 tokens, the two around the text included.
Source:
    github.com/LAION-AI/CLAP `src/laion_clap/hook.py`, `clap_module/model.py` at 1fd4c37.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from avbench.errors import BadParameter
from avbench.extractors.clap_text import MERGES, VOCABULARY, Caption, text_tower
from avbench.extractors.laion_clap import ALTERNATIVES, FILES, Network
from avbench.types import Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation

_MOST_TOKENS = 77


@dataclass(frozen=True)
class LaionClapText(Extractor):
    """LAION-CLAP's embedding of a clip's caption.

    Layers: as `clap_text`.

    Unused parts of the checkpoint: the audio tower (`laion_clap`), a projection of the training's, temperatures, index buffers.

    Args:
        network: Which file is loaded, see `laion_clap`.

    Raises:
        BadParameter: for another network.
    """

    network: Network = "music_speech_audioset"

    name: ClassVar[str] = "laion_clap_text"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding", "caption")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("text",)
    packages: ClassVar[tuple[str, ...]] = ("numpy", "tokenizers", "torch", "transformers")
    weights: ClassVar[Checkpoint | None] = FILES["music_speech_audioset"]
    alternatives: ClassVar[tuple[Checkpoint, ...]] = ALTERNATIVES
    companions: ClassVar[tuple[Checkpoint, ...]] = (VOCABULARY, MERGES)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "weights", FILES[self.network])

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted."""
        return Caption(info.text)

    def load(self, weights: Path | None, device: str) -> Forward:
        """The text tower: `text` (clips, bytes) and `length` (clips,) to the layers.

        Raises:
            BadParameter: if the file, or one of the tokenizer's beside it, is not in its published layout.
        """
        from avbench.models.clap import read_laion

        if weights is None:
            raise BadParameter("laion_clap_text: weights are needed and None came")
        return text_tower(read_laion(weights), weights, device, eps=1e-5, most=_MOST_TOKENS, fill=True)
