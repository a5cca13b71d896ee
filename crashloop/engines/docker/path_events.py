"""What side-car and witness tell, as events of the trace, each with its attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.model import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crashloop.engines.docker.platform import ContainerAttempt
    from crashloop.trace.recorder import Recorder

_LINK_KINDS = {"opened": "link.opened", "connected": "link.connected", "closed": "link.closed"}
_GATE_KINDS = {"syn": "gate.syn_seen", "refused": "gate.refused"}


class PathEvents:
    """Records what happens on the path.

    Over TCP a link is Toxiproxy's, known by the client's address, which is the app's container's.
    Over the Unix socket it is the side-car's, and a chunk that Toxiproxy delayed is told of that
    link: by the address from which the side-car dialled it (`via`). Nothing is recorded once it is
    `closed`.
    """

    def __init__(
        self,
        transport: Transport,
        recorder: Recorder,
        attempts: Callable[[], Sequence[ContainerAttempt]],
    ) -> None:
        self.links: dict[str, int | None] = {}
        self.closed = False
        self._transport = transport
        self._recorder = recorder
        self._attempts = attempts
        self._by_via: dict[str, str] = {}
        self._early: dict[str, list[tuple[dict[str, Any], int]]] = {}

    def on_sidecar(self, kind: str, data: Mapping[str, Any], mono_ns: int) -> None:
        """Take an event of the side-car's proxy."""
        if self.closed:
            return
        pids = {data.get("client_pid"), data.get("client_session")}
        attempt = self._attempt_with(pids) or self._attempt_at(mono_ns)
        link = data.get("link")
        number = attempt.number if attempt else None
        if isinstance(link, str):
            number = self.links.setdefault(link, number)
        self._recorder.emit("proxy", kind, data, attempt=number, mono_ns=mono_ns)
        if kind == "link.closed":
            self._by_via = {via: name for via, name in self._by_via.items() if name != link}
        if kind == "link.connected" and isinstance(link, str) and "via" in data:
            self._by_via[data["via"]] = link
            for delayed, at_ns in self._early.pop(data["via"], ()):
                self._delayed(delayed, at_ns, link)

    def on_witness(self, kind: str, data: Mapping[str, Any], mono_ns: int) -> None:
        """Take something that Toxiproxy's port showed."""
        if self.closed:
            return
        if kind.startswith("gate."):
            self._emit(kind, data, mono_ns)
        elif kind == "passed":
            self._passed(dict(data), mono_ns)
        elif self._transport is Transport.TCP:
            self._link_or_gate(kind, data, mono_ns)

    def _link_or_gate(self, kind: str, data: Mapping[str, Any], mono_ns: int) -> None:
        attempt = self._attempt_of(data["client"], mono_ns)
        number, pid = (attempt.number, attempt.pid) if attempt else (None, None)
        if kind in _LINK_KINDS:
            number = self.links.setdefault(data["link"], number)
            more = {"client_pid": pid} if kind == "opened" else {}
            self._emit(_LINK_KINDS[kind], {**data, **more}, mono_ns, number)
        elif data["fault"]:
            self._emit(_GATE_KINDS[kind], {**data, "pid": pid}, mono_ns, number)

    def _passed(self, data: dict[str, Any], mono_ns: int) -> None:
        """A chunk has gone on; what no fault delayed is nothing to tell."""
        if not data["fault"]:
            return
        if self._transport is Transport.TCP:
            self._delayed(data, mono_ns, data["link"])
            return
        link = self._by_via.get(data["client"])
        if link is None:
            # The side-car's own word of this link is still on its way.
            self._early.setdefault(data["client"], []).append((data, mono_ns))
        else:
            self._delayed(data, mono_ns, link)

    def _delayed(self, data: Mapping[str, Any], mono_ns: int, link: str) -> None:
        told = {**data, "link": link, "direction": "downstream"}
        self._emit("link.delayed", told, mono_ns, self.links.get(link))

    def _emit(
        self, kind: str, data: Mapping[str, Any], mono_ns: int, attempt: int | None = None
    ) -> None:
        # Not the proxy's own word: two tellers' lines may overtake each other.
        self._recorder.emit("platform", kind, data, attempt=attempt, mono_ns=mono_ns)

    def _attempt_with(self, pids: set[object]) -> ContainerAttempt | None:
        """The attempt whose process is one of these."""
        return next((a for a in self._attempts() if a.pid is not None and a.pid in pids), None)

    def _attempt_at(self, mono_ns: int) -> ContainerAttempt | None:
        """The attempt that ran last then."""
        begun = [each for each in self._attempts() if each.started_ns <= mono_ns]
        return begun[-1] if begun else None

    def _attempt_of(self, client: str, mono_ns: int) -> ContainerAttempt | None:
        """The attempt whose container has this address; None for anybody else's."""
        attempt = self._attempt_at(mono_ns)
        host, _, _ = client.rpartition(":")
        is_its = attempt is not None and attempt.address is not None and attempt.address[0] == host
        return attempt if is_its else None
