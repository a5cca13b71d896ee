"""The app migrates at its start, and its liveness probe kills it before it is done, each time.

Sources: github.com/neutree-ai/agent-platform pull 252 (2026-08-21); github.com/kOlapsis/maintenant
pull 56 (2026-07-31); github.com/cal-itp/data-infra pull 5647 (2026-08-12).

The time that the migration takes is a fault here and no setting of the app, which would take it in
the control run, too. The server looks whether its clients are still there, so that a migration ends
with the app that began it. Where it does not look, which is its default, the migration keeps its
lock after the app's death, and the next start waits for that first, as at cal-itp.
"""

from __future__ import annotations

from dataclasses import replace

from crashloop.faults import plan
from crashloop.faults.database.base import came
from crashloop.faults.states import showed
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, platform
from crashloop.model import CheckSpec, Moment, Outage, Probe, ProbeKind, Trigger
from crashloop.platforms import parse_platform

PHASE, TARGET = "database", "postgres"
LIVENESS = Probe(kind=ProbeKind.TCP, delay_s=10.0, period_s=30.0, failures=3)  # kills at 100 s
PATIENT = Probe(kind=ProbeKind.TCP, period_s=5.0, failures=120)  # the fix: 10 min
LIMIT_S = 1200.0  # chosen: the apps had no limit of their own
LOOK_MS = 100.0  # chosen, on the wall clock: how often the server looks for its clients


def outage(params: Params) -> Outage:
    """A migration that takes longer than the liveness probe waits, from the top at each start."""
    kills, migration_s = int(params["kills"]), float(params["migration_s"])
    served = Moment(on="journey.step", where={"step": 1})
    fault = plan(
        name="migration-takes-long",
        target=TARGET,
        kind="slow_query",
        params={"takes_s": migration_s},
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": TARGET}),)),
        heal=Trigger(first_of=(*deaths(kills), served)),
    )
    return Outage(
        phase=PHASE,
        target=TARGET,
        dependencies=dependencies(params, client_connection_check_interval=LOOK_MS),
        platform=replace(parse_platform(str(params["platform"])), liveness=LIVENESS),
        faults=(fault,),
        knobs={"limit_s": LIMIT_S, "connect_timeout_s": LIMIT_S},
        deadline_s=(kills + 2) * (migration_s + 120.0),
    )


def expect(params: Params) -> tuple[CheckSpec, ...]:
    """The platform kills an app that migrates, always at one age, and the database is well."""
    kills = int(params["kills"])
    of_target = {"target": TARGET, "phase": PHASE}
    running = showed(TARGET, "database.statement_running")
    return (
        CheckSpec(check="killed_by_probe", params={"probe": "liveness", "times": kills}),
        CheckSpec(check="killed_at_same_age", params={"probe": "liveness"}),
        CheckSpec(check="phase_running_at_death", params={"phase": PHASE, "times": kills}),
        came("answered"),
        replace(running, params={**running.params, "phase": PHASE}),
        CheckSpec(check="server_said_no_error", params=of_target),
        CheckSpec(check="exit_code", params={"code": 137, "times": kills}),
        CheckSpec(check="restart_loop", params={"restarts": kills}),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="liveness-kills-the-migration",
    title="a migration at the start takes longer than the liveness probe waits: killed, again",
    source="github.com/neutree-ai/agent-platform pull 252 (2026-08-21), kOlapsis/maintenant pull "
    "56, cal-itp/data-infra pull 5647; Kubernetes",
    platforms=("kubernetes",),
    facts=(
        "liveness from 10 s on, 3 x 30 s: killed at about 100 s, while the migration ran",
        "each start began the migration again from the top, so it was never done",
        "elsewhere: killed at about 95 s, which left the schema half changed",
        "elsewhere: killed with the migration's lock, for which the next start waited",
        "the fix: a start-up probe of 10 minutes, 120 times every 5 s",
    ),
    look_alikes=(
        LookAlike(says="an app that gives up exits with 3", ruled_out_by="exit_code"),
        LookAlike(says="a start-up probe kills with 137, too", ruled_out_by="killed_by_probe"),
        LookAlike(says="a database that is away gives no answer", ruled_out_by="connection_was"),
        LookAlike(says="a start that waits for a lock does no work", ruled_out_by="server_showed"),
        LookAlike(
            says="a database that refuses the app has an error in its log",
            ruled_out_by="server_said_no_error",
        ),
    ),
    remedy=Remedy(
        name="start-up probe",
        says="let a start-up probe wait for 10 minutes, and only then ask for liveness",
        platform=lambda before: replace(before, startup=PATIENT),
    ),
    parameters={
        "migration_s": Parameter(  # chosen: longer than the probe and the grace period, 130 s
            default=160.0, low=1.0, high=590.0, says="how long the migration takes, in seconds"
        ),
        "kills": Parameter(
            default=2, low=2, high=84, says="kills before the migration takes no time (chosen)"
        ),
        "transport": TRANSPORT,
        "platform": platform("kubernetes"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=4.0,  # a start on a busy machine must be shorter than the 25 s until a kill
    idle="it changes no schema while it starts, so there is no migration to kill",
)
