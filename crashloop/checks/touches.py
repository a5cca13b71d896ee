"""What shows that a fault acted on a life, and from when until when.

A receipt is an observation; switching a fault on is not a receipt. Which events are a fault's
receipts is in its plan: those of the life's own connections and SYNs ("link"), the life's own
ECONNREFUSED while the gate was proven shut ("app"), or the word of the server ("server").

A refusal may not say whose it is: an ECONNREFUSED without an address, as over a Unix socket, or a
RST that the kernel sent. Then the refusal, the shut gate and the instant are the receipt together,
and it is marked as weaker.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from crashloop.checks.connections import (
    is_own,
    may_be_refused,
    of_link,
    refused_life,
    was_refused,
)
from crashloop.checks.lines import phase_started, sqlstates
from crashloop.checks.link_times import FAR_FUTURE_NS, link_begins_ns, link_ends_ns
from crashloop.checks.lives import lives, observed, of_replicas
from crashloop.checks.touch import Touch
from crashloop.model import Grade

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from crashloop.model import Life
    from crashloop.trace.event import Event, Trace

OF_REPLICAS = "replicas"
"""The target of faults that act on the app's instances, and so on every dependency."""

COUNT_NS = 1_000_000_000
"""How much later than the refused app's own line a gate or a server may say so. Chosen."""


def planned_faults(trace: Trace) -> list[Mapping[str, Any]]:
    """The scenario's faults by name: no finding depends on their order in the plan."""
    return sorted(trace.scenario.get("faults") or [], key=lambda fault: str(fault["name"]))


def touches(trace: Trace, fault: Mapping[str, Any]) -> list[Touch]:
    """The fault's receipts, each for the life that it touched, in order of their beginning."""
    find = {"link": _of_links, "app": _of_lines, "server": _of_server}[fault["receipt"]["whose"]]
    return sorted(find(trace, fault), key=lambda touch: (touch.begins_ns, touch.event.seq))


def periods(trace: Trace, fault: Mapping[str, Any]) -> list[tuple[int, int]]:
    """From when until when the fault was on, once for each injection."""
    events = observed(trace, "fault.injected", "fault.healed")
    found: list[tuple[int, int]] = []
    for event in events:
        if event.data.get("fault") != fault["name"]:
            continue
        if event.kind == "fault.injected" and event.data.get("plugged") is False:
            continue
        if event.kind == "fault.injected":
            found.append((int(event.data.get("begun_ns", event.mono_ns)), FAR_FUTURE_NS))
        elif found:
            ended_ns = int(event.data.get("begun_ns", event.mono_ns))
            found[-1] = (found[-1][0], min(found[-1][1], ended_ns))
    return found


def words(trace: Trace, fault: Mapping[str, Any]) -> list[list[Event]]:
    """The server's events of the fault, for each injection, until its heal was done."""
    healed = observed(trace, "fault.healed")
    ends = [e.mono_ns for e in healed if e.data.get("fault") == fault["name"]]
    found = []
    for since, until in periods(trace, fault):
        done_ns = next((ns for ns in ends if ns >= until), FAR_FUTURE_NS)
        found.append([e for e in _of_plan(trace, fault) if since <= e.mono_ns <= done_ns])
    return found


def _of_links(trace: Trace, fault: Mapping[str, Any]) -> Iterator[Touch]:
    """Events about a life's own connections and SYNs that name the fault."""
    for event in _of_plan(trace, fault):
        if event.life and event.data.get("fault") == fault["name"] and is_own(trace, event):
            yield Touch(
                event=event,
                life=event.life,
                begins_ns=link_begins_ns(event),
                ends_ns=link_ends_ns(trace, event),
            )


