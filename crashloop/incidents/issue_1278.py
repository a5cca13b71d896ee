"""Issue 1278: phase database times out while the VPC connector scales, exit 3, restart, again.

Sources: the audit of issue 1278 (2025-09-15) for limits, pool sizes, connection times and the
seven phases; the vendors' documentation for restart rules. See docs/issue-1278.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.faults import plan
from crashloop.incidents.compared import Compared
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import (
    HEAL_S,
    REPLICAS,
    TRANSPORT,
    deaths,
    dependencies,
    limit,
    platform,
)
from crashloop.model import UNTIL_THE_END, CheckSpec, Moment, Outage, Replicas, Trigger
from crashloop.platforms import parse_platform
from crashloop.profiles import NAMES, load
from crashloop.profiles.profile import SCALING
from crashloop.remedies.egress_flag import MISROUTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model import PlannedFault, Value
    from crashloop.profiles import Profile

DEATHS = 3
HEAL_AT_LATEST_S = 90.0
DEADLINE_S = 200.0
NOWHERE = "nowhere"

NEW_INSTANCE_S = 20.0
"""The least that a new instance without egress waits: estuary/flow pull 3062 has 20 to 40 s."""

TIME_OUTS_AND_CONNECTION_ERRORS = (
    "TimeoutError",
    "CancelledError",
    "ConnectionError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "ConnectionDoesNotExistError",
    "CannotConnectNowError",
    "OperationalError",
    "InterfaceError",
    "08",  # SQLSTATE class: connection exception
    "57P01",  # admin_shutdown
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now
)


def outage(params: Params) -> Outage:
    """A scaling connector: connections take longer than the phase's limit, until it is scaled."""
    limit_s, count = float(params["limit_s"]), int(params["replicas"])
    profile = load(str(params["connector"])) if params["connector"] else None
    name, kind, amounts = _fault(params) if profile is None else _of_connector(profile, params)
    at_latest = Moment(on="phase.started", where={"phase": "database"}, after_s=HEAL_AT_LATEST_S)
    fault = plan(
        name=name,
        target="postgres",
        kind=kind,
        params=amounts,
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": "postgres"}),)),
        heal=Trigger(first_of=(Trigger(all_of=deaths(DEATHS, replicas=count)), at_latest)),
    )
    made = Outage(
        phase="database",
        target="postgres",
        dependencies=dependencies(params),
        platform=parse_platform(str(params["platform"])),
        replicas=Replicas(count=count),
        faults=(fault,),
        knobs={
            "limit_s": limit_s,
            # asyncpg's own default; longer than every limit of the audit, as it was there
            "connect_timeout_s": max(60.0, 2 * limit_s),
            "warm_connections": params["warm_connections"],
        },
        deadline_s=DEADLINE_S + DEATHS * limit_s,
    )
    if profile is not None:
        made = made.healed_at(profile.settles_at_s)
    if params["route"] == NOWHERE:
        made = replace(made, faults=(*made.faults, _misrouted()))
    return made


def _misrouted() -> PlannedFault:
    """A path that passes nothing on, for as long as anybody looks (issue 1263)."""
    passed = Moment(on="baseline.passed", where={"target": "postgres"})
    return plan(
        name=MISROUTED,
        target="postgres",
        kind="hold",
        inject=Trigger(first_of=(passed,)),
        heal=UNTIL_THE_END,
    )


def _fault(params: Params) -> tuple[str, str, Mapping[str, Value]]:
    """The name, the kind and the parameters of the fault that the parameters describe."""
    kind = str(params["fault"])
    amounts: dict[str, Mapping[str, Value]] = {
        "hold": {"delay_s": params["connection_s"]},
        "connect_delay": {"delay_s": params["connection_s"]},
        "latency": {"latency_s": params["latency_s"]},
    }
    return SCALING, kind, amounts.get(kind, {})


def _of_connector(profile: Profile, params: Params) -> tuple[str, str, Mapping[str, Value]]:
    """The fault by a profile's figures; UsageError for parameters that describe another."""
    for name in ("fault", "connection_s", "latency_s"):
        if params[name] != INCIDENT.parameters[name].default:
            raise UsageError(
                f"{name}={params[name]} and connector={params['connector']} describe two faults",
                hint=f"leave out one of them; the figures of a file of your own replace {name}",
            )
    fault = profile.fault()
    names = ("low_s", "high_s", "slot_s", "each_other_s", "each_client")
    amounts = {n: value for n in names if (value := getattr(fault, n)) or n == "low_s"}
    return profile.fault_name, fault.kind, amounts


