"""Lines of text with a tone for each part: what text and terminal have in common."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Tone(StrEnum):
    """What a part means; a terminal gives each a style, plain text none."""

    PLAIN = "plain"
    DIM = "dim"
    HEAD = "head"
    GOOD = "good"
    BAD = "bad"
    DOUBT = "doubt"
    FAULT = "fault"
    FAULT_LABEL = "fault label"
    BOOT = "boot"
    DONE = "done"
    FAILED = "failed"
    FAILED_LABEL = "failed label"
    DEGRADED = "degraded"
    DEGRADED_LABEL = "degraded label"
    RUNNING = "running"
    SERVING = "serving"
    READY = "ready"
    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    HARNESS_ERROR = "harness error"


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a line in one tone."""

    text: str
    tone: Tone = Tone.PLAIN


Line = tuple[Span, ...]
BLANK: Line = ()


def line(*parts: str | Span) -> Line:
    """One line; plain strings are in the plain tone."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def plain(lines: Iterable[Line]) -> str:
    """The lines as text, without tones or trailing blanks."""
    return "\n".join("".join(span.text for span in one).rstrip() for one in lines)


def paragraph(
    text: str,
    *,
    width: int,
    indent: str = "  ",
    hanging: str | None = None,
    tone: Tone = Tone.PLAIN,
) -> Iterator[Line]:
    """`text` in lines of at most `width` columns; `hanging` indents all but the first."""
    for one in textwrap.wrap(
        text,
        max(width, 20),
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_on_hyphens=False,
    ):
        yield line(Span(one, tone))
