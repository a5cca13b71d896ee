"""What the server itself says about the app's failures and about the old revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.failures import failures
from crashloop.checks.lives import Replicas, for_replicas, observed
from crashloop.checks.result import Result, holds, refuted, saw_nothing
from crashloop.checks.touches import life_of_word, planned_faults, says_sqlstate, words
from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.checks.failures import Failure
    from crashloop.trace.event import Event, Trace

LOGIN_REFUSED = "28P01"
ROLE_UNKNOWN = ".role_unknown"
OTHERS = {"app", "harness", "platform", "proxy", "supervisor"}
"""Who has events about a target besides the target itself."""


def server_said(
    trace: Trace, *, target: str, errors: Sequence[str], phase: str, replicas: Replicas = "each"
) -> Result:
    """Each life that failed in the phase was told one of the SQLSTATEs by the target itself.

    The target's own log says so, for that life. Where its events name no client (as on Docker),
    the life's failed line, or without a phase an error in its log, must have the same SQLSTATE.
    "each": the phase failed in every replica; "some": in at least one.
    """
    failed = failures(trace, phase)
    said = [
        event
        for event in trace.events
        if event.source != "app" and event.target == target
        if event.data.get("sqlstate") in errors
    ]
    in_phase = f" in phase {phase}" if phase else ""
    told_by: dict[int, Event] = {}
    for failure in failed:
        own = next((event for event in said if _is_to(trace, event, failure)), None)
        if own is None:
            return saw_nothing(
                f"{trace.name(failure.ended.life)} failed{in_phase}, and {target} itself did not "
                f"say {' or '.join(errors)} to it",
                [failure.ended],
            )
        told_by[failure.ended.seq] = own

    def told(number: int) -> Result:
        own = [failure.ended for failure in failed if failure.ended.replica == number]
        if not own:
            never = f"phase {phase} never failed" if phase else "no attempt died"
            return saw_nothing(f"{never}, so {target} had nothing to say")
        states = sorted({str(told_by[event.seq].data["sqlstate"]) for event in own})
        lives = {event.life for event in own}  # several processes of one may have failed
        says = f"{target} itself said {' and '.join(states)} to {counted(len(lives), 'attempt')}"
        return holds(f"{says} that failed{in_phase}", [told_by[event.seq] for event in own])

    return for_replicas(trace, replicas, told)


def server_said_no_error(trace: Trace, *, target: str, phase: str) -> Result:
    """The target itself told no error to a life that failed in the phase, or was killed in it.

    What a life's sessions are told after its kill does not count. An error whose client is not
    known counts for every life.
    """
    failed = failures(trace, phase)
    if not failed:
        return saw_nothing(f"phase {phase} never failed" if phase else "no attempt died")
    of_target = [e for e in trace.events if e.target == target and e.source not in OTHERS]
    if not of_target:
        return saw_nothing(f"{target} itself was never heard of")
    words_of = [
        (event, *life_of_word(trace, event)) for event in of_target if event.data.get("sqlstate")
    ]
    errors = [(event, life) for event, came, life in words_of if life or not came]
    for failure in failed:
        mine = {None, failure.ended.life}
        for event, life in errors:
            if life in mine and failure.began_ns <= event.mono_ns <= failure.until_ns:
                name, sqlstate = trace.name(failure.ended.life), event.data["sqlstate"]
                says = f"{target} itself said {sqlstate} to {name} during {failure.what}"
                return refuted(says, [event, failure.ended])
    says = f"{target} itself said no error to {counted(len(failed), 'attempt')}"
    return holds(says, [failure.ended for failure in failed])


def role_was_unknown(trace: Trace, *, target: str, phase: str, unknown: bool) -> Result:
    """Each life that failed in the phase was refused a login, for an `unknown` role or a known one.

    To the client both are a wrong password, 28P01; the target's own log says which it was.
    """
    failed = failures(trace, phase)
    if not failed:
        return saw_nothing(f"phase {phase} never failed" if phase else "no attempt died")
    evidence: list[Event] = []
    for failure in failed:
        name = trace.name(failure.ended.life)
        said = [
            event
            for event in trace.events
            if event.source != "app" and event.target == target
            if event.data.get("sqlstate") == LOGIN_REFUSED and _is_to(trace, event, failure)
        ]
        if not said:
            return saw_nothing(f"{target} itself did not refuse the login of {name}")
        without = [event for event in said if event.kind.endswith(ROLE_UNKNOWN)]
        if bool(without) is not unknown:
            exists = "does not exist" if without else "exists"
            return refuted(f"{target} itself says that the role of {name} {exists}", said)
        evidence += without or said
    exists = "does not exist" if unknown else "exists"
    says = f"{target} itself refused the login of {counted(len(failed), 'attempt')}"
    return holds(f"{says}, whose role {exists}", evidence)


def old_revision_held(trace: Trace, *, target: str, sessions: int) -> Result:
    """The old revision held at least so many sessions of the target from its start to its end.

    The target itself counted them when it was ready, and again just before it was ended.
    """
    counts = [
        counted_then
        for fault in planned_faults(trace)
        if "revision.overlapping" in fault["receipt"]["kinds"]
        for counted_then in words(trace, fault)
    ]
    if not counts or not all(counts):
        return saw_nothing("nobody counted what the old revision held")
    evidence = [event for each in counts for event in each]
    fewest = min(event.data["sessions"].get(target, 0) for event in evidence)
    if fewest < sessions:
        says = f"the old revision held {counted(fewest, 'session')} of {target}, not {sessions}"
        return refuted(says, evidence)
    if any(len(each) == 1 for each in counts):
        says = "nobody counted again what the old revision held before it was ended"
        return saw_nothing(says, evidence)
    says = f"the old revision held {counted(fewest, 'session')} of {target} at least"
    return holds(f"{says}, from its start to its end", evidence)


def _is_to(trace: Trace, event: Event, failure: Failure) -> bool:
    """Whether the server's error is one that the life got in the phase."""
    came, life = life_of_word(trace, event)
    if life or came:
        ended = observed(trace, "process.exited", life=failure.ended.life)
        until_ns = max([failure.ended.mono_ns, *(e.mono_ns for e in ended)])
        return life == failure.ended.life and failure.began_ns <= event.mono_ns <= until_ns
    lines = [failure.ended]
    if not failure.phase:
        lines = trace.of("log.error", life=failure.ended.life)
    return any(says_sqlstate(trace, event, line, str(event.data["sqlstate"])) for line in lines)
