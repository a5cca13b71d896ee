"""The harness's access to Postgres in a container."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import docker_cases
import pytest

from crashloop.engines.docker import database as module
from crashloop.engines.docker.database import Database

if TYPE_CHECKING:
    from crashloop.engines.docker.database_errors import DatabaseErrors
    from crashloop.engines.docker.project import Project


async def test_the_harness_does_not_obey_the_scenarios_limits_of_a_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, Any]] = []

    async def connect(**options: Any) -> asyncpg.Connection[Any]:
        asked.append(options)
        raise asyncpg.PostgresError

    container = SimpleNamespace(address="172.18.0.2")
    project = SimpleNamespace(container=lambda *_, **__: None)
    monkeypatch.setattr(asyncpg, "connect", connect)
    monkeypatch.setattr(module, "ServerContainer", lambda *_, **__: container)
    database = Database(
        cast("Project", project),
        "postgres",
        settings={"statement_timeout": 50, "max_connections": 10},
        recorder=docker_cases.recorder(),
        errors=cast("DatabaseErrors", None),
    )
    database.start(None)

    for is_superuser in (True, False):
        with pytest.raises(asyncpg.PostgresError):
            await database.session(superuser=is_superuser).__aenter__()

    for options in asked:
        assert options["server_settings"] == {
            "statement_timeout": "0",
            "default_transaction_read_only": "off",
        }
    assert len(asked) == 2
