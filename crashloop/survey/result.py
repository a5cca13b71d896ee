"""What one run says about the app, and what all of them add up to. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from crashloop.errors import CapabilityError, HarnessError
from crashloop.model import Outcome
from crashloop.report.clean import clean, listing, mapping, number
from crashloop.report.fate import NEVER_STARTED_STATUS, inapplicable_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crashloop.survey.plan import Planned

MAX_WHY = 500
MAX_LINES = 40


class Met(StrEnum):
    """Whether a result is what was required; `KNOWN` is a failure that the baseline accepts."""

    MET = "met"
    KNOWN = "known"
    NOT_MET = "not met"
    INCONCLUSIVE = "inconclusive"
    HARNESS = "harness error"
    NEVER_STARTED = "never started"
    DOES_NOT_APPLY = "does not apply"


STATUS = {
    Met.NEVER_STARTED: NEVER_STARTED_STATUS,
    Met.HARNESS: HarnessError.exit_status,
    Met.NOT_MET: 10,
    Met.INCONCLUSIVE: 11,
}
"""The exit status of each, worst first: without a start, or a harness, nothing else is known."""

RANKS: dict[Outcome | None, int] = {
    Outcome.SURVIVED: 0,
    Outcome.RECOVERED: 1,
    Outcome.NOT_RECOVERED: 2,
}


_DAMAGE = (
    Outcome.NEVER_STARTED,
    Outcome.NOT_RECOVERED,
    Outcome.RECOVERED,
    Outcome.INCONCLUSIVE,
    Outcome.SURVIVED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one incident. `document` has the keys that `reproduce --app --json` prints.

    `lines` are the last lines of the app. `changed` says what differs from the baseline. `proves`
    is what an app that survived did meanwhile.
    """

    incident: str
    title: str
    document: Mapping[str, Any]
    met: Met
    outcome: Outcome | None = None
    why: str = ""
    lines: tuple[str, ...] = ()
    took_s: float = 0.0
    command: str = ""
    changed: str = ""
    proves: str = ""
    flags: Mapping[str, str] = field(default_factory=dict)

    @property
    def deaths(self) -> int:
        """How many lives ended on their own."""
        return int(number(self.document.get("deaths")) or 0)

    @property
    def recovered_after_s(self) -> float | None:
        """Seconds of the incident from the heal until it worked again."""
        return number(self.document.get("recovered_after_s"))

    @property
    def exit_codes(self) -> list[int]:
        """Those of its deaths, in order."""
        codes = map(number, listing(self.document.get("exit_codes")))
        return [int(code) for code in codes if code is not None]

    @property
    def advice(self) -> str:
        """What would end the outage."""
        return clean(self.document.get("advice") or "", MAX_WHY)

    def to_json(self) -> dict[str, Any]:
        """The document, with what the check itself found."""
        return {
            **self.document,
            "title": self.title,
            "met": str(self.met),
            "proves": self.proves,
            "changed": self.changed,
            "took_s": round(self.took_s, 1),
            "command": self.command,
        }


def result_of(
    planned: Planned, answer: Mapping[str, Any], *, require: Outcome, took_s: float
) -> Result:
    """The result of a run from what it printed: its document, or that of an error.

    A run that was refused, as the app or the machine has not what it needs, does not apply.
    """
    error = clean(answer.get("error", ""), MAX_WHY)
    why = clean(answer.get("why") or error or "it printed no outcome", MAX_WHY)
    found = inapplicable_document(planned.incident, planned.params, why)
    found |= {name: answer[name] for name in found if name in answer}
    outcome = _outcome(answer.get("outcome"))
    met = _met(answer, outcome, require)
    found |= {"applies": met is not Met.DOES_NOT_APPLY, "why": why}
    return Result(
        incident=planned.incident,
        title=planned.title,
        document=found,
        met=met,
        outcome=outcome,
        why=why,
        lines=tuple(clean(each) for each in listing(answer.get("last_lines"))[-MAX_LINES:]),
        took_s=took_s,
        command=clean(answer.get("command", ""), MAX_WHY),
        flags={str(n): clean(says, MAX_WHY) for n, says in mapping(found["flags"]).items()},
    )


def by_damage(results: Iterable[Result]) -> list[Result]:
    """What broke the app first, then what nothing was shown by, then what it survived.

    What does not apply comes last. Results of one kind stay in their order.
    """
    return sorted(results, key=_damage)


def _damage(result: Result) -> int:
    if result.met is Met.DOES_NOT_APPLY:
        return len(_DAMAGE) + 1
    if result.met is Met.HARNESS or result.outcome is None:
        return _DAMAGE.index(Outcome.INCONCLUSIVE)
    return _DAMAGE.index(result.outcome)


def not_applicable(planned: Planned) -> Result:
    """The result of an incident that cannot happen to the app, or not on this machine."""
    return Result(
        incident=planned.incident,
        title=planned.title,
        document=inapplicable_document(planned.incident, planned.params, planned.why),
        met=Met.DOES_NOT_APPLY,
        why=planned.why,
    )


def exit_status(results: Iterable[Result], broken: Iterable[str] = ()) -> int:
    """The worst of all: 13, 12, 10, 11, then 0; 11 where nothing applies.

    `broken` are the dependency runs in which the harness broke.
    """
    found = {each.met for each in results} | {Met.HARNESS for _ in broken}
    if not found - {Met.DOES_NOT_APPLY}:
        return STATUS[Met.INCONCLUSIVE]
    return next((status for met, status in STATUS.items() if met in found), 0)


def meets(outcome: Outcome, require: Outcome) -> bool:
    """Whether an outcome is at least as good as the required one."""
    return outcome in RANKS and RANKS[outcome] <= RANKS[require]


def _met(answer: Mapping[str, Any], outcome: Outcome | None, require: Outcome) -> Met:
    if outcome is Outcome.NEVER_STARTED:
        return Met.NEVER_STARTED
    if answer.get("verdict") == "HARNESS_ERROR":
        return Met.HARNESS
    if outcome and outcome in RANKS:
        return Met.MET if meets(outcome, require) else Met.NOT_MET
    if outcome is Outcome.INCONCLUSIVE:
        return Met.INCONCLUSIVE
    was_refused = answer.get("exit_status") == CapabilityError.exit_status
    return Met.DOES_NOT_APPLY if was_refused else Met.HARNESS


def _outcome(value: object) -> Outcome | None:
    return next((each for each in Outcome if each == value), None)
