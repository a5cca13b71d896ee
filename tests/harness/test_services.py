"""A service that runs already, as a dependency of a local run: a path of its own, and faults."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import pytest
from local_runs import opened

from crashloop.errors import UsageError
from crashloop.faults import plan
from crashloop.model import AppUnderTest, Dependency, Moment, Trigger
from crashloop.proxy.faults import Refuse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CALLS = """
import sys, urllib.request
print("heard", urllib.request.urlopen(sys.argv[1]).read().decode(), flush=True)
"""
APP = AppUnderTest(
    name="calls",
    command=("{python}", "-c", CALLS, "{services.payments.url}/x"),
    services={"payments": "set by the test"},
)


@contextlib.asynccontextmanager
async def payments() -> AsyncIterator[Dependency]:
    """A service that answers every request."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\npaid")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield dependency(server.sockets[0].getsockname()[1])


def dependency(port: int) -> Dependency:
    return Dependency(name="payments", kind="tcp", settings={"upstream": f"127.0.0.1:{port}"})


async def test_the_app_reaches_a_service_through_a_path_of_its_own(tmp_path: Path) -> None:
    async with payments() as service, opened(tmp_path, APP, service) as run:
        await run.engine.baseline()
        (passed,) = run.of("baseline.passed")
        assert (passed.target, passed.data["query"]) == ("payments", "connect")
        async with run.replicas():
            (said, *_) = await run.until("app.output")
        assert said.data["text"] == "heard paid"
        links = [event for event in run.of("link.connected") if event.life == (1, 1)]
        assert [event.target for event in links] == ["payments"]


async def test_a_fault_of_the_proxy_acts_on_a_service(tmp_path: Path) -> None:
    async with payments() as service, opened(tmp_path, APP, service) as run:
        await run.engine.ports.path("payments").inject("away", Refuse())
        async with run.replicas():
            (ended, *_) = await run.until("process.exited")
        assert ended.data["exit_code"] == 1
        assert {event.target for event in run.of("gate.refused")} == {"payments"}


async def test_a_service_that_does_not_run_is_named_before_anything_happens(
    tmp_path: Path,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(BaseExceptionGroup) as refused:
            async with opened(tmp_path, APP, dependency(port)):
                pass
    (error,) = refused.value.exceptions
    assert isinstance(error, UsageError)
    assert f"the service payments takes no connection at 127.0.0.1:{port}" in error.message


def test_a_fault_can_be_planned_for_a_service_by_its_kind() -> None:
    now = Trigger(first_of=(Moment(on="process.started"),))
    planned = plan(
        name="away", target="payments", target_kind="tcp", kind="hold", inject=now, heal=now
    )
    assert planned.target == "payments"
