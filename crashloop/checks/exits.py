"""How attempts ended, and whether the platform restarted them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.result import Result, holds, refuted, saw_nothing

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace


def exit_code(trace: Trace, *, code: int, times: int) -> Result:
    """Exactly `times` attempts died by themselves, each with this exit code."""
    exits = _deaths(trace)
    if not exits:
        return refuted("no attempt died by itself")
    for event in exits:
        if event.data.get("exit_code") != code:
            return refuted(
                f"attempt {event.attempt} ended with {_how(event)}, not exit {code}", exits
            )
    if len(exits) != times:
        return refuted(f"{len(exits)} attempts died with exit {code}, not {times}", exits)
    return holds(f"{times} attempts died with exit {code}", exits)


def restart_loop(trace: Trace, *, restarts: int) -> Result:
    """Each of the first `restarts` deaths was followed by a new process, not before its back-off.

    New means: another pid, another boot_id in the app's own log.
    """
    exits = _deaths(trace)
    if len(exits) < restarts:
        return refuted(
            f"{len(exits)} deaths, where a loop of {restarts} restarts was expected", exits
        )
    evidence: list[Event] = []
    for died in exits[:restarts]:
        attempt = died.attempt or 0
        started = trace.first("process.started", attempt=attempt + 1)
        scheduled = trace.first("restart.scheduled", attempt=attempt)
        if started is None or scheduled is None:
            return refuted(f"nothing was started after attempt {attempt} died", [died])
        pause_s = (started.mono_ns - died.mono_ns) / 1e9
        if pause_s < float(scheduled.data["wall_s"]):
            return refuted(
                f"attempt {attempt + 1} started {pause_s:.3f} s after the death before it, "
                f"inside the back-off of {scheduled.data['wall_s']} s",
                [died, scheduled, started],
            )
        if died.data["pid"] == started.data["pid"]:
            return refuted(f"attempt {attempt + 1} has the pid of the one before", [died, started])
        if _boot_id(trace, attempt) == _boot_id(trace, attempt + 1):
            return saw_nothing(
                f"the app's log does not tell attempt {attempt + 1} apart", [started]
            )
        evidence += [died, started]
    policy = trace.scenario.get("policy", {}).get("name", "?")
    return holds(
        f"the platform ({policy}) restarted it {restarts} times, each a new process", evidence
    )


def no_death(trace: Trace) -> Result:
    """The app was started once and did not die by itself."""
    exits = _deaths(trace)
    if exits:
        return refuted(f"attempt {exits[0].attempt} ended with {_how(exits[0])}", exits)
    started = trace.of("process.started")
    if not started:
        return saw_nothing("no attempt was started")
    return holds("no attempt died", started)


def _deaths(trace: Trace) -> list[Event]:
    return [e for e in trace.of("process.exited") if not e.data.get("requested")]


def _how(event: Event) -> str:
    if event.data.get("exit_code") is not None:
        return f"exit {event.data['exit_code']}"
    return f"signal {event.data.get('signal')}"


def _boot_id(trace: Trace, attempt: int) -> str | None:
    started = trace.first("startup.started", attempt=attempt)
    return started.data.get("boot_id") if started else None