def expect(params: Params) -> tuple[CheckSpec, ...]:
    """The path lets no replica through until its limit: exit 3, three times; then it recovers."""
    on_path = {"phase": "database", "target": "postgres"}
    hung = CheckSpec(check="not_let_through", params=on_path)
    if params["fault"] == "latency":  # which lets connections through, and each answer comes late
        hung = CheckSpec(check="connection_was", params={**on_path, "way": "answered"})
    return (
        CheckSpec(
            check="phase_failed",
            params={
                "phase": "database",
                "times": DEATHS,
                "errors": TIME_OUTS_AND_CONNECTION_ERRORS,
                "at_limit": True,
            },
        ),
        hung,
        CheckSpec(check="connected_before", params={**on_path, "before": False}),
        CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS}),
        CheckSpec(check="last_phase", params={"phase": "database"}),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS}),
        CheckSpec(check="no_port_before_ready"),
        CheckSpec(check="a_life_got_through", params={**on_path, "within_s": NEW_INSTANCE_S}),
        *recovery("database"),
    )


INCIDENT = Incident(
    name="issue-1278",
    title="phase database times out while the VPC connector scales; exit 3; restart loop",
    source="audit of issue 1278, 2025-09-15; Cloud Run, Serverless VPC Access, Cloud SQL",
    platforms=("cloud-run",),
    facts=(
        "seven start-up phases inside FastAPI's lifespan; nothing is served before the last",
        "one failing start: init 0.058 s, dependencies 31.115 s, database 20.0 s (its limit)",
        "the limit was raised 8 -> 20 -> 25 s; the outage continued",
        "a connection through the scaling connector took 10 to 30 s",
        "uvicorn exits with 3 on a failed start-up; the platform restarts the container",
    ),
    look_alikes=(
        LookAlike(says="a NameError in a phase also exits 3", ruled_out_by="phase_failed"),
        LookAlike(
            says="a refused database fails in milliseconds, not at the limit",
            ruled_out_by="phase_failed",
        ),
        LookAlike(
            says="exhausted slots (SQLSTATE 53300) fail at once", ruled_out_by="phase_failed"
        ),
        LookAlike(
            says="a database that hangs, or a lock, has let the connection through",
            ruled_out_by="not_let_through",
        ),
        LookAlike(
            says="a retry that covers a probe only has had an answer before",
            ruled_out_by="connected_before",
        ),
        LookAlike(
            says="without egress, each new instance waits for 20 s, the one that starts, too",
            ruled_out_by="a_life_got_through",
        ),
        LookAlike(
            says="a port opened before start-up is done hides the failure from a TCP probe",
            ruled_out_by="no_port_before_ready",
        ),
    ),
    remedy=Remedy(
        name="degraded start",
        says="serve at once, connect in the background, store what arrived meanwhile",
        knobs={"degraded_start": True},
    ),
    parameters={
        "limit_s": limit(20.0, "database"),
        "fault": Parameter(
            default="hold",
            choices=("hold", "black_hole", "connect_delay", "refuse", "latency"),
            says="the effect of the scaling connector",
        ),
        "connector": Parameter(
            default="",
            says="connection times and their end by a cited profile, instead of fault and "
            f"connection_s: {', '.join(NAMES)}, or FILE.toml",
        ),
        "route": Parameter(
            default="connector",
            choices=("connector", NOWHERE),
            says="where the app's traffic goes; nowhere: as in issue 1263, which came before",
        ),
        "transport": TRANSPORT,
        "connection_s": Parameter(
            default=30.0,
            low=1.0,
            high=600.0,
            says="how long a connection through the connector takes (audit: 10 to 30 s)",
        ),
        "latency_s": Parameter(
            default=2.0, low=0.1, high=60.0, says="delay of every chunk, for fault=latency"
        ),
        "warm_connections": Parameter(
            default=1, low=1, high=100, says="connections opened at once in phase database"
        ),
        "replicas": REPLICAS,
        "platform": platform("docker:on-failure:6"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    compared=Compared(
        params={
            "connector": "audit",
            "warm_connections": 2,
            "replicas": 2,
            "platform": "cloud-run",
        },
        remedies=("limit=8", "limit=20", "limit=25", "limit=35", "limit=60"),
    ),
    overlaps={
        "fault:hold": "it is the incident's own fault",
        "fault:black_hole": "it is one of the effects that a scaling connector may have",
    },
)
