"""Which life each link of the fault proxy belongs to, by the process at its end."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model import Life
    from crashloop.trace.recorder import Recorder

PROCESS_FIELDS = ("client_pid", "client_session", "pid", "session")


class Links:
    """Records the proxy's events, each with the life of the process that it names.

    A life's processes are its own and those of its session. All later events of a link have the
    life of its `link.opened`. `without_pids`: the system cannot say whose a TCP socket is, as on
    macOS, so a link with no process belongs to the life that ran when it was opened, if the run
    has one replica only.
    """

    def __init__(self, recorder: Recorder, *, without_pids: bool | None = None) -> None:
        self._recorder = recorder
        self._without_pids = sys.platform != "linux" if without_pids is None else without_pids
        self._lives: dict[int, Life] = {}
        self._ran_ns: dict[Life, tuple[int, int | None]] = {}
        self._lives_of_links: dict[str, Life | None] = {}
        self._clients: dict[str, Life | None] = {}

    def begin(self, life: Life, pid: int) -> None:
        """A life has started as this process, the leader of a session."""
        self._lives[pid] = life
        self._ran_ns[life] = (time.monotonic_ns(), None)

    def end(self, life: Life) -> None:
        """A life has ended; what arrives late of its links is still its own."""
        self._ran_ns[life] = (self._ran_ns[life][0], time.monotonic_ns())

    def record(
        self, kind: str, data: Mapping[str, Any], mono_ns: int, /, *, target: str | None = None
    ) -> None:
        """Record an event of the proxy."""
        life = self._life(kind, data, mono_ns)
        if isinstance(via := data.get("via"), str):
            self._clients[via] = life
        self._recorder.emit("proxy", kind, data, life=life, target=target, mono_ns=mono_ns)

    def opened(self) -> frozenset[str]:
        """The names of all links so far."""
        return frozenset(self._lives_of_links)

    def owner(self, client: str) -> Life | None:
        """The life whose link reached its dependency from this `host:port` most recently."""
        return self._clients.get(client)

    def clients(self, life: Life) -> list[str]:
        """The addresses, `host:port`, from which dependencies see a life's links."""
        return [client for client, owner in self._clients.items() if owner == life]

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
        if len({life.replica for life in self._ran_ns}) > 1:
            return None
        for life, (begun_ns, ended_ns) in self._ran_ns.items():
            if begun_ns <= mono_ns and (ended_ns is None or mono_ns <= ended_ns):
                return life
        return None
