"""Limits of the app that it keeps without saying so: what it did when one had passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.checks.connections import gone_of, is_own, of_link
from crashloop.checks.ends import killed_by_another
from crashloop.checks.exits import exactly
from crashloop.checks.lives import (
    Replicas,
    deaths,
    for_replicas,
    in_control,
    killed,
    observed,
    of_replica,
)
from crashloop.checks.result import Result, not_seen, refuted
from crashloop.plural import counted, often

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crashloop.trace.event import Event, Trace

# Measured on five services: the process exited 0.10 to 0.14 s after it had closed a held link.
SOON_NS = 500_000_000

# On a busy machine real work takes longer. Measured with seven runs on two cores: a process exited
# up to 0.75 s after it had closed a held link, where the control life took 0.6 s to start.
BUSY_SHARE = 1.5

# Measured likewise: links were held for 1.00 to 1.01 s where the limit was 1.0 s.
SAME_SHARE, SAME_NS = 0.1, 100_000_000

CLIENT_CLOSED = "client closed"
"""Why a fault no longer holds a connection that the app gave up."""
LET_IN = ("admitted", "unwatched")
"""How the wait of a dropped SYN ends that the app did not give up."""


def died_at_own_limit(
    trace: Trace, *, target: str, times: int, replicas: Replicas = "each"
) -> Result:
    """`times` lives of each replica waited for the target equally long, gave up, and soon died.

    Of each, the last connection that a fault held, or the last SYN that it dropped, ended at most
    0.5 s before the life; on a busy machine, at most half longer before it than the slowest start
    of the run took. They lasted equally long, within a tenth. A connection that the
    heal let go of is no such wait, and a life that the platform killed had no limit of its own.
    Exactly `times` if there is one replica, else at least; "some": in at least one replica.
    """
    exits = deaths(trace)
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    of_life = {died.seq: waits_of(trace, target, died) for died in exits}
    soon_ns = max(SOON_NS, round(BUSY_SHARE * _slowest_start_ns(trace, of_life.values())))

    def at_limit(number: int) -> Result:
        own = of_replica(exits, number)
        if not own:
            return not_seen(trace, "no attempt died on its own")
        for died in own:
            if found := _not_at_limit(trace, target, died, of_life[died.seq], soon_ns):
                return found
        waits = [_last(of_life[died.seq]) for died in own]
        lasted = [wait.lasted_ns for wait in waits]
        if max(lasted) - min(lasted) > max(SAME_NS, SAME_SHARE * min(lasted)):
            waited = ", ".join(f"{ns / 1e9 * trace.scale:.1f}" for ns in lasted)
            says = f"the attempts waited for {target} for {waited} s: that is no one limit"
            return refuted(says, [wait.event for wait in waits])
        waited_s = f"{max(lasted) / 1e9 * trace.scale:.1f} s"
        tries = min(_tries(of_life[died.seq]) for died in own)
        waited = f"{waited_s} for {target}" + (f", {often(tries)} each" if tries > 1 else "")
        says = f"{counted(len(own), 'attempt')} waited {waited}, gave up and died"
        evidence = [e for wait, died in zip(waits, own, strict=True) for e in (wait.event, died)]
        return exactly(trace, says, own, times, replicas, evidence=evidence)

    return for_replicas(trace, replicas, at_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A connection that a fault held, or a SYN that it dropped, until the app gave it up."""

    event: Event
    ended_ns: int

    @property
    def lasted_ns(self) -> int:
        """How long it lasted."""
        return self.ended_ns - self.event.mono_ns


def _not_at_limit(
    trace: Trace, target: str, died: Event, waits: Sequence[Wait], soon_ns: int
) -> Result | None:
    """Why a life did not die of a limit of its own; None if it did."""
    name = trace.name(died.life)
    if found := killed_by_another(trace, died):
        return found
    if kill := killed(trace, died):
        return refuted(f"{name} was killed by the platform", [kill, died])
    if not waits:
        return refuted(f"{name} died without having waited for {target}", [died])
    wait = _last(waits)
    if died.mono_ns - wait.ended_ns <= soon_ns:
        return None
    after_s = (died.mono_ns - wait.ended_ns) / 1e9
    says = f"{name} died {after_s:.1f} s after it had given up waiting for {target}"
    return refuted(says, [wait.event, died])


def _slowest_start_ns(trace: Trace, lives: Iterable[Sequence[Wait]]) -> int:
    """How long a start took at most: the control life's, or that of a life until its first wait."""
    ready = in_control(trace, "control.ready")
    took = [round(float(event.data["after_s"]) * 1e9) for event in ready]
    for waits in filter(None, lives):
        first = min((wait.event for wait in waits), key=lambda event: event.mono_ns)
        started = trace.first("process.started", life=first.life)
        took += [first.mono_ns - started.mono_ns] if started else []
    return max(took, default=0)


def _last(waits: Sequence[Wait]) -> Wait:
    return max(waits, key=lambda wait: wait.ended_ns)


def waits_of(trace: Trace, target: str, died: Event) -> list[Wait]:
    """The waits of a life that the app itself ended, by giving up or by dying."""
    found = []
    for event in observed(trace, "link.held", "gate.syn_seen", life=died.life, target=target):
        if not is_own(trace, event) or _was_let_go(trace, event):
            continue
        is_held = event.kind == "link.held"
        ends = of_link(trace, "link.closed", event) if is_held else gone_of(trace, event)
        after = [e.mono_ns for e in ends if e.mono_ns >= event.mono_ns]
        # What the kernel closes for a dead process is seen a little after its death.
        ended_ns = min([*after, died.mono_ns])
        found.append(Wait(event=event, ended_ns=ended_ns))
    return found


def _tries(waits: Sequence[Wait]) -> int:
    """How often the app tried: connections of a pool that it opens at once are one try."""
    tries, until_ns = 0, 0
    for wait in sorted(waits, key=lambda wait: wait.event.mono_ns):
        if wait.event.mono_ns >= until_ns:
            tries += 1
            until_ns = wait.ended_ns
    return tries


def _was_let_go(trace: Trace, event: Event) -> bool:
    """Whether the fault let the connection go on while the app still waited."""
    if event.kind == "link.held":
        ends = of_link(trace, "link.released", event)
        return any(e.data.get("reason") != CLIENT_CLOSED for e in ends)
    ends = gone_of(trace, event)
    return any(e.data.get("reason") in LET_IN for e in ends)
