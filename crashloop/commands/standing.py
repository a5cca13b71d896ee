"""What a fault or an incident is on an engine: real, modelled, or not to be had there."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from crashloop.commands.fault_parameters import incidents_with
from crashloop.engines import possible
from crashloop.engines.catalogue import DOCKER, DOCKER_PACKAGES, LOCAL
from crashloop.engines.docker import capability
from crashloop.errors import CapabilityError, CrashloopError
from crashloop.extras import INSTALL_DOCKER
from crashloop.faults import fault_kind
from crashloop.incidents import incident
from crashloop.incidents.fault_alone import PREFIX

if TYPE_CHECKING:
    from crashloop.faults.base import Fault
    from crashloop.incidents.incident import Incident
    from crashloop.model import Scenario

REAL, MODELLED, NOT_HERE = "real", "modelled", "not here"

_REQUIRE = {LOCAL: possible.require_possible, DOCKER: capability.require_possible}
"""What an engine lacks; each can be asked without the packages that the engine needs to run."""


def standing(kind: type[Fault], engine: str) -> tuple[str, str]:
    """What the fault is on an engine of this machine: REAL, MODELLED or NOT_HERE, and more of it.

    That is why it is no real one; of a real one, what limits it, "" if nothing does.
    """
    if engine != LOCAL:
        return in_general(kind, engine)
    try:
        possible.require_possible(_scenario(kind))
    except CapabilityError as error:
        return NOT_HERE, error.message
    why = possible.stands_for(kind) or kind.modelled.get(engine, "")
    return (MODELLED, why) if why else (REAL, "")


def in_general(kind: type[Fault], engine: str) -> tuple[str, str]:
    """What the fault is on an engine on a Linux that lacks nothing, as `standing` has it."""
    if engine == DOCKER:
        try:
            capability.require_possible(_scenario(kind))
        except CapabilityError as error:
            made, _ = capability.paths(kind)
            return NOT_HERE, error.message + (f"; it is made on paths {made}" if made else "")
    if why := kind.modelled.get(engine, ""):
        return MODELLED, why
    if engine == LOCAL:
        return REAL, possible.needs(kind)
    made, lacking = capability.paths(kind)
    return REAL, f"on paths {made}, and on none {lacking}" if lacking else ""


def standing_of(one: Incident, engine: str) -> tuple[str, str]:
    """What the incident is on an engine of this machine, and why it is not real there."""
    try:
        _REQUIRE[engine](one.scenario())
    except CrashloopError as error:  # it lacks something, or this is no outage of the sample app
        return NOT_HERE, error.message
    for fault in one.outage(one.defaults).faults:
        word, why = standing(fault_kind(fault.kind), engine)
        if word == MODELLED:
            return MODELLED, f"{fault.kind}: {why}"
    return REAL, ""


def not_installed(engine: str) -> str:
    """What has to be installed here before anything can run on an engine; "" if nothing."""
    missing = [each for each in DOCKER_PACKAGES if engine == DOCKER and find_spec(each) is None]
    if not missing:
        return ""
    return f"{engine}: {' and '.join(missing)} must be installed first; {INSTALL_DOCKER}"


def _scenario(kind: type[Fault]) -> Scenario:
    """A scenario with the fault and no other: an incident's, where it is not run alone."""
    if kind.alone is not None:
        return incident(f"{PREFIX}{kind.kind}").scenario()
    whole = incident(incidents_with(kind)[0]).scenario()
    return replace(whole, faults=tuple(each for each in whole.faults if each.kind == kind.kind))
