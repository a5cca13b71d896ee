"""The library of incidents: one module for each real outage, and those from elsewhere."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.incidents import dependency, fault_alone
from crashloop.incidents.elsewhere import Elsewhere, Found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.incidents.incident import Incident


def _own() -> Iterator[Incident]:
    """The incidents of this package: those of the modules here that have one."""
    for each in pkgutil.iter_modules(__path__):
        found: Incident | None = getattr(
            importlib.import_module(f"{__name__}.{each.name}"), "INCIDENT", None
        )
        if found is not None:
            yield found


INCIDENTS: dict[str, Incident] = {one.name: one for one in _own()}
"""The incidents of this package, by name."""

ELSEWHERE = Elsewhere(INCIDENTS)
"""The incidents of the folder that this process was given, and of installed packages."""


def library() -> Found:
    """Every incident, by name, and what of those from elsewhere cannot be used."""
    elsewhere = ELSEWHERE.all()
    incidents = {**INCIDENTS, **elsewhere.incidents}
    return Found(incidents=incidents, left_out=elsewhere.left_out)


def find(name: str) -> Incident | None:
    """The incident by name, a run without a dependency, or a fault alone; None if it is unknown.

    UsageError for one that is known and has a mistake.
    """
    if name.startswith(dependency.PREFIX):
        return dependency.dependency_incident(name)
    if name.startswith(fault_alone.PREFIX):
        return fault_alone.fault_alone(name)
    return INCIDENTS.get(name) or ELSEWHERE.find(name)


def incident(name: str) -> Incident:
    """The incident by name, a run without a dependency, or a fault alone; UsageError if unknown."""
    found = find(name)
    if found is None:
        names = sorted({*INCIDENTS, *ELSEWHERE.in_folder.incidents})
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"unknown incident {name!r}", hint=f"{hint}known: {', '.join(names)}")
    return found
