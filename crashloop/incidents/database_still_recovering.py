"""Postgres recovers after it was killed: it answers, and lets nobody in until it has recovered.

Sources: github.com/iuliandita/digarr pull 200 (2026-06-17); github.com/sapcc/openstack-helm pull
64; github.com/docker-library/postgres issue 1278.
"""

from __future__ import annotations

from crashloop.faults import plan
from crashloop.faults.database.base import came
from crashloop.faults.states import showed
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, limit, platform
from crashloop.model import CheckSpec, Moment, Outage, Trigger
from crashloop.platforms import parse_platform

PHASE, TARGET = "database", "postgres"
CANNOT_CONNECT_NOW = "57P03"
RECOVERED_AT_LATEST_S = 60.0  # a recovery of a minute, as in the report of sapcc


def outage(params: Params) -> Outage:
    """A server that was stopped immediately after a write, and recovers while the app starts."""
    starting = Moment(on="phase.started", where={"phase": PHASE}, after_s=RECOVERED_AT_LATEST_S)
    fault = plan(
        name="database-recovers",
        target=TARGET,
        kind="recovering",
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": TARGET}),)),
        heal=Trigger(first_of=(*deaths(int(params["deaths"])), starting)),
    )
    return Outage(
        phase=PHASE,
        target=TARGET,
        dependencies=dependencies(params),
        platform=parse_platform(str(params["platform"])),
        faults=(fault,),
        deadline_s=300.0 + 70.0 * int(params["deaths"]),
    )


def expect(params: Params) -> tuple[CheckSpec, ...]:
    """Postgres itself refuses each start at once with 57P03, because it recovers."""
    times, of_target = int(params["deaths"]), {"target": TARGET, "phase": PHASE}
    errors = (CANNOT_CONNECT_NOW,)
    failed = {"phase": PHASE, "times": times, "errors": errors, "at_limit": False}
    return (
        CheckSpec(check="phase_failed", params=failed),
        CheckSpec(check="server_said", params={**of_target, "errors": errors}),
        showed(TARGET, "database.recovering"),
        came("answered"),
        CheckSpec(check="fails_at_once", params={"phase": PHASE}),
        CheckSpec(check="exit_code", params={"code": 3, "times": times}),
        CheckSpec(check="last_phase", params={"phase": PHASE}),
        CheckSpec(check="restart_loop", params={"restarts": times}),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE),
    )


INCIDENT = Incident(
    name="database-still-recovering",
    title="Postgres recovers after a kill: it answers each start with 57P03, and refuses it",
    source="github.com/iuliandita/digarr pull 200 (2026-06-17); sapcc/openstack-helm pull 64; "
    "docker-library/postgres issue 1278",
    platforms=("kubernetes",),
    facts=(
        "57P03 at the start, and about 25 restarts until the app got through",
        "elsewhere: a recovery of a minute, the database's liveness probe 20 s: 450 restarts",
        "elsewhere: 57P03 for more than a minute",
        "the fix: retry 57P03, class 08 and refused connections with back-off, other errors not",
    ),
    look_alikes=(
        LookAlike(says="a server that is down refuses without a word", ruled_out_by="server_said"),
        LookAlike(says="exhausted slots are 53300, not 57P03", ruled_out_by="phase_failed"),
        LookAlike(
            says="a standby, or a server that starts without a recovery, says 57P03, too",
            ruled_out_by="server_showed",
        ),
        LookAlike(says="a slow path hangs until the phase's limit", ruled_out_by="fails_at_once"),
    ),
    remedy=Remedy(
        name="retry",
        says="retry 57P03, class 08 and refused connections with back-off, and no other error",
        knobs={"retry_s": 220.0, "retry_attempt_s": 30.0, "limit_s": 230.0},  # chosen
    ),
    parameters={
        "limit_s": limit(20.0, PHASE),
        "deaths": Parameter(
            default=5, low=2, high=450, says="deaths before it has recovered (reports: 25, 450)"
        ),
        "transport": TRANSPORT,
        "platform": platform("docker:unless-stopped"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=10.0,
    overlaps={"fault:recovering": "it is the incident's own fault"},
)
