"""Timers that are never early, and the watch on waiting clients, without a kernel."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import cast

import pytest

from crashloop.proxy.kernel.sock_diag import ESTABLISHED, SYN_SENT, SocketTable, TcpSocket
from crashloop.proxy.kernel.syn_watch import SynWatch
from crashloop.proxy.link.timers import Timers


class HastyLoop:
    """A loop that calls back at once, whatever it was told."""

    def __init__(self) -> None:
        self.pending: list[Callable[[], None]] = []

    def add_reader(self, _: int, callback: Callable[[], None]) -> None:
        self.pending.append(callback)

    def remove_reader(self, _: int) -> None:
        self.pending.clear()

    def call_later(self, _: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        self.pending.append(callback)
        return cast("asyncio.TimerHandle", self)

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.pending.append(callback)

    def cancel(self) -> None:
        pass


@pytest.mark.parametrize("has_timerfd", [True, False])
def test_a_timer_waits_again_when_its_loop_calls_early(
    monkeypatch: pytest.MonkeyPatch, *, has_timerfd: bool
) -> None:
    if not has_timerfd:
        monkeypatch.setattr(sys, "platform", "darwin")
    now_ns = 0
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns)
    loop = HastyLoop()
    fired: list[int] = []
    timers = Timers(cast("asyncio.AbstractEventLoop", loop))
    timers.at(2_000_000, lambda: fired.append(now_ns))
    while now_ns < 2_000_000:
        assert not fired
        now_ns += 250_000
        loop.pending[-1]()
    timers.close()
    assert fired == [2_000_000]


def test_timers_that_are_set_while_others_expire_keep_their_order() -> None:
    async def scenario() -> list[str]:
        called: list[str] = []
        done = asyncio.Event()
        timers = Timers(asyncio.get_running_loop())
        now_ns = time.monotonic_ns()

        def first() -> None:
            called.append("first")
            timers.at(now_ns + 30_000_000, last)

        def last() -> None:
            called.append("third")
            done.set()

        timers.at(now_ns + 20_000_000, lambda: called.append("second"))
        timers.at(now_ns + 40_000_000, lambda: called.append("never")).cancel()
        timers.at(now_ns + 10_000_000, first)
        await asyncio.wait_for(done.wait(), 5)
        timers.close()
        return called

    assert asyncio.run(scenario()) == ["first", "second", "third"]


class Table:
    """Answers with what a test puts in."""

    def __init__(self) -> None:
        self.sockets: list[TcpSocket] = []

    def read(self, *states: int) -> list[TcpSocket]:
        return [each for each in self.sockets if each.state in states]


def a_socket(
    state: int = SYN_SENT, inode: int = 7, port: int = 5432, local_port: int = 40000
) -> TcpSocket:
    return TcpSocket(
        state=state,
        local_host="127.0.0.1",
        local_port=local_port,
        remote_host="127.0.0.1",
        remote_port=port,
        inode=inode,
        retransmit_in_s=0.5,
    )


class Watched:
    def __init__(self, probe_port: int | None = None) -> None:
        self.table = Table()
        self.events: list[tuple[str, object, object]] = []
        self.watch = SynWatch(
            fault_id="hole",
            table=cast("SocketTable", self.table),
            host="127.0.0.1",
            port=5432,
            is_own=lambda port: port == probe_port,
            pids=tuple,
            emit=self._emit,
        )

    def _emit(self, kind: str, data: dict[str, object], /) -> int:
        self.events.append((kind, data["inode"], data.get("reason")))
        return len(self.events)


def test_a_waiting_client_is_seen_once_and_gone_once() -> None:
    watched = Watched()
    watched.table.sockets = [a_socket()]
    watched.watch.sample()
    watched.watch.sample()
    watched.table.sockets = []
    watched.watch.sample()
    watched.watch.sample()
    assert watched.events == [("gate.syn_seen", 7, None), ("gate.syn_gone", 7, "gone")]


def test_a_client_that_connected_since_the_last_sample_does_not_count_as_gone() -> None:
    watched = Watched()
    watched.table.sockets = [a_socket()]
    watched.watch.sample()
    watched.table.sockets = [a_socket(ESTABLISHED)]

    def admit() -> None:
        waiting = watched.watch.find(("127.0.0.1", 40000))
        assert waiting is not None
        watched.watch.end(waiting, "admitted")

    watched.watch.sample(admit)
    assert watched.events[-1] == ("gate.syn_gone", 7, "admitted")
    assert len(watched.events) == 2


@pytest.mark.parametrize("other", [a_socket(port=1), a_socket(inode=0), a_socket(local_port=99)])
def test_other_ports_orphans_and_the_gates_own_probe_are_not_receipts(other: TcpSocket) -> None:
    watched = Watched(probe_port=99)
    watched.table.sockets = [other]
    watched.watch.sample()
    assert watched.events == []


def test_a_new_socket_on_an_old_port_is_not_the_client_that_waited() -> None:
    watched = Watched()
    watched.table.sockets = [a_socket()]
    watched.watch.sample()
    watched.table.sockets = [a_socket(ESTABLISHED, inode=8)]
    assert watched.watch.find(("127.0.0.1", 40000)) is None
