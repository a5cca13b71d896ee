"""Issue 1278: phase database times out while the VPC connector scales, exit 3, restart, again.

Sources: the audit of issue 1278 (2025-09-15) for limits, pool sizes, connection times and the
seven phases; the vendors' documentation for restart rules. See docs/issue-1278.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.faults import fault_kind
from crashloop.incidents.incident import Incident, Parameter, Value
from crashloop.model import (
    PHASES,
    AppUnderTest,
    CheckSpec,
    Moment,
    PlannedFault,
    Role,
    Scenario,
    Signature,
    Transport,
    Trigger,
)
from crashloop.supervisor.policy import parse_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "issue-1278"
TITLE = "phase database times out while the VPC connector scales; exit 3; restart loop"

DEATHS = 3
HEAL_AT_LATEST_S = 90.0
DEADLINE_S = 200.0

# Chosen, not from the audit: generous limits for the phases that did not fail in the incident.
OTHER_PHASE_LIMIT_S = 120.0

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

PARAMETERS: dict[str, Parameter] = {
    "limit_s": Parameter(
        default=20.0, low=1.0, high=600.0, says="time limit of phase database, in seconds"
    ),
    "fault": Parameter(
        default="hold",
        choices=("hold", "black_hole", "connect_delay", "refuse", "latency"),
        says="the effect of the scaling connector",
    ),
    "transport": Parameter(
        default="unix", choices=("unix", "tcp"), says="how the app reaches Postgres"
    ),
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
        default=1, low=1, high=20, says="connections opened at once in phase database"
    ),
    "policy": Parameter(
        default="on-failure:6",
        says="restart policy: on-failure[:N], always, unless-stopped or cloud-run-observed[:N]",
    ),
}

SIGNATURE = Signature(
    name=NAME,
    require=(
        CheckSpec(check="evidence_complete"),
        CheckSpec(check="baseline_passed"),
        CheckSpec(check="faults_have_receipts", needs_fault=True),
        CheckSpec(check="receipts_not_contradicted", needs_fault=True),
        CheckSpec(check="path_used"),
    ),
    expect=(
        CheckSpec(
            check="phase_failed",
            params={
                "phase": "database",
                "times": DEATHS,
                "errors": TIME_OUTS_AND_CONNECTION_ERRORS,
                "at_limit": True,
            },
        ),
        CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS}),
        CheckSpec(
            check="last_phase", params={"phase": "database", "after": ("init", "dependencies")}
        ),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS}),
        CheckSpec(check="no_port_before_ready"),
        CheckSpec(check="recovered"),
        CheckSpec(check="golden_path"),
        CheckSpec(check="no_connection_left"),
    ),
)

HEALTHY = Signature(
    name="healthy",
    require=(
        CheckSpec(check="evidence_complete"),
        CheckSpec(check="baseline_passed"),
        CheckSpec(check="path_used"),
        CheckSpec(check="scale_is_fair"),
    ),
    expect=(
        CheckSpec(check="no_receipt"),
        CheckSpec(check="no_death"),
        CheckSpec(check="all_phases_done", params={"phases": PHASES}),
        CheckSpec(check="no_port_before_ready"),
        CheckSpec(check="ready"),
        CheckSpec(check="golden_path"),
        CheckSpec(check="no_connection_left"),
    ),
)


def _timers_s(limit_s: float) -> dict[str, float]:
    """Every timer of the app and its drivers, in the incident's seconds."""
    limits = {f"APP_PHASE_{name.upper()}_LIMIT_S": OTHER_PHASE_LIMIT_S for name in PHASES}
    return {
        **limits,
        "APP_PHASE_DATABASE_LIMIT_S": limit_s,
        "APP_DEPENDENCIES_REPLAY_S": 0.0,
        "APP_DATABASE_POOL_TIMEOUT_S": 30.0,  # SQLAlchemy's own default
        "APP_DATABASE_POOL_RECYCLE_S": 1800.0,
        # asyncpg's own default; longer than every limit of the audit, as it was there
        "APP_DATABASE_CONNECT_TIMEOUT_S": max(60.0, 2 * limit_s),
        "APP_DATABASE_COMMAND_TIMEOUT_S": max(60.0, 2 * limit_s),
        "APP_DATABASE_CLOSE_TIMEOUT_S": 2.0,  # SQLAlchemy's own
        "APP_CACHE_CONNECT_TIMEOUT_S": 100.0,
        "APP_CACHE_SOCKET_TIMEOUT_S": 100.0,
        "APP_WEBSOCKET_IDLE_S": 600.0,
        "APP_DEGRADED_RECONNECT_PAUSE_S": 2.0,
    }


