"""A container came back on an older image than the one that last migrated the database.

Source: github.com/Morelitea/initiative pull 1800, issues 1798 and 1307 (2026-08-31 and
2026-09-20). There, alembic did not know the database's revision. The sample app has no migrations:
a column that the newer image renamed stands for what the older one does not know.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.faults import plan
from crashloop.faults.database.image_older import NEWER, NO_COLUMN, SCHEMA_NEWER
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, limit, platform
from crashloop.model import UNTIL_THE_END, CheckSpec, Grade, Moment, Outage, Receipt, Trigger
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from crashloop.model import PlannedFault

PHASE = "database"
DEATHS = 3  # chosen
BACK_AT_LATEST_S = 90.0  # chosen: in the reports it went on until somebody looked
COLUMN = "text"
OTHER_COLUMNS = (
    "id bigint generated always as identity primary key, client_id uuid not null unique, "
    "created_at timestamptz not null default now()"
)
"""The rest of the sample app's table, which a newer image has made and left as it was."""


def outage(params: Params) -> Outage:
    """A schema of a newer image, which the app does not know, until it goes back."""
    at_latest = Moment(on="phase.started", where={"phase": PHASE}, after_s=BACK_AT_LATEST_S)
    fault = plan(
        name="newer-image-migrated",
        target="postgres",
        kind="image_older",
        params={
            "table": params["table"],
            "column": params["column"],
            "create": True,
            "others": OTHER_COLUMNS,
        },
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


def newer(fault: PlannedFault) -> PlannedFault:
    """The same schema until the end, which the newer image meets without an error."""
    met = Receipt(grade=Grade.SERVER, kinds=(SCHEMA_NEWER,), whose="server")
    return replace(fault, receipt=met, heal=UNTIL_THE_END)


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """Postgres answers, and says at once that what the app asks for is not there."""
    of_phase = {"phase": PHASE, "errors": (NO_COLUMN,)}
    return (
        CheckSpec(check="phase_failed", params={**of_phase, "times": DEATHS, "at_limit": False}),
        CheckSpec(check="server_said", params={**of_phase, "target": "postgres"}),
        CheckSpec(check="fails_at_once", params={"phase": PHASE}),
        CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS}),
        CheckSpec(check="last_phase", params={"phase": PHASE}),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS}),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="image-older-than-the-schema",
    title="an older image meets the schema of a newer one: exit 3, restart, for ever",
    source="github.com/Morelitea/initiative pull 1800, issues 1798 and 1307 (2026-09-20); FastAPI",
    platforms=("docker",),
    facts=(
        "a container came back on an older tag than the one that had last migrated",
        "alembic: Can't locate revision identified by '20260918_0317'; the start failed for ever",
        "the stack was shown as running: compose, restart unless-stopped",
        "the fix: refuse with both revisions named; going back a release needs a downgrade first",
    ),
    look_alikes=(
        LookAlike(says="a database that is away names no column", ruled_out_by="phase_failed"),
        LookAlike(says="a migration that waits for a lock hangs", ruled_out_by="fails_at_once"),
        LookAlike(says="a wrong password is refused with 28P01", ruled_out_by="phase_failed"),
    ),
    remedy=Remedy(
        name="newer image",
        says="run the newer image again, or downgrade the schema before going back a release",
        knobs={"text_column": COLUMN + NEWER},
        fault=newer,
    ),
    parameters={
        "limit_s": limit(20.0, PHASE),
        "table": Parameter(default="messages", says="a table of the app"),
        "column": Parameter(default=COLUMN, says="its column that the newer image has renamed"),
        "transport": TRANSPORT,
        "platform": platform("docker:unless-stopped"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=5.0,  # nothing waits in it: a run takes what the starts of processes take
    idle="it asks for no such column: give one that it asks for, -p table=NAME -p column=NAME",
    overlaps={"fault:image_older": "it is the incident's own fault"},
)
