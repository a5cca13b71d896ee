"""The types of toxics: their attributes, Go's names for them, and the fault of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crashloop.proxy import faults
from crashloop.proxy.api.decode import flag, fractional, whole
from crashloop.proxy.api.error import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.proxy.api.decode import Reader
    from crashloop.proxy.api.wire import Toxic
    from crashloop.proxy.faults import Fault

Scalar = int | float | bool

MAX_CONNECTIONS = whole("int64")
"""Reads `connections: N`: the first N connections, then recover."""

MS_IN_S = 1e3
US_IN_S = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute: how it is read, its default, the least value with a meaning.

    `of` gives its value, in the API's units, from a fault.
    """

    read: Reader
    of: Callable[[Any], Scalar]
    says: str
    default: Scalar = 0
    least: Scalar = 0
    takes_fractions: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A type of toxics. `struct` is Go's name of it, which its messages carry."""

    struct: str
    says: str
    fault: type[Fault] | None
    build: Callable[[Toxic], Fault | None]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    has_toxicity: bool = True
    has_connections: bool = True


def kind_of(fault: Fault) -> tuple[str, Kind]:
    """The type's name, and the type, of a fault."""
    return next((name, kind) for name, kind in KINDS.items() if kind.fault is type(fault))


def _plain(number: float) -> int | float:
    rounded = round(number, 6)
    return int(rounded) if rounded.is_integer() else rounded


def _milliseconds(name: str, says: str) -> Attribute:
    return Attribute(
        read=fractional("int64"),
        of=lambda fault: _plain((getattr(fault, name) or 0) * MS_IN_S),
        says=f"{says}, in milliseconds",
        takes_fractions=True,
    )


def _count(name: str, says: str, *, go_type: str = "int64", least: int = 0) -> Attribute:
    return Attribute(
        read=whole(go_type), of=lambda fault: int(getattr(fault, name)), says=says, least=least
    )


def _some(toxic: Toxic) -> dict[str, Any]:
    connections = toxic.attributes.get("connections")
    return {"toxicity": toxic.toxicity, "connections": connections}


def _on_link(toxic: Toxic) -> dict[str, Any]:
    return {**_some(toxic), "direction": toxic.direction}


def _seconds(toxic: Toxic, name: str) -> float:
    return toxic.attributes[name] / MS_IN_S


def _slicer(toxic: Toxic) -> Fault:
    average, variation = (
        int(toxic.attributes[name]) for name in ("average_size", "size_variation")
    )
    if variation > average:
        raise ApiError(f"size_variation must be average_size, {average}, at most, not {variation}")
    return faults.Slicer(
        average_bytes=average,
        variation_bytes=variation,
        delay_s=toxic.attributes["delay"] / US_IN_S,
        **_on_link(toxic),
    )


