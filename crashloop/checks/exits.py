"""How lives ended, and whether the platform restarted them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from crashloop.checks.ends import (
    code_of,
    exit_words,
    how_ended,
    killed_by_another,
    killing_signal,
)
from crashloop.checks.lives import (
    Replicas,
    deaths,
    for_replicas,
    is_too_often,
    lives,
    observed,
    of_replica,
)
from crashloop.checks.platform import restarter
from crashloop.checks.result import Result, holds, not_seen, refuted, saw_nothing
from crashloop.durations import plain
from crashloop.model import Life
from crashloop.plural import counted, often

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.trace.event import Event, Trace


def exit_code(trace: Trace, *, code: int, times: int, replicas: Replicas = "each") -> Result:
    """Lives died on their own, `times` in each replica, all with this exit code.

    Exactly `times` if there is one replica, else at least; "some": in at least one replica. 128+N
    is also an end by signal N.
    """
    exits = deaths(trace)
    if not observed(trace, "process.exited"):
        return saw_nothing("no attempt was seen to end")
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    for event in exits:
        if event.data.get("exit_code") is not None and event.data.get("signal"):
            name = trace.name(event.life)
            return saw_nothing(f"{name} has an exit code and a signal", [event])
        if found := killed_by_another(trace, event):
            return found
        if code_of(event) != code:
            ended = (
                f"{trace.name(event.life)} ended with {how_ended(event)}, not {exit_words(code)}"
            )
            return refuted(ended, exits)

    def often_enough(number: int) -> Result:
        died = of_replica(exits, number)
        says = f"{counted(len(died), 'attempt')} died with {exit_words(code)}"
        return exactly(trace, says, died, times, replicas)

    return for_replicas(trace, replicas, often_enough)


def died(
    trace: Trace, *, times: int, codes: Sequence[int] = (), replicas: Replicas = "each"
) -> Result:
    """Lives ended on their own, `times` in each replica, with one of `codes`, or with any.

    Exactly `times` if there is one replica, else at least; "some": in at least one replica.
    """
    exits = deaths(trace)
    if not observed(trace, "process.exited"):
        return saw_nothing("no attempt was seen to end")
    if not exits:
        return not_seen(trace, "no attempt ended on its own")
    for event in exits:
        if found := killed_by_another(trace, event):
            return found
        if codes and code_of(event) not in codes:
            known = " or ".join(exit_words(code) for code in codes)
            says = f"{trace.name(event.life)} ended with {how_ended(event)}, not {known}"
            return refuted(says, exits)

    def often_enough(number: int) -> Result:
        own = of_replica(exits, number)
        says = f"{counted(len(own), 'attempt')} died with {_codes(own)}" if own else "none died"
        return exactly(trace, says, own, times, replicas)

    return for_replicas(trace, replicas, often_enough)


def restart_loop(trace: Trace, *, restarts: int, replicas: Replicas = "each") -> Result:
    """Each of a replica's first `restarts` deaths was followed by a new process after its back-off.

    New means: another pid than the one before, and a boot_id of its own in the log of an app that
    logs its phases. Where the platform restarts the app itself, its own count of restarts is
    checked instead.
    """
    who = restarter(trace.header)
    phases = (trace.scenario.get("app") or {}).get("phases") or ()
    has_boot_ids = trace.scenario.get("phase") in phases

    def looped(number: int) -> Result:
        exits = of_replica(deaths(trace), number)
        another = next((found for died in exits if (found := killed_by_another(trace, died))), None)
        if another:
            return another
        if len(exits) < restarts:
            dead = counted(len(exits), "attempt")
            says = f"{dead} died, where a loop of {restarts} restarts was expected"
            return not_seen(trace, says, exits)
        evidence: list[Event] = []
        for died in exits[:restarts]:
            if found := _no_restart(trace, died):
                return found
            evidence += [died, *trace.of("process.started", life=_after(died))]
        if has_boot_ids and (found := _one_boot_twice(trace, number, restarts + 1)):
            return found
        each = "as a new process" if restarts == 1 else "each time as a new process"
        return holds(f"{who} restarted the app {often(restarts)}, {each}", evidence)

    return for_replicas(trace, replicas, looped)


def no_death(trace: Trace, *, but_signalled: bool = False) -> Result:
    """Each replica was started, and none of its lives died on its own.

    `but_signalled`: the lives that a signal of a planned fault ended do not count.
    """
    exits = deaths(trace)
    if but_signalled:
        exits = [died for died in exits if not _was_signalled(trace, died)]
    if exits:
        name = trace.name(exits[0].life)
        if found := killed_by_another(trace, exits[0]):
            return found
        return refuted(f"{name} ended with {how_ended(exits[0])}", exits)
    for number in trace.replicas():
        if not trace.lives(number):
            of = f" of replica {number}" if len(trace.replicas()) > 1 else ""
            return saw_nothing(f"no attempt{of} was started")
    started = [trace.first("process.started", life=life) for life in lives(trace)]
    return holds("no attempt died", [event for event in started if event])


def _was_signalled(trace: Trace, died: Event) -> bool:
    """Whether a planned fault's own signal ended a life."""
    took = observed(trace, "process.took_signal", life=died.life)
    return killing_signal(trace, died) in [e.data.get("signal") for e in took]


