"""The tries of the journey of the user's own app, in sentences. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.durations import plain
from crashloop.plural import often

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.report.history import FaultSpan, History, TrySpan


def tries(history: History) -> Iterator[str]:
    """How many tries passed under a fault, why others did not, and when one first passed after."""
    faults = [fault for fault in history.faults if fault.plugged]
    if not faults:
        if history.tries:
            times = f"{often(len(history.tries))}, and passed {often(_passed(history.tries))}"
            yield f"The journey was tried {times}{_why(history.tries)}."
        return
    under = [one for one in history.tries if any(_is_under(one, fault) for fault in faults)]
    if under:
        passed = f"{_passed(under)} of {len(under)} tries of the journey passed"
        yield f"Under the fault, {passed}{_why(under)}."
    if history.tries and all(fault.healed for fault in faults):
        yield from _after(history, max(fault.end_s for fault in faults))


def _is_under(one: TrySpan, fault: FaultSpan) -> bool:
    """Whether a try ended while the fault was on, or failed after it had begun so.

    A try that began under the fault and passed after its heal says nothing.
    """
    instants = (one.at_s,) if one.passed else (one.at_s, one.at_s - one.took_s)
    return any(fault.start_s <= at_s < fault.end_s for at_s in instants)


def _after(history: History, heal_s: float) -> Iterator[str]:
    """When a try first passed after the last heal, or why none did."""
    late = [one for one in history.tries if one.at_s > heal_s]
    first = next((one for one in late if one.passed), None)
    if first is not None:
        yield f"The journey first passed {_seconds(history, first.at_s - heal_s)} after the heal."
    elif history.has_ended:
        yield f"No try of the journey passed after the heal{_why(late)}."


def _passed(found: Sequence[TrySpan]) -> int:
    return sum(one.passed for one in found)


def _why(found: Sequence[TrySpan]) -> str:
    """Why the last try that failed did not pass."""
    one = next((one for one in reversed(found) if not one.passed), None)
    if one is None:
        return ""
    where = f"step {one.step}: " if one.step else ""
    return f" ({where}{one.why or 'it failed'})"


def _seconds(history: History, wall_s: float) -> str:
    if not history.is_scaled:
        return f"{wall_s:.1f} s"
    return f"{plain(round(history.incident_s(wall_s), 1))} s ({wall_s:.1f} s here)"
