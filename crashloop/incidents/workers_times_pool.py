"""A server with a worker for each core wants more connections than Postgres has, in one container.

Source: github.com/fastapi/full-stack-fastapi-template issue 1 (2019-02-26): 96 workers, each with
asyncpg's default pool of 10. Here three workers and a smaller Postgres. When a worker cannot start,
uvicorn 0.50 and later ends the others, and itself with 0; before, it started that worker again for
ever, and no container died. The report's gunicorn exits with 3, and is no package of the sample.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.faults import plan
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, limit, platform
from crashloop.model import CheckSpec, Moment, Outage, Trigger
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from crashloop.model import PlannedFault, Value

PHASE = "database"
DEATHS = 2  # chosen
POOL = 10  # asyncpg's own default, all of it opened by a start
REMEDIED = 5  # chosen: three workers have 15 of the 24 connections that are for apps
FEWER_WORKERS_AT_LATEST_S = 300.0  # chosen: two lives of real work, on a busy machine, too
ALL_STARTED_S = 30.0  # chosen: how much later than the first worker the last one is ready


def outage(params: Params) -> Outage:
    """The server starts as many workers as the host has cores, until somebody tells it fewer."""
    unplugged = Moment(on="fault.injected", where={"plugged": False})
    fault = plan(
        name="a-worker-for-each-core",
        target="replicas",
        kind="many_workers",
        params={"workers": params["workers"]},
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": "postgres"}),)),
        heal=Trigger(
            first_of=(
                *deaths(DEATHS),
                unplugged,
                Moment(on="process.started", after_s=FEWER_WORKERS_AT_LATEST_S),
            )
        ),
    )
    pool: dict[str, Value] = {"pool_size": POOL, "max_overflow": 0, "warm_connections": POOL}
    return Outage(
        phase=PHASE,
        target="postgres",
        dependencies=dependencies(params, max_connections=params["max_connections"]),
        platform=parse_platform(str(params["platform"])),
        faults=(fault,),
        knobs={"limit_s": params["limit_s"], **pool},
        journey_after_heal=True,  # a worker that got its pool serves until its server ends
        deadline_s=900.0,
    )


def all_started(fault: PlannedFault) -> PlannedFault:
    """As many workers, until each has had the time to fail."""
    ready = Moment(on="ready.answered", where={"ready": True}, after_s=ALL_STARTED_S)
    return replace(fault, heal=Trigger(first_of=(ready,)))


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """In one container several workers come, and Postgres refuses some of them at once."""
    refused = {"phase": PHASE, "errors": ("53300",)}
    return (
        CheckSpec(check="phase_failed", params={**refused, "times": DEATHS, "at_limit": False}),
        CheckSpec(check="server_said", params={**refused, "target": "postgres"}),
        CheckSpec(check="came_from_several", params={"target": "postgres", "processes": 2}),
        CheckSpec(check="fails_at_once", params={"phase": PHASE}),
        CheckSpec(check="exit_code", params={"code": 0, "times": DEATHS}),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS}),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="workers-times-pool",
    title="a worker for each core, each with its own pool: more connections than Postgres has",
    source="github.com/fastapi/full-stack-fastapi-template issue 1 (2019-02-26)",
    facts=(
        "the number of workers came from the cores of the host: 96",
        "each opened asyncpg's default pool of 10 connections",
        "asyncpg.exceptions.TooManyConnectionsError in the lifespan",
    ),
    look_alikes=(
        LookAlike(says="a scale-out has one process a container", ruled_out_by="came_from_several"),
        LookAlike(says="a slow path hangs until the phase's limit", ruled_out_by="fails_at_once"),
        LookAlike(says="any other refusal has another SQLSTATE", ruled_out_by="server_said"),
    ),
    remedy=Remedy(
        name="pool sizing",
        says="size the pools for all workers of a container together, or start fewer workers",
        knobs={"pool_size": REMEDIED, "warm_connections": REMEDIED},
        fault=all_started,
    ),
    parameters={
        "limit_s": limit(60.0, PHASE),  # asyncpg's own limit of a connection
        "workers": Parameter(default=3, low=2, high=100, says="workers (report: 96)"),
        "max_connections": Parameter(
            default=28, low=16, high=1000, says="connections that Postgres takes (chosen)"
        ),
        "transport": TRANSPORT,
        "platform": platform("docker:always"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=5.0,
    idle="its server takes no number of workers from WEB_CONCURRENCY",
)
