"""Connection slots run out when a revision changes while the app is scaled out.

Source: github.com/hushh-labs/hushh-research pull 5872, with 5860, 5861 and 5917 (2026-08-24):
Cloud Run on Cloud SQL, about 100 connections, pools of 12 + 6 per worker, two workers an instance.
"""

from __future__ import annotations

from crashloop.faults import plan
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.tier import MAX_CONNECTIONS, TIER, server_settings
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, limit, platform
from crashloop.model import CheckSpec, Moment, Outage, Replicas, Trigger
from crashloop.platforms import parse_platform

PHASE = "database"
DEATHS = 3
DRAINED_AT_LATEST_S = 90.0  # chosen: the report does not say how long the old revision stayed

POOL, OVERFLOW = 2 * 12, 2 * 6  # of an instance, which has two workers
BUSY = POOL + OVERFLOW  # what the old instance uses under traffic; a pool closes idle overflow
REMEDIED = 2 * 10  # the fix: 20 an instance, 60 at most, 80 during a revision change


def outage(params: Params) -> Outage:
    """An old instance still holds pool and overflow while three new ones open their pools."""
    count = int(params["replicas"])
    drained = Moment(
        on="phase.started", where={"phase": PHASE, "replica": 1}, after_s=DRAINED_AT_LATEST_S
    )
    fault = plan(
        name="old-revision-serves-on",
        target="replicas",
        kind="revision_change",
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": "postgres"}),)),
        heal=Trigger(first_of=(*deaths(DEATHS, replicas=count), drained)),
    )
    return Outage(
        phase=PHASE,
        target="postgres",
        dependencies=dependencies(params, **server_settings(params, held=BUSY)),
        platform=parse_platform(str(params["platform"])),
        replicas=Replicas(
            count=count,
            overlap=1,
            old_knobs={"pool_size": BUSY, "max_overflow": 0, "warm_connections": BUSY},
        ),
        faults=(fault,),
        knobs={
            "limit_s": params["limit_s"],
            "pool_size": POOL,
            "max_overflow": OVERFLOW,
            "warm_connections": POOL,
        },
        deadline_s=300.0,
    )


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """Some replica is refused by Postgres at once, again and again, while others serve."""
    some = {"replicas": "some"}
    phase = {"phase": PHASE, **some}
    held = {"target": "postgres", "sessions": BUSY}
    refused = {**phase, "errors": ("53300",)}
    return (
        CheckSpec(check="phase_failed", params={**refused, "times": DEATHS, "at_limit": False}),
        CheckSpec(check="server_said", params={**refused, "target": "postgres"}),
        CheckSpec(check="old_revision_held", params=held, needs_fault=True),
        CheckSpec(check="fails_at_once", params=phase),
        CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS, **some}),
        CheckSpec(check="last_phase", params=phase),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS, **some}),
        CheckSpec(check="a_replica_served"),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="slots-exhausted-at-scale-out",
    title="an old revision and three new instances want more connections than Postgres has",
    source="github.com/hushh-labs/hushh-research pull 5872 (2026-08-24); Cloud Run, Cloud SQL",
    platforms=("cloud-run",),
    facts=(
        "pools of 12 + 6 per worker, two workers an instance: 108 connections at three instances",
        "144 connections while a fourth instance runs during a revision change",
        "db-custom-1-3840 has about 100 connections; 400 had been guessed",
        "900 FATALs with SQLSTATE 53300 in the hour in which traffic scaled it out",
        "the fix: 10 per worker, 60 at most, 80 during a revision change",
    ),
    look_alikes=(
        LookAlike(says="a slow path hangs until the phase's limit", ruled_out_by="fails_at_once"),
        LookAlike(says="a dead database stops every instance", ruled_out_by="a_replica_served"),
    ),
    remedy=Remedy(
        name="pool sizing",
        says="size the pools for all instances of a revision change together: 20 an instance",
        knobs={"pool_size": REMEDIED, "max_overflow": 0, "warm_connections": REMEDIED},
        old_knobs={"pool_size": REMEDIED, "warm_connections": REMEDIED},
    ),
    parameters={
        "limit_s": limit(20.0, PHASE),
        "max_connections": MAX_CONNECTIONS,
        "tier": TIER,
        "replicas": Parameter(default=3, low=2, high=20, says="instances of the new revision"),
        "transport": TRANSPORT,
        "platform": platform("docker:on-failure:20"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=5.0,
)
