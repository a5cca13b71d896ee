"""Where an incident was seen, in which phase, and by which symptoms, as its record says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.incidents.incident import Incident
    from crashloop.model import CheckSpec

NO_SYMPTOMS = {
    "a_life_got_through",
    "journey_passed",
    "last_phase",
    "no_connection_left",
    "recovered",
    "server_said",
}
"""Checks about what nobody sees during the outage, or what is seen as an error."""

CLASS_LENGTH, SQLSTATE_LENGTH = 2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How an incident shows itself; `errors` are exception names, SQLSTATEs and their classes.

    `platforms` are those that its reports name, which may be none. `phase` is "" for an incident
    about whole lives.
    """

    platforms: tuple[str, ...]
    phase: str
    symptoms: tuple[str, ...]
    errors: tuple[str, ...]

    def may_be_on(self, platform: str) -> bool:
        """Whether its reports name the platform, or none at all."""
        return not self.platforms or platform in self.platforms

    def has(self, symptom: str) -> bool:
        """Whether one of the symptoms or errors has the text in it, or is the SQLSTATE's class.

        A text with a digit, as an exit code or a SQLSTATE, must be there as it is: 3 is not 53300.
        """
        wanted = symptom.casefold()
        edge = r"\b" if any(map(str.isdigit, wanted)) else ""
        text = re.compile(f"{edge}{re.escape(wanted)}{edge}")
        if any(text.search(each.casefold()) for each in (*self.symptoms, *self.errors)):
            return True
        classes = [each.casefold() for each in self.errors if len(each) == CLASS_LENGTH]
        return len(wanted) == SQLSTATE_LENGTH and wanted[:CLASS_LENGTH] in classes


def shown(incident: Incident) -> Shown:
    """How the incident shows itself with its default parameters."""
    outage, expect = incident.outage(incident.defaults), incident.expect(incident.defaults)
    errors = [error for spec in expect for error in spec.params.get("errors", ())]
    return Shown(
        platforms=incident.platforms,
        phase=outage.phase,
        symptoms=tuple(dict.fromkeys(one for spec in expect for one in _symptoms(spec))),
        errors=tuple(dict.fromkeys(errors)),
    )


def _symptoms(spec: CheckSpec) -> Iterator[str]:
    """What somebody saw for whom the check holds, in a few words."""
    params = spec.params
    match spec.check:
        case "exit_code":
            yield f"exit {params['code']}"
        case "died":
            yield from [f"exit {code}" for code in params.get("codes", ())] or ["dies"]
        case "phase_failed" if params["at_limit"]:
            yield f"phase {params['phase']} times out"
        case "phase_failed":
            yield f"phase {params['phase']} fails"
        case "killed_by_probe":
            yield f"killed by the {params['probe']} probe"
        case "server_showed":
            yield params["event"].rpartition(".")[2].replace("_", " ")
        case "connection_was":
            yield f"connection {params['way'].replace('_', ' ')}"
        case check if check in NO_SYMPTOMS or any(each is False for each in params.values()):
            return
        case check:
            yield check.replace("_", " ")
