"""Errors in Postgres' log on Docker: whose they are, and which are the harness's own."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker_cases import recorder

from crashloop.engines.docker.database_errors import DatabaseErrors
from crashloop.engines.docker.path_events import PathEvents
from crashloop.errors import HarnessError
from crashloop.model import Life, Transport

if TYPE_CHECKING:
    from crashloop.trace.event import Event

APP_HOST = "172.18.0.5"
STAMP = "2026-01-01 12:00:00.000 UTC [77] 2026-01-01 12:00:00 UTC 695661c0.4d"
APP, BASELINE, HARNESS = "172.19.0.3(50000)", "172.19.0.3(50001)", "172.19.0.1(60000)"


def refused(client: str) -> str:
    return f"{STAMP} 53300 {client} app FATAL:  sorry, too many clients already"


class Log:
    """The log of a run; `recorded` are the events that its lines became."""

    def __init__(self) -> None:
        record = recorder()
        lives = [SimpleNamespace(life=Life(2, 1), address=(APP_HOST, 8080), pid=7, started_ns=0)]
        self.path = PathEvents(Transport.TCP, record, lambda: cast("Any", lives))
        self.known = asyncio.Event()
        self.errors = DatabaseErrors(record, self.path, settle=self.known.wait)
        self._links("toxi-1", f"{APP_HOST}:40000", via="172.19.0.3:50000")
        self._links("toxi-2", "172.18.0.9:40000", via="172.19.0.3:50001")
        self.known.set()
        self._record = record

    @property
    def recorded(self) -> list[Event]:
        return [event for event in self._record.events if event.source == "database"]

    def _links(self, link: str, client: str, *, via: str) -> None:
        for kind, more in (("opened", {}), ("connected", {"via": via})):
            self.path.on_witness(kind, {"link": link, "client": client, **more}, 1)


@pytest.mark.parametrize(("client", "life"), [(APP, Life(2, 1)), (BASELINE, None)])
async def test_an_error_is_of_the_life_whose_link_the_client_is(
    client: str, life: Life | None
) -> None:
    log = Log()

    log.errors.line(refused(client), 17)
    await log.errors.settle()

    (event,) = log.recorded
    assert (event.kind, event.source, event.target) == ("database.error", "database", "postgres")
    assert (event.life, event.mono_ns, event.data["sqlstate"]) == (life, 17, "53300")


async def test_an_error_of_a_client_that_did_not_come_through_the_path_is_the_harnesss_own() -> (
    None
):
    log = Log()

    log.errors.line(refused(HARNESS), 17)
    await log.errors.settle()

    assert log.recorded == []


async def test_an_error_that_came_through_a_pooler_is_recorded_as_nobodys() -> None:
    log = Log()
    log.path.pooler = "172.19.0.7"

    log.errors.line(refused("172.19.0.7(50000)"), 17)
    log.errors.line(refused(HARNESS), 18)
    await log.errors.settle()

    assert [(e.life, e.mono_ns) for e in log.recorded] == [(None, 17)]


async def test_an_error_of_the_server_itself_has_no_client() -> None:
    log = Log()

    log.errors.line(f"{STAMP} XX000 PANIC:  could not write", 17)
    await log.errors.settle()

    assert [(e.life, e.data["sqlstate"]) for e in log.recorded] == [(None, "XX000")]


async def test_an_error_whose_link_is_not_known_yet_waits_for_it_and_keeps_its_instant() -> None:
    log = Log()
    log.known.clear()
    log.errors.line(refused(APP), 17)
    settling = asyncio.ensure_future(log.errors.settle())
    await asyncio.sleep(0)
    assert log.recorded == []

    log.known.set()
    await settling

    assert [(e.life, e.mono_ns) for e in log.recorded] == [(Life(2, 1), 17)]


async def test_a_witness_that_has_missed_something_is_not_passed_over() -> None:
    async def settle() -> None:
        raise HarnessError("3 segments were not read")

    path = PathEvents(Transport.TCP, recorder(), list)
    errors = DatabaseErrors(recorder(), path, settle=settle)
    errors.line(refused(APP), 17)

    with pytest.raises(HarnessError, match="not read"):
        await errors.settle()


async def test_nothing_is_recorded_after_the_end() -> None:
    log = Log()
    log.known.clear()
    log.errors.line(refused(APP), 17)

    await log.errors.close()

    assert log.recorded == []


async def test_what_is_logged_after_the_end_is_not_recorded() -> None:
    log = Log()
    await log.errors.close()

    log.errors.line(refused(APP), 17)
    await log.errors.settle()

    assert log.recorded == []
