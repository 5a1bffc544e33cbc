"""What CLIP is given of a picture and of a caption, and ImageBind, which was trained upon it, too.

Source:
    Radford et al., arXiv:2103.00020; github.com/mlfoundations/open_clip `transform.py`, `tokenizer.py`;
    github.com/facebookresearch/ImageBind `imagebind/data.py` at 53680b0.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avbench.errors import BadParameter

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 224
"""Of a picture, pixels."""
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
TOKENS = 77
"""Of a caption that are read, start and end token included."""
NO_WORDS = 2
"""Tokens of an empty caption: start and end."""

_START, _END = 49_406, 49_407


def centre_crop(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame as the loader of still pictures gives it to the network.

    Args:
        image: `(H, W, 3)` RGB.

    Returns:
        uint8 `(3, 224, 224)`: short side to 224 by PIL's bicubic filter, which rounds to 8 bits, and the middle of it.
    """
    from PIL import Image

    height, width = image.shape[:2]
    size = (SIDE, int(SIDE * height / width)) if width <= height else (int(SIDE * width / height), SIDE)
    small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    left, top = (round((side - SIDE) / 2) for side in size)
    return np.ascontiguousarray(small[top : top + SIDE, left : left + SIDE].transpose(2, 0, 1))


def normalised(pictures: Tensor) -> Tensor:
    """`(..., 3, h, w)`, uint8 or float32 in [0, 1], to float32 without CLIP's mean and deviation."""
    import torch

    mean, deviation = (torch.tensor(v, device=pictures.device).view(3, 1, 1) for v in (MEAN, DEVIATION))
    values = pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures
    return (values - mean) / deviation


def tokens(text: str, keep_end: bool = True) -> tuple[NDArray[np.int64], int]:
    """CLIP's byte-pair tokens of a caption, in lower case, start and end token around it.

    Args:
        text: The caption; empty is two tokens.
        keep_end: Whether a caption that is too long keeps its end token (CLIP, ImageBind) or loses it (JavisDiT's copy, an
            older ImageBind; the text tower then reads at another place).

    Returns:
        `(77,)`, filled up with zeros, and how many tokens the whole caption has.
    """
    found = [_START, *_tokenizer().encode(text), _END]
    kept = found[:TOKENS]
    if keep_end:
        kept[-1] = _END
    return np.pad(np.array(kept, dtype=np.int64), (0, TOKENS - len(kept))), len(found)


@functools.cache
def _tokenizer() -> Any:
    """open_clip's tokenizer, without open_clip: its package imports torchvision and thirty models, for seconds."""
    package = importlib.util.find_spec("open_clip")
    if package is None or package.origin is None:
        raise BadParameter("CLIP's tokens come from open_clip_torch, which is not installed")
    spec = importlib.util.spec_from_file_location("avbench_clip_tokenizer", Path(package.origin).with_name("tokenizer.py"))
    if spec is None or spec.loader is None:
        raise BadParameter(f"open_clip_torch at {package.origin} has no tokenizer; install 3.2 or later")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.SimpleTokenizer()
