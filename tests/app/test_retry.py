"""Retries around the real work of phase database, and around a probe connection only."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from gate import Gate
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from app_under_test.database import Database
from app_under_test.remedies import jitter
from app_under_test.settings import Settings, SettingsError, load
from tests.app.test_golden_path import connections_of

if TYPE_CHECKING:
    from tests.app.conftest import StartApp

QUICK: dict[str, Any] = {"retry_first_pause_s": 0.01, "retry_longest_pause_s": 0.05}
SECONDS = st.floats(0.001, 1000.0)


@given(st.integers(1, 10_000), SECONDS, SECONDS, st.integers(0))
def test_a_pause_is_between_0_and_its_bound(
    tries: int, first_s: float, longest_s: float, seed: int
) -> None:
    bound_s = jitter.bound_s(tries, first_s=first_s, longest_s=longest_s)
    assert 0.0 < bound_s <= longest_s
    draw = Random(seed)  # noqa: S311  jitter, not a secret
    pause_s = jitter.pause_s(draw, tries, first_s=first_s, longest_s=longest_s)
    assert 0.0 <= pause_s <= bound_s


def test_the_bound_of_a_pause_doubles_with_each_try_up_to_the_longest() -> None:
    bounds = [jitter.bound_s(tries, first_s=0.5, longest_s=10.0) for tries in range(1, 9)]
    assert bounds == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


async def test_a_try_that_hangs_is_given_up_and_the_next_one_passes(
    start_app: StartApp, database_url: str
) -> None:
    async with Gate(make_url(database_url), is_lost=lambda number: number == 1) as gate:
        await gate.open()
        async with start_app(
            database_url=gate.url, remedy_retry_s=20, retry_attempt_s=0.5, **QUICK
        ) as app:
            await app.event("startup.completed")
            failed = await app.event("database.retry_failed")
            assert failed["error"][0]["type"] == "TimeoutError"
            assert (await app.event("database.retried"))["tries"] == 2


@pytest.mark.slow
async def test_a_try_that_is_given_up_keeps_the_connections_that_it_has(
    start_app: StartApp, database_url: str
) -> None:
    # Each try gets one connection at most, so none could open two on its own.
    async with Gate(make_url(database_url), is_lost=lambda number: number % 2 == 1) as gate:
        await gate.open()
        name = f"kept-{uuid4().hex[:12]}"
        async with start_app(
            database_url=gate.url,
            application_name=name,
            database_warm_connections=2,
            remedy_retry_s=20,
            retry_attempt_s=0.5,
            **QUICK,
        ) as app:
            await app.event("startup.completed")
            assert await connections_of(name, database_url) == 2


@pytest.mark.slow
async def test_no_try_outlasts_the_budget(start_app: StartApp, silent_url: str) -> None:
    async with start_app(database_url=silent_url, remedy_retry_s=0.5, **QUICK) as app:
        assert await app.exit_code() == 3
        failed = await app.event("phase.failed", "database")
        assert failed["error"][0]["type"] == "TimeoutError"
        assert 0.5 <= failed["duration_s"] < failed["limit_s"]


async def test_a_database_that_is_closed_closes_the_connections_that_a_try_kept(
    database_url: str,
) -> None:
    async with Gate(make_url(database_url), is_lost=lambda number: number > 1) as gate:
        await gate.open()
        name = f"given-up-{uuid4().hex[:12]}"
        fields = {"application_name": name, "database_warm_connections": 2}
        database = Database(Settings.model_validate({"database_url": gate.url, **fields}))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await database.open()
        assert not database.is_open
        assert await connections_of(name, database_url) == 1
        await database.close()
        assert await connections_of(name, database_url) == 0


@pytest.mark.slow
async def test_a_retry_around_a_probe_connection_leaves_the_real_query_to_fail(
    start_app: StartApp, database_url: str
) -> None:
    async with Gate(make_url(database_url), is_lost=lambda number: number in {1, 3}) as gate:
        await gate.open()
        async with start_app(
            database_url=gate.url,
            remedy_retry_probe_s=20,
            retry_attempt_s=0.3,
            phase_database_limit_s=0.5,
            **QUICK,
        ) as app:
            assert await app.exit_code() == 3
            assert len(app.all_of("database.retry_failed")) == 1
            assert len(app.all_of("database.probed")) == 1
            failed = await app.event("phase.failed", "database")
            assert failed["error"][0]["type"] == "TimeoutError"


def test_a_retry_as_long_as_the_start_up_probe_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APP_DATABASE_URL", "postgresql+asyncpg://app:hidden@127.0.0.1:1/app")
    monkeypatch.setenv("APP_STARTUP_PROBE_S", "240")
    monkeypatch.setenv("APP_REMEDY_RETRY_S", "239")
    assert load().remedy_retry_s == 239.0
    monkeypatch.setenv("APP_REMEDY_RETRY_S", "240")
    with pytest.raises(SettingsError, match="APP_REMEDY_RETRY_S must be below APP_STARTUP_PROBE_S"):
        load()


@pytest.mark.slow
async def test_a_probe_that_never_passes_leaves_the_error_to_phase_database(
    start_app: StartApp, database_url: str
) -> None:
    url = make_url(database_url).set(password="wrong").render_as_string(hide_password=False)  # noqa: S106  wrong on purpose
    async with start_app(database_url=url, remedy_retry_probe_s=20) as app:
        assert await app.exit_code() == 3
        assert not app.all_of("database.probed") + app.all_of("database.retry_failed")
        failed = await app.event("phase.failed", "database")
        assert failed["error"][-1]["sqlstate"] == "28P01"
