"""What an incident's record must have before anything is run."""

from __future__ import annotations

import re

from crashloop.checks import CHECKS
from crashloop.errors import CapabilityError, UsageError
from crashloop.incidents.incident import Incident
from crashloop.incidents.types import require_types
from crashloop.platforms import PLATFORMS

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
NAME_HINT = "use lower-case letters and digits, with - between words, as in cache-still-loading"


def require_sound(made: object) -> Incident:
    """The incident that was made; UsageError that says what its record lacks.

    That its control run is healthy, and what the engine can do, only a run shows.
    """
    require_types(made, Incident.__name__, "its INCIDENT")
    assert isinstance(made, Incident)
    if not NAME.fullmatch(made.name):
        raise UsageError(f"its name cannot be {made.name!r}", hint=NAME_HINT)
    for part, value, hint in _parts(made):
        if not value:
            raise UsageError(f"it has no {part}", hint=hint)
    if unknown := [each for each in made.platforms if each not in PLATFORMS]:
        raise UsageError(
            f"its platform {unknown[0]!r} is unknown", hint=f"known: {', '.join(PLATFORMS)}"
        )
    try:
        signature = made.scenario().signature
    except CapabilityError:  # no sample app here: an app of the user's own is still possible
        return made
    for spec in signature.expect:
        if spec.check not in CHECKS:
            raise UsageError(
                f"its signature asks for {spec.check!r}, which is no check",
                hint=f"known: {', '.join(sorted(CHECKS))}",
            )
    return made


def _parts(made: Incident) -> tuple[tuple[str, object, str], ...]:
    """What nobody can do without: what it is called, its value, and what to write."""
    return (
        ("title", made.title.strip(), "say in one line what happens"),
        (
            "source",
            made.source.strip(),
            "name the public report and its date, as in github.com/OWNER/NAME issue 1 (2026-01-31)",
        ),
        ("facts", made.facts, "say what the report says: figures, error lines, what ended it"),
        (
            "look-alike",
            made.look_alikes,
            "name an outage that it can be taken for, and the check that rules that one out",
        ),
        ("remedy", made.remedy.name.strip(), "name what would have ended it: knobs, or a platform"),
    )
