"""From when until when a fault acted on a connection, or on a SYN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.connections import of_link
from crashloop.checks.lives import observed

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

FAR_FUTURE_NS = 2**63 - 1
"""The end of what nothing has ended."""


def hold_end_ns(trace: Trace, held: Event) -> int:
    """When a held link was let go of, or closed; the far future where nothing says so."""
    fault = held.data.get("fault")
    ends = [e for e in of_link(trace, "link.released", held) if e.data.get("fault") == fault]
    ends += of_link(trace, "link.closed", held)
    return min((e.mono_ns for e in ends), default=FAR_FUTURE_NS)


def link_begins_ns(event: Event) -> int:
    """When the fault began to act; a delayed chunk is recorded when it is passed on."""
    return event.mono_ns - round(float(event.data.get("delay_s") or 0) * 1e9)


def link_ends_ns(trace: Trace, event: Event) -> int:
    """When the fault let go of what the receipt shows; the far future where nothing says so."""
    match event.kind:
        case "link.held":
            return hold_end_ns(trace, event)
        case "link.delayed":
            return _last_delay_ns(trace, event)
        case "link.dropped":
            closed = of_link(trace, "link.closed", event)
            return closed[0].mono_ns if closed else FAR_FUTURE_NS
        case "link.turned_away" | "link.closed":
            return event.mono_ns
        case "gate.syn_seen" | "name.asked":  # until the life gets through
            opened = observed(trace, "link.opened", life=event.life, target=event.target)
            return next((e.mono_ns for e in opened if e.mono_ns > event.mono_ns), FAR_FUTURE_NS)
    return FAR_FUTURE_NS


def _last_delay_ns(trace: Trace, delayed: Event) -> int:
    """When a delaying fault let go of the link.

    Only a link's first delayed chunks are receipts; the sum of all delays is known at its end.
    """
    closed = of_link(trace, "link.closed", delayed)
    totals = [each for event in closed for each in event.data.get("delays") or []]
    ours = [float(each["delay_s"]) for each in totals if each["fault"] == delayed.data["fault"]]
    if not ours:
        return FAR_FUTURE_NS
    if delayed.data.get("chunk") != 1:
        return delayed.mono_ns
    return link_begins_ns(delayed) + round(sum(ours) * 1e9)
