"""The library of incidents: one module for each real outage."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.incidents import dependency, fault_alone

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


def is_known(name: str) -> bool:
    """Whether it is the name of a run that `incident` describes; not whether it has no mistake."""
    return name in INCIDENTS or name.startswith((dependency.PREFIX, fault_alone.PREFIX))


def incident(name: str) -> Incident:
    """The incident by name, a run without a dependency, or a fault alone; UsageError if unknown."""
    if name.startswith(dependency.PREFIX):
        return dependency.dependency_incident(name)
    if name.startswith(fault_alone.PREFIX):
        return fault_alone.fault_alone(name)
    found = INCIDENTS.get(name)
    if found is None:
        near = difflib.get_close_matches(name, INCIDENTS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"unknown incident {name!r}", hint=f"{hint}known: {', '.join(sorted(INCIDENTS))}"
        )
    return found
