"""A folder that the app writes to when it starts is read-only for it.

Source: github.com/unclecode/crawl4ai issue 2027 and pull 2029 (2026-06-21): FastAPI and gunicorn
under compose with read_only: true. The same by another way: getsynkora/synkora-ai pull 205
(2026-09-14). There, a module made the folder while it was imported; the sample app reads its
settings when it starts, so here its first phase does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.faults import REPLICAS, plan
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, platform
from crashloop.model import CheckSpec, Moment, Outage, Trigger
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from crashloop.incidents.parameter import Params

PHASE = "init"
DEATHS = 3  # chosen
MOUNTED_AT_LATEST_S = 90.0  # chosen: in the report it went on until somebody looked
READ_ONLY, WRITABLE = ".", "/tmp"  # noqa: S108  the folder that every Linux has for this


def outage(params: Params) -> Outage:
    """An app that may not write in its own folder, until it may."""
    at_latest = Moment(on="phase.started", where={"phase": PHASE}, after_s=MOUNTED_AT_LATEST_S)
    fault = plan(
        name="read-only",
        target=REPLICAS,
        kind="read_only_files",
        params={"folder": READ_ONLY},
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": "postgres"}),)),
        heal=Trigger(first_of=(*deaths(DEATHS), at_latest)),
    )
    return Outage(
        phase=PHASE,
        target="postgres",
        dependencies=dependencies(params),
        platform=parse_platform(str(params["platform"])),
        faults=(fault,),
        knobs={"scratch_folder": READ_ONLY},
        deadline_s=300.0,
        comes=False,
    )


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """The system refuses a write with EROFS at once, before anything else was tried."""
    return (
        CheckSpec(
            check="phase_failed",
            params={"phase": PHASE, "times": DEATHS, "errors": ("EROFS",), "at_limit": False},
        ),
        CheckSpec(check="fails_at_once", params={"phase": PHASE}),
        CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS}),
        CheckSpec(check="last_phase", params={"phase": PHASE}),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS}),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="read-only-file-system",
    title="a folder that the app writes to is read-only: EROFS, exit 3, restart",
    source="github.com/unclecode/crawl4ai issue 2027, pull 2029 (2026-06-21); FastAPI, compose",
    platforms=("docker",),
    facts=(
        "OSError: [Errno 30] Read-only file system, while a module was imported",
        "the worker did not boot and was started again; nothing listened",
        "from outside, the port accepted and reset: Docker's own proxy of the port",
        "compose with read_only: true, and no tmpfs over the folder; the fix: mount one",
        "a first guess, a tmpfs that root owns, was tested and refuted",
    ),
    look_alikes=(
        LookAlike(
            says="a read-only database refuses with SQLSTATE 25006, in a later phase",
            ruled_out_by="last_phase",
        ),
        LookAlike(
            says="a folder of somebody else is refused with EACCES, a full disk with ENOSPC",
            ruled_out_by="phase_failed",
        ),
        LookAlike(
            says="a reset connection looks like a server that dies; nothing was connected to",
            ruled_out_by="last_phase",
        ),
    ),
    remedy=Remedy(
        name="writable folder",
        says="write to a folder that may be written to, or mount a tmpfs over this one",
        knobs={"scratch_folder": WRITABLE},
    ),
    parameters={
        "transport": TRANSPORT,
        "platform": platform("docker:on-failure:6"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=5.0,  # nothing waits in it: a run takes what the starts of processes take
    overlaps={"fault:read_only_files": "it is the incident's own fault"},
)
