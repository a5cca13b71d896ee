"""The faults of the built-in proxy, each as a fault of a dependency's path."""

from __future__ import annotations

import contextlib
from dataclasses import field, fields, make_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from crashloop.faults.base import Fault
from crashloop.faults.parameter import takes
from crashloop.faults.path_alone import ALONE
from crashloop.model import Grade, Receipt, Transport
from crashloop.proxy.faults import KINDS, BlackHole, ConnectDelay, Refuse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from dataclasses import Field

    from crashloop.faults.parameter import Takes, Unit
    from crashloop.faults.ports import Ports
    from crashloop.model import Dependency
    from crashloop.proxy.faults import Fault as ProxyFault

LAST_SYN_S = 30.0
"""A connect() with a longer limit can outlive a black hole and succeed at a later SYN."""

_DELAYED = Receipt(grade=Grade.DIRECT, kinds=("link.delayed",))
_HELD = Receipt(grade=Grade.DIRECT, kinds=("link.held",))
# The link's end may be seen after the app's own line; what the fault dropped comes before it.
_CLOSED = Receipt(grade=Grade.DIRECT, kinds=("link.dropped", "link.closed"))
_SYN = Receipt(grade=Grade.KERNEL, kinds=("gate.syn_seen",))

RECEIPTS: Mapping[str, Receipt] = {
    "latency": _DELAYED,
    "bandwidth": _DELAYED,
    "slicer": _DELAYED,
    "slow_close": _DELAYED,
    "timeout": _CLOSED,
    "reset_peer": _CLOSED,
    "limit_data": _CLOSED,
    "hold": _HELD,
    "slow_connect": _HELD,
    "accept_close": Receipt(grade=Grade.DIRECT, kinds=("link.turned_away",)),
    # A refused connect() leaves no connection; the app's own error is what shows it.
    "refuse": Receipt(
        grade=Grade.CLIENT,
        kinds=("phase.failed", "phase.degraded", "database.retry_failed"),
        whose="app",
    ),
    "black_hole": _SYN,
    "connect_delay": _SYN,
}
"""What the proxy, or the app, emits when a fault of each kind acts."""

OF_ANY_PATH: Mapping[str, dict[str, Takes]] = {
    "toxicity": takes("share", above=True, says="of the connections, drawn for each"),
    "connections": takes("count", least=1, says="the first so many alone; none: all"),
    "direction": takes("text", says="downstream, towards the app, or upstream"),
}
"""Parameters that any fault of a path may have."""
_NEEDS_SOME = {("latency", "latency_s"), ("slow_close", "delay_s")}
"""Parameters that would leave nothing of the fault if they were 0."""
_SAYS: Mapping[tuple[str, str], str] = {
    ("bandwidth", "rate_bytes_s"): "0: nothing passes",
    ("hold", "delay_s"): "0: until the heal",
    ("slow_connect", "slot_s"): "how long one draw holds; 0: all the time",
    ("slow_connect", "each_other_s"): "for each other one that is held",
    ("timeout", "timeout_s"): "0: it is never closed",
}


class ProxiedFault(Fault):
    """A fault of the proxy on the path to a dependency; its parameters are the proxy's own."""

    __slots__ = ()

    acts_on = frozenset({"postgres", "redis", "tcp"})
    proxy_kind: ClassVar[type[ProxyFault]]

    def __post_init__(self) -> None:
        self.to_proxy()

    def to_proxy(self) -> ProxyFault:
        """The proxy's own fault; UsageError for parameters without a meaning."""
        given: dict[str, Any] = {
            one.name: getattr(self, one.name) for one in fields(self.proxy_kind)
        }
        return self.proxy_kind(**given)

    def why_not_at(self, dependency: Dependency) -> str:
        """Why it cannot act on this path; "" if it can."""
        match self.to_proxy():
            case Refuse(connections=int()) if dependency.transport is Transport.UNIX:
                return "the kernel reports no refusal of a Unix socket, so none can be counted"
        return ""

    def real_time_only(self, *, limit_s: float) -> str:
        """A connect() under a shut gate succeeds at a SYN that the kernel times."""
        match self.to_proxy():
            case ConnectDelay(delay_s=delay_s) if delay_s < limit_s:
                pass
            case BlackHole() if limit_s > LAST_SYN_S:
                pass
            case _:
                return ""
        return (
            f"{self.kind} with a limit of {limit_s:g} s lets connections in at SYN "
            "retransmissions, which the kernel times"
        )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Inject it at the target's proxy under its name."""
        path = ports.path(target)
        await path.inject(name, self.to_proxy())
        try:
            yield
        finally:
            await path.heal(name)


def _adapted(kind: type[ProxyFault]) -> type[ProxiedFault]:
    """A fault with the parameters of the proxy's kind."""
    parameters = [
        (
            one.name,
            one.type,
            field(default=one.default, metadata=_takes(kind.kind, one)),
        )
        for one in fields(kind)
    ]
    made: type[ProxiedFault] = make_dataclass(
        kind.__name__,
        parameters,
        bases=(ProxiedFault,),
        namespace={
            "__doc__": kind.__doc__,
            "__module__": __name__,
            "kind": kind.kind,
            "receipt": RECEIPTS[kind.kind],
            "transports": kind.transports,
            "proxy_kind": kind,
            **({"alone": ALONE[kind.kind]} if kind.kind in ALONE else {}),
        },
        frozen=True,
        kw_only=True,
        slots=True,
    )
    return made


def _takes(kind: str, one: Field[Any]) -> dict[str, Takes]:
    """What a parameter takes, by its attribute in the proxy's API."""
    if one.name in OF_ANY_PATH:
        return OF_ANY_PATH[one.name]
    attribute = one.metadata["api"]
    unit: Unit = attribute.unit
    if unit == "count" and one.name.endswith("_bytes"):
        unit = "bytes"
    return takes(
        unit,
        least=attribute.least,
        above=(kind, one.name) in _NEEDS_SOME,
        says=_SAYS.get((kind, one.name), ""),
    )


FAULTS: tuple[type[ProxiedFault], ...] = tuple(_adapted(kind) for kind in KINDS.values())
"""A fault for each kind of the proxy."""
