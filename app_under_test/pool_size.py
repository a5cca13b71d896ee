"""The size of the connection pool, and how many connections a start opens at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from app_under_test.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSize:
    """Numbers of connections: kept open, opened beyond those under load, opened by a start."""

    pool: int
    overflow: int
    warm: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The size that the settings ask for."""
        return cls(
            pool=settings.pool_size,
            overflow=settings.max_overflow,
            warm=settings.database_warm_connections,
        )

    def at_most(self, connections: int) -> Self:
        """The same size, cut so that pool and overflow together take that many; at least 1."""
        most = max(1, connections)
        pool = min(self.pool, most)
        return type(self)(
            pool=pool,
            overflow=min(self.overflow, most - pool),
            warm=min(self.warm, most),
        )


Sizing = Callable[[Any], Awaitable[PoolSize]]
"""Asks the server, over an asyncpg connection, how large the pool may be."""
