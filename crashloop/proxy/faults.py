"""The faults of the built-in proxy, each declared once. All seconds are wall seconds.

A *gate* fault acts on what a client's connect() sees, an *arrival* fault on a connection that was
just accepted, a *link* fault on the bytes of one direction; the latter are Toxiproxy's toxics.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from crashloop.errors import UsageError
from crashloop.model import Grade, Transport
from crashloop.proxy.attribute import count, flag, microseconds, milliseconds, rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.proxy.attribute import Attribute

Direction = Literal["upstream", "downstream"]
"""Which way bytes go: towards the server, or towards the client."""

_CONNECTIONS = count("connections", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault: its name, who proves that it acted, and where it can act.

    Raises UsageError for parameters without a meaning.
    """

    kind: ClassVar[str]
    grade: ClassVar[Grade] = Grade.DIRECT
    transports: ClassVar[frozenset[Transport]] = frozenset(Transport)

    def __post_init__(self) -> None:
        for name, attribute in attributes(type(self)).items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= attribute.least):
                amount = "wall seconds" if attribute.unit == "s" else "a whole number"
                self._reject(f"{name}={value!r}", f"give {amount}, {attribute.least} or more")

    def _reject(self, problem: str, hint: str) -> None:
        raise UsageError(f"the fault {self.kind} got {problem}", hint=hint)


