from __future__ import annotations

import pytest

from app_under_test.pool_size import PoolSize
from app_under_test.remedies.pool_sizing import Slots


@pytest.mark.parametrize(
    ("max_connections", "reserved", "others", "replicas", "share"),
    [
        (100, 3, 0, 50, 1),
        (100, 3, 0, 3, 32),
        (100, 3, 1, 3, 32),
        (100, 3, 2, 3, 31),
        (100, 3, 0, 1, 97),
        (100, 3, 0, 200, 1),
        (20, 3, 30, 2, 1),
    ],
)
def test_a_share_is_what_reserved_and_other_connections_leave_but_at_least_one(
    max_connections: int, reserved: int, others: int, replicas: int, share: int
) -> None:
    slots = Slots(max_connections=max_connections, reserved=reserved, others=others)
    assert slots.share(replicas) == share


@pytest.mark.parametrize(
    ("connections", "expected"),
    [(100, (20, 30, 4)), (50, (20, 30, 4)), (32, (20, 12, 4)), (3, (3, 0, 3)), (0, (1, 0, 1))],
)
def test_pool_overflow_and_warm_connections_never_exceed_the_share(
    connections: int, expected: tuple[int, int, int]
) -> None:
    size = PoolSize(pool=20, overflow=30, warm=4).at_most(connections)
    assert (size.pool, size.overflow, size.warm) == expected
