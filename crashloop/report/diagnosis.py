"""A diagnosis as a page of a terminal and as JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crashloop.diagnosis.whys import whys
from crashloop.plural import counted
from crashloop.report.clean import clean
from crashloop.report.events import history_of
from crashloop.report.lines import BLANK, Line, Span, Tone, line, paragraph
from crashloop.report.run_whys import whys_of_run
from crashloop.report.whys import cited_document, cited_line, whys_documents, whys_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.diagnosis.case import Case
    from crashloop.diagnosis.diagnosis import Diagnosis, Seen, Weighed
    from crashloop.diagnosis.why import Whys

MAX_LINES = 3
"""How many lines of each sign the page shows; the JSON document has all that were kept."""


def diagnosis_document(found: Diagnosis) -> dict[str, Any]:
    """The diagnosis as `--json` prints it."""
    counts = found.case.counts
    chain = whys_of(found)
    return {
        "causes": [_cause_document(found.case, each) for each in found.causes],
        "ruled_out": [
            {"id": each.cause.id, "by": _cited_documents(found.case, each.against)}
            for each in found.ruled_out
        ],
        "unknown": found.unknown,
        "decides": list(found.decides),
        "whys": whys_documents(chain),
        "whys_end": chain.ends,
        "lines": {
            "read": counts.read,
            "understood": counts.understood,
            "doubled": counts.doubled,
            "left_out": counts.left_out,
        },
    }


def heading(found: Diagnosis) -> str:
    """The cause's id, or that it is unknown."""
    return "Unknown" if found.unknown else found.causes[0].cause.id


def whys_of(found: Diagnosis) -> Whys:
    """The whys of the first cause; where none is decided, as far as they go."""
    if found.run is None:
        return whys(found.case, None if found.unknown else found.causes[0])
    trace = found.case.trace
    of_run = whys_of_run(trace, found.run, history_of(trace))
    steps = tuple(replace(why, lines=found.case.lines(*why.events)) for why in of_run.steps)
    return replace(of_run, steps=steps)


def diagnosis_page(found: Diagnosis, *, width: int) -> list[Line]:
    """The diagnosis for a reader: the answer, its lines, what else it is not, what to do next."""
    page = [
        *_answer(found, width),
        BLANK,
        *whys_lines(whys_of(found), found.case.names, width=width),
    ]
    for each in found.causes:
        page += [BLANK, *_cause_lines(found.case, each, width)]
    if found.ruled_out:
        page += [BLANK, line(Span("Ruled out", Tone.HEAD))]
        for each in found.ruled_out:
            page += _seen_lines(found.case, each.against[:1], width, head=f"{each.cause.id}: ")
    if found.decides:
        page += [BLANK, line(Span("What would decide", Tone.HEAD))]
        for sentence in found.decides:
            page += paragraph(sentence, width=width, hanging="    ")
    counts = ", ".join(counts_words(found))
    return [*page, BLANK, *paragraph(counts, width=width, indent="", tone=Tone.DIM)]


def _answer(found: Diagnosis, width: int) -> Iterator[Line]:
    if found.unknown:
        yield line(Span("Unknown", Tone.INCONCLUSIVE), ": the logs do not decide the cause")
        return
    first = found.causes[0]
    yield line(Span(first.cause.id, Tone.REPRODUCED), f"  ({first.confidence.word} confidence)")
    yield from paragraph(first.cause.meaning, width=width)


def _cause_lines(case: Case, weighed: Weighed, width: int) -> Iterator[Line]:
    title = clean(weighed.cause.title)
    yield line(Span(weighed.cause.id, Tone.HEAD), f"  {weighed.confidence.word}: {title}")
    if weighed.explained_by:
        yield from paragraph(f"a consequence of {weighed.explained_by}", width=width)
    yield from _seen_lines(case, (*weighed.decided, *weighed.pointed), width, head="for: ")
    for sign in weighed.not_seen:
        yield from paragraph(f"not seen: {sign.says}", width=width, hanging="    ", tone=Tone.DIM)
    yield from paragraph(f"next: {weighed.cause.in_logs.next}", width=width, hanging="    ")
    if weighed.cause.reproduce:
        yield from paragraph(f"make it happen: {weighed.cause.reproduce}", width=width)


def _seen_lines(case: Case, seen: Sequence[Seen], width: int, *, head: str) -> Iterator[Line]:
    for each in seen:
        yield from paragraph(f"{head}{each.sign.says}", width=width, hanging="    ")
        cited = case.lines(*each.events)
        for one in cited[:MAX_LINES]:
            yield cited_line(one, case.names, width)
        if len(cited) > MAX_LINES:
            yield line(Span(f"      and {counted(len(cited) - MAX_LINES, 'line')} more", Tone.DIM))


def counts_words(found: Diagnosis) -> Iterator[str]:
    """What was read, and what of it was dropped."""
    counts = found.case.counts
    yield f"{counted(counts.read, 'line')} read"
    yield f"{counts.understood} understood"
    if counts.doubled:
        yield f"{counts.doubled} doubled"
    if counts.left_out:
        yield f"{counted(counts.left_out, 'line')} left out, which repeat others"


def _cause_document(case: Case, weighed: Weighed) -> dict[str, Any]:
    return {
        "id": weighed.cause.id,
        "title": weighed.cause.title,
        "confidence": weighed.confidence.word,
        "for": _cited_documents(case, (*weighed.decided, *weighed.pointed)),
        "against": _cited_documents(case, weighed.against),
        "not_seen": [sign.says for sign in weighed.not_seen],
        "next": weighed.cause.in_logs.next,
        "explained_by": weighed.explained_by or None,
        "reproduce": weighed.cause.reproduce or None,
    }


def _cited_documents(case: Case, seen: Sequence[Seen]) -> list[dict[str, Any]]:
    events = [event for each in seen for event in each.events]
    return [cited_document(each) for each in case.lines(*events)]
