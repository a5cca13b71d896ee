"""Postgres was set up under a name with a comment in it, and the app logs in without the comment.

Source: github.com/endurain-project/endurain pull 495 (2026-01-20): FastAPI, psycopg 3, compose. The
same class: benjaminjonard/koillection 1011 (2025, podman). There, the name was so long that
Postgres cut it off; here it fits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.faults import plan
from crashloop.faults.database.missing_role import ROLE_RENAMED
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, limit, platform
from crashloop.model import UNTIL_THE_END, CheckSpec, Grade, Moment, Outage, Receipt, Trigger
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from crashloop.incidents.parameter import Params
    from crashloop.model import PlannedFault

PHASE = "database"
DEATHS = 3  # chosen
RENAMED_AT_LATEST_S = 90.0  # chosen: in the report it went on until somebody looked
NAME = "app # If you change this"  # the report's comment up to its comma, which asyncpg cannot take
OF_PHASE = {"phase": PHASE, "target": "postgres"}


def outage(params: Params) -> Outage:
    """A server on which the app's role has another name than the app was given."""
    at_latest = Moment(on="phase.started", where={"phase": PHASE}, after_s=RENAMED_AT_LATEST_S)
    fault = plan(
        name="role-with-a-comment",
        target="postgres",
        kind="missing_role",
        params={"other_name": NAME},
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": "postgres"}),)),
        heal=Trigger(first_of=(*deaths(DEATHS), at_latest)),
    )
    return Outage(
        phase=PHASE,
        target="postgres",
        dependencies=dependencies(params),
        platform=parse_platform(str(params["platform"])),
        faults=(fault,),
        knobs={"limit_s": params["limit_s"]},
        deadline_s=300.0,
    )


def named(fault: PlannedFault) -> PlannedFault:
    """The same role until the end, as which the app now logs in."""
    met = Receipt(grade=Grade.SERVER, kinds=(ROLE_RENAMED,), whose="server")
    return replace(fault, receipt=met, heal=UNTIL_THE_END)


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """Each login is refused with 28P01, and the server says that there is no such role."""
    refused = {"phase": PHASE, "errors": ("28P01",)}
    return (
        CheckSpec(check="phase_failed", params={**refused, "times": DEATHS, "at_limit": False}),
        CheckSpec(check="server_said", params={**refused, "target": "postgres"}),
        CheckSpec(check="role_was_unknown", params={**OF_PHASE, "unknown": True}),
        CheckSpec(check="fails_at_once", params={"phase": PHASE}),
        CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS}),
        CheckSpec(check="last_phase", params={"phase": PHASE}),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS}),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="env-file-comment-became-the-value",
    title="a role was created under a name with a comment in it: 28P01, exit 3, restart",
    source="github.com/endurain-project/endurain pull 495 (2026-01-20); FastAPI, compose",
    platforms=("docker",),
    facts=(
        "inline comments in .env, which some engines do not strip, became part of two names",
        "28P01 for the app; the server's log has the DETAIL that the role does not exist",
        "at initdb, a NOTICE that the identifier `name # If you change this, ...` is cut off",
        "the fix: comments on lines of their own; then a new volume, as initdb runs once",
    ),
    look_alikes=(
        LookAlike(
            says="a rotated password is 28P01 as well, and the role exists",
            ruled_out_by="role_was_unknown",
        ),
        LookAlike(says="a missing database is refused with 3D000", ruled_out_by="phase_failed"),
        LookAlike(says="a database that is away hangs or refuses", ruled_out_by="phase_failed"),
    ),
    remedy=Remedy(
        name="same name",
        says="give the app and the server one name: comments on lines of their own, a new volume",
        knobs={"database_user": NAME},
        fault=named,
    ),
    parameters={
        "limit_s": limit(20.0, PHASE),
        "transport": TRANSPORT,
        "platform": platform("docker:on-failure:6"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=5.0,  # nothing waits in it: a run takes what the starts of processes take
    overlaps={"fault:missing_role": "it is the incident's own fault"},
)