def _of_lines(trace: Trace, fault: Mapping[str, Any]) -> Iterator[Touch]:
    """Lines of a life's own log: refused at the target's address while the gate was shut.

    Where the gate itself could count whom it refused, that, too.
    """
    shut, target = _shut(trace, fault), fault["target"]
    others = [
        period
        for other in planned_faults(trace)
        if other["target"] != target and other["receipt"]["whose"] == "app"
        for period in _shut(trace, other)
    ]
    for event in of_replicas(trace, trace.events):
        # The last word of a failed start-up repeats the error of its phase.
        if event.source != "app" or not event.life or event.kind == "startup.failed":
            continue
        if not _is_within(event, shut):
            continue
        names_it = was_refused(trace, event, target)
        is_possible = not _is_within(event, others) and not _is_disproved(trace, fault, event)
        if names_it or (may_be_refused(trace, event, target) and is_possible):
            at = event.mono_ns
            yield Touch(
                event=event, life=event.life, begins_ns=at, ends_ns=at, is_weak=not names_it
            )
    yield from _of_gate(trace, fault)


def _is_disproved(trace: Trace, fault: Mapping[str, Any], line: Event) -> bool:
    """Whether the gate counted whom it refused, and had refused nobody when a line was heard."""
    of_gate = observed(trace, "gate.closed", "gate.refused", target=fault["target"])
    mine = [e for e in of_gate if e.data.get("fault") == fault["name"]]
    closed = [e for e in mine if e.kind == "gate.closed" and e.mono_ns <= line.mono_ns]
    was_counted = bool(closed) and closed[-1].data.get("counted") is True
    until_ns = line.mono_ns + COUNT_NS
    return was_counted and not any(
        e.kind == "gate.refused" and closed[-1].mono_ns <= e.mono_ns <= until_ns for e in mine
    )


def _of_gate(trace: Trace, fault: Mapping[str, Any]) -> Iterator[Touch]:
    """Refusals that the kernel gave at the target's address."""
    for event in observed(trace, "gate.refused", target=fault["target"]):
        life = refused_life(trace, event)
        if life and event.data.get("fault") == fault["name"]:
            at = event.mono_ns
            yield Touch(event=event, life=life, begins_ns=at, ends_ns=at, is_weak=True)


def _shut(trace: Trace, fault: Mapping[str, Any]) -> list[tuple[int, int]]:
    """From when until when the gate of the fault's target was proven shut."""
    checked = [
        e.mono_ns
        for e in observed(trace, "gate.checked")
        if e.data.get("fault") == fault["name"] and e.data.get("observed") == "refused"
    ]
    return [(max(at, on), off) for on, off in periods(trace, fault) for at in checked if at < off]


def _is_within(event: Event, spans: Sequence[tuple[int, int]]) -> bool:
    return any(since < event.mono_ns < until for since, until in spans)


def _of_server(trace: Trace, fault: Mapping[str, Any]) -> Iterator[Touch]:
    """The server's word about the target while the fault was on.

    An event with a life, or with the client of a life's connection, is that life's; one about its
    process covers all that comes after it in that life. An error whose
    client is not known is the one of each life that logged the same SQLSTATE then; anything else
    covers every life that was connected to the target. A count of sessions holds until the next.
    """
    # A stopped server answers nothing.
    ways = ("up",) if fault["receipt"]["grade"] == Grade.PROCESS else ("up", "down")
    for (_, until), events in zip(periods(trace, fault), words(trace, fault), strict=True):
        for event, after in zip_longest(events, events[1:]):
            if "sessions" in event.data:
                yield from _counted(trace, event, after, ways)
                continue
            if event.mono_ns > until:
                continue
            at, sqlstate = event.mono_ns, event.data.get("sqlstate")
            came, life = life_of_word(trace, event)
            if life:
                ends_ns = at if sqlstate else until
                of_process = fault["target"] == OF_REPLICAS
                yield Touch(
                    event=event, life=life, begins_ns=at, ends_ns=ends_ns, covers=of_process
                )
            elif came:
                continue
            elif sqlstate:
                yield from _by_sqlstate(trace, event, str(sqlstate))
            else:
                yield from _connected(trace, event, until, {event.target}, ways)


def life_of_word(trace: Trace, event: Event) -> tuple[Event | None, Life | None]:
    """The connection that a server's event is about, and the life that it is about, if known.

    A connection without a life is somebody else's, such as the harness's own.
    """
    came = _connection_of(trace, event)
    return came, event.life or (came.life if came and is_own(trace, came) else None)


