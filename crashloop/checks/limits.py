"""Limits of the app that it keeps without saying so: what it did when one had passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.checks.connections import is_own, of_link
from crashloop.checks.control import start_s
from crashloop.checks.exits import exactly
from crashloop.checks.lives import Replicas, deaths, for_replicas, observed, of_replica
from crashloop.checks.result import Result, not_seen, refuted
from crashloop.plural import counted

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

# Measured on five services: the process exited 0.10 to 0.14 s after it had closed a held link. On a
# busy machine everything takes longer, a start as well.
SOON_S = 0.5
SOON_OF_START = 0.5

# Measured likewise: links were held for 1.00 to 1.01 s where the limit was 1.0 s.
SAME_SHARE, SAME_NS = 0.1, 100_000_000


def died_at_own_limit(
    trace: Trace, *, target: str, times: int, replicas: Replicas = "each"
) -> Result:
    """`times` lives of each replica waited for the target equally long, gave up, and soon died.

    Of each, the last connection that a fault held, or the last SYN that it dropped, ended at most
    0.5 s, or half a start without a fault, before the life. They lasted equally long, within a
    tenth. Exactly `times` if there is one replica, else at least; "some": in at least one replica.
    """
    exits = deaths(trace)
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    last = {died.seq: _last_wait(trace, target, died) for died in exits}

    def at_limit(number: int) -> Result:
        own = of_replica(exits, number)
        if not own:
            return not_seen(trace, "no attempt died on its own")
        waits = []
        for died in own:
            wait, name = last[died.seq], trace.name(died.life)
            if wait is None:
                return refuted(f"{name} died without having waited for {target}", [died])
            after_s = (died.mono_ns - wait.ended_ns) / 1e9
            if after_s > max(SOON_S, SOON_OF_START * start_s(trace)):
                says = f"{name} died {after_s:.1f} s after it had given up waiting for {target}"
                return refuted(says, [wait.event, died])
            waits.append(wait)
        lasted = [wait.lasted_ns for wait in waits]
        if max(lasted) - min(lasted) > max(SAME_NS, SAME_SHARE * min(lasted)):
            waited = ", ".join(f"{ns / 1e9 * trace.scale:.1f}" for ns in lasted)
            says = f"the attempts waited for {target} for {waited} s: that is no one limit"
            return refuted(says, [wait.event for wait in waits])
        waited_s = f"{max(lasted) / 1e9 * trace.scale:.1f} s"
        says = f"{counted(len(own), 'attempt')} waited {waited_s} for {target}, gave up and died"
        evidence = [e for wait, died in zip(waits, own, strict=True) for e in (wait.event, died)]
        return exactly(trace, says, own, times, replicas, evidence=evidence)

    return for_replicas(trace, replicas, at_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait:
    """A connection that a fault held, or a SYN that it dropped, until the app gave it up."""

    event: Event
    ended_ns: int

    @property
    def lasted_ns(self) -> int:
        return self.ended_ns - self.event.mono_ns


def _last_wait(trace: Trace, target: str, died: Event) -> _Wait | None:
    """The last wait of a life that the app itself ended, by giving up or by dying."""
    found = []
    for event in observed(trace, "link.held", "gate.syn_seen", life=died.life, target=target):
        if not is_own(trace, event) or _was_let_go(trace, event):
            continue
        if event.kind == "link.held":
            ends = of_link(trace, "link.closed", event)
        else:
            gone = observed(trace, "gate.syn_gone", target=target)
            ends = [e for e in gone if e.data.get("inode") == event.data.get("inode")]
        after = [e.mono_ns for e in ends if e.mono_ns >= event.mono_ns]
        # What the kernel closes for a dead process is seen a little after its death.
        ended_ns = min([*after, died.mono_ns])
        found.append(_Wait(event=event, ended_ns=ended_ns))
    return max(found, key=lambda wait: wait.ended_ns, default=None)


def _was_let_go(trace: Trace, event: Event) -> bool:
    """Whether the fault released the connection while the app still waited."""
    released = of_link(trace, "link.released", event) if event.kind == "link.held" else []
    return any(e.data.get("reason") != "client closed" for e in released)