KINDS: Mapping[str, Kind] = {
    "latency": Kind(
        struct="LatencyToxic",
        says="Every chunk is late by latency +/- jitter.",
        fault=faults.Latency,
        attributes={
            "latency": _milliseconds("latency_s", "delay of every chunk"),
            "jitter": _milliseconds("jitter_s", "how much more or less"),
        },
        build=lambda toxic: faults.Latency(
            latency_s=_seconds(toxic, "latency"),
            jitter_s=_seconds(toxic, "jitter"),
            **_on_link(toxic),
        ),
    ),
    "bandwidth": Kind(
        struct="BandwidthToxic",
        says="Only so much passes each second; 0 lets nothing pass.",
        fault=faults.Bandwidth,
        attributes={
            "rate": Attribute(
                read=fractional("int64"),
                of=lambda fault: _plain(fault.rate_bytes_s / 1000),
                says="kilobytes a second, of 1000 bytes",
                takes_fractions=True,
            )
        },
        build=lambda toxic: faults.Bandwidth(
            rate_bytes_s=round(toxic.attributes["rate"] * 1000), **_on_link(toxic)
        ),
    ),
    "slow_close": Kind(
        struct="SlowCloseToxic",
        says="The end of the stream is passed on late.",
        fault=faults.SlowClose,
        attributes={"delay": _milliseconds("delay_s", "how late")},
        build=lambda toxic: faults.SlowClose(delay_s=_seconds(toxic, "delay"), **_on_link(toxic)),
    ),
    "timeout": Kind(
        struct="TimeoutToxic",
        says="All data is dropped, and the connection closed after the time; 0: never.",
        fault=faults.Timeout,
        attributes={"timeout": _milliseconds("timeout_s", "time without data; 0: never")},
        build=lambda toxic: faults.Timeout(timeout_s=_seconds(toxic, "timeout"), **_on_link(toxic)),
    ),
    "reset_peer": Kind(
        struct="ResetToxic",
        says="Both sides are reset after the time.",
        fault=faults.ResetPeer,
        attributes={"timeout": _milliseconds("timeout_s", "time after the first data")},
        build=lambda toxic: faults.ResetPeer(
            timeout_s=_seconds(toxic, "timeout"), **_on_link(toxic)
        ),
    ),
    "slicer": Kind(
        struct="SlicerToxic",
        says="Chunks are cut into slices.",
        fault=faults.Slicer,
        attributes={
            "average_size": _count(
                "average_bytes", "bytes of a slice, on average", go_type="int", least=1
            ),
            "size_variation": _count("variation_bytes", "bytes more or less", go_type="int"),
            "delay": Attribute(
                read=fractional("int"),
                of=lambda fault: _plain(fault.delay_s * US_IN_S),
                says="time after each slice, in microseconds",
                takes_fractions=True,
            ),
        },
        build=_slicer,
    ),
    "limit_data": Kind(
        struct="LimitDataToxic",
        says="The connection is closed when so many bytes have passed.",
        fault=faults.LimitData,
        attributes={"bytes": _count("limit_bytes", "bytes that pass")},
        build=lambda toxic: faults.LimitData(
            limit_bytes=int(toxic.attributes["bytes"]), **_on_link(toxic)
        ),
    ),
    "noop": Kind(
        struct="NoopToxic",
        says="Nothing.",
        fault=None,
        has_connections=False,
        build=lambda _: None,
    ),
    "hold": Kind(
        struct="HoldToxic",
        says="New connections are accepted and then silent; the upstream is not dialled meanwhile.",
        fault=faults.Hold,
        attributes={"delay": _milliseconds("delay_s", "how long; 0: until the toxic is removed")},
        build=lambda toxic: faults.Hold(delay_s=_seconds(toxic, "delay"), **_some(toxic)),
    ),
    "accept_close": Kind(
        struct="AcceptCloseToxic",
        says="New connections are accepted and closed at once.",
        fault=faults.AcceptClose,
        attributes={
            "reset": Attribute(
                read=flag,
                of=lambda fault: bool(fault.reset),
                says="by a reset, not an orderly end",
                default=False,
            )
        },
        build=lambda toxic: faults.AcceptClose(
            reset=bool(toxic.attributes["reset"]), **_some(toxic)
        ),
    ),
    "refuse": Kind(
        struct="RefuseToxic",
        says="Open connections are reset and new ones refused.",
        fault=faults.Refuse,
        has_toxicity=False,
        build=lambda toxic: faults.Refuse(connections=_some(toxic)["connections"]),
    ),
    "black_hole": Kind(
        struct="BlackHoleToxic",
        says="No connect() finishes: the kernel drops every SYN.",
        fault=faults.BlackHole,
        has_toxicity=False,
        has_connections=False,
        build=lambda _: faults.BlackHole(),
    ),
    "connect_delay": Kind(
        struct="ConnectDelayToxic",
        says="A connect() finishes at its first SYN retransmission later than the delay.",
        fault=faults.ConnectDelay,
        has_toxicity=False,
        has_connections=False,
        attributes={"delay": _milliseconds("delay_s", "how long")},
        build=lambda toxic: faults.ConnectDelay(delay_s=_seconds(toxic, "delay")),
    ),
}
"""By the name that the API gives them; Toxiproxy's own first."""