def _faults(params: Mapping[str, Value]) -> tuple[PlannedFault, ...]:
    kind = str(params["fault"])
    amounts = {
        "hold": {"delay_s": float(params["connection_s"])},
        "connect_delay": {"delay_s": float(params["connection_s"])},
        "latency": {"latency_s": float(params["latency_s"])},
    }
    heal = Trigger(
        first_of=(
            Moment(on="process.exited", attempt=DEATHS),
            Moment(on="phase.started", phase="database", after_s=HEAL_AT_LATEST_S),
        )
    )
    return (
        PlannedFault(
            name="connector-scaling",
            kind=kind,
            params=amounts.get(kind, {}),
            grade=fault_kind(kind).grade,
            inject=Trigger(first_of=(Moment(on="baseline.passed"),)),
            heal=heal,
        ),
    )


def _real_time_only(params: Mapping[str, Value]) -> str:
    kind, limit_s = str(params["fault"]), float(params["limit_s"])
    if kind in {"black_hole", "connect_delay"} and limit_s > float(params["connection_s"]):
        return (
            f"{kind} with a limit of {limit_s:g} s lets connections in at SYN retransmissions, "
            "which the kernel times"
        )
    return ""


def build(role: Role, params: Mapping[str, Value]) -> Scenario:
    """The scenario for one run of the proof."""
    transport = Transport(str(params["transport"]))
    kind = str(params["fault"])
    if transport not in fault_kind(kind).transports:
        raise UsageError(
            f"fault {kind} needs TCP: a Unix socket has no SYN to drop",
            hint="add transport=tcp, or use fault=hold, which is what Cloud SQL's socket shows",
        )
    faults = () if role is Role.CONTROL else _faults(params)
    settings = {
        "APP_POOL_SIZE": "20",  # audit
        "APP_MAX_OVERFLOW": "30",  # audit
        "APP_DATABASE_WARM_CONNECTIONS": str(params["warm_connections"]),
        "APP_REMEDY_DEGRADED_START": "true" if role is Role.REMEDY else "false",
    }
    return Scenario(
        incident=NAME,
        title=TITLE,
        params=dict(params),
        role=role,
        transport=transport,
        app=AppUnderTest(timers_s=_timers_s(float(params["limit_s"])), settings=settings),
        policy=parse_policy(str(params["policy"])),
        faults=faults,
        signature=SIGNATURE if faults else _control_signature(),
        deadline_s=DEADLINE_S + DEATHS * float(params["limit_s"]),
        remedy="degraded start" if role is Role.REMEDY else "",
        real_time_only=_real_time_only(params) if faults else "",
    )


def _control_signature() -> Signature:
    """The incident's own signature less the receipts, on a scale that must be fair."""
    signature = SIGNATURE.without_faults()
    return replace(signature, require=(*signature.require, CheckSpec(check="scale_is_fair")))


INCIDENT = Incident(
    name=NAME,
    title=TITLE,
    source="audit of issue 1278, 2025-09-15; Cloud Run, Serverless VPC Access, Cloud SQL",
    facts=(
        "seven start-up phases inside FastAPI's lifespan; nothing is served before the last",
        "one failing start: init 0.058 s, dependencies 31.115 s, database 20.0 s (its limit)",
        "the limit was raised 8 -> 20 -> 25 s; the outage continued",
        "a connection through the scaling connector took 10 to 30 s",
        "uvicorn exits with 3 on a failed start-up; the platform restarts the container",
    ),
    look_alikes=(
        "a NameError in a phase also exits 3",
        "a refused database fails in milliseconds, not at the limit",
        "exhausted slots (SQLSTATE 53300) fail at once",
        "a port opened before start-up is done hides the failure from a TCP probe",
    ),
    remedy="degraded start: serve at once, connect in the background, store what arrived meanwhile",
    healthy=HEALTHY,
    parameters=PARAMETERS,
    build=build,
)
