"""A server with workers hides a failed start-up, so that the platform restarts nothing.

Sources: github.com/Kludex/uvicorn issues 1066 and 1115, pulls 1278, 2987 and 3001 (2026-06). What
`uvicorn --workers N` does then depends on its version: 0.16 and 0.17 live on and listen nowhere,
0.30 to 0.38 start failed workers again and again, and 0.54 ends with 0. The signature holds for
each; a run shows the version that is installed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.faults import plan
from crashloop.incidents.incident import Incident, LookAlike
from crashloop.incidents.parameter import Parameter
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, limit, platform
from crashloop.model import CheckSpec, Moment, Outage, Trigger
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from crashloop.incidents.parameter import Params
    from crashloop.model import PlannedFault

PHASE, TARGET = "database", "postgres"
STARTING_UP = "57P03"
HEALED_AFTER_S = 30.0  # chosen: after the first failure, so that every worker has failed
HEALED_AT_LATEST_S = 90.0  # chosen: if none fails
DEATHS = 2  # chosen: of a single process, before the database has started


def outage(params: Params) -> Outage:
    """A database that is still starting when the workers start, and is well soon afterwards."""
    failed = Moment(
        on="phase.failed",
        where={"phase": PHASE},
        after_s=HEALED_AFTER_S,
        through_restarts=True,
    )
    at_latest = Moment(on="phase.started", where={"phase": PHASE}, after_s=HEALED_AT_LATEST_S)
    fault = plan(
        name="database-starts",
        target=TARGET,
        kind="starting_up",
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": TARGET}),)),
        heal=Trigger(first_of=(failed, at_latest)),
    )
    return Outage(
        phase=PHASE,
        target=TARGET,
        dependencies=dependencies(params),
        platform=parse_platform(str(params["platform"])),
        faults=(fault,),
        knobs={"limit_s": params["limit_s"], "workers": params["workers"]},
        deadline_s=300.0,
    )


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """Several start-ups fail in the one life that the platform has, and it sees no failure."""
    refused = {"phase": PHASE, "errors": (STARTING_UP,)}
    return (
        CheckSpec(check="failure_hidden"),
        CheckSpec(check="several_starts", params={"starts": 2}),
        CheckSpec(check="phase_failed", params={**refused, "times": 1, "at_limit": False}),
        CheckSpec(check="server_said", params={**refused, "target": TARGET}),
        CheckSpec(check="fails_at_once", params={"phase": PHASE}),
    )


def until_it_died(fault: PlannedFault) -> PlannedFault:
    """The fault for a single process, each death of which the platform sees."""
    return replace(fault, heal=Trigger(first_of=deaths(DEATHS)))


INCIDENT = Incident(
    name="supervisor-hides-the-failure",
    title="uvicorn --workers hides that the app cannot start: no failed exit, no restart",
    source="github.com/Kludex/uvicorn issues 1066 and 1115, pulls 1278, 2987, 3001 (2026-06)",
    facts=(
        "uvicorn 0.16, 0.17: the first process lives on, nothing listens, nothing restarts it",
        "uvicorn 0.30 to 0.38: workers are started again for ever, and no restart is counted",
        "since 0.50 (pull 3001) a failed start-up of a single process ends with 3",
        "with --workers its first process now stops as well, but with 0",
        "Docker's on-failure and Kubernetes' OnFailure take 0 for success",
    ),
    look_alikes=(
        LookAlike(
            says="a server of one process ends with 3, and is started again",
            ruled_out_by="failure_hidden",
        ),
        LookAlike(
            says="an app that hangs has one start-up, which does not fail",
            ruled_out_by="several_starts",
        ),
    ),
    remedy=Remedy(
        name="one process",
        says="run one process in each container, so that its exit code is the container's, and "
        "scale by containers",
        knobs={"workers": 1},
        fault=until_it_died,
        prevents=False,
    ),
    parameters={
        "workers": Parameter(default=2, low=1, high=16, says="processes of the server (chosen)"),
        "limit_s": limit(20.0, PHASE),
        "transport": TRANSPORT,
        "platform": platform("docker:on-failure:10"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=10.0,
)
