"""What the side-car and the witness report, as events of the trace, each with its life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.model import CONTROL, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from crashloop.engines.docker.container import ContainerLife
    from crashloop.model import Life
    from crashloop.trace.recorder import Recorder

POSTGRES = "postgres"
_LINK_KINDS = {"opened": "link.opened", "connected": "link.connected", "closed": "link.closed"}
_GATE_KINDS = {"syn": "gate.syn_seen", "refused": "gate.refused"}


class PathEvents:
    """Records what happens on the paths, until it is `closed`.

    Over TCP a link is a life's if the client has the address of its container, whichever process
    in there opened it; over a Unix socket if the client is the container's main process or of its
    session. Where a run has one replica, a link over a Unix socket whose process is unknown is its
    last life's, less the control life once it has ended.

    `transport` is that of the path to Postgres. Over TCP its links are Toxiproxy's. Over the Unix
    socket they are the side-car's, and a chunk that Toxiproxy delayed is recorded for that link:
    the side-car dials it from the address `via`.

    Behind a pooler, which has the host `pooler`, Postgres' client is that, and nobody's life.
    """

    def __init__(
        self,
        transport: Transport,
        recorder: Recorder,
        lives: Callable[[], Iterable[ContainerLife]],
        *,
        several: bool = False,
    ) -> None:
        self.links: dict[str, Life | None] = {}
        self.closed = False
        self.pooler: str | None = None
        self._transport = transport
        self._recorder = recorder
        self._lives = lives
        self._several = several
        self._by_via: dict[str, str] = {}
        self._early: dict[str, list[tuple[dict[str, Any], int]]] = {}
        self._clients: dict[str, str] = {}

    def on_sidecar(
        self, kind: str, data: Mapping[str, Any], mono_ns: int, /, *, target: str | None = None
    ) -> None:
        """Record an event of the side-car's proxy."""
        if self.closed:
            return
        link = data.get("link")
        if not isinstance(link, str):
            self._recorder.emit("proxy", kind, data, target=target, mono_ns=mono_ns)
            return
        if link not in self.links:
            its = self._its_life(data, mono_ns)
            self.links[link] = its.life if its else None
            if "client" in data:
                data = {**data, "client_pid": its.pid if its else None}
        life = self.links[link]
        self._recorder.emit("proxy", kind, data, life=life, target=target, mono_ns=mono_ns)
        if target != POSTGRES:
            return
        if kind == "link.closed":
            self._by_via = {via: name for via, name in self._by_via.items() if name != link}
        if kind == "link.connected" and "via" in data:
            self._by_via[data["via"]] = self._clients[data["via"]] = link
            for delayed, at_ns in self._early.pop(data["via"], ()):
                self._delayed(delayed, at_ns, link)

    def on_witness(self, kind: str, data: Mapping[str, Any], mono_ns: int) -> None:
        """Record what was seen at Toxiproxy's port."""
        if self.closed:
            return
        if kind == "connected":
            # Over the Unix socket Toxiproxy's client is the side-car, of which `via` is known.
            self._clients[data["via"]] = (
                data["link"] if self._transport is Transport.TCP else data["client"]
            )
        if kind.startswith("gate."):
            self._emit(kind, data, mono_ns)
        elif kind == "passed":
            self._passed(dict(data), mono_ns)
        elif kind == "delays":
            self._delays(data, mono_ns)
        elif self._transport is Transport.TCP:
            self._link_or_gate(kind, data, mono_ns)

    def knows(self, client: str) -> bool:
        """Whether a link reached Postgres from this `host:port`, or through the pooler.

        The harness itself uses no link.
        """
        return client in self._clients or client.rpartition(":")[0] == self.pooler

    def owner(self, client: str) -> Life | None:
        """The life whose link reached Postgres most recently from this `host:port`, if any."""
        link = self._clients.get(client, client)
        return self.links.get(self._clients.get(link, link))

    def clients(self, life: Life) -> list[str]:
        """Each `host:port` from which Postgres has seen links of a life."""
        return [client for client in self._clients if self.owner(client) == life]

    def _link_or_gate(self, kind: str, data: Mapping[str, Any], mono_ns: int) -> None:
        its = self._life_of(data["client"], mono_ns)
        life, pid = (its.life, its.pid) if its else (None, None)
        if kind in _LINK_KINDS:
            life = self.links.setdefault(data["link"], life)
            more = {"client_pid": pid} if kind == "opened" else {}
            self._emit(_LINK_KINDS[kind], {**data, **more}, mono_ns, life)
        elif data["fault"]:
            self._emit(_GATE_KINDS[kind], {**data, "pid": pid}, mono_ns, life)

    def _passed(self, data: dict[str, Any], mono_ns: int) -> None:
        """Record a chunk that was passed on, if a fault delayed it."""
        if not data["fault"]:
            return
        if self._transport is Transport.TCP:
            self._delayed(data, mono_ns, data["link"])
            return
        link = self._by_via.get(data["client"])
        if link is None:
            # The side-car has not reported this link yet.
            self._early.setdefault(data["client"], []).append((data, mono_ns))
        else:
            self._delayed(data, mono_ns, link)

    def _delayed(self, data: Mapping[str, Any], mono_ns: int, link: str) -> None:
        more = {**data, "link": link, "direction": "downstream"}
        self._emit("link.delayed", more, mono_ns, self.links.get(link))

    def _delays(self, data: Mapping[str, Any], mono_ns: int) -> None:
        """Record how late all chunks of a link came together."""
        is_tcp = self._transport is Transport.TCP
        link = data["link"] if is_tcp else self._clients.get(data["client"], "")
        if not link:
            return  # the side-car never reported it
        total = {"fault": data["fault"], "chunks": data["chunks"], "delay_s": data["delay_s"]}
        said = {"link": link, "bytes_down": data["chunk_bytes"], "delays": [total]}
        self._emit("link.delays", said, mono_ns, self.links.get(link))

    def _emit(
        self, kind: str, data: Mapping[str, Any], mono_ns: int, life: Life | None = None
    ) -> None:
        # Not of source proxy: its events arrive by another way and may overtake these.
        self._recorder.emit("platform", kind, data, life=life, target=POSTGRES, mono_ns=mono_ns)

    def _its_life(self, data: Mapping[str, Any], mono_ns: int) -> ContainerLife | None:
        if "client" in data:
            return self._life_of(data["client"], mono_ns)
        pids = {data.get("client_pid"), data.get("client_session")} - {None}
        its = next((each for each in self._lives() if each.pid in pids), None)
        if its or self._several:
            return its
        # The harness's own links come after the control life.
        lives = [each for each in self._lives() if each.life != CONTROL or not each.ended.is_set()]
        return self._last(lives, mono_ns)

    def _life_of(self, client: str, mono_ns: int) -> ContainerLife | None:
        """The last life at this container's address; None for any other client."""
        host, _, _ = client.rpartition(":")
        there = [each for each in self._lives() if each.address and each.address[0] == host]
        return self._last(there, mono_ns)

    @staticmethod
    def _last(lives: Iterable[ContainerLife], mono_ns: int) -> ContainerLife | None:
        """The last of these lives that had started by then."""
        begun = [each for each in lives if each.started_ns <= mono_ns]
        return max(begun, key=lambda each: each.started_ns, default=None)
