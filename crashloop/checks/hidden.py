"""Start-ups that fail inside one life, where the platform sees nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.ends import code_of, how_ended, killed_by_another
from crashloop.checks.lines import by_process
from crashloop.checks.lives import Replicas, for_replicas, killed, observed
from crashloop.checks.result import Result, holds, not_seen, refuted, saw_nothing
from crashloop.plural import counted

if TYPE_CHECKING:
    from crashloop.model import Life
    from crashloop.trace.event import Event, Trace

LIVED_ON_S = 2.0
"""How many wall seconds a process may take to end once its start-up has failed.

Chosen: uvicorn and gunicorn take less than 0.1 s on an idle machine.
"""

FAILURES = ("startup_failed", "worker_failed")
"""What a server says of a start-up, or of a worker, that failed."""


def failed_starts(trace: Trace, life: Life) -> list[Event]:
    """The lines of a life by which its start-up, or that of a worker, failed."""
    lines = trace.of("startup.failed", "log.server", life=life)
    return [e for e in lines if e.kind == "startup.failed" or e.data.get("says") in FAILURES]


def several_starts(trace: Trace, *, starts: int, replicas: Replicas = "each") -> Result:
    """A life of each replica had at least so many processes whose start-up began.

    Each has logged it with a boot id of its own. "some": of at least one replica.
    """

    def in_one_life(number: int) -> Result:
        begun = [_by_boot(trace, life) for life in trace.lives(number)]
        most = max(begun, key=len, default=[])
        if not most:
            return saw_nothing("no attempt logged that its start-up began")
        said = counted(len(most), "start-up")
        says = f"{trace.name(most[0].life)} logged {said}, each with a boot id of its own"
        if len(most) < starts:
            return not_seen(trace, f"no attempt logged more than {said}", most)
        return holds(says, most)

    return for_replicas(trace, replicas, in_one_life)


def failure_hidden(trace: Trace, *, replicas: Replicas = "each") -> Result:
    """A start-up failed in each replica, and the platform saw no failure and restarted nothing.

    The process that the platform had started lived on, or ended with 0 without having been ready.
    "some": in at least one replica.
    """

    def hidden_in(number: int) -> Result:
        for life in trace.lives(number):
            ended = next(iter(observed(trace, "process.exited", life=life)), None)
            if ended is not None and not ended.data.get("requested"):
                return _ended(trace, life, ended)
            if failed := failed_starts(trace, life):
                return _lived_on(trace, failed, ended)
        return not_seen(trace, "no start-up failed")

    return for_replicas(trace, replicas, hidden_in)


def _by_boot(trace: Trace, life: Life) -> list[Event]:
    """The first word of each process of a life that logged the beginning of its start-up."""
    begun = trace.of("startup.started", life=life)
    with_boot = [e for e in begun if isinstance(e.data.get("boot_id"), str)]
    return [own[0] for own in by_process(with_boot)]


def _ended(trace: Trace, life: Life, ended: Event) -> Result:
    """Whether the platform saw no failure of a life that ended on its own."""
    name = trace.name(life)
    if found := killed_by_another(trace, ended):
        return found
    if kill := killed(trace, ended):
        return refuted(f"{name} was killed by the platform", [kill, ended])
    if code_of(ended) != 0:
        return refuted(f"{name} ended with {how_ended(ended)}, which is a failure", [ended])
    answers = [e for e in observed(trace, "ready.answered", life=life) if e.data.get("ready")]
    if ready := [*answers, *trace.of("startup.completed", life=life)]:
        return refuted(f"{name} had been ready before it ended", [ready[0], ended])
    later = [e for e in observed(trace, "process.started") if e.replica == life.replica]
    if again := [e for e in later if e.mono_ns > ended.mono_ns]:
        says = f"the platform started {trace.name(again[0].life)} after {name} had ended"
        return refuted(says, [ended, again[0]])
    failed = failed_starts(trace, life)
    watched = observed(trace, "port.watched", life=life)
    if failed or any(each.data.get("probes") for each in watched):
        when = "after its start-up had failed" if failed else "without having been ready"
        says = f"{name} ended with exit 0 {when}, which the platform took for success"
        found = holds(says, [*failed[:1], ended])
    else:
        says = f"{name} ended with exit 0, and nobody asked it to be ready"
        found = saw_nothing(says, [ended])
    return found


def _lived_on(trace: Trace, failed: list[Event], ended: Event | None) -> Result:
    """Whether a life lived on although a start-up had failed in it, until the run ended it."""
    until = ended or trace.events[-1]
    name, lived_s = trace.name(failed[0].life), (until.mono_ns - failed[0].mono_ns) / 1e9
    if lived_s < LIVED_ON_S:
        return saw_nothing(f"{name} was stopped {lived_s:.1f} s after its start-up failed", failed)
    says = f"the process of {name} lived on for {lived_s:.1f} s after its start-up had failed"
    return holds(says, [failed[0], until])
