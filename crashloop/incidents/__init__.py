"""The library of incidents: one module for each real outage."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.incidents import issue_1278

if TYPE_CHECKING:
    from crashloop.incidents.incident import Incident

INCIDENTS: dict[str, Incident] = {issue_1278.INCIDENT.name: issue_1278.INCIDENT}


def incident(name: str) -> Incident:
    """The incident by name; UsageError that names the nearest and all known ones."""
    found = INCIDENTS.get(name)
    if found is None:
        near = difflib.get_close_matches(name, INCIDENTS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"unknown incident {name!r}", hint=f"{hint}known: {', '.join(sorted(INCIDENTS))}"
        )
    return found
