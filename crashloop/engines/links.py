"""Which life an event of the proxy or of a server belongs to, by the link that it is about."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from crashloop.model import Life
    from crashloop.trace.recorder import Recorder

PROCESS_FIELDS = ("client_pid", "client_session", "pid", "session")


class _ServerEvent(NamedTuple):
    """An event of a server."""

    source: str
    kind: str
    data: Mapping[str, Any]
    target: str
    life: Life | None
    mono_ns: int

    @property
    def client(self) -> tuple[str, str]:
        """The address from which the target saw its client."""
        return self.target, str(self.data.get("client"))


class Links:
    """Records the events of the proxy and of the servers behind it, each with its life.

    A life's processes are its own and those of its session. All later events of a link have the
    life of its `link.opened`. `without_pids`: the system cannot say whose a TCP socket is, as on
    macOS, so a link with no process belongs to the life that ran when it was opened, if the run
    has one replica only. A server's event has the life whose link came from its `client`. Of the
    targets `pooled`, the client is a pooler, which is nobody's.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        without_pids: bool | None = None,
        pooled: Collection[str] = (),
    ) -> None:
        self._recorder = recorder
        self._pooled = frozenset(pooled)
        self._without_pids = sys.platform != "linux" if without_pids is None else without_pids
        self._lives: dict[int, Life] = {}
        self._ran_ns: dict[Life, tuple[int, int | None]] = {}
        self._lives_of_links: dict[str, Life | None] = {}
        self._clients: dict[tuple[str | None, str], Life | None] = {}
        self._waiting: list[_ServerEvent] = []

    def begin(self, life: Life, pid: int) -> None:
        """A life has started as this process, the leader of a session."""
        self._lives[pid] = life
        self._ran_ns[life] = (time.monotonic_ns(), None)

    def end(self, life: Life) -> None:
        """A life has ended; what arrives late of its links is still its own."""
        self._ran_ns[life] = (self._ran_ns[life][0], time.monotonic_ns())

    def record(
        self,
        kind: str,
        data: Mapping[str, Any],
        mono_ns: int,
        /,
        *,
        target: str | None = None,
        source: str = "proxy",
    ) -> None:
        """Record an event about a link or a process: of the proxy, or of another `source`."""
        life = self._life(kind, data, mono_ns)
        client = (target, str(data.get("via")))
        if "via" in data:
            self._clients[client] = life
        self._recorder.emit(source, kind, data, life=life, target=target, mono_ns=mono_ns)
        if "via" in data:
            self._record_waiting(lambda event: event.client == client)

    def record_of_server(
        self,
        source: str,
        kind: str,
        data: Mapping[str, Any],
        *,
        target: str,
        life: Life | None = None,
    ) -> None:
        """Record an event of a server, or of the system about a life.

        If its client is not known yet, because a server may be heard before the proxy is, it waits
        for the client's link, or for `settled`.
        """
        event = _ServerEvent(source, kind, data, target, life, time.monotonic_ns())
        is_awaited = data.get("client") is not None and target not in self._pooled
        if is_awaited and event.client not in self._clients:
            self._waiting.append(event)
        else:
            self._record_now(event)

    def settled(self) -> None:
        """All events of the proxy until now are recorded: what still waits has no link."""
        self._record_waiting(lambda _: True)

    def _record_waiting(self, due: Callable[[_ServerEvent], bool]) -> None:
        found = [event for event in self._waiting if due(event)]
        self._waiting = [event for event in self._waiting if event not in found]
        for event in found:
            self._record_now(event)

    def _record_now(self, event: _ServerEvent) -> None:
        self._recorder.emit(
            event.source,
            event.kind,
            event.data,
            life=event.life or self._clients.get(event.client),
            target=event.target,
            mono_ns=event.mono_ns,
        )

    def opened(self) -> frozenset[str]:
        """The names of all links so far."""
        return frozenset(self._lives_of_links)

    def clients(self, life: Life, target: str) -> list[str]:
        """The addresses, `host:port`, from which a dependency sees a life's links.

        Where there is one replica, a link of an unknown process counts for each of its lives.
        """
        owners = {life, None} if self._has_one_replica() else {life}
        return [
            client
            for (where, client), owner in self._clients.items()
            if where == target and owner in owners
        ]

    def _life(self, kind: str, data: Mapping[str, Any], mono_ns: int) -> Life | None:
        link = data.get("link")
        if isinstance(link, str) and link in self._lives_of_links:
            return self._lives_of_links[link]
        pids = [data.get(name) for name in PROCESS_FIELDS]
        life = next((self._lives[pid] for pid in pids if pid in self._lives), None)
        if kind == "link.opened" and isinstance(link, str):
            if self._without_pids and data.get("client_pid") is None:
                life = self._only_life(mono_ns)
            self._lives_of_links[link] = life
        return life

    def _only_life(self, mono_ns: int) -> Life | None:
        if not self._has_one_replica():
            return None
        for life, (begun_ns, ended_ns) in self._ran_ns.items():
            if begun_ns <= mono_ns and (ended_ns is None or mono_ns <= ended_ns):
                return life
        return None

    def _has_one_replica(self) -> bool:
        return len({life.replica for life in self._ran_ns}) == 1
