"""Batches that do not fit are halved, and say so."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from avbench.batching import SmallerBatch, halving, out_of_memory
from avbench.errors import AvbenchError


def limited(most: int, sizes: list[int], error: type[Exception] = RuntimeError):  # type: ignore[no-untyped-def]
    def call(part: Sequence[int]) -> list[int]:
        sizes.append(len(part))
        if len(part) > most:
            raise error("CUDA out of memory. Tried to allocate 20.00 MiB")
        return [10 * x for x in part]

    return call


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
def test_a_batch_that_does_not_fit_is_halved_and_the_smaller_size_stays(error: type[Exception]) -> None:
    sizes: list[int] = []
    with pytest.warns(SmallerBatch, match="net: a batch of 8 does not fit into memory; going on with 4"):
        assert list(halving(range(10), limited(4, sizes, error), size=8, what="net")) == [10 * x for x in range(10)]
    assert sizes == [8, 4, 4, 2]


def test_nothing_is_said_where_everything_fits() -> None:
    sizes: list[int] = []
    assert list(halving(range(5), limited(2, sizes), size=2)) == [0, 10, 20, 30, 40]
    assert sizes == [2, 2, 1]
    assert list(halving([], limited(2, sizes), size=2)) == []


def test_one_item_that_does_not_fit_is_an_error_that_says_what_to_do() -> None:
    with pytest.warns(SmallerBatch), pytest.raises(AvbenchError, match=r"net: one item alone does not fit .*--device cpu"):
        list(halving(range(4), limited(0, []), size=4, what="net"))


def test_other_errors_are_not_swallowed() -> None:
    def broken(part: Sequence[int]) -> list[int]:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(halving(range(4), broken, size=4))
    with pytest.raises(AvbenchError, match="a batch of 4 gave 0 results"):
        list(halving(range(4), lambda part: [], size=4))
    assert not out_of_memory(ValueError("out of memory"))
