"""Marks the tests of golden cases, so that `counts` can count them."""

from __future__ import annotations

import pytest

from tests.parity.counts import KEY


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a golden case carry its name into their reports, also from one process to another."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        for value in callspec.params.values() if callspec is not None else ():
            if hasattr(value, "golden"):
                item.user_properties.append((KEY, value.golden))
