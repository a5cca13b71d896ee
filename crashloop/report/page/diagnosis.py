"""The page of a diagnosis: the answer, its whys, the causes, and the lines of the logs. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from crashloop import __version__
from crashloop.plural import counted
from crashloop.report.diagnosis import counts_words, heading, whys_of
from crashloop.report.lines import Span, Tone, line
from crashloop.report.page.annotated import Annotated, Citation
from crashloop.report.page.document import Part, head, page, part
from crashloop.report.page.inert import inert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crashloop.diagnosis.case import Case, Cited
    from crashloop.diagnosis.diagnosis import Diagnosis, Seen, Weighed
    from crashloop.diagnosis.why import Whys
    from crashloop.report.lines import Line
    from crashloop.report.page.annotated import Near

MAX_CITED = 5
"""How many lines a step or a sign shows; all are marked in the log."""
MAX_SAYS = 400
_FOR, _AGAINST, _NOT_SEEN = ("for", "good"), ("against", "bad"), ("not seen", "doubt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A cited line: where it stands, the anchor of it in the log, and what it says."""

    where: str
    anchor: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A step or a sign with its lines; `more` counts those that are not among them."""

    anchor: str
    word: str
    tone: str
    says: str
    quotes: tuple[Quote, ...]
    more: int


class DiagnosisPage:
    """A page to be written: which lines it needs, and then the whole of it."""

    def __init__(self, found: Diagnosis, files: Sequence[str]) -> None:
        self._found = found
        self._files = files
        self._whys = whys_of(found)
        self._log = Annotated(_citations(found, self._whys), found.case.names)

    def wanted(self) -> dict[str, list[int]]:
        """The numbers of the lines of each file that the page shows."""
        return self._log.wanted()

    def html(self, near: Mapping[str, Near]) -> str:
        """The page; `near` has the wanted lines of each file."""
        found = self._found
        bodies = [
            ("whys", "Why", self._whys_part()),
            ("causes", "Causes", self._causes_part()),
            ("ruled-out", "Ruled out", self._ruled_out_part()),
            ("decides", "What would decide", self._decides_part()),
            ("log", "The log", part("annotated.html", excerpts=[*self._log.excerpts(near)])),
        ]
        parts = [Part(name=name, heading=title, body=body) for name, title, body in bodies if body]
        first = None if found.unknown else found.causes[0]
        top = head(
            heading(found),
            title=first.cause.title if first else "",
            ending=[*_answer(first)],
            facts=[counted(len(self._files), "file"), *counts_words(found)],
            command=inert(shlex.join(["crashloop", "diagnose", *self._files]), 2000),
        )
        return page(f"diagnosis: {heading(found)}", parts, head=top, version=__version__)

    def _whys_part(self) -> Markup:
        steps = [
            self._point(f"why-{n}", ("", ""), why.says, why.lines)
            for n, why in enumerate(self._whys.steps, 1)
        ]
        return part("diagnosis_whys.html", steps=steps, ends=inert(self._whys.ends, MAX_SAYS))

    def _causes_part(self) -> Markup:
        causes = [(each, [*self._signs(n, each)]) for n, each in enumerate(self._found.causes, 1)]
        return part("causes.html", causes=causes) if causes else Markup()

    def _signs(self, number: int, weighed: Weighed) -> Iterator[Point]:
        for anchor, kind, seen in _anchored(number, weighed):
            lines = self._found.case.lines(*seen.events)
            yield self._point(anchor, kind, seen.sign.says, lines)
        for sign in weighed.not_seen:
            yield self._point("", _NOT_SEEN, sign.says, ())

    def _ruled_out_part(self) -> Markup:
        points = [
            (each, self._point(anchor, _AGAINST, seen.sign.says, self._lines(seen)))
            for each, anchor, seen in _against(self._found)
        ]
        return part("ruled_out.html", points=points) if points else Markup()

    def _decides_part(self) -> Markup:
        decides = self._found.decides
        return part("happened.html", told=decides, note="") if decides else Markup()

    def _lines(self, seen: Seen) -> tuple[Cited, ...]:
        return self._found.case.lines(*seen.events)

    def _point(
        self, anchor: str, kind: tuple[str, str], says: str, lines: Sequence[Cited]
    ) -> Point:
        quotes = [
            Quote(
                where=f"{self._log.name(one.file)}:{one.line}",
                anchor=self._log.anchor(one.file, one.line),
                text=inert(one.text, MAX_SAYS),
            )
            for one in lines[:MAX_CITED]
        ]
        return Point(
            anchor=anchor,
            word=kind[0],
            tone=kind[1],
            says=inert(says, MAX_SAYS),
            quotes=tuple(quotes),
            more=len(lines) - len(quotes),
        )


def _answer(first: Weighed | None) -> Iterator[Line]:
    if first is None:
        yield line(Span("unknown", Tone.INCONCLUSIVE), " the logs do not decide the cause")
        return
    yield line(Span(f"{first.confidence.word} confidence", Tone.REPRODUCED))
    yield line(inert(first.cause.meaning, MAX_SAYS))


def _citations(found: Diagnosis, whys: Whys) -> Iterator[Citation]:
    """All that cites lines, what matters most first."""
    for n, why in enumerate(whys.steps, 1):
        yield Citation(anchor=f"why-{n}", label=f"why {n}", lines=why.lines)
    for number, weighed in enumerate(found.causes, 1):
        for anchor, kind, seen in _anchored(number, weighed):
            label = f"{kind[0]} {weighed.cause.id}"
            yield Citation(anchor=anchor, label=label, lines=_of(found.case, seen))
    for weighed, anchor, seen in _against(found):
        label = f"against {weighed.cause.id}"
        yield Citation(anchor=anchor, label=label, lines=_of(found.case, seen))


def _anchored(number: int, weighed: Weighed) -> Iterator[tuple[str, tuple[str, str], Seen]]:
    """The signs for a cause and against it, each with its anchor."""
    signs = [(_FOR, seen) for seen in (*weighed.decided, *weighed.pointed)]
    signs += [(_AGAINST, seen) for seen in weighed.against]
    for n, (kind, seen) in enumerate(signs, 1):
        yield f"cause-{number}-{n}", kind, seen


def _against(found: Diagnosis) -> Iterator[tuple[Weighed, str, Seen]]:
    for number, weighed in enumerate(found.ruled_out, 1):
        for n, seen in enumerate(weighed.against, 1):
            yield weighed, f"out-{number}-{n}", seen


def _of(case: Case, seen: Seen) -> tuple[Cited, ...]:
    return case.lines(*seen.events)
