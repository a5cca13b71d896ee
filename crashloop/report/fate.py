"""What an outage did to the user's own app: its outcome as lines and as a JSON object. Pure."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from crashloop.model import Outcome
from crashloop.plural import counted, listed, often
from crashloop.report.clean import clean, mapping
from crashloop.report.lines import Line, Span, Tone, line, paragraph
from crashloop.report.words import status_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crashloop.model import Fate, Judgement
    from crashloop.trace.event import Trace

NEVER_STARTED_STATUS = 13
MAX_SAYS = 500
MAX_CODES = 6

MEANING: dict[Outcome, str] = {
    Outcome.SURVIVED: "no life ended on its own, and the app served under the fault",
    Outcome.RECOVERED: "the app failed under the fault, and was back in time after the heal",
    Outcome.NOT_RECOVERED: "the app was not back in time after the heal",
    Outcome.NEVER_STARTED: "the app does not start without a fault, so no fault was tried",
    Outcome.INCONCLUSIVE: "nothing shows what the outage does to the app",
}
"""What each outcome means, in one line."""

_REMEDIED: dict[Outcome, str] = {
    Outcome.SURVIVED: "with the remedy {}, no life ended on its own, and the app served",
    Outcome.RECOVERED: "with the remedy {}, the app was back in time after the heal",
    Outcome.NOT_RECOVERED: "with the remedy {}, the app was not back in time after the heal either",
}

_TONES: dict[Outcome, Tone] = {
    Outcome.SURVIVED: Tone.REPRODUCED,
    Outcome.RECOVERED: Tone.NOT_REPRODUCED,
    Outcome.NOT_RECOVERED: Tone.HARNESS_ERROR,
    Outcome.NEVER_STARTED: Tone.HARNESS_ERROR,
    Outcome.INCONCLUSIVE: Tone.INCONCLUSIVE,
}


def exit_status(judgement: Judgement, fate: Fate | None) -> int:
    """The exit status of a command that ran or judged one run: the verdict's.

    13 where the app does not start without a fault. `fate` is None for the sample app.
    """
    if fate is not None and fate.outcome is Outcome.NEVER_STARTED:
        return NEVER_STARTED_STATUS
    return judgement.verdict.exit_status


def result_document(trace: Trace, judgement: Judgement, fate: Fate, *, path: str) -> dict[str, Any]:
    """One incident's result for the user's own app; `path` is where the trace is."""
    found = fate.to_json()
    return {
        "incident": clean(trace.scenario.get("incident", "?"), 60),
        "params": mapping(trace.scenario.get("params")),
        "applies": True,
        "why": found.pop("why"),
        "outcome": str(found.pop("outcome")),
        "verdict": str(judgement.verdict),
        **{
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
        },
        "not_asked": mapping(trace.scenario.get("not_asked")),
        "trace": path,
    }


def inapplicable_document(incident: str, params: Mapping[str, Any], why: str) -> dict[str, Any]:
    """The result of an incident that does not apply to an app, with the keys of any other."""
    return {
        "incident": incident,
        "params": dict(params),
        "applies": False,
        "why": why,
        "outcome": None,
        "verdict": None,
        "deaths": 0,
        "exit_codes": [],
        "recovered_after_s": None,
        "port_before_ready": None,
        "flags": {},
        "advice": "",
        "evidence": [],
        "not_asked": {},
        "trace": None,
    }


def outcome_lines(
    fate: Fate, not_asked: Mapping[str, str], *, remedy: str = "", width: int
) -> Iterator[Line]:
    """The outcome and what it means, then `fate_lines`.

    `remedy` is the one that was in place: then nothing else is advised.
    """
    badge, meaning = f" {fate.outcome} ", MEANING[fate.outcome]
    if remedy:
        fate = replace(fate, advice="")
        meaning = _REMEDIED.get(fate.outcome, meaning).format(remedy)
    if len(badge) + 2 + len(meaning) <= width:
        yield line(Span(badge, _TONES[fate.outcome]), f"  {meaning}")
    else:
        yield line(Span(badge, _TONES[fate.outcome]))
        yield from paragraph(meaning, width=width)
    yield from fate_lines(fate, not_asked, width=width)


def fate_lines(fate: Fate, not_asked: Mapping[str, str], *, width: int) -> Iterator[Line]:
    """The outcome's reason, deaths, flags and advice, and which checks were not asked."""
    yield from paragraph(f"because {clean(fate.why, MAX_SAYS)}", width=width)
    yield from paragraph(deaths_words(fate), width=width)
    for flag, says in fate.flags.items():
        text = f"{flag}: {clean(says, MAX_SAYS)}"
        yield from paragraph(text, width=width, hanging="    ", tone=Tone.DOUBT)
    if fate.advice:
        text = f"what helps: {clean(fate.advice, MAX_SAYS)}"
        yield from paragraph(text, width=width, hanging="    ")
    for text in _not_asked(not_asked):
        yield from paragraph(text, width=width, hanging="    ", tone=Tone.DIM)


def deaths_words(fate: Fate) -> str:
    """`3 deaths: exit 3, 3 times`; empty where no life died."""
    if not fate.deaths:
        return ""
    return f"{counted(fate.deaths, 'death')}{_codes(fate.exit_codes)}"


def _codes(codes: Sequence[int]) -> str:
    runs = [(status_words(code), len([*same])) for code, same in groupby(codes)]
    said = [f"{words}, {often(times)}" if times > 1 else words for words, times in runs]
    more = ["..."] if len(said) > MAX_CODES else []
    return f": {'; '.join([*said[:MAX_CODES], *more])}" if said else ""


def _not_asked(not_asked: Mapping[str, str]) -> Iterator[str]:
    """The checks that were not asked, those with the same reason together."""
    reasons: dict[str, list[str]] = {}
    for check, reason in not_asked.items():
        reasons.setdefault(reason, []).append(check)
    for reason, checks in reasons.items():
        yield f"not asked: {listed(checks)} ({reason})"
