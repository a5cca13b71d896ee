"""A rollout waits for the new instance, which waits for connections of the old one.

Source: github.com/KBVE/kbve issue 12668, fix 12673 (2026-06-17): one replica, RollingUpdate with
maxUnavailable 0, the connections of a pooler. Here they are those of Postgres itself: it counts
whose they are, which a pooler hides. Its refusals are retried, as the report's driver does it. The
new instance exits with 3, as uvicorn does; in the report, with 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.faults import plan
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, limit, platform
from crashloop.model import CheckSpec, Moment, Outage, Replicas, Trigger
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from crashloop.model import Value

PHASE = "database"
DEATHS = 3  # chosen
EAGER = 5  # connections that the new instance opens at its start
LEFT = 3  # chosen: fewer than it opens, and enough for a lazy pool
NOT_FOR_APPS = 4  # Postgres reserves 3 for superusers, and the harness has a session
RETRY_S = 6.0  # the new instance exited after about 6 s
SCALED_DOWN_AT_LATEST_S = 120.0  # chosen: it went on until somebody ended the old instance


def outage(params: Params) -> Outage:
    """The old instance is ended when the new one is ready, which needs what the old one holds."""
    held = _held(params)
    rolled_out = Moment(on="ready.answered", where={"replica": 1, "ready": True})
    by_hand = Moment(on="phase.started", where={"phase": PHASE}, after_s=SCALED_DOWN_AT_LATEST_S)
    fault = plan(
        name="old-instance-until-the-new-is-ready",
        target="replicas",
        kind="revision_change",
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": "postgres"}),)),
        heal=Trigger(first_of=(rolled_out, *deaths(DEATHS), by_hand)),
    )
    opened: dict[str, Value] = {"pool_size": EAGER, "max_overflow": 0, "warm_connections": EAGER}
    return Outage(
        phase=PHASE,
        target="postgres",
        dependencies=dependencies(params, max_connections=params["max_connections"]),
        platform=parse_platform(str(params["platform"])),
        replicas=Replicas(overlap=1, old_knobs={"pool_size": held, "warm_connections": held}),
        faults=(fault,),
        knobs={"limit_s": params["limit_s"], "retry_s": RETRY_S, **opened},
        deadline_s=400.0,
    )


def _held(params: Params) -> int:
    return int(params["max_connections"]) - NOT_FOR_APPS - LEFT


def expect(params: Params) -> tuple[CheckSpec, ...]:
    """Every new instance is refused while the old one serves, and starts when that has ended."""
    phase, errors = {"phase": PHASE}, ("53300", "TimeoutError")  # the last try may be cut short
    failed = {**phase, "errors": errors, "times": DEATHS, "at_limit": False}
    held = {"target": "postgres", "sessions": _held(params)}
    refused = {**phase, "target": "postgres", "errors": ("53300",)}
    return (
        CheckSpec(check="phase_failed", params=failed),
        CheckSpec(check="server_said", params=refused),
        CheckSpec(check="old_revision_held", params=held, needs_fault=True),
        CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS}),
        CheckSpec(check="last_phase", params=phase),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS}),
        CheckSpec(check="rollout_stuck"),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="rollout-deadlock-on-slots",
    title="the new instance needs connections that the old one holds until the new one is ready",
    source="github.com/KBVE/kbve issue 12668, pull 12673 (2026-06-17); Kubernetes",
    platforms=("kubernetes",),
    facts=(
        "RollingUpdate with maxUnavailable 0, one replica: the old one is stopped last",
        "the new one opened 5 connections at once and exited with 1 after about 6 s, for ever",
        "the driver said: pool timed out while waiting for an open connection",
        "the service looked healthy, and the release never shipped",
        "the fix: a lazy pool with no minimum, ready with its first connection",
    ),
    look_alikes=(
        LookAlike(says="a scale-out lets some of the new ones start", ruled_out_by="rollout_stuck"),
        LookAlike(says="a dead database stops the old one too", ruled_out_by="old_revision_held"),
        LookAlike(says="a database that hangs refuses nobody", ruled_out_by="server_said"),
    ),
    remedy=Remedy(
        name="lazy pool",
        says="open a connection when it is needed, and be ready with the first one",
        knobs={"warm_connections": 1, "degraded_start": True},
    ),
    parameters={
        "limit_s": limit(20.0, PHASE),
        "max_connections": Parameter(
            default=24, low=12, high=1000, says="connections that Postgres takes (chosen)"
        ),
        "transport": TRANSPORT,
        "platform": platform("kubernetes"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=5.0,
)
