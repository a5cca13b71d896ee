"""The faults of the built-in proxy, as records. All seconds are wall seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from crashloop.errors import UsageError

if TYPE_CHECKING:
    from crashloop.proxy.address import Transport

Grade = Literal["direct", "kernel", "client"]
"""Who proves that the fault touched a connection: the proxy, the kernel, or the client."""

Direction = Literal["upstream", "downstream"]
"""Which way bytes go: towards the server, or towards the client."""


def _require_seconds(fault: object, **seconds: float | None) -> None:
    for name, value in seconds.items():
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise UsageError(
                f"{type(fault).__name__} got {name}={value!r}.",
                hint="Give wall seconds, zero or more.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """New connections are accepted and then silent, each for `delay_s` or until heal.

    The upstream is not dialled meanwhile. What the client sends is kept (up to the proxy's
    bound) and forwarded after the release. Connections that were open before are not touched.
    """

    grade: ClassVar[Grade] = "direct"
    transports: ClassVar[frozenset[Transport]] = frozenset({"tcp", "unix"})

    delay_s: float | None = None

    def __post_init__(self) -> None:
        _require_seconds(self, delay_s=self.delay_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Every chunk of one direction is delayed by `latency_s` +- `jitter_s`; order is kept.

    Applies to open connections too, as Toxiproxy's toxic of that name does. The jitter is drawn
    from `seed`, the link's number and the direction, so it does not depend on interleaving.
    """

    grade: ClassVar[Grade] = "direct"
    transports: ClassVar[frozenset[Transport]] = frozenset({"tcp", "unix"})

    latency_s: float
    jitter_s: float = 0
    direction: Direction = "downstream"
    seed: int = 0

    def __post_init__(self) -> None:
        _require_seconds(self, latency_s=self.latency_s, jitter_s=self.jitter_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Open connections are reset and new ones refused; the port, or the file, stays ours."""

    grade: ClassVar[Grade] = "client"
    transports: ClassVar[frozenset[Transport]] = frozenset({"tcp", "unix"})
    mode: ClassVar[Literal["refuse"]] = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackHole:
    """No connect() finishes: the kernel drops every SYN. Open connections are not touched."""

    grade: ClassVar[Grade] = "kernel"
    transports: ClassVar[frozenset[Transport]] = frozenset({"tcp"})
    mode: ClassVar[Literal["black hole"]] = "black hole"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectDelay:
    """A connect() finishes at its first SYN retransmission later than `delay_s`.

    Retransmissions are the kernel's and cannot be scaled; on Linux 6.5 and later they come 1, 2,
    3, 4, 5, 7, 11, 19 and 35 s after the first SYN (tcp_syn_linear_timeouts=4).
    """

    grade: ClassVar[Grade] = "kernel"
    transports: ClassVar[frozenset[Transport]] = frozenset({"tcp"})
    mode: ClassVar[Literal["connect delay"]] = "connect delay"

    delay_s: float

    def __post_init__(self) -> None:
        _require_seconds(self, delay_s=self.delay_s)


Fault = Hold | Latency | Refuse | BlackHole | ConnectDelay
