"""How attempts ended, and whether the platform restarted them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.result import Result, holds, not_seen, refuted, saw_nothing
from crashloop.plural import counted, often

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace


def exit_code(trace: Trace, *, code: int, times: int) -> Result:
    """Exactly `times` attempts died on their own, each with this exit code."""
    exits = deaths(trace)
    if not trace.of("process.exited"):
        return saw_nothing("no attempt was seen to end")
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    for event in exits:
        if event.data.get("exit_code") is not None and event.data.get("signal"):
            return saw_nothing(f"attempt {event.attempt} has an exit code and a signal", [event])
        if event.data.get("exit_code") != code:
            return refuted(
                f"attempt {event.attempt} ended with {_how(event)}, not exit {code}", exits
            )
    if len(exits) != times:
        says = f"{counted(len(exits), 'attempt')} died with exit {code}, not {times}"
        return not_seen(trace, says, exits) if len(exits) < times else refuted(says, exits)
    return holds(f"{counted(times, 'attempt')} died with exit {code}", exits)


def restart_loop(trace: Trace, *, restarts: int) -> Result:
    """Each of the first `restarts` deaths was followed by a new process, not before its back-off.

    New means: another pid than the one before, and a boot_id of its own in the app's log. Where the
    platform restarts the app itself, its own count of restarts is checked instead.
    """
    exits = deaths(trace)
    if len(exits) < restarts:
        dead = counted(len(exits), "attempt")
        says = f"{dead} died, where a loop of {restarts} restarts was expected"
        return not_seen(trace, says, exits)
    evidence: list[Event] = []
    for died in exits[:restarts]:
        if found := _no_restart(trace, died):
            return found
        evidence += [died, *trace.of("process.started", attempt=(died.attempt or 0) + 1)]
    if found := _one_boot_twice(trace, restarts + 1):
        return found
    policy = trace.scenario.get("policy", {}).get("name", "?")
    return holds(
        f"the platform ({policy}) restarted the app {often(restarts)}, each a new process", evidence
    )


def no_death(trace: Trace) -> Result:
    """The app was started once and did not die on its own."""
    exits = deaths(trace)
    if exits:
        return refuted(f"attempt {exits[0].attempt} ended with {_how(exits[0])}", exits)
    started = trace.of("process.started")
    if not started:
        return saw_nothing("no attempt was started")
    return holds("no attempt died", started)


def deaths(trace: Trace) -> list[Event]:
    """The ends of attempts that nobody had asked to end."""
    return [e for e in trace.of("process.exited") if not e.data.get("requested")]


def _how(event: Event) -> str:
    if event.data.get("exit_code") is not None:
        return f"exit {event.data['exit_code']}"
    return f"signal {event.data.get('signal')}"


def _no_restart(trace: Trace, died: Event) -> Result | None:
    """Why this death was not followed by a restart; None if it was."""
    attempt = died.attempt or 0
    started = trace.first("process.started", attempt=attempt + 1)
    scheduled = trace.first("restart.scheduled", attempt=attempt)
    if started is None:
        return not_seen(trace, f"nothing was started after attempt {attempt} died", [died])
    if found := _one_process(died, started):
        return found
    if started.source == "platform":
        return _miscounted(died, started)
    if scheduled is None:
        return saw_nothing(f"no restart was scheduled after attempt {attempt}", [died, started])
    pause_s = (started.mono_ns - died.mono_ns) / 1e9 * trace.scale
    backoff_s = float(scheduled.data["backoff_s"])
    if pause_s < backoff_s:
        return refuted(
            f"attempt {attempt + 1} started {pause_s:.3f} s after the death before it, "
            f"inside the back-off of {backoff_s:g} s",
            [died, scheduled, started],
        )
    return None


def _one_process(died: Event, started: Event) -> Result | None:
    """Why these may not be two processes; None if they are."""
    pids = died.data["pid"], started.data["pid"]
    if None in pids:
        return saw_nothing(
            f"attempts {died.attempt} and {started.attempt} cannot be distinguished: one was over "
            "before its process could be identified",
            [died, started],
        )
    if pids[0] == pids[1]:
        return refuted(f"attempt {started.attempt} has the pid of the one before", [died, started])
    return None


def _miscounted(died: Event, started: Event) -> Result | None:
    """Why the platform's own count does not show this restart; None if it does."""
    count, container = started.data.get("restart_count"), started.data.get("container")
    if count != died.attempt:
        return saw_nothing(
            f"the platform counts {count} restarts at the start of attempt {started.attempt}",
            [died, started],
        )
    if container != died.data.get("container"):
        return refuted(f"attempt {started.attempt} is another container", [died, started])
    return None


def _one_boot_twice(trace: Trace, attempts: int) -> Result | None:
    """Whether two attempts share a boot id, or one has none; None if each has its own."""
    boots: dict[str, Event] = {}
    for attempt in range(1, attempts + 1):
        started = trace.first("startup.started", attempt=attempt)
        boot = started.data.get("boot_id") if started else None
        if started is None or not boot or not isinstance(boot, str):
            return saw_nothing(f"attempt {attempt} logged no boot id")
        if boot in boots:
            return saw_nothing(
                f"the logs of attempts {boots[boot].attempt} and {attempt} have the same boot id: "
                "they do not come from two processes",
                [boots[boot], started],
            )
        boots[boot] = started
    return None
