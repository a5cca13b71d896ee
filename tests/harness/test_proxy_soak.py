"""The proxy under thousands of connections: it does not grow and loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest
from proxied import LOOPBACK
from proxy_vitals import Vitals, answers_at_once, eventually, vitals
from toxiproxy_server import running_built_in

from crashloop.proxy import AcceptClose, Hold
from crashloop.proxy.control import Control

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from toxiproxy_server import ProxyServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the process in /proc")

MIB = 1024 * 1024
QUESTION = b"q" * 100
ANSWER = b"a" * 300


@pytest.fixture(autouse=True)
def room_for_connections() -> Iterator[None]:
    """Allow many open files: both ends of each connection are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyServer]:
    with running_built_in(tmp_path_factory.mktemp("proxy"), seed=7) as server:
        yield server


@contextlib.asynccontextmanager
async def answering() -> AsyncIterator[int]:
    """A server that answers each question; yields its port."""
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readexactly(len(QUESTION))
            writer.write(ANSWER)
            await writer.drain()
            await reader.read(1)
        writer.close()

    server = await asyncio.start_server(serve, *LOOPBACK, backlog=4096)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.wait(filter(None, serving))


def report(what: str, before: Vitals, after: Vitals) -> None:
    figures = f"{before.memory_bytes / MIB:.1f} -> {after.memory_bytes / MIB:.1f} MiB"
    sys.stdout.write(f"\n{what} {figures}\n")


def make(control: Control, port: int) -> int:
    return control.create("db", upstream=f"127.0.0.1:{port}").port


async def ask(port: int) -> bool:
    """Ask on one connection; whether the whole answer came."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    try:
        writer.write(QUESTION)
        return await reader.readexactly(len(ANSWER)) == ANSWER
    except (ConnectionError, asyncio.IncompleteReadError):
        return False
    finally:
        writer.close()


async def all_closed(control: Control) -> None:
    await asyncio.to_thread(eventually, lambda: not control.links("db"), "every link is closed")


async def ask_many(port: int, count: int, at_once: int = 50) -> int:
    answered = 0
    for _ in range(count // at_once):
        answered += sum(await asyncio.gather(*(ask(port) for _ in range(at_once))))
    return answered


def sent_bytes(server: ProxyServer) -> Counter[str]:
    text = httpx.get(f"{server.url}/metrics", trust_env=False).text
    found: Counter[str] = Counter()
    for line in text.splitlines():
        for direction in ("upstream", "downstream"):
            if line.startswith(f'toxiproxy_proxy_sent_bytes_total{{direction="{direction}"'):
                found[direction] += int(float(line.rsplit(" ", 1)[1]))
    return found


@pytest.mark.slow
async def test_ten_thousand_connections_leave_only_their_totals(server: ProxyServer) -> None:
    control = Control(server.url)
    async with answering() as upstream:
        port = make(control, upstream)
        # First the journal of events fills up to its bound, which is not growth.
        assert await ask_many(port, 23_000) == 23_000
        before = vitals(server.pid)
        first = sent_bytes(server)

        assert await ask_many(port, 10_000) == 10_000

        await all_closed(control)
        after = vitals(server.pid)
        grown = sent_bytes(server) - first
    report("memory", before, after)
    assert grown == {"upstream": 10_000 * len(QUESTION), "downstream": 10_000 * len(ANSWER)}
    assert after.memory_bytes < before.memory_bytes + 5 * MIB
    assert after.descriptors <= before.descriptors
    kept = list(control.events())
    assert kept[0]["kind"] == "events.missed"
    numbers = [event["seq"] for event in kept[1:]]
    assert numbers == list(range(kept[0]["data"]["count"] + 1, control.last_seq + 1))
    closed = [event["data"] for event in kept if event["kind"] == "link.closed"]
    assert {each["bytes_up"] for each in closed[-10_000:]} == {len(QUESTION)}
    assert {each["bytes_down"] for each in closed[-10_000:]} == {len(ANSWER)}


@pytest.mark.slow
async def test_two_thousand_connections_held_for_a_minute_are_all_served_at_the_heal(
    server: ProxyServer,
) -> None:
    control = Control(server.url)
    async with answering() as upstream:
        port = make(control, upstream)
        await ask_many(port, 500)
        control.inject("db", "hold", Hold())
        asking = [asyncio.create_task(ask(port)) for _ in range(2000)]
        await asyncio.to_thread(
            eventually, lambda: len(control.links("db")) == 2000, "2000 are held", 30
        )
        begun = vitals(server.pid)
        done, _ = await asyncio.wait(asking, timeout=60)
        assert not done, "held means held"
        held = vitals(server.pid)
        control.heal("db", "hold")
        assert all(await asyncio.gather(*asking))
        await all_closed(control)
    report("memory while held", begun, held)
    assert held.memory_bytes < begun.memory_bytes + 5 * MIB
    released = [e["data"] for e in control.events() if e["kind"] == "link.released"]
    assert len(released) == 2000
    assert min(each["held_s"] for each in released) >= 60


@pytest.mark.slow
async def test_the_same_seed_takes_the_same_connections_and_another_does_not(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async def served(seed: int) -> list[bool]:
        with running_built_in(tmp_path_factory.mktemp("proxy"), seed=seed) as server:
            async with answering() as upstream:
                port = make(control := Control(server.url), upstream)
                control.inject("db", "some", AcceptClose(toxicity=0.5))
                answers = [await ask(port) for _ in range(30)]
                await all_closed(control)
            return answers

    first = await served(7)
    assert first == await served(7)
    assert first != await served(8)
    assert 5 < sum(first) < 25


LIMITED = """
import os, resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
os.execv(sys.executable, [sys.executable, "-P", "-m", "crashloop", "proxy", *sys.argv[2:]])
"""


@pytest.mark.parametrize("limit", ["60", "61"], ids=["even", "odd"])
async def test_without_descriptors_clients_wait_their_turn_and_none_is_lost(limit: str) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", LIMITED, limit),
        *("--api", "127.0.0.1:0", "--until-stdin-closes"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    line = (await child.stdout.readline()).decode()
    control = Control(line.split(" on ")[1].split(",")[0])
    async with answering() as upstream:
        port = await asyncio.to_thread(make, control, upstream)
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        served = [asyncio.create_task(ask(port)) for _ in range(20)]
        for _, writer in held:
            writer.close()
        assert all(await asyncio.gather(*served))
        await asyncio.to_thread(answers_at_once, control.url)
        kinds = Counter(event["kind"] for event in await asyncio.to_thread(list, control.events()))
    child.stdin.close()
    assert await asyncio.wait_for(child.wait(), 10) == 0
    assert kinds["gate.starved"] >= 1
    assert kinds["gate.starved"] - kinds["gate.fed"] in {0, 1}  # nobody may be left after the last
    assert kinds["link.opened"] == kinds["link.closed"] == 60
    assert kinds["link.failed"] == kinds["proxy.error"] == 0
