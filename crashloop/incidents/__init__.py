"""The library of incidents: one module for each real outage."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.incidents import dependency, fault_alone

if TYPE_CHECKING:
    from crashloop.incidents.incident import Incident

MODULES = (
    "cache_still_loading",
    "issue_1278",
    "retry_longer_than_the_probe",
    "slots_exhausted_at_scale_out",
)

INCIDENTS: dict[str, Incident] = {
    one.name: one
    for one in (importlib.import_module(f"{__name__}.{module}").INCIDENT for module in MODULES)
}


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