class GateFault(Fault):
    """A fault of the gate as a whole; one at a time."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFault(Fault):
    """A fault of single connections.

    `toxicity` is the share of them that it takes, 0 to 1, drawn once for each from the proxy's
    seed. `connections` N: only the first N that arrive after the injection.
    """

    toxicity: float = 1
    connections: int | None = field(default=None, metadata=_CONNECTIONS)

    def __post_init__(self) -> None:
        Fault.__post_init__(self)
        if not 0 <= self.toxicity <= 1:
            self._reject(f"toxicity={self.toxicity!r}", "give a share, 0 to 1")


class ArrivalFault(ConnectionFault):
    """A fault of a connection that was just accepted."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFault(ConnectionFault):
    """A fault of the bytes of one direction."""

    direction: Direction = "downstream"

    def __post_init__(self) -> None:
        ConnectionFault.__post_init__(self)
        if self.direction not in get_args(Direction):
            self._reject(
                f"direction={self.direction!r}", f"give {' or '.join(get_args(Direction))}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(LinkFault):
    """Each chunk of data is delayed by `latency_s` +- `jitter_s`; their order is kept."""

    kind = "latency"

    latency_s: float = field(metadata=milliseconds("latency"))
    jitter_s: float = field(default=0, metadata=milliseconds("jitter"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth(LinkFault):
    """At most `rate_bytes_s` pass; zero lets nothing pass. Large chunks go in 100 ms pieces."""

    kind = "bandwidth"

    rate_bytes_s: int = field(metadata=rate("rate"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowClose(LinkFault):
    """The end of the stream is passed on `delay_s` late."""

    kind = "slow_close"

    delay_s: float = field(metadata=milliseconds("delay"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout(LinkFault):
    """All data is dropped, and the connection is closed after `timeout_s` without data; 0: never.

    The heal closes the connections that lost data: they cannot continue.
    """

    kind = "timeout"

    timeout_s: float = field(metadata=milliseconds("timeout"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPeer(LinkFault):
    """Both sides are reset `timeout_s` after the first data, or the end; nothing is passed on."""

    kind = "reset_peer"

    timeout_s: float = field(metadata=milliseconds("timeout"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slicer(LinkFault):
    """Chunks are cut into slices of `average_bytes` +- `variation_bytes`, `delay_s` after each."""

    kind = "slicer"

    average_bytes: int = field(metadata=count("average_size", least=1))
    variation_bytes: int = field(default=0, metadata=count("size_variation"))
    delay_s: float = field(default=0, metadata=microseconds("delay"))

    def __post_init__(self) -> None:
        LinkFault.__post_init__(self)
        if self.variation_bytes > self.average_bytes:
            self._reject(
                f"variation_bytes={self.variation_bytes} with average_bytes={self.average_bytes}",
                "a slice would have less than no bytes: vary by the average at most",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitData(LinkFault):
    """The connection is closed when `limit_bytes` have passed."""

    kind = "limit_data"

    limit_bytes: int = field(metadata=count("bytes"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(ArrivalFault):
    """New connections are accepted and then silent, each for `delay_s`; 0: until the heal.

    The upstream is not dialled meanwhile. What the client sends is kept (up to the proxy's
    bound) and forwarded after the release. Connections that were open before are not touched.
    """

    kind = "hold"

    delay_s: float = field(default=0, metadata=milliseconds("delay"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowConnect(ArrivalFault):
    """New connections are accepted and then silent for a time from `low_s` to `high_s`.

    The time since the injection is cut into slots of `slot_s`; 0: one slot for all of it. Each slot
    has one draw, and every connection that arrives in it is silent for that time. Each other
    connection that the fault holds at that moment adds `each_other_s`. The heal releases them all.
    What the client sends meanwhile is kept, as with `hold`.

    With `each_client`, the time counts once for each client, from its first connection. All that
    the client opens meanwhile is silent until then, and what it opens later is not. A client is a
    session of processes. A connection of which the client is not known counts as another client's.
    """

    kind = "slow_connect"

    low_s: float = field(metadata=milliseconds("low"))
    high_s: float = field(metadata=milliseconds("high"))
    slot_s: float = field(default=0, metadata=milliseconds("slot"))
    each_other_s: float = field(default=0, metadata=milliseconds("each_other"))
    each_client: bool = field(default=False, metadata=flag("each_client"))

    def __post_init__(self) -> None:
        ArrivalFault.__post_init__(self)
        if not 0 < self.high_s >= self.low_s:
            self._reject(
                f"low_s={self.low_s!r} and high_s={self.high_s!r}",
                "give a highest time above 0 that is not below the lowest one",
            )

    def slot(self, after_s: float) -> int:
        """The number of the slot, from 0, at so many seconds after the injection."""
        return int(after_s / self.slot_s) if self.slot_s else 0

    def drawn_s(self, slot: int, *, seed: int, fault_id: str) -> float:
        """The draw of a slot: the same for the same proxy's seed and fault's id, at any scale."""
        rng = random.Random(f"{seed}/{fault_id}/{slot}")  # noqa: S311  a fault's draws
        return rng.uniform(self.low_s, self.high_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptClose(ArrivalFault):
    """New connections are accepted and closed at once: reset with `reset`, else an orderly end.

    The upstream is never dialled. A Unix socket knows no reset: the client reads the end there.
    """

    kind = "accept_close"

    reset: bool = field(default=False, metadata=flag("reset"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse(GateFault):
    """Open connections are reset and new ones refused; the port, or the file, stays ours.

    `connections` N: the gate opens again after the Nth refusal. Only the network shows a refused
    SYN to user space, so counting needs TCP on Linux and the right to read raw packets.
    """

    kind = "refuse"
    grade = Grade.CLIENT

    connections: int | None = field(default=None, metadata=_CONNECTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackHole(GateFault):
    """No connect() finishes: the kernel drops every SYN. Open connections are not touched."""

    kind = "black_hole"
    grade = Grade.KERNEL
    transports = frozenset({Transport.TCP})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectDelay(GateFault):
    """A connect() finishes at its first SYN retransmission later than `delay_s`.

    The kernel times the retransmissions, so they cannot be scaled. On Linux 6.5 and later they come
    1, 2, 3, 4, 5, 7, 11, 19 and 35 s after the first SYN (tcp_syn_linear_timeouts=4).
    """

    kind = "connect_delay"
    grade = Grade.KERNEL
    transports = frozenset({Transport.TCP})

    delay_s: float = field(metadata=milliseconds("delay"))


KINDS: Mapping[str, type[Fault]] = {
    kind.kind: kind
    for kind in (
        Latency,
        Bandwidth,
        SlowClose,
        Timeout,
        ResetPeer,
        Slicer,
        LimitData,
        Hold,
        SlowConnect,
        AcceptClose,
        Refuse,
        BlackHole,
        ConnectDelay,
    )
}
"""Every kind by its name in the API, Toxiproxy's own first."""


def attributes(kind: type[Fault]) -> dict[str, Attribute]:
    """The fields of a kind that are attributes in the API, in order; `connections` is the last."""
    found = {one.name: one.metadata["api"] for one in fields(kind) if "api" in one.metadata}
    if "connections" in found:
        found["connections"] = found.pop("connections")
    return found
