"""A retry covers a probe connection only: it passes, and the first real query dies.

Source: github.com/estuary/flow pull 3114 (2026-07-02): Cloud Run with Direct VPC egress. Four
instances passed the probe of the fix before, and then died at the next query, which had 5 s.

The report does not say what the path did between the two. Here it lets each connection through
after 20 s: the probe's, which may wait for 120 s, and not the next one, which has 5 s.
"""

from __future__ import annotations

from crashloop.faults import plan
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, limit, platform
from crashloop.model import CheckSpec, Moment, Outage, Trigger
from crashloop.platforms import parse_platform

PHASE, TARGET = "database", "postgres"
CONNECTION_S = 20.0  # the least that pull 3109 reports for a new instance
DEATHS = 2  # chosen; the report has four instances
RETRY_S = 120.0
TRY_S = 30.0  # chosen: a bound of each try, and longer than a connection takes
HEALED_AT_LATEST_S = 150.0  # chosen: longer than a retry waits


def outage(params: Params) -> Outage:
    """A path on which each connection takes longer than a query of the app may."""
    at_latest = Moment(on="phase.started", where={"phase": PHASE}, after_s=HEALED_AT_LATEST_S)
    fault = plan(
        name="egress-comes-and-goes",
        target=TARGET,
        kind="hold",
        params={"delay_s": params["connection_s"]},
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": TARGET}),)),
        heal=Trigger(first_of=(*deaths(DEATHS), at_latest)),
    )
    return Outage(
        phase=PHASE,
        target=TARGET,
        dependencies=dependencies(params),
        platform=parse_platform(str(params["platform"])),
        faults=(fault,),
        knobs={"limit_s": params["limit_s"], "retry_probe_s": RETRY_S},
        deadline_s=600.0,
    )


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """Each life got an answer on one connection, and on the next one none until its limit."""
    phase, on_path = {"phase": PHASE}, {"phase": PHASE, "target": TARGET}
    hung = {"errors": ("TimeoutError", "CancelledError"), "at_limit": True}
    return (
        CheckSpec(check="phase_failed", params={**phase, "times": DEATHS, **hung}),
        CheckSpec(check="connected_before", params=on_path),
        CheckSpec(check="connection_was", params={**on_path, "way": "silent"}),
        CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS}),
        CheckSpec(check="last_phase", params=phase),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS}),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="half-fixed-probe-connection",
    title="a retry of 120 s covers a probe connection: it passes, and the first real query dies",
    source="github.com/estuary/flow pull 3114 (2026-07-02); Cloud Run, Direct VPC egress",
    platforms=("cloud-run",),
    facts=(
        "a probe connection was tried again for 120 s, and four instances passed it",
        "they died at the next query, which still had 5 s: `Error: querying for agent user id`",
        "a wrong password and a TLS error were tried again for the whole 120 s, too",
        "an inner retry without a bound hung start-up in silence, with the port closed",
        "SIGTERM was not handled, so every scale-down was a hard kill",
        "the fix: retry the first real query, transient errors only, and bound every step",
    ),
    look_alikes=(
        LookAlike(
            says="without a retry, no connection passes at all", ruled_out_by="connected_before"
        ),
        LookAlike(
            says="a query that hangs has had an answer on its own connection",
            ruled_out_by="connection_was",
        ),
        LookAlike(says="a wrong password is refused at once", ruled_out_by="phase_failed"),
    ),
    remedy=Remedy(
        name="retry of the real work",
        says="retry the first real query instead of a probe, bound each try, and handle SIGTERM",
        knobs={
            "retry_probe_s": 0.0,
            "retry_s": RETRY_S,
            "retry_attempt_s": TRY_S,
            "limit_s": RETRY_S + 10.0,
            "sigterm": True,
        },
    ),
    parameters={
        "limit_s": limit(5.0, PHASE),
        "connection_s": Parameter(
            default=CONNECTION_S, low=1.0, high=25.0, says="how long each connection takes"
        ),
        "transport": TRANSPORT,
        "platform": platform("cloud-run"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=5.0,
)
