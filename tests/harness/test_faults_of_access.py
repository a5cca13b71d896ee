"""Faults of who may do what in a real Postgres: read-only, password, role, database."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

import asyncpg
import pytest
from database_faults import ACCESS, BOUND_S, Lab, running

from crashloop.errors import UsageError
from crashloop.faults.database.lock_held import LockHeld
from crashloop.faults.database.missing_database import MissingDatabase
from crashloop.faults.database.missing_role import MissingRole
from crashloop.faults.database.read_only import ReadOnly
from crashloop.faults.database.slots_taken import SlotsTaken
from crashloop.faults.database.wrong_password import WrongPassword

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from crashloop.faults.base import Fault


pytestmark = pytest.mark.slow


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running(tmp_path, max_connections=10) as lab:
        yield lab


async def test_a_read_only_server_refuses_writes_of_open_and_new_sessions_until_the_heal(
    lab: Lab,
) -> None:
    there = await lab.connect()
    await there.execute("create table kept as select 1 as one")
    async with lab.active(ReadOnly()):
        new = await lab.connect()
        for connection in (there, new):
            assert await connection.fetchval("select one from kept") == 1
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("insert into kept values (2)")
        error = await lab.seen("database.error")
        assert (error["sqlstate"], error["role"]) == ("25006", "app")
    for connection in (there, new):
        await connection.execute("insert into kept values (3)")
        await connection.close()
    assert "read_only" not in (lab.server.data_dir / "postgresql.auto.conf").read_text()


async def test_the_harness_still_takes_its_locks_in_a_read_only_server(lab: Lab) -> None:
    there = await lab.connect()
    await there.execute("create table kept as select 1 as one")
    async with lab.active(ReadOnly()), lab.active(LockHeld(table="kept")):
        reading = asyncio.create_task(there.fetchval("select one from kept"))
        await lab.seen("database.lock_waiting")
        assert not reading.done()
    assert await reading == 1
    await there.close()


def error_of(fault: Fault) -> type[asyncpg.PostgresError]:
    """What asyncpg raises for a new session under a fault of the app's access."""
    if isinstance(fault, MissingDatabase):
        return cast("type[asyncpg.PostgresError]", asyncpg.InvalidCatalogNameError)
    return cast("type[asyncpg.PostgresError]", asyncpg.InvalidPasswordError)


STORED = """
select r.rolname, r.rolpassword, d.datname, d.datdba = r.oid as owns
from pg_authid r, pg_database d where r.rolname = 'app' and d.datname = 'app'
"""


@pytest.mark.parametrize("fault", ACCESS)
async def test_a_changed_access_refuses_new_sessions_and_comes_back_as_it_was(
    lab: Lab, fault: Fault
) -> None:
    async with lab.server.session(superuser=True) as own:
        before = dict(await own.fetchrow(STORED))
    there = await lab.connect()
    async with lab.active(fault):
        with pytest.raises(error_of(fault)):
            await lab.connect()
        assert await there.fetchval("select 1") == 1, "a session that is open goes on"
        (error,) = lab.of("database.error")
        assert error["sqlstate"] == error_of(fault).sqlstate
    async with lab.server.session(superuser=True) as own:
        assert dict(await own.fetchrow(STORED)) == before
    assert await there.fetchval("select 1") == 1
    await there.close()
    assert await lab.answers()


@pytest.mark.parametrize("fault", ACCESS)
async def test_the_sessions_of_the_harness_go_on_while_the_access_is_changed(
    lab: Lab, fault: Fault
) -> None:
    async with lab.active(fault):
        await lab.server.inspector.close()
        assert await lab.server.inspector.ask("select 1") == 1
        for superuser in (True, False):
            async with lab.server.session(superuser=superuser) as own:
                assert await own.fetchval("select 1") == 1
        async with lab.active(SlotsTaken()), lab.active(ReadOnly()):
            pass
        assert not lab.of("database.error")
    assert await lab.answers()


async def test_a_role_can_have_a_name_with_a_comment_in_it(lab: Lab) -> None:
    name = "app # change the URL as well"
    async with lab.active(MissingRole(other_name=name)):
        assert lab.of("database.role_renamed") == [{"role": name}]
        with pytest.raises(asyncpg.InvalidPasswordError):
            await lab.connect()
        connection = await asyncpg.connect(lab.server.app_url(), user=name, timeout=BOUND_S)
        assert await connection.fetchval("select current_user::text") == name
        await connection.close()
    assert await lab.answers()


@pytest.mark.parametrize("name", ["x" * 64, "app, or not", "app=1", "a\0b"])
def test_a_name_that_postgres_cuts_off_or_clients_cannot_log_in_with_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="missing_role got other_name="):
        MissingRole(other_name=name)


async def test_all_of_the_access_may_be_changed_at_once_and_healed_in_any_order(lab: Lab) -> None:
    stack = [lab.active(fault) for fault in (MissingRole(), WrongPassword(), MissingDatabase())]
    for each in stack:
        await each.__aenter__()
    async with lab.server.session(superuser=False) as own:
        assert await own.fetchval("select 1") == 1
    for each in stack:
        await each.__aexit__(None, None, None)
    assert await lab.answers()


@pytest.mark.parametrize("fault", ACCESS)
async def test_two_faults_of_the_same_access_at_once_are_refused(lab: Lab, fault: Fault) -> None:
    async with lab.active(fault):
        with pytest.raises(UsageError, match="at once"):
            async with lab.active(fault):
                pass
    assert await lab.answers()


@pytest.mark.parametrize("fault", ACCESS)
async def test_a_fault_of_the_access_that_is_refused_by_the_server_changes_nothing(
    lab: Lab, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crashloop.engines.access.secrets.token_hex", lambda _: "x'" * 40)
    with contextlib.suppress(asyncpg.PostgresError):
        async with lab.active(fault):
            pass
    assert await lab.answers()


async def test_only_the_log_tells_a_role_that_is_missing_from_a_wrong_password(lab: Lab) -> None:
    async with lab.active(WrongPassword()):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await lab.connect()
    async with lab.active(MissingRole()):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await lab.connect()
        unknown = await lab.seen("database.role_unknown")
    assert len(lab.of("database.role_unknown")) == 1
    assert unknown == lab.of("database.error")[-1]
