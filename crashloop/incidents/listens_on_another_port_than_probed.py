"""The app is up at once, on another port than the one at which its platform asks.

Source: github.com/estuary/flow pull 3315 (2026-08-04): the app on 8765, Cloud Run's start-up probe
on 8080 for 240 s. The same: observ-ing/core pull 174 (2026-03-30), piconic-ai/barefootjs pull 2080
(2026-07-03, FastAPI).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.faults import REPLICAS, plan
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, platform
from crashloop.model import UNTIL_THE_END, CheckSpec, Moment, Outage, Probe, ProbeKind, Trigger
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from crashloop.model import PlannedFault

PHASE = "database"  # it is done in each life: only the port is wrong
ENDED_BY_SIGTERM = 143


def outage(params: Params) -> Outage:
    """An app that is told another port than its platform, until the two agree."""
    kills, probe_s = int(params["kills"]), float(params["probe_s"])
    probe = Probe(
        kind=ProbeKind.TCP, period_s=probe_s, timeout_s=probe_s, failures=1, keeps_trying=True
    )
    at_latest = Moment(on="phase.started", where={"phase": PHASE}, after_s=(kills + 1) * probe_s)
    fault = plan(
        name="another-port",
        target=REPLICAS,
        kind="other_port",
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": "postgres"}),)),
        heal=Trigger(first_of=(*deaths(kills), at_latest)),
    )
    return Outage(
        phase=PHASE,
        target="postgres",
        dependencies=dependencies(params),
        platform=replace(parse_platform(str(params["platform"])), startup=probe),
        faults=(fault,),
        deadline_s=(kills + 2) * (probe_s + 120.0),
    )


def asked_there(fault: PlannedFault) -> PlannedFault:
    """The app's port as before, which the platform now knows, and asks."""
    listens = replace(fault.receipt, where={"elsewhere": ""})
    return replace(fault, params={"asked_there": True}, receipt=listens, heal=UNTIL_THE_END)


def expect(params: Params) -> tuple[CheckSpec, ...]:
    """The start-up probe ends each life, which had started and listens at another port."""
    kills = int(params["kills"])
    return (
        CheckSpec(check="killed_by_probe", params={"probe": "startup", "times": kills}),
        CheckSpec(check="listened_elsewhere", params={"elsewhere": "port"}),
        CheckSpec(check="told_to_stop", params={"while_starting": False, "times": kills}),
        CheckSpec(check="exit_code", params={"code": ENDED_BY_SIGTERM, "times": kills}),
        CheckSpec(check="restart_loop", params={"restarts": kills}),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="listens-on-another-port-than-probed",
    title="the app listens at once, and the start-up probe asks another port for 240 s",
    source="github.com/estuary/flow pull 3315 (2026-08-04); Cloud Run",
    platforms=("cloud-run",),
    facts=(
        "the app was up at once, on 8765",
        "Cloud Run asked 8080, by default for 240 s, and did not start the instance",
        "the deploy action has no input `port`, and ignored it in silence",
        "the old revision went on serving",
        "the fix: set the container's port, or read PORT",
    ),
    look_alikes=(
        LookAlike(says="a late port: the app has not started yet", ruled_out_by="told_to_stop"),
        LookAlike(
            says="an app on 127.0.0.1 has the right port and the wrong address",
            ruled_out_by="listened_elsewhere",
        ),
        LookAlike(says="without its database, the app never starts", ruled_out_by="told_to_stop"),
    ),
    remedy=Remedy(
        name="container's port",
        says="tell the platform the port that the app listens at, or let the app read PORT",
        fault=asked_there,
    ),
    parameters={
        "probe_s": Parameter(
            default=240.0, low=20.0, high=3600.0, says="how long the start-up probe asks"
        ),
        "kills": Parameter(default=1, low=1, high=20, says="kills before the ports agree (chosen)"),
        "transport": TRANSPORT,
        "platform": platform("cloud-run"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=6.0,  # a quarter of the probe's time must be enough for a start on a busy machine
    overlaps={"fault:other_port": "it is the incident's own fault"},
)
