"""The app retries for longer than its start-up probe waits, so the platform kills it each time.

Source: github.com/soma-smart/le-coffre pull 206 (2026-03-10): FastAPI, migrations inside the
lifespan with a retry loop of up to 600 s, a start-up probe of 30 x 10 s, 84 restarts.
"""

from __future__ import annotations

from dataclasses import replace

from crashloop.faults import plan
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, platform
from crashloop.model import CheckSpec, Moment, Outage, Probe, ProbeKind, Trigger
from crashloop.platforms import parse_platform

PHASE = "database"
TRIES = 30  # of the start-up probe, one each 10 s
LIMIT_S = 1200.0  # chosen: the app had no limit of its own, only its retries'


def outage(params: Params) -> Outage:
    """A database that refuses for longer than the start-up probe waits."""
    kills, probe_s = int(params["kills"]), float(params["probe_s"])
    probe = Probe(kind=ProbeKind.TCP, period_s=probe_s / TRIES, failures=TRIES)
    # An app with the remedy serves meanwhile; the database stays away for longer than the probe.
    served = Moment(on="journey.step", where={"step": 1})
    outlasted = Moment(on="phase.started", where={"phase": PHASE}, after_s=1.1 * probe_s)
    fault = plan(
        name="database-refuses",
        target="postgres",
        kind="refuse",
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": "postgres"}),)),
        heal=Trigger(first_of=(*deaths(kills), Trigger(all_of=(served, outlasted)))),
    )
    return Outage(
        phase=PHASE,
        target="postgres",
        dependencies=dependencies(params),
        platform=replace(parse_platform(str(params["platform"])), startup=probe),
        faults=(fault,),
        knobs={"limit_s": LIMIT_S, "retry_s": params["retry_s"]},
        deadline_s=(kills + 2) * (probe_s + 120.0),
    )


def expect(params: Params) -> tuple[CheckSpec, ...]:
    """The platform kills an app that is still trying; the app itself never gives up."""
    kills = int(params["kills"])
    return (
        CheckSpec(check="killed_by_probe", params={"probe": "startup", "times": kills}),
        CheckSpec(check="phase_running_at_death", params={"phase": PHASE, "times": kills}),
        CheckSpec(check="exit_code", params={"code": 137, "times": kills}),
        CheckSpec(check="restart_loop", params={"restarts": kills}),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE),
    )


INCIDENT = Incident(
    name="retry-longer-than-the-probe",
    title="retries of 600 s inside a start-up probe of 300 s: killed with 137 while still trying",
    source="github.com/soma-smart/le-coffre pull 206 (2026-03-10); FastAPI on Kubernetes",
    platforms=("kubernetes",),
    facts=(
        "migrations ran inside the lifespan, with a retry loop of up to 600 s",
        "the start-up probe allowed 30 x 10 s, so its SIGKILL came first: 137, not the app's exit",
        "84 restarts",
        "the fix: migrations in the background, liveness at once, readiness only when done",
    ),
    look_alikes=(
        LookAlike(says="an app that gives up exits with 3", ruled_out_by="exit_code"),
        LookAlike(
            says="a liveness probe and a memory limit kill with 137, too",
            ruled_out_by="killed_by_probe",
        ),
    ),
    remedy=Remedy(
        name="degraded start",
        says="serve at once and connect in the background, so that the probe has nothing to kill",
        knobs={"degraded_start": True, "retry_s": 0.0},
    ),
    parameters={
        "retry_s": Parameter(
            default=600.0, low=0.0, high=3600.0, says="how long the app retries, in seconds"
        ),
        "probe_s": Parameter(
            default=300.0, low=20.0, high=3600.0, says="how long the start-up probe waits"
        ),
        "kills": Parameter(
            default=2, low=1, high=84, says="kills before the database is back (report: 84)"
        ),
        "transport": TRANSPORT,
        "platform": platform("kubernetes"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=8.0,  # a start on a busy machine must be a quarter of what the probe allows
)
