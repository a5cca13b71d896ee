"""How long a replica took to be ready after the last heal, and what that time was spent on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from crashloop.checks.connections import gone_of
from crashloop.checks.lines import seconds
from crashloop.checks.link_times import FAR_FUTURE_NS
from crashloop.checks.lives import observed
from crashloop.checks.receipts import last_heal_ns
from crashloop.checks.touches import periods, planned_faults
from crashloop.loops.spans import NS_PER_S, clipped, incident_s, outside, waits_of, wall_s
from crashloop.model import RecoveryTime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.loops.replica import LifeRecord, Replica
    from crashloop.loops.spans import Span
    from crashloop.trace.event import Event, Trace


class Recovered(NamedTuple):
    """How long it took, and the answer that ended it."""

    time: RecoveryTime
    answer: Event


def recovery_of(trace: Trace, replica: Replica) -> Recovered | None:
    """The replica's recovery; None if it was not down at the last heal, or was not back later.

    It was back when a life later than all its dead ones answered ready.
    """
    healed_ns = last_heal_ns(trace)
    if healed_ns == FAR_FUTURE_NS:
        return None
    last_dead = max((each.life.attempt for each in replica.deaths), default=0)
    later = {each.life: each for each in replica.lives if each.life.attempt > last_dead}
    answers = [e for e in observed(trace, "ready.answered") if e.life in later]
    before = [e for e in answers if e.mono_ns < healed_ns][-1:]
    after = [e for e in answers if e.mono_ns >= healed_ns and e.data.get("ready") is True]
    if not after or any(e.data.get("ready") is True for e in before):
        return None
    back = after[0]
    assert back.life is not None
    return Recovered(_split(trace, replica, later[back.life], healed_ns, back.mono_ns), back)


def _split(
    trace: Trace, replica: Replica, last: LifeRecord, healed_ns: int, back_ns: int
) -> RecoveryTime:
    # No time scale divides what Docker itself waits for, nor what a kernel waits for.
    scaled = clipped(_backoffs(replica), healed_ns, back_ns)
    real = clipped(_of_docker(replica), healed_ns, back_ns)
    syn = [span for each in replica.lives for span in _syn(trace, each)]
    syn = clipped(syn, healed_ns, back_ns)
    starting = outside(syn, max(healed_ns, last.started.mono_ns), back_ns)
    rest = outside([*scaled, *real, *syn, *starting], healed_ns, back_ns)
    waits = [
        span
        for each in replica.lives
        for span in waits_of(trace, each, each.ended.mono_ns if each.ended else back_ns)
    ]
    return RecoveryTime(
        policy_s=incident_s(trace, scaled, scaled) + wall_s(real),
        syn_s=wall_s(syn),
        app_s=incident_s(trace, starting, waits),
        rest_s=incident_s(trace, rest, waits),
    )


def _backoffs(replica: Replica) -> Iterator[Span]:
    """When the platform waited before it started the next life."""
    for one, after in replica.pauses():
        if one.scheduled is not None:
            begins = one.scheduled.mono_ns
            waited_s = seconds(one.scheduled.data, "wall_s") or 0.0
            yield begins, min(begins + round(waited_s * NS_PER_S), after.started.mono_ns)


def _of_docker(replica: Replica) -> Iterator[Span]:
    for one, after in replica.pauses():
        if one.ended and one.scheduled is None and after.started.source == "platform":
            yield one.ended.mono_ns, after.started.mono_ns


def _syn(trace: Trace, one: LifeRecord) -> Iterator[Span]:
    """When the path was open again, and a connection of this life still waited for its next SYN."""
    for seen in observed(trace, "gate.syn_seen", life=one.life):
        first_ns = int(seen.data.get("first_ns", seen.mono_ns))
        arrived = _arrival(trace, seen)
        released_ns = _released_ns(trace, seen, arrived)
        if arrived is not None and first_ns < released_ns:
            yield released_ns, int(arrived.data.get("connected_ns", arrived.mono_ns))


def _arrival(trace: Trace, seen: Event) -> Event | None:
    """What ended the wait of a dropped SYN's socket: it was admitted, opened a link, or gave up."""
    inode, client = seen.data.get("inode"), seen.data.get("client")
    admitted = observed(trace, "gate.admitted", target=seen.target) if inode else []
    found = [e for e in admitted if e.data.get("inode") == inode]
    opened = observed(trace, "link.opened", life=seen.life) if client else []
    found += [e for e in opened if e.data.get("client") == client]
    later = [e for e in found if e.mono_ns >= seen.mono_ns]
    return next(iter([*later, *(gone_of(trace, seen) if inode else ())]), None)


def _released_ns(trace: Trace, seen: Event, arrived: Event | None) -> int:
    """When the fault let go of the socket."""
    said = arrived.data.get("released_ns") if arrived else None
    if isinstance(said, int):
        return said
    first_ns = int(seen.data.get("first_ns", seen.mono_ns))
    mine = [fault for fault in planned_faults(trace) if fault["name"] == seen.data.get("fault")]
    spans = [span for fault in mine for span in periods(trace, fault)]
    return next((until for since, until in spans if since <= first_ns < until), FAR_FUTURE_NS)
