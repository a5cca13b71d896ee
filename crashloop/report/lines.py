"""Lines of text with a tone for each part: what text and terminal have in common."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from crashloop.report.clean import clean, harmless

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
_GOES_ON = " \\"


def line(*parts: str | Span) -> Line:
    """One line; plain strings are in the plain tone."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def plain(lines: Iterable[Line]) -> str:
    """The lines as text, without tones, trailing blanks, or anything that acts on a terminal."""
    return "\n".join("".join(harmless(span.text) for span in one).rstrip() for one in lines)


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


def command_lines(head: str, command: str, *, width: int) -> Iterator[Line]:
    """A command after its heading, in lines that a shell reads as one.

    It is broken before an option only, so what is too long stays in one piece.
    """
    parts: list[str] = []
    for word in shlex.split(command):
        if word.startswith("-") or not parts:
            parts.append(shlex.quote(word))
        else:
            parts[-1] += f" {shlex.quote(word)}"
    found = parts[:1]
    for part in parts[1:]:
        if len(head) + len(found[-1]) + 1 + len(part) + len(_GOES_ON) > width:
            found.append(part)
        else:
            found[-1] += f" {part}"
    for n, text in enumerate(found):
        lead = Span(" " * len(head)) if n else Span(head, Tone.HEAD)
        yield line(lead, clean(text, 2000), _GOES_ON if n + 1 < len(found) else "")
