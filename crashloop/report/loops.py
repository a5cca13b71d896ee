"""What starts and deaths amount to, in sentences and as a JSON object. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.model import Pattern
from crashloop.plural import counted, listed, numbers
from crashloop.report.attempts import MAX_GROUPS
from crashloop.report.clean import clean
from crashloop.report.words import sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.model import RecoveryTime, ReplicaLoop
    from crashloop.report.history import History

MAX_SAYS = 500
MAX_CYCLES = 200
SECONDS_AN_HOUR = 3600.0
_SHOWN_S = 0.05
"""A part of a recovery that would be shown as 0.0 s is left out."""

_NO_RESET = ("nothing", "unknown")

_NAMES = {
    Pattern.STARTED: "no restart loop",
    Pattern.SLOW_START: "slow start, no loop",
    Pattern.CRASH_AFTER_READY: "crash after ready, no loop at start-up",
    Pattern.SILENT_EXIT: "silent exit",
    Pattern.SILENT_ALIVE: "silent failure",
}
"""The patterns besides a loop that are worth a sentence, as no other part of a report says them."""


def loop_document(loop: ReplicaLoop) -> dict[str, Any]:
    """The record of one replica; at most 200 cycles, the last ones."""
    document = loop.to_json()
    cycles_s = document["cycles_s"][-MAX_CYCLES:]
    return {**document, "why": clean(loop.why, MAX_SAYS), "cycles_s": cycles_s}


def loop_sentences(loops: Sequence[ReplicaLoop], history: History) -> Iterator[str]:
    """A sentence or two for each group of replicas of the same fate, and their recovery."""
    groups: dict[tuple[object, ...], list[ReplicaLoop]] = {}
    for one in loops:
        is_plain = one.pattern is Pattern.STARTED and not one.deaths
        if one.looped or (one.pattern in _NAMES and not is_plain):
            key = (one.pattern, one.was_reset) if one.looped else (one.pattern, one.why)
            groups.setdefault(key, []).append(one)
    for same in list(groups.values())[:MAX_GROUPS]:
        several = len(loops) > 1
        who = f"{numbers('replica', [one.replica for one in same])}: " if several else ""
        yield sentence(f"{who}{_loop(same) if same[0].looped else _other(same[0])}")
        recovered = [one.recovery for one in same if one.recovery is not None]
        if recovered:
            yield sentence(f"{who}{_recovery(recovered, history)}")


def _other(one: ReplicaLoop) -> str:
    assert one.pattern is not None
    return f"{_NAMES[one.pattern]}: {clean(one.why, MAX_SAYS)}."


def _loop(same: Sequence[ReplicaLoop]) -> str:
    """How often a loop went round, how fast, and what resets the back-off."""
    one, deaths = same[0], sorted({each.deaths for each in same})
    count = (
        counted(deaths[0], "death") if len(deaths) == 1 else f"{deaths[0]} to {deaths[-1]} deaths"
    )
    said = f"restart loop: {count}"
    cycles = [cycle_s for each in same if (cycle_s := each.cycle_s)]
    if cycles:
        an_hour = _span([SECONDS_AN_HOUR / cycle_s for cycle_s in cycles], 0)
        said += f", a start every {_span(cycles)} s ({an_hour} an hour)"
    if one.pattern is Pattern.GAVE_UP:
        said += ", until the platform gave up"
    rule = clean(one.resets)
    if not rule:
        return f"{said}."
    if rule.startswith(_NO_RESET):
        return f"{said}. What resets the back-off: {rule}."
    did = "and did so here" if one.was_reset else "which did not happen here"
    return f"{said}. The back-off starts over after {rule}, {did}."


def _recovery(recovered: Sequence[RecoveryTime], history: History) -> str:
    """How long it took from the last heal to ready, and what the time was spent on."""
    parts = {
        "of back-off": [one.policy_s for one in recovered],
        "of waiting for the kernel's next SYN": [one.syn_s for one in recovered],
        "of the app's own start": [one.app_s for one in recovered],
        "of lives that still died, and of starting a process": [one.rest_s for one in recovered],
    }
    said = [f"{_span(found)} s {what}" for what, found in parts.items() if max(found) >= _SHOWN_S]
    whole = _span([one.total_s for one in recovered])
    counting = " with real work as long as it was" if history.is_scaled else ""
    what = f": {listed(said)}" if said else ""
    return f"recovery took {whole} s{counting}{what}."


def _span(values: Sequence[float], digits: int = 1) -> str:
    """`20.0 to 20.1`, or one number where all look the same."""
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"
