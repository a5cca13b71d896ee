"""A new instance has no egress for longer than its pool waits, and exits with its port still shut.

Source: github.com/estuary/flow pull 3062 (2026-06-18): Cloud Run with Direct VPC egress.

There the packets of a new instance are dropped. That cannot be scaled, as the kernel times when it
sends a SYN again. So here the path accepts a connection and stays silent, and an instance's time
counts from its first connection: its own start is real work, which is not scaled either.
"""

from __future__ import annotations

from dataclasses import replace

from crashloop.faults import plan
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, dependencies, limit, platform
from crashloop.model import CheckSpec, Moment, Outage, Trigger
from crashloop.platforms import parse_platform
from crashloop.platforms.cloud_run import STARTUP
from crashloop.profiles.profile import FRESH

PHASE, TARGET = "database", "postgres"
COLD_S = (20.0, 40.0)  # the report's range: the third instance waits for the least, others the most
DEATHS = 2  # chosen; the third instance is quick enough
HEALED_AT_LATEST_S = 300.0  # chosen: longer than any start here waits
REMEDIED_S = 120.0


def outage(params: Params) -> Outage:
    """A path on which each new instance waits, the last one for less than its pool does."""
    limit_s, cold_s = float(params["limit_s"]), float(params["cold_s"])
    last = Moment(on="link.held", where={"attempt": DEATHS + 1}, after_s=COLD_S[0])
    at_latest = Moment(on="phase.started", where={"phase": PHASE}, after_s=HEALED_AT_LATEST_S)
    fault = plan(
        name=FRESH,
        target=TARGET,
        kind="slow_connect",
        params={"low_s": cold_s, "high_s": cold_s, "each_client": True},
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": TARGET}),)),
        heal=Trigger(first_of=(last, at_latest)),
    )
    return Outage(
        phase=PHASE,
        target=TARGET,
        dependencies=dependencies(params),
        platform=replace(parse_platform(str(params["platform"])), startup=STARTUP),
        faults=(fault,),
        knobs={"limit_s": limit_s, "connect_timeout_s": 2 * max(limit_s, REMEDIED_S)},
        deadline_s=600.0,
    )


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """Each instance hangs, the one that starts, too; no probe passed and no user noticed."""
    phase, on_path = {"phase": PHASE}, {"phase": PHASE, "target": TARGET}
    hung = {"errors": ("TimeoutError", "CancelledError"), "at_limit": True}
    return (
        CheckSpec(check="phase_failed", params={**phase, "times": DEATHS, **hung}),
        CheckSpec(check="connection_was", params={**on_path, "way": "silent"}),
        CheckSpec(check="each_life_waited", params={**on_path, "at_least_s": COLD_S[0]}),
        CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS}),
        CheckSpec(check="last_phase", params=phase),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS}),
        CheckSpec(check="no_port_before_ready"),
        CheckSpec(check="probe_passed", params={"probe": "startup", "passed": False}),
        CheckSpec(check="users_failed", params={"failed": False}),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="egress-cold-start-late-port",
    title="a new instance has no egress for 40 s, its pool waits for 30 s; its port never opens",
    source="github.com/estuary/flow pull 3062 (2026-06-18); Cloud Run, Direct VPC egress",
    platforms=("cloud-run",),
    facts=(
        "a new instance passed no outbound traffic for 20 to 40 s",
        "its pool waited for 30 s, and the port was bound only after the first connection",
        "the process exited before it bound the port, so the start-up probe failed",
        "the revision was rejected, and the old one went on serving: no user noticed",
        "the fix: a limit of 120 s, and one instance that is always there",
    ),
    look_alikes=(
        LookAlike(
            says="a connector that scales lets new instances through at once when it has scaled",
            ruled_out_by="each_life_waited",
        ),
        LookAlike(
            says="behind a port that is open early the probe passes", ruled_out_by="probe_passed"
        ),
        LookAlike(
            says="a database that hangs has answered the connection", ruled_out_by="connection_was"
        ),
    ),
    remedy=Remedy(
        name="a longer limit",
        says="wait for 120 s, longer than any new instance is without egress",
        knobs={"limit_s": REMEDIED_S},
    ),
    parameters={
        "limit_s": limit(30.0, PHASE),
        "cold_s": Parameter(
            default=COLD_S[1],
            low=1.0,
            high=600.0,
            says="how long a new instance has no egress; the third one has none for "
            f"{COLD_S[0]:g} s",
        ),
        "transport": TRANSPORT,
        "platform": platform("cloud-run"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=5.0,  # at 10, a start on a busy machine took over a quarter of the probe
)
