"""Whether, and how soon, the app was back after the last heal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crashloop.checks.journey import begun_ns
from crashloop.checks.link_times import FAR_FUTURE_NS
from crashloop.checks.lives import deaths, observed, of_replica
from crashloop.checks.receipts import last_heal_ns
from crashloop.outcome.tries import has_journey, is_patient, tries_of
from crashloop.trace.event import DEADLINE_PASSED, NOT_BACK_IN_TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.trace.event import Event, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """`after_s` wall seconds after the heal every replica was back; None if one was not: `why`.

    `is_known` is False where the run ended before the app had all of its time to recover.
    """

    after_s: float | None
    why: str = ""
    is_known: bool = True
    evidence: tuple[Event, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every replica was back."""
        return self.after_s is not None

    @property
    def words(self) -> str:
        """`4.2 s after the heal`."""
        return f"{self.after_s:.1f} s after the heal"


def recovery_of(trace: Trace) -> Recovery:
    """When each replica was ready after the last heal and, if there is a journey, a try passed.

    How long the app had is decided where the run was ended, which then says that the app was not
    back in time. What comes a moment later is too late.
    """
    found = _recovery(trace)
    finished = trace.first("run.finished")
    how = finished.data.get("how") if finished else None
    if not found.is_complete:
        gave_up = any(_gave_up(trace, number) for number in trace.replicas())
        cut_off = how in {None, DEADLINE_PASSED} and not gave_up
        return replace(found, is_known=found.is_known and not cut_off)
    if how == NOT_BACK_IN_TIME:
        return Recovery(
            after_s=None, why=f"it was back only {found.words}", evidence=found.evidence
        )
    return found


def _recovery(trace: Trace) -> Recovery:
    healed_ns = last_heal_ns(trace)
    if healed_ns == FAR_FUTURE_NS:
        why = next(filter(None, (_gave_up(trace, number) for number in trace.replicas())), "")
        never = "the fault was never healed"
        return Recovery(after_s=None, why=why or never, is_known=bool(why))
    backs: list[int] = []
    evidence: list[Event] = []
    for number in trace.replicas():
        shown = _back(trace, number, healed_ns)
        if isinstance(shown, str):
            several = f" (replica {number})" if len(trace.replicas()) > 1 else ""
            return Recovery(after_s=None, why=shown + several)
        backs.append(max([healed_ns, *(event.mono_ns for event in shown)]))
        evidence += shown
    return Recovery(after_s=(max(backs) - healed_ns) / 1e9, evidence=tuple(evidence))


def _back(trace: Trace, number: int, healed_ns: int) -> Sequence[Event] | str:
    """What shows that a replica was back, or why it was not.

    A life later than all its dead ones was ready after the heal, or before and until then; and a
    try of the journey that had begun after the heal passed in it. A patient journey, which is not
    made twice, may have passed before.
    """
    dead = [e.attempt or 0 for e in of_replica(deaths(trace), number)]
    last_dead = max(dead, default=0)
    answers = of_replica(observed(trace, "ready.answered"), number)
    answers = [e for e in answers if (e.attempt or 0) > last_dead]
    before = [e for e in answers if e.mono_ns < healed_ns][-1:]
    stayed = [e for e in before if e.data.get("ready") is True]
    after = [e for e in answers if e.mono_ns >= healed_ns and e.data.get("ready") is True]
    was_ready = (stayed or after)[:1]
    if not was_ready:
        return _gave_up(trace, number) or "it was not ready again"
    if not has_journey(trace):
        # The run ends at the first such answer; later ones are those of an app that is stopped.
        return was_ready
    tries = of_replica(tries_of(trace), number)
    if not is_patient(trace):
        tries = [e for e in tries if begun_ns(e) >= healed_ns and (e.attempt or 0) > last_dead]
    passed = [e for e in tries if e.data.get("passed") is True][:1]
    if passed:
        return [*was_ready, *passed]
    why = f": {tries[-1].data.get('why')}" if tries else ", as it was never tried again"
    return f"its journey did not pass again{why}"


def _gave_up(trace: Trace, number: int) -> str:
    """Why the platform did not start a replica again; "" if it did not give up."""
    found = of_replica(observed(trace, "restart.gave_up"), number)
    return f"its platform did not start it again: {found[-1].data.get('reason')}" if found else ""
