"""Five whys, or as many as the evidence has, as lines of a terminal and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.report.clean import clean
from crashloop.report.lines import Line, Span, Tone, line, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crashloop.diagnosis.case import Cited
    from crashloop.diagnosis.why import Whys

MAX_LINES = 2
"""How many lines of each step the terminal shows; the JSON document has all that were kept."""
MAX_SAYS = 300


def whys_lines(found: Whys, names: Mapping[str, str], *, width: int) -> Iterator[Line]:
    """The chain, each step with its lines; `names` is what files are called."""
    yield line(Span("Why", Tone.HEAD))
    for n, why in enumerate(found.steps):
        head = "  " if n == 0 else "  why? "
        yield from paragraph(clean(why.says, MAX_SAYS), width=width, indent=head, hanging="    ")
        for one in why.lines[:MAX_LINES]:
            yield cited_line(one, names, width)
    yield from paragraph(found.ends, width=width, hanging="    ", tone=Tone.DIM)


def whys_documents(found: Whys) -> list[dict[str, Any]]:
    """The steps as `--json` prints them."""
    return [
        {"says": clean(why.says, MAX_SAYS), "lines": [cited_document(c) for c in why.lines]}
        for why in found.steps
    ]


def cited_line(cited: Cited, names: Mapping[str, str], width: int) -> Line:
    """A line of a log, and where it stands."""
    where = f"      {clean(names.get(cited.file, cited.file), 60)}:{cited.line}: "
    return line(Span(where, Tone.DIM), clean(cited.text, max(width - len(where), 20)))


def cited_document(cited: Cited) -> dict[str, Any]:
    """A line of a log as JSON."""
    return {"file": cited.file, "line": cited.line, "text": cited.text}
