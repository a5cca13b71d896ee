"""The limit of phase database that follows from what earlier lives measured."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio
from gate import Gate
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from app_under_test.remedies.opening_time import OpeningTime, limit_from
from app_under_test.remedies.opening_times import KEY
from app_under_test.settings import SettingsError, load
from crashloop.engines.cache import cache
from crashloop.engines.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.app.conftest import StartApp

SECONDS = st.floats(0.0, 500.0)
TIMES = st.lists(st.builds(OpeningTime, seconds=SECONDS, was_cut=st.booleans()), max_size=60)
LIMIT_S, LONGEST_S = 20.0, 200.0


def limit(*seconds: float, cut: tuple[float, ...] = (), percentile: int = 99) -> float:
    """The limit by times that were whole and times that were cut off."""
    whole = [OpeningTime(seconds=second, was_cut=False) for second in seconds]
    times = whole + [OpeningTime(seconds=second, was_cut=True) for second in cut]
    return limit_from(times, percentile=percentile, configured_s=LIMIT_S, longest_s=LONGEST_S)


def test_without_a_measurement_the_configured_limit_holds() -> None:
    assert limit() == LIMIT_S


def test_the_limit_is_the_nearest_rank_of_the_percentile() -> None:
    seconds = [float(second) for second in range(21, 121)]
    assert limit(*seconds, percentile=50) == 70.0
    assert limit(*seconds, percentile=99) == 119.0
    assert limit(*seconds, percentile=100) == 120.0
    assert limit(30.0) == 30.0


def test_quick_starts_do_not_shorten_the_configured_limit() -> None:
    assert limit(*[0.05] * 50) == LIMIT_S


def test_a_time_that_was_cut_off_ranks_above_all_others_and_doubles_the_limit() -> None:
    assert limit(cut=(20.0,)) == 40.0
    assert limit(25.0, cut=(20.0, 40.0)) == 80.0
    assert limit(*[70.0] * 59, cut=(20.0,), percentile=50) == 70.0


@given(TIMES, st.integers(50, 100))
def test_the_limit_is_longer_than_every_time_that_was_cut_off_up_to_its_bound(
    times: list[OpeningTime], percentile: int
) -> None:
    limit_s = limit_from(times, percentile=percentile, configured_s=LIMIT_S, longest_s=LONGEST_S)
    assert LIMIT_S <= limit_s <= LONGEST_S
    assert all(limit_s > time.seconds or limit_s == LONGEST_S for time in times if time.was_cut)


@given(TIMES.filter(bool), st.integers(50, 100))
def test_at_most_the_rest_of_the_percentile_took_longer_than_the_limit(
    times: list[OpeningTime], percentile: int
) -> None:
    whole = [OpeningTime(seconds=time.seconds, was_cut=False) for time in times]
    limit_s = limit_from(whole, percentile=percentile, configured_s=0.0, longest_s=1000.0)
    longer = sum(time.seconds > limit_s for time in whole)
    assert longer <= (100 - percentile) / 100 * len(whole)


@given(st.builds(OpeningTime, seconds=SECONDS, was_cut=st.booleans()))
def test_a_measurement_is_read_as_it_was_written(time: OpeningTime) -> None:
    assert OpeningTime.parse(time.text()) == time


BROKEN = ["", "{}", "[1.0]", "[1, true]", '["1", true]', "[NaN, true]", "[-1.0, true]", "[" * 9999]


@pytest.mark.parametrize("text", BROKEN, ids=lambda text: text[:12] or "nothing")
def test_a_broken_measurement_is_refused(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        OpeningTime.parse(text)


@pytest.mark.slow
async def test_a_start_that_was_cut_off_doubles_the_limit_of_the_next_and_passes_with_it(
    start_app: StartApp, database_url: str, tmp_path: Path
) -> None:
    kept = tmp_path / "times"
    async with Gate(make_url(database_url)) as gate:
        await gate.open()
        settings: dict[str, Any] = {
            "database_url": gate.url,
            "phase_database_limit_s": 0.5,
            "remedy_measured_limit": True,
            "measured_limit_file": kept,
        }
        gate.fall_silent()
        async with start_app(**settings) as app:
            assert await app.exit_code() == 3
            measured = await app.event("remedy.limit_measured")
            assert (measured["limit_s"], measured["times"]) == (0.5, 0)
        async with start_app(**settings) as app:
            measured = await app.event("remedy.limit_measured")
            assert (measured["times"], measured["cut"], measured["kept_in"]) == (1, 1, "file")
            started = await app.event("phase.started", "database")
            assert started["limit_s"] == measured["limit_s"] >= 1.0
            gate.speak()
            await app.event("startup.completed")
            assert await app.stop() in {0, -15}
    newest, oldest = map(OpeningTime.parse, kept.read_text().splitlines())
    assert (newest.was_cut, oldest.was_cut) == (False, True)
    assert oldest.seconds >= 0.5
    assert os.listdir(tmp_path) == ["times"]  # noqa: PTH208  nothing else is left beside it


@asynccontextmanager
async def a_cache(evidence: Path) -> AsyncIterator[str]:
    with workspace() as space:
        async with cache(space, emit=lambda *_: None, evidence=evidence) as server:
            yield server.url


async def test_the_cache_keeps_the_times_of_every_replica_up_to_a_bound(
    start_app: StartApp, database_url: str, tmp_path: Path
) -> None:
    async with a_cache(tmp_path) as cache_url, redis.asyncio.Redis.from_url(cache_url) as client:
        await client.rpush(KEY, *["[30.0, false]"] * 5)
        async with start_app(
            database_url=database_url,
            cache_url=cache_url,
            remedy_measured_limit=True,
            measured_limit_times=3,
            measured_limit_file=tmp_path / "times",
        ) as app:
            measured = await app.event("remedy.limit_measured")
            assert (measured["limit_s"], measured["times"]) == (30.0, 3)
            assert measured["kept_in"] == "cache"
            await app.event("startup.completed")
        texts = await client.lrange(KEY, 0, -1)
        assert OpeningTime.parse(texts[0]).seconds < 30.0
        assert texts[1:] == [b"[30.0, false]"] * 2
        assert not (tmp_path / "times").exists()


async def test_a_cache_that_is_silent_delays_a_start_by_its_bound_and_the_file_is_used(
    start_app: StartApp, database_url: str, silent_url: str, tmp_path: Path
) -> None:
    port = silent_url.rpartition(":")[2].partition("/")[0]
    kept = tmp_path / "times"
    kept.write_text("[44.0, false]\n")
    async with start_app(
        database_url=database_url,
        cache_url=f"redis://127.0.0.1:{port}/0",
        cache_socket_timeout_s=0.1,
        remedy_measured_limit=True,
        measured_limit_wait_s=0.2,
        measured_limit_file=kept,
    ) as app:
        measured = await app.event("remedy.limit_measured")
        assert (measured["limit_s"], measured["kept_in"]) == (44.0, "file")
        await app.event("startup.completed")
        assert len(app.all_of("remedy.times_not_kept")) == 2
        assert len(kept.read_text().splitlines()) == 2


async def test_a_broken_file_is_ignored_with_a_line_and_replaced(
    start_app: StartApp, database_url: str, tmp_path: Path
) -> None:
    kept = tmp_path / "times"
    kept.write_text("[44.0, false]\nbroken")
    async with start_app(
        database_url=database_url, remedy_measured_limit=True, measured_limit_file=kept
    ) as app:
        assert (await app.event("remedy.limit_measured"))["limit_s"] == LIMIT_S
        await app.event("startup.completed")
        assert "used from the file" in (await app.event("remedy.times_not_kept"))["message"]
        assert OpeningTime.parse(kept.read_text()).was_cut is False


async def test_a_file_that_cannot_be_written_does_not_stop_the_start(
    start_app: StartApp, database_url: str, tmp_path: Path
) -> None:
    async with start_app(
        database_url=database_url,
        remedy_measured_limit=True,
        measured_limit_file=tmp_path / "missing" / "times",
    ) as app:
        await app.event("startup.completed")
        assert "kept in the file" in (await app.event("remedy.times_not_kept"))["message"]


async def test_a_refused_database_is_no_measurement(
    start_app: StartApp, refusing_url: str, tmp_path: Path
) -> None:
    kept = tmp_path / "times"
    async with start_app(
        database_url=refusing_url, remedy_measured_limit=True, measured_limit_file=kept
    ) as app:
        assert await app.exit_code() == 3
    assert not kept.exists()


def test_a_measured_limit_as_long_as_the_start_up_probe_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APP_DATABASE_URL", "postgresql+asyncpg://app:hidden@127.0.0.1:1/app")
    monkeypatch.setenv("APP_STARTUP_PROBE_S", "200")
    assert load().measured_limit_longest_s == 200.0
    monkeypatch.setenv("APP_REMEDY_MEASURED_LIMIT", "true")
    with pytest.raises(SettingsError, match="APP_MEASURED_LIMIT_LONGEST_S must be below"):
        load()
