"""The order of the runs: those that wait longest begin first, so none is alone at the end."""

from __future__ import annotations

import pytest

WHERE_NOTHING_DIES = ("survives", "looks_")
"""What the names of tests say in which a fault stays on for its longest time."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not any(part in item.name for part in WHERE_NOTHING_DIES))
