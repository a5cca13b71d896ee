"""The database's name has no address in the app's container, and no restart changes that.

Source: github.com/snapotter-hq/SnapOtter pull 688 (2026-07-30): a failed `docker compose up`, and a
plain retry that started the app's container outside the network.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.faults import plan
from crashloop.incidents.incident import Incident, LookAlike
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, by_name, deaths, dependencies, limit, platform
from crashloop.model import CheckSpec, Moment, Outage, Transport, Trigger
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from crashloop.incidents.parameter import Params
    from crashloop.model import PlannedFault

PHASE, TARGET = "database", "postgres"
RESTARTS = 4  # chosen: the report's policy restarts for ever, and a run must end
DEATHS = RESTARTS + 1
RECREATED = 2  # chosen: after which death the remedy comes


def outage(params: Params) -> Outage:
    """A name that no life of the app finds, for as long as the platform restarts it."""
    fault = plan(
        name="outside-the-network",
        target=TARGET,
        kind="name_unknown",
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": TARGET}),)),
        heal=Trigger(first_of=(Moment(on="restart.gave_up"),)),
    )
    return Outage(
        phase=PHASE,
        target=TARGET,
        dependencies=by_name(dependencies({**params, "transport": Transport.TCP}), TARGET),
        platform=parse_platform(str(params["platform"])),
        faults=(fault,),
        knobs={"limit_s": params["limit_s"]},
        deadline_s=300.0,
    )


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """Each life is told at once that the name has no address, and none comes to the database."""
    failed = {"phase": PHASE, "times": DEATHS, "errors": ("gaierror",), "at_limit": False}
    unknown = {"phase": PHASE, "target": TARGET, "way": "unknown"}
    return (
        CheckSpec(check="phase_failed", params=failed),
        CheckSpec(check="fails_at_once", params={"phase": PHASE}),
        CheckSpec(check="connection_was", params=unknown),
        CheckSpec(check="never_came", params={"target": TARGET}),
        CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS}),
        CheckSpec(check="last_phase", params={"phase": PHASE}),
        CheckSpec(check="restart_loop", params={"restarts": RESTARTS}),
    )


def recreated(fault: PlannedFault) -> PlannedFault:
    """The fault that ends with the container: the next one is started where the name is known."""
    return replace(fault, heal=Trigger(first_of=deaths(RECREATED)))


INCIDENT = Incident(
    name="name-does-not-resolve-for-ever",
    title="the container has no network, so the database's name has no address: no restart helps",
    source="github.com/snapotter-hq/SnapOtter pull 688 (2026-07-30); Docker Compose",
    platforms=("docker",),
    facts=(
        "a first `docker compose up` failed, because a port was taken",
        "a plain retry started the app's container outside the network of the database",
        "each start ended with EAI_AGAIN for the database's name, and the policy restarted it",
        "the database was healthy all the time, and everybody debugged the database",
        "the fix: docker compose up -d --force-recreate",
    ),
    look_alikes=(
        LookAlike(
            says="a slow resolver keeps the start waiting until its limit",
            ruled_out_by="fails_at_once",
        ),
        LookAlike(says="a database that is down refuses", ruled_out_by="phase_failed"),
        LookAlike(
            says="a name that is there after some restarts lets a life through",
            ruled_out_by="never_came",
        ),
    ),
    remedy=Remedy(
        name="recreate",
        says="recreate the container, so that it starts where the name is known; a restart keeps "
        "the network that it has",
        fault=recreated,
        prevents=False,
    ),
    parameters={
        "limit_s": limit(20.0, PHASE),
        "platform": platform(f"docker:on-failure:{RESTARTS}"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=10.0,
)
