"""The app needs more memory to start than its limit allows, so the kernel kills it each time.

Source: github.com/mitchross/talos-argocd-proxmox pull 1766 (2026-07-24): LiteLLM on Kubernetes,
OOMKilled with 137 about 11 s after each start, at a limit of 512 MiB; 1536 MiB ended it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.faults import REPLICAS, plan
from crashloop.faults.process.memory_limit import OVER_OLD_LIMIT
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, platform
from crashloop.model import UNTIL_THE_END, CheckSpec, Moment, Outage, Trigger
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from crashloop.model import PlannedFault

PHASE = "dependencies"
DEATHS = 3  # chosen
NEEDS_MIB = 1024  # chosen: between the limit and the one that ended the outage
TIMES_AS_LARGE = 1536 / 512  # the limit that ended it
RAISED_AT_LATEST_S = 300.0  # chosen: the report does not say how long it lasted


def outage(params: Params) -> Outage:
    """A limit that the app outgrows while it loads what it needs."""
    at_latest = Moment(on="phase.started", where={"phase": PHASE}, after_s=RAISED_AT_LATEST_S)
    fault = plan(
        name="memory-limit",
        target=REPLICAS,
        kind="memory_limit",
        params={"limit_mib": params["limit_mib"]},
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": "postgres"}),)),
        heal=Trigger(first_of=(*deaths(DEATHS), at_latest)),
    )
    return Outage(
        phase=PHASE,
        target="postgres",
        dependencies=dependencies(params),
        platform=parse_platform(str(params["platform"])),
        faults=(fault,),
        knobs={"startup_memory_mib": NEEDS_MIB},
        deadline_s=2 * RAISED_AT_LATEST_S,
        comes=False,
    )


def larger(fault: PlannedFault) -> PlannedFault:
    """The larger limit, under which each life is seen to have more than the old one allowed."""
    limit_mib = float(fault.params["limit_mib"])
    return replace(
        fault,
        params={"limit_mib": TIMES_AS_LARGE * limit_mib, "old_limit_mib": limit_mib},
        receipt=replace(fault.receipt, kinds=(OVER_OLD_LIMIT,)),
        heal=UNTIL_THE_END,
    )


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """Each life is killed for its memory while it loads, and says nothing of an error."""
    return (
        CheckSpec(check="memory_exceeded", params={"exceeded": True}),
        CheckSpec(check="exit_code", params={"code": 137, "times": DEATHS}),
        CheckSpec(check="phase_running_at_death", params={"phase": PHASE, "times": DEATHS}),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS}),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="oom-killed-while-starting",
    title="the app needs more memory to start than its limit allows: killed with 137 each time",
    source="github.com/mitchross/talos-argocd-proxmox pull 1766 (2026-07-24); FastAPI, Kubernetes",
    platforms=("kubernetes",),
    facts=(
        "OOMKilled with exit 137, about 11 s after the start, every time",
        "the limit was 512 MiB; the fix: 1536 MiB",
        "a probe's SIGKILL is 137 as well, and comes when the probe's time is over",
    ),
    look_alikes=(
        LookAlike(
            says="a probe's SIGKILL is 137 as well, and no memory limit was exceeded",
            ruled_out_by="memory_exceeded",
        ),
        LookAlike(says="an app that gives up ends with its own code", ruled_out_by="exit_code"),
        LookAlike(
            says="an app that leaks memory while it serves has started before",
            ruled_out_by="phase_running_at_death",
        ),
    ),
    remedy=Remedy(
        name="larger limit",
        says="raise the memory limit to three times as much",
        fault=larger,
    ),
    parameters={
        "limit_mib": Parameter(
            default=512.0, low=6.0, high=65536.0, says="the memory limit, in MiB"
        ),
        "transport": TRANSPORT,
        "platform": platform("kubernetes"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=5.0,  # nothing waits in it: a run takes what the starts of processes take
    idle="it needs less memory than the limit: give one that it outgrows, -p limit_mib=N",
)