def exactly(
    trace: Trace,
    says: str,
    found: Sequence[Event],
    times: int,
    replicas: Replicas,
    *,
    evidence: Sequence[Event] = (),
) -> Result:
    """Whether a replica died as often as asked for: `times`, or more often where that may be.

    `found` are its deaths, which `says` counts; `evidence` is what they are seen by.
    """
    if len(found) < times:
        return not_seen(trace, f"{says}, not {times}", found)
    if is_too_often(trace, len(found), times, replicas):
        return refuted(f"{says}, not {times}", found)
    return holds(says, evidence or found)


def _codes(exits: Sequence[Event]) -> str:
    """How lives ended: `exit 3`, or each way with its number."""
    ways = Counter(how_ended(event) for event in exits)
    return next(iter(ways)) if len(ways) == 1 else ", ".join(f"{n} x {w}" for w, n in ways.items())


def _after(died: Event) -> Life:
    """The life that follows."""
    return Life(died.replica or 0, (died.attempt or 0) + 1)


def _no_restart(trace: Trace, died: Event) -> Result | None:
    """Why this death was not followed by a restart; None if it was."""
    name = trace.name(died.life)
    started = next(iter(observed(trace, "process.started", life=_after(died))), None)
    scheduled = next(iter(observed(trace, "restart.scheduled", life=died.life)), None)
    if started is None:
        return not_seen(trace, f"nothing was started after {name} died", [died])
    if found := _one_process(trace, died, started):
        return found
    if started.source == "platform":
        return _miscounted(trace, died, started)
    if scheduled is None:
        return saw_nothing(f"no restart was scheduled after {name}", [died, started])
    pause_s = (started.mono_ns - died.mono_ns) / 1e9 * trace.scale
    backoff_s = float(scheduled.data["backoff_s"])
    if pause_s < backoff_s:
        return refuted(
            f"{trace.name(started.life)} started {pause_s:.3f} s after the death before it, "
            f"inside the back-off of {plain(backoff_s)} s",
            [died, scheduled, started],
        )
    return None


def _one_process(trace: Trace, died: Event, started: Event) -> Result | None:
    """Why these may not be two processes; None if they are."""
    pids = died.data["pid"], started.data["pid"]
    if None in pids:
        return saw_nothing(
            f"{trace.name(died.life)} and the one after it cannot be distinguished: one was over "
            "before its process could be identified",
            [died, started],
        )
    if pids[0] == pids[1]:
        name = trace.name(started.life)
        return refuted(f"{name} has the pid of the one before", [died, started])
    return None


def _miscounted(trace: Trace, died: Event, started: Event) -> Result | None:
    """Why the platform's own count does not show this restart; None if it does."""
    count, container = started.data.get("restart_count"), started.data.get("container")
    name = trace.name(started.life)
    if count != died.attempt:
        says = f"the platform counts {count} restarts at the start of {name}"
        return saw_nothing(says, [died, started])
    if container != died.data.get("container"):
        return refuted(f"{name} is another container", [died, started])
    return None


def _one_boot_twice(trace: Trace, number: int, attempts: int) -> Result | None:
    """Whether a life of the loop has another life's boot id, or none; None if each has its own."""
    boots: dict[str, Event] = {}
    looping = [Life(number, attempt) for attempt in range(1, attempts + 1)]
    others = [life for life in lives(trace) if life not in looping]
    for life in (*looping, *others):
        started = trace.first("startup.started", life=life)
        boot = started.data.get("boot_id") if started else None
        if started is None or not boot or not isinstance(boot, str):
            if life in looping:
                return saw_nothing(f"{trace.name(life)} logged no boot id")
            continue
        if boot in boots and number in {life.replica, boots[boot].replica}:
            return saw_nothing(
                f"the logs of {trace.name(boots[boot].life)} and {trace.name(life)} have the same "
                "boot id: they do not come from two processes",
                [boots[boot], started],
            )
        boots.setdefault(boot, started)
    return None
