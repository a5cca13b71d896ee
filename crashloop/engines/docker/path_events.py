"""What the side-car and the witness report, as events of the trace, each with its attempt."""

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
    """Records what happens on the path, until it is `closed`.

    Over TCP a link is Toxiproxy's. It is an attempt's if the client has the address of the app's
    container, whichever process in there opened it. Over the Unix socket a link is the side-car's,
    and a chunk that Toxiproxy delayed is recorded for that link: the side-car dials it from the
    address `via`.
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
        """Record an event of the side-car's proxy."""
        if self.closed:
            return
        attempt = self._attempt_of_process(data) or self._attempt_at(mono_ns)
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
        """Record what was seen at Toxiproxy's port."""
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

    def _emit(
        self, kind: str, data: Mapping[str, Any], mono_ns: int, attempt: int | None = None
    ) -> None:
        # Not of source proxy: its events arrive by another way and may overtake these.
        self._recorder.emit("platform", kind, data, attempt=attempt, mono_ns=mono_ns)

    def _attempt_of_process(self, data: Mapping[str, Any]) -> ContainerAttempt | None:
        """The attempt of the client: its main process, or any other one of its session."""
        pids = {data.get("client_pid"), data.get("client_session")} - {None}
        return next((each for each in self._attempts() if each.pid in pids), None)

    def _attempt_at(self, mono_ns: int) -> ContainerAttempt | None:
        """The last attempt that had started by then."""
        begun = [each for each in self._attempts() if each.started_ns <= mono_ns]
        return begun[-1] if begun else None

    def _attempt_of(self, client: str, mono_ns: int) -> ContainerAttempt | None:
        """The attempt with this container address; None for any other client."""
        attempt = self._attempt_at(mono_ns)
        host, _, _ = client.rpartition(":")
        is_its = attempt is not None and attempt.address is not None and attempt.address[0] == host
        return attempt if is_its else None
