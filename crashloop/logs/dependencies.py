"""The own logs of dependencies: each server's lines, told from an app's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.logs.pgbouncer import PgBouncerLines
from crashloop.logs.postgres import PostgresLines
from crashloop.logs.postgres_files import PostgresFileLines
from crashloop.logs.redis import RedisLines

if TYPE_CHECKING:
    from crashloop.logs.event import LogEvent


class DependencyLines:
    """Reads each line as the server's whose it is; another server's reader is one more here."""

    def __init__(self) -> None:
        self._readers = (PostgresLines(), PostgresFileLines(), RedisLines(), PgBouncerLines())

    def feed(self, text: str, at_ns: int) -> tuple[bool, list[LogEvent]]:
        """Take the next line: whether it is a dependency's, and the events that are complete."""
        for reader in self._readers:
            is_theirs, events = reader.feed(text, at_ns)
            if is_theirs:
                return True, events
        return False, []

    def end(self) -> list[LogEvent]:
        """What no further line will add to."""
        return [event for reader in self._readers for event in reader.end()]
