"""The text tower of CLAP as transformers has it: a caption as a unit vector of 512 numbers.

Input:
    The caption as it is: no cleaning, no lower case. Byte-level BPE of RoBERTa between `<s>` and `</s>`, so every language has
    tokens, if many. An empty caption is these two alone. RoBERTa-base, the pooler, a projection (`avbench.models.clap`).
Source:
    github.com/huggingface/transformers `models/clap`, `models/roberta` at 4.57.1; github.com/JavisVerse/JavisDiT
    `eval/javisbench/src/metrics.py` at b505b37.
Differs from the source:
    JavisBench does not ask for truncation, so a caption of more than 512 tokens stops it. Here its first 511 and `</s>` are
    used, and the layer `caption` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from avbench.errors import BadParameter
from avbench.types import Array, Checkpoint, ClipInfo, Extractor, Features, Forward, Preparation, Waveform

if TYPE_CHECKING:
    from torch import Tensor

_HUB = "https://huggingface.co/FacebookAI/roberta-base/resolve/main/"
VOCABULARY = Checkpoint("roberta-base-vocab.json", (_HUB + "vocab.json",), "MIT, free for commercial use")
MERGES = Checkpoint("roberta-base-merges.txt", (_HUB + "merges.txt",), "MIT, free for commercial use")
_SPECIAL = {"<s>": 0, "<pad>": 1, "</s>": 2}
_MOST_TOKENS = 512
_BYTES = 128
"""Prepared captions are a multiple of this long, so that few shapes come about."""

Tokens = Callable[[str], list[int]]


@dataclass(frozen=True)
class ClapText(Extractor):
    """CLAP's embedding of a clip's caption.

    Layers: `embedding` (512,) float32, of unit length; `caption` (3,) int64: characters without white space at the ends, tokens
    with the two around the text, and how many of them the network was given.

    Unused parts of the checkpoint: the audio tower (`clap`), temperatures, index buffers, which may be absent.

    Args:
        caption: Which caption, see `ClipInfo.caption`.
    """

    caption: Literal["text", "audio_text"] = "text"

    name: ClassVar[str] = "clap_text"
    revision: ClassVar[int] = 1
    layers: ClassVar[tuple[str, ...]] = ("embedding", "caption")
    needs: ClassVar[tuple[Literal["video", "audio", "text"], ...]] = ("text",)
    packages: ClassVar[tuple[str, ...]] = ("numpy", "tokenizers", "torch", "transformers")
    weights: ClassVar[Checkpoint | None] = Checkpoint(
        file="clap-htsat-unfused.bin",
        urls=("https://huggingface.co/laion/clap-htsat-unfused/resolve/main/pytorch_model.bin",),
        licence="Apache-2.0, free for commercial use",
    )
    companions: ClassVar[tuple[Checkpoint, ...]] = (VOCABULARY, MERGES)

    def start(self, info: ClipInfo, earlier: Features) -> Preparation:
        """Begin one clip; no frame is wanted."""
        return Caption(info.caption(self.caption))

    def load(self, weights: Path | None, device: str) -> Forward:
        """The text tower: `text` (clips, bytes) and `length` (clips,) to the layers.

        Raises:
            BadParameter: if the file, or one of the tokenizer's beside it, is not in its published layout.
        """
        from avbench.models.clap import read_transformers

        if weights is None:
            raise BadParameter("clap_text: weights are needed and None came")
        return text_tower(read_transformers(weights), weights, device, eps=1e-12, most=_MOST_TOKENS)


def text_tower(
    state: Mapping[str, Tensor], weights: Path, device: str, *, eps: float, most: int, fill: bool = False
) -> Forward:
    """CLAP's text tower behind the tokenizer whose files lie beside its own: what `Caption` prepares to the layers.

    Args:
        state: The tensors of the file.
        weights: The file.
        device: Where the network runs.
        eps: See `avbench.models.clap.TextTower`.
        most: See `tokenised`.
        fill: See `tokenised`.

    Raises:
        BadParameter: if the file, or one of the tokenizer's, is not in its published layout.
    """
    import torch

    from avbench.models.clap import TEXT_UNUSED, TextTower
    from avbench.models.loading import load_exactly

    with torch.device("meta"):
        network = TextTower(eps)
    load_exactly(network, state, weights, TEXT_UNUSED)
    network.to(device)
    tokens = read_tokenizer(weights.with_name(VOCABULARY.file), weights.with_name(MERGES.file))

    def forward(batch: Mapping[str, Any]) -> Mapping[str, Any]:
        ids, caption = tokenised(captions(batch), tokens, most, fill=fill)
        return {"embedding": network(ids.to(device)), "caption": caption}

    return forward


@dataclass
class Caption(Preparation):
    """A caption on its way, as its UTF-8 bytes."""

    text: str

    def finish(self, audio: Waveform | None) -> dict[str, Array]:
        """`text` (a multiple of 128,) uint8, zeros behind the end; `length` () int64."""
        data = np.frombuffer(self.text.encode("utf-8", errors="replace"), dtype=np.uint8)
        blocks = max(1, -(-len(data) // _BYTES))
        return {"text": np.pad(data, (0, blocks * _BYTES - len(data))), "length": np.asarray(len(data), dtype=np.int64)}


def captions(batch: Mapping[str, Any]) -> list[str]:
    """The captions of a batch of `Caption.finish`."""
    rows = zip(batch["text"].cpu().numpy(), batch["length"].tolist(), strict=True)
    return [row[:length].tobytes().decode("utf-8") for row, length in rows]


def read_tokenizer(vocabulary: Path, merges: Path) -> Tokens:
    """RoBERTa's tokenizer: text to token numbers, `<s>` first and `</s>` last.

    Args:
        vocabulary: `vocab.json`, numbers by token.
        merges: `merges.txt`, a pair a line.

    Raises:
        BadParameter: if a file cannot be read as that, or the special tokens have other numbers than RoBERTa's.
    """
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.processors import RobertaProcessing

    try:
        tokenizer = Tokenizer(BPE.from_file(str(vocabulary), str(merges)))
    except Exception as error:  # the library knows no other kind
        raise BadParameter(f"{vocabulary} and {merges.name}: not a vocabulary and merges of byte-level BPE: {error}") from error
    for token, number in _SPECIAL.items():
        found = tokenizer.token_to_id(token)
        if found != number:
            raise BadParameter(f"{vocabulary}: {token} must be token {number} as in RoBERTa, got {found}")
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    known = [token for token in (*_SPECIAL, "<unk>") if tokenizer.token_to_id(token) is not None]
    masks = [AddedToken("<mask>", lstrip=True)] if tokenizer.token_to_id("<mask>") is not None else []
    tokenizer.add_special_tokens([*known, *masks])
    return lambda text: list(tokenizer.encode(text).ids)


def tokenised(texts: Sequence[str], tokens: Tokens, most: int, *, fill: bool = False) -> tuple[Tensor, Tensor]:
    """Token numbers of captions, and what became of them.

    Args:
        texts: The captions.
        tokens: Of `read_tokenizer`.
        most: Tokens that are kept, `</s>` as the last of them.
        fill: Whether rows are always `most` long, not as long as the longest.

    Returns:
        `(n, tokens)` int64 with `<pad>` behind each text, and the layer `caption`, `(n, 3)` int64.
    """
    import torch

    found = [tokens(text) for text in texts]
    kept = [ids if len(ids) <= most else [*ids[: most - 1], ids[-1]] for ids in found]
    width = most if fill else max(len(ids) for ids in kept)
    rows = [ids + [_SPECIAL["<pad>"]] * (width - len(ids)) for ids in kept]
    said = [[len(text.strip()), len(all_), len(used)] for text, all_, used in zip(texts, found, kept, strict=True)]
    return torch.tensor(rows), torch.tensor(said)
