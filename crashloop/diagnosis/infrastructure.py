"""Which errors are of what an app needs, and not of its code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.diagnosis.chain import links

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.trace.event import Event

_MODULES = ("aiohttp.", "asyncpg.", "httpcore.", "httpx.", "psycopg.", "psycopg2.", "redis.")
_LAST_WORDS = (
    "CancelledError",
    "ConnectionError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "DBAPIError",
    "InterfaceError",
    "OperationalError",
    "SSLError",
    "Timeout",
    "TimeoutError",
    "gaierror",
)


def is_infrastructure(link: Mapping[str, Any]) -> bool:
    """Whether one exception of a chain comes from a connection, a server or the system."""
    name = str(link.get("type"))
    return (
        link.get("errno") is not None
        or bool(link.get("sqlstate"))
        or name.startswith(_MODULES)
        or name.endswith(_LAST_WORDS)
    )


def of_infrastructure(event: Event) -> bool:
    """Whether an error is a driver's own words, or any exception of it is of infrastructure."""
    return event.data.get("by") == "driver" or any(is_infrastructure(link) for link in links(event))
