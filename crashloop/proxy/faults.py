"""The faults of the built-in proxy, as records. All seconds are wall seconds.

A *connect* fault acts on what a client's connect() sees, a *link* fault on the bytes of one
direction; the link faults are Toxiproxy's toxics under their own names.
"""

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

_BOTH: frozenset[Transport] = frozenset({"tcp", "unix"})
_TCP: frozenset[Transport] = frozenset({"tcp"})


def _reject(fault: object, problem: str, hint: str) -> None:
    raise UsageError(f"{type(fault).__name__} got {problem}.", hint=hint)


def _require_seconds(fault: object, **seconds: float | None) -> None:
    for name, value in seconds.items():
        if value is not None and not (math.isfinite(value) and value >= 0):
            _reject(fault, f"{name}={value!r}", "Give wall seconds, zero or more.")


def _require_counts(fault: object, least: int, **counts: int | None) -> None:
    for name, value in counts.items():
        if value is not None and value < least:
            _reject(fault, f"{name}={value!r}", f"Give a whole number, {least} or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Some:
    """Which connections a fault takes.

    `toxicity` is the share of them, 0 to 1, drawn once for each from the proxy's seed.
    `connections` N: only the first N that come after the injection, none that is open already.
    """

    toxicity: float = 1
    connections: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.toxicity <= 1:
            _reject(self, f"toxicity={self.toxicity!r}", "Give a share, 0 to 1.")
        _require_counts(self, 1, connections=self.connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(_Some):
    """New connections are accepted and then silent, each for `delay_s` or until heal.

    The upstream is not dialled meanwhile. What the client sends is kept (up to the proxy's
    bound) and forwarded after the release. Connections that were open before are not touched.
    """

    grade: ClassVar[Grade] = "direct"
    transports: ClassVar[frozenset[Transport]] = _BOTH

    delay_s: float | None = None

    def __post_init__(self) -> None:
        _Some.__post_init__(self)
        _require_seconds(self, delay_s=self.delay_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptClose(_Some):
    """New connections are accepted and closed at once: reset with `reset`, else an orderly end.

    The upstream is never dialled. A Unix socket knows no reset: the client reads the end there.
    """

    grade: ClassVar[Grade] = "direct"
    transports: ClassVar[frozenset[Transport]] = _BOTH

    reset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Open connections are reset and new ones refused; the port, or the file, stays ours.

    `connections` N: the gate opens again after the Nth refusal. Only the network shows a refused
    SYN to user space, so counting needs TCP on Linux and the right to read raw packets.
    """

    grade: ClassVar[Grade] = "client"
    transports: ClassVar[frozenset[Transport]] = _BOTH
    mode: ClassVar[Literal["refuse"]] = "refuse"

    connections: int | None = None

    def __post_init__(self) -> None:
        _require_counts(self, 1, connections=self.connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackHole:
    """No connect() finishes: the kernel drops every SYN. Open connections are not touched."""

    grade: ClassVar[Grade] = "kernel"
    transports: ClassVar[frozenset[Transport]] = _TCP
    mode: ClassVar[Literal["black hole"]] = "black hole"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectDelay:
    """A connect() finishes at its first SYN retransmission later than `delay_s`.

    Retransmissions are the kernel's and cannot be scaled; on Linux 6.5 and later they come 1, 2,
    3, 4, 5, 7, 11, 19 and 35 s after the first SYN (tcp_syn_linear_timeouts=4).
    """

    grade: ClassVar[Grade] = "kernel"
    transports: ClassVar[frozenset[Transport]] = _TCP
    mode: ClassVar[Literal["connect delay"]] = "connect delay"

    delay_s: float

    def __post_init__(self) -> None:
        _require_seconds(self, delay_s=self.delay_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnLink(_Some):
    grade: ClassVar[Grade] = "direct"
    transports: ClassVar[frozenset[Transport]] = _BOTH

    direction: Direction = "downstream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(_OnLink):
    """Every chunk is delayed by `latency_s` +- `jitter_s` from its arrival; order is kept."""

    latency_s: float
    jitter_s: float = 0

    def __post_init__(self) -> None:
        _OnLink.__post_init__(self)
        _require_seconds(self, latency_s=self.latency_s, jitter_s=self.jitter_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth(_OnLink):
    """At most `rate_bytes_s` pass; zero lets nothing pass. Large chunks go in 100 ms pieces."""

    rate_bytes_s: int

    def __post_init__(self) -> None:
        _OnLink.__post_init__(self)
        _require_counts(self, 0, rate_bytes_s=self.rate_bytes_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowClose(_OnLink):
    """The end of the stream is passed on `delay_s` late."""

    delay_s: float

    def __post_init__(self) -> None:
        _OnLink.__post_init__(self)
        _require_seconds(self, delay_s=self.delay_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout(_OnLink):
    """All data is dropped, and the connection closed after `timeout_s` without any; 0: never.

    The heal closes the connections it dropped data of: they could not go on.
    """

    timeout_s: float

    def __post_init__(self) -> None:
        _OnLink.__post_init__(self)
        _require_seconds(self, timeout_s=self.timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPeer(_OnLink):
    """`timeout_s` after the first data, or the end, both sides are reset; nothing is passed on."""

    timeout_s: float

    def __post_init__(self) -> None:
        _OnLink.__post_init__(self)
        _require_seconds(self, timeout_s=self.timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slicer(_OnLink):
    """Chunks are cut into slices of `average_bytes` +- `variation_bytes`, `delay_s` after each."""

    average_bytes: int
    variation_bytes: int = 0
    delay_s: float = 0

    def __post_init__(self) -> None:
        _OnLink.__post_init__(self)
        _require_counts(self, 1, average_bytes=self.average_bytes)
        _require_counts(self, 0, variation_bytes=self.variation_bytes)
        _require_seconds(self, delay_s=self.delay_s)
        if self.variation_bytes > self.average_bytes:
            _reject(
                self,
                f"variation_bytes={self.variation_bytes} with average_bytes={self.average_bytes}",
                "A slice would have less than no bytes: vary by the average at most.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitData(_OnLink):
    """The connection is closed when `limit_bytes` have passed."""

    limit_bytes: int

    def __post_init__(self) -> None:
        _OnLink.__post_init__(self)
        _require_counts(self, 0, limit_bytes=self.limit_bytes)


GateFault = Refuse | BlackHole | ConnectDelay
"""Faults of the gate as a whole; one at a time."""
ArrivalFault = Hold | AcceptClose
"""Faults of a connection that was just accepted."""
LinkFault = Latency | Bandwidth | SlowClose | Timeout | ResetPeer | Slicer | LimitData
Fault = GateFault | ArrivalFault | LinkFault
