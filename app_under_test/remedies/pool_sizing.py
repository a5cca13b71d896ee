"""Pool sizing: take no more connections than this replica's share of what Postgres has."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from app_under_test.pool_size import PoolSize
from app_under_test.remedy import Remedy

if TYPE_CHECKING:
    from app_under_test.context import Context

# Who may see only its own sessions still sees database and role of the others. Background processes
# have no database, autovacuum's workers no role. `reserved_connections` is there since Postgres 16.
# Roles are compared by name: `current_user::regrole` cannot read one such as app@project.iam.
_SLOTS = """
SELECT current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true), '0')::int,
       (SELECT count(*) FROM pg_stat_activity
        WHERE datid IS NOT NULL AND usename <> current_user)::int
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Postgres' connections: all, those reserved for administrators, those of other roles now."""

    max_connections: int
    reserved: int
    others: int

    def share(self, replicas: int) -> int:
        """How many connections each of the replicas can have; at least 1, even if none is left."""
        return max(1, (self.max_connections - self.reserved - self.others) // replicas)


class PoolSizing(Remedy):
    """Sizes the pool from Postgres' own figures, by the first connection of phase database.

    The replicas share what sessions of other roles and administrators leave, in equal parts. Their
    own role is what tells their sessions from those of others.
    """

    def __init__(self, context: Context) -> None:
        self._log = context.log
        self._replicas = context.settings.replicas
        self._wanted = PoolSize.of(context.settings)
        context.pool_sizing = self.size

    async def size(self, connection: Any) -> PoolSize:
        """Ask over an asyncpg connection, and cut the settings' size to this replica's share."""
        row = await connection.fetchrow(_SLOTS)
        slots = Slots(max_connections=row[0], reserved=row[1], others=row[2])
        share = slots.share(self._replicas)
        size = self._wanted.at_most(share)
        self._log.emit(
            "remedy.pool_sized",
            f"One of {self._replicas} replicas takes at most {share} of "
            f"{slots.max_connections} connections",
            phase="database",
            replicas=self._replicas,
            share=share,
            **asdict(slots),
            **asdict(size),
        )
        return size
