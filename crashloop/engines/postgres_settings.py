"""The settings of Postgres: the lab's own, and those that a scenario may choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.engines.postgres_log import PREFIX
from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model import Value

HOST = "127.0.0.1"

SETTINGS = {
    "autovacuum": "off",
    "dynamic_shared_memory_type": "mmap",  # in the data directory, so that a kill leaks none
    "fsync": "off",
    "full_page_writes": "off",
    "huge_pages": "off",
    "lc_messages": "C",
    "listen_addresses": HOST,
    "log_connections": "on",
    "log_disconnections": "on",
    "log_line_prefix": PREFIX,
    "log_timezone": "UTC",
    "logging_collector": "off",
    "max_logical_replication_workers": "0",
    "max_wal_senders": "0",
    "shared_buffers": "16MB",
    "synchronous_commit": "off",
    "timezone": "UTC",
    "wal_level": "replica",  # without it the server cannot be held in its start as a standby
}

SESSION_LIMITS = frozenset(
    {
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "lock_timeout",
        "statement_timeout",
        "transaction_timeout",
    }
)
"""Limits of a session, which are not for the harness's own."""

ALLOWED = SESSION_LIMITS | frozenset(
    {
        "authentication_timeout",
        "autovacuum",
        "autovacuum_naptime",
        "checkpoint_timeout",
        "client_connection_check_interval",
        "deadlock_timeout",
        "default_transaction_isolation",
        "jit",
        "maintenance_work_mem",
        "max_connections",
        "max_locks_per_transaction",
        "max_parallel_workers",
        "max_prepared_transactions",
        "max_wal_size",
        "max_worker_processes",
        "reserved_connections",
        "shared_buffers",
        "superuser_reserved_connections",
        "tcp_user_timeout",
        "temp_buffers",
        "work_mem",
    }
)
"""What changes neither where the server listens, nor its files, its log or its safety."""


def postgres_settings(settings: Mapping[str, Value]) -> dict[str, str]:
    """A dependency's settings as Postgres reads them; UsageError for one it may not choose."""
    if unknown := sorted(set(settings) - ALLOWED):
        raise UsageError(
            f"a scenario cannot set {', '.join(unknown)} of Postgres",
            hint=f"it can set: {', '.join(sorted(ALLOWED))}",
        )
    return {name: _text(value) for name, value in settings.items()}


def own_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """What a session of the harness sets for itself, so that neither settings nor faults limit it.

    `settings` are the server's.
    """
    limits = {name: "0" for name in SESSION_LIMITS if name in settings}
    return {**limits, "default_transaction_read_only": "off"}


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else f"{value:.15g}"