def _connection_of(trace: Trace, event: Event) -> Event | None:
    """How the proxy had reached the target for the `client` that a server's event names."""
    client = event.data.get("client")
    connected = observed(trace, "link.connected", target=event.target) if client else []
    came = [e for e in connected if e.data.get("via") == client and e.mono_ns <= event.mono_ns]
    return came[-1] if came else None


def _by_sqlstate(trace: Trace, event: Event, sqlstate: str) -> Iterator[Touch]:
    """A server's error for each life that logged it while its phase, or its end, was near."""
    for failed in of_replicas(trace, trace.of("phase.failed", "log.error")):
        if failed.life and says_sqlstate(trace, event, failed, sqlstate):
            at = event.mono_ns
            yield Touch(event=event, life=failed.life, begins_ns=at, ends_ns=at)


def says_sqlstate(trace: Trace, event: Event, failed: Event, sqlstate: str) -> bool:
    """Whether a line of a life has the SQLSTATE of a server's error of that time.

    The time is its phase's, or all of the life where the line has no phase. A server's log may be
    read a little after the app has logged the same error.
    """
    begun = phase_started(trace, failed)
    if begun is None and failed.kind == "log.error":
        begun = trace.first("process.started", life=failed.life)
    ended = observed(trace, "process.exited", life=failed.life)
    until_ns = ended[0].mono_ns if ended else FAR_FUTURE_NS
    in_time = begun is not None and begun.mono_ns <= event.mono_ns <= until_ns
    return in_time and sqlstate in sqlstates(failed.data)


def _counted(
    trace: Trace, event: Event, after: Event | None, ways: Collection[str]
) -> Iterator[Touch]:
    """A touch for each connection to where sessions were held at this count and at the next.

    Nothing says how long they were held after the last count.
    """
    if after is not None:
        held, still = event.data["sessions"], after.data["sessions"]
        about = {name for name, count in held.items() if count and still.get(name)}
        yield from _connected(trace, event, after.mono_ns, about, ways)


def _connected(
    trace: Trace,
    event: Event,
    until_ns: int,
    about: Collection[str | None],
    ways: Collection[str],
) -> Iterator[Touch]:
    """A touch for each connection that a life used, after the event, to one of `about`.

    Bytes went `ways` through it: who connects and asks nothing has not met the fault.
    """
    known = set(lives(trace))
    for opened in observed(trace, "link.opened"):
        if opened.life not in known or opened.target not in about or not is_own(trace, opened):
            continue
        closed = of_link(trace, "link.closed", opened)
        begins_ns = max(event.mono_ns, opened.mono_ns)
        ends_ns = min(closed[0].mono_ns if closed else FAR_FUTURE_NS, until_ns)
        if begins_ns <= ends_ns and _carried(closed, ends_ns, ways):
            yield Touch(
                event=event,
                life=opened.life,
                begins_ns=begins_ns,
                ends_ns=ends_ns,
                covers=True,
                connection=opened,
            )


def _carried(closed: Sequence[Event], until_ns: int, ways: Collection[str]) -> bool:
    """Whether the connection's first bytes went all of `ways` by then."""
    # A link that is still open, or that was only seen at Toxiproxy's port, says nothing of its
    # bytes: there the connection has to do.
    fields = [f"first_byte_{way}_ns" for way in ways]
    said = [event.data[name] for event in closed for name in fields if name in event.data]
    return all(first_ns is not None and first_ns <= until_ns for first_ns in said)


def _of_plan(trace: Trace, fault: Mapping[str, Any]) -> list[Event]:
    """The events that the fault's plan names: by kind, by target, and by their fields."""
    receipt = fault["receipt"]
    found = observed(trace, *receipt["kinds"], target=fault["target"])
    found = [e for e in found if e.data.get("fault", fault["name"]) == fault["name"]]
    return [e for e in found if all(_field(e, k) == v for k, v in receipt["where"].items())]


def _field(event: Event, name: str) -> Any:
    if name in {"replica", "attempt", "target", "source"}:
        return getattr(event, name)
    return event.data.get(name)
