"""SIGTERM during start-up, under uvicorn on both of its event loops."""

from __future__ import annotations

from signal import SIGTERM
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.app.conftest import DEADLINE_S
from tests.app.test_golden_path import connections_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.conftest import StartApp

EARLY = 0.99  # uvloop's timers count whole milliseconds

LONGER_THAN_THE_TEST_S = 10 * DEADLINE_S


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_without_the_remedy_a_start_that_hangs_outlives_sigterm_until_its_limit(
    loop: str, start_app: StartApp, silent_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UVICORN_LOOP", loop)
    async with start_app(database_url=silent_url, phase_database_limit_s=0.5) as app:
        await app.event("phase.started", "database")
        await app.stop()
        failed = await app.event("phase.failed", "database")
        assert failed["duration_s"] >= 0.5 * EARLY
        assert not app.all_of("startup.cancelled")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_sigterm_cancels_a_start_that_hangs_and_the_process_ends_by_the_signal(
    loop: str, start_app: StartApp, silent_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UVICORN_LOOP", loop)
    async with start_app(
        database_url=silent_url,
        phase_database_limit_s=LONGER_THAN_THE_TEST_S,
        remedy_sigterm=True,
    ) as app:
        await app.event("phase.started", "database")
        assert await app.stop() == -SIGTERM
        assert [line["event"] for line in app.events[-2:]] == [
            "remedy.signal_honoured",
            "startup.cancelled",
        ]
        assert not app.all_of("phase.failed")


async def test_sigterm_during_start_up_closes_the_connections_that_are_open(
    start_app: StartApp, database_url: str
) -> None:
    name = f"sigterm-{uuid4().hex[:12]}"
    async with start_app(
        "slow_services:app",
        database_url=database_url,
        application_name=name,
        phase_services_limit_s=LONGER_THAN_THE_TEST_S,
        remedy_sigterm=True,
    ) as app:
        await app.event("phase.started", "services")
        assert await connections_of(name, database_url) == 1
        assert await app.stop() == -SIGTERM
        assert await connections_of(name, database_url) == 0


async def test_sigterm_after_start_up_is_left_to_the_server(
    start_app: StartApp, database_url: str
) -> None:
    async with start_app(database_url=database_url, remedy_sigterm=True) as app:
        await app.event("startup.completed")
        assert await app.stop() == -SIGTERM
        assert app.all_of("shutdown.completed")
        assert not app.all_of("remedy.signal_honoured")


@pytest.mark.slow
async def test_a_second_sigterm_does_not_interrupt_the_closing(
    start_app: StartApp, silent_url: str
) -> None:
    async with start_app(
        database_url=silent_url,
        phase_database_limit_s=LONGER_THAN_THE_TEST_S,
        remedy_sigterm=True,
    ) as app:
        await app.event("phase.started", "database")
        app.process.send_signal(SIGTERM)
        app.process.send_signal(SIGTERM)
        assert await app.exit_code() == -SIGTERM
        assert len(app.all_of("startup.cancelled")) == 1


@pytest.fixture(autouse=True)
def _an_app_whose_services_hang(tmp_path: Path) -> None:
    (tmp_path / "slow_services.py").write_text(
        "import asyncio\n"
        "from app_under_test.main import create_app\n"
        "from app_under_test.phases import variant\n"
        "async def hang(_):\n"
        "    await asyncio.Event().wait()\n"
        "app = create_app(phases=variant(services=hang), module='slow_services')\n"
    )
