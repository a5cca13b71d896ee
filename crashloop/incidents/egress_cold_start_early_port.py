"""A new instance has no egress at first, and its port is open before it can serve anybody.

Source: github.com/estuary/flow pull 3109 (2026-07-02): Cloud Run with Direct VPC egress. The port
was bound before the database connection, so the default TCP probe passed and all traffic went to
instances that died seconds later.

As in egress-cold-start-late-port, the path accepts a connection and stays silent, and an instance's
time counts from its first connection. Cloud Run answers in place of an instance that died, with a
500; here a user's request is cut off.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.faults import plan
from crashloop.incidents.incident import LISTEN_FIRST, Incident, LookAlike, recovery
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, limit, platform
from crashloop.model import CheckSpec, Moment, Outage, Trigger
from crashloop.platforms import parse_platform
from crashloop.platforms.cloud_run import STARTUP
from crashloop.profiles import load
from crashloop.profiles.profile import FRESH

if TYPE_CHECKING:
    from crashloop.incidents.parameter import Params

PHASE, TARGET = "database", "postgres"
PROFILE = "direct-vpc-egress"  # 20 to 80 s, drawn for each instance
DEATHS = 3  # chosen; the report has 15 to 40 crash loops a day
RETRY_S = 120.0
HEALED_AT_LATEST_S = 150.0  # chosen: longer than a retry waits


def outage(params: Params) -> Outage:
    """A path on which each new instance waits for longer than its pool does."""
    cold = load(PROFILE).fault()
    at_latest = Moment(on="phase.started", where={"phase": PHASE}, after_s=HEALED_AT_LATEST_S)
    fault = plan(
        name=FRESH,
        target=TARGET,
        kind="slow_connect",
        params={
            "low_s": cold.low_s,
            "high_s": cold.high_s,
            "slot_s": cold.slot_s,
            "each_client": True,
        },
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": TARGET}),)),
        heal=Trigger(first_of=(*deaths(DEATHS), at_latest)),
    )
    return Outage(
        phase=PHASE,
        target=TARGET,
        dependencies=dependencies(params),
        platform=replace(parse_platform(str(params["platform"])), startup=STARTUP),
        faults=(fault,),
        knobs={"limit_s": params["limit_s"], LISTEN_FIRST: True},
        deadline_s=400.0,
    )


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """Each instance is probed well and given requests, and fails them as it dies."""
    phase = {"phase": PHASE}
    hung = {"errors": ("TimeoutError", "CancelledError"), "at_limit": True}
    return (
        CheckSpec(check="phase_failed", params={**phase, "times": DEATHS, **hung}),
        CheckSpec(check="connection_was", params={**phase, "target": TARGET, "way": "silent"}),
        CheckSpec(check="exit_code", params={"code": 1, "times": DEATHS}),
        CheckSpec(check="last_phase", params=phase),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS}),
        CheckSpec(check="port_before_ready"),
        CheckSpec(check="probe_passed", params={"probe": "startup", "passed": True}),
        CheckSpec(check="users_failed", params={"failed": True}),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="egress-cold-start-early-port",
    title="a new instance has no egress and its port is open: users get instances that die",
    source="github.com/estuary/flow pull 3109 (2026-07-02); Cloud Run, Direct VPC egress",
    platforms=("cloud-run",),
    facts=(
        "a new instance passed no outbound traffic for 20 to 80 s; its pool waited for 5 s, exit 1",
        "the port was bound before the database connection, so the default TCP probe passed",
        "15 to 40 crash loops a day, on ordinary autoscaling",
        "one deployment gave users more than 1000 errors in an hour, each a 500 of the platform's",
        "the fix: a lazy pool whose first connection is tried again for 120 s",
    ),
    look_alikes=(
        LookAlike(says="with a late port the probe never passes", ruled_out_by="probe_passed"),
        LookAlike(says="with a late port no user notices", ruled_out_by="users_failed"),
        LookAlike(says="an app with a late port ends with 3", ruled_out_by="exit_code"),
    ),
    remedy=Remedy(
        name="retry",
        says="try the first connection again for 120 s, for longer than an instance has no egress",
        knobs={"limit_s": RETRY_S + 10.0, "retry_s": RETRY_S, "retry_attempt_s": 5.0},
    ),
    parameters={
        "limit_s": limit(5.0, PHASE),
        "transport": TRANSPORT,
        "platform": platform("cloud-run"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=5.0,
)
