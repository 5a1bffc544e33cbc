"""Batches that fit into memory: halved when they do not, and said so."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from avbench.errors import AvbenchError

T = TypeVar("T")
R = TypeVar("R")


class SmallerBatch(UserWarning):
    """A batch did not fit into memory and was made smaller."""


def halving(items: Sequence[T], call: Callable[[Sequence[T]], Sequence[R]], *, size: int, what: str = "batch") -> Iterator[R]:
    """`call` on batches of at most `size`, one result per item in order.

    A batch that goes out of memory is halved and tried again; the smaller size stays for the rest, and a `SmallerBatch` warning
    says so. What `call` returns for an item must not depend on the batch it is in: draw noise per item
    (`avbench.conditions.seed_of`), not per batch.

    Args:
        items: All of them; may be empty.
        call: Takes a part of `items`, returns as many results.
        size: Most items in a batch.
        what: What the warning and the error call it, such as the model's name.

    Raises:
        AvbenchError: if a single item does not fit; the error says what was tried.
    """
    if size < 1:
        raise ValueError(f"size must be 1 or more, got {size}")
    done = 0
    while done < len(items):
        part = items[done : done + size]
        try:
            made = call(part)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            reason = str(error).split("\n")[0][:160] or type(error).__name__
            if len(part) == 1:
                raise AvbenchError(
                    f"{what}: one item alone does not fit into memory ({reason}); "
                    "use a smaller model or output size, --device cpu, or a machine with more memory"
                ) from error
            made = None
        if made is None:  # outside of `except`, so that the failed call's frames and tensors are let go first
            size = len(part) // 2
            _release()
            warnings.warn(
                SmallerBatch(f"{what}: a batch of {len(part)} does not fit into memory; going on with {size}"), stacklevel=2
            )
            continue
        if len(made) != len(part):
            raise AvbenchError(f"{what}: a batch of {len(part)} gave {len(made)} results")
        yield from made
        done += len(part)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is used up: torch's own, Python's, and the RuntimeErrors of other allocators."""
    if isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError", "AcceleratorOutOfMemoryError"):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        sign in text
        for sign in ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed", "cannot allocate")
    )


def _release() -> None:
    """Hand cached blocks back to the device."""
    import gc
    import sys

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
