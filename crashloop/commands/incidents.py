"""`crashloop incidents`: list the incidents, or those that fit; or tell the story of one."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.commands.elsewhere import chosen_incident, show_left_out
from crashloop.commands.story import document, story
from crashloop.errors import UsageError
from crashloop.incidents import ELSEWHERE, library
from crashloop.incidents.symptoms import shown
from crashloop.platforms import parse_platform
from crashloop.plural import counted
from crashloop.report.document import write_document
from crashloop.report.lines import BLANK, Line, Span, Tone, line, paragraph
from crashloop.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from crashloop.incidents.incident import Incident
    from crashloop.incidents.symptoms import Shown


MAX_ERRORS = 3
"""An incident with more has one cause with many names, which its story lists."""
ANY = "no platform named"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The filters of the list; None: any."""

    platform: str | None = None
    phase: str | None = None
    symptom: str | None = None

    def given(self) -> Mapping[str, str]:
        """The filters that were given, by the names of their options; UsageError for an empty."""
        every = {"platform": self.platform, "phase": self.phase, "symptom": self.symptom}
        found = {name: text for name, text in every.items() if text is not None}
        for name, text in found.items():
            if not text.strip():
                raise UsageError(f"--{name} is empty", hint=f"name one, or leave --{name} out")
        return found


def show_incidents(name: str | None, wanted: Wanted, folder: Path | None, *, as_json: bool) -> int:
    """List the incidents that are wanted, or tell the story of one; return the exit status.

    2 if one from elsewhere cannot be used, which is said. UsageError for an unknown name, and for
    filters that no incident fits.
    """
    given = wanted.given()
    if name is not None:
        if given:
            raise UsageError(
                f"{name} and --{next(iter(given))} exclude each other",
                hint="a filter is for the list; leave out one of the two",
            )
        _show_one(chosen_incident(name, folder), as_json=as_json)
        return 0
    ELSEWHERE.use(folder)
    found = library()
    every = [(one, shown(one)) for _, one in sorted(found.incidents.items())]
    fitting = [(one, how) for one, how in every if _fits(how, given)]
    show_left_out(found.left_out)
    if not fitting:
        raise _none_fits([how for _, how in every], given)
    if as_json:
        write_document([document(one) for one, _ in fitting])
    else:
        terminal = Terminal(sys.stdout)
        terminal.show(catalogue(fitting, of=len(every), width=terminal.width))
    return UsageError.exit_status if found.left_out else 0


def catalogue(
    incidents: Sequence[tuple[Incident, Shown]], *, of: int, width: int
) -> Iterator[Line]:
    """Each incident with its title, how it shows itself, and its source; `of` are known."""
    for one, how in incidents:
        yield line(Span(one.name, Tone.HEAD))
        yield from paragraph(one.title, width=width)
        where = [*(how.platforms or [ANY]), *([f"phase {how.phase}"] if how.phase else [])]
        errors = how.errors if len(how.errors) <= MAX_ERRORS else ()
        shows = f"{', '.join(where)}: {', '.join((*how.symptoms, *errors))}"
        yield from paragraph(shows, width=width, hanging="    ")
        yield from paragraph(f"source: {one.source}", width=width, tone=Tone.DIM, hanging="    ")
    yield BLANK
    some = counted(len(incidents), "incident") + (f" of {of}" if len(incidents) < of else "")
    yield line(Span(f"{some}; crashloop incidents NAME tells the story of one", Tone.DIM))


def _show_one(incident: Incident, *, as_json: bool) -> None:
    if as_json:
        write_document(document(incident))
        return
    terminal = Terminal(sys.stdout)
    terminal.show(story(incident, width=terminal.width))


def _fits(how: Shown, given: Mapping[str, str]) -> bool:
    """Whether the incident fits every filter."""
    fits: Mapping[str, Callable[[str], bool]] = {
        "platform": lambda text: how.may_be_on(parse_platform(text).name),
        "phase": lambda text: text == how.phase,
        "symptom": how.has,
    }
    return all(fits[name](text) for name, text in given.items())


def _none_fits(every: Sequence[Shown], given: Mapping[str, str]) -> UsageError:
    """Which filters no incident fits, with what they can be."""
    known = {
        "platform": {name for how in every for name in how.platforms},
        "phase": {how.phase for how in every if how.phase},
        "symptom": {one for how in every for one in (*how.symptoms, *how.errors)},
    }
    asked = " ".join(f"--{name} {text}" for name, text in given.items())
    hint = "; ".join(f"--{name}: {', '.join(sorted(known[name]))}" for name in given)
    return UsageError(f"no incident fits {asked}", hint=hint)
