"""A migration's advisory lock stays in a pooler's session, and every later replica waits for it.

Sources: github.com/IBM/mcp-context-forge issue 4051 with pull 4444 (2026-04);
github.com/goauthentik/authentik issue 23876 (2026-07-09).
"""

from __future__ import annotations

from dataclasses import replace

from crashloop.faults import plan
from crashloop.faults.database.base import came
from crashloop.faults.database.lock_orphaned import KEY, WAITS
from crashloop.faults.states import showed
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import (
    HEAL_S,
    POOLER,
    TRANSPORT,
    deaths,
    dependencies,
    limit,
    platform,
)
from crashloop.model import CheckSpec, Moment, Outage, Replicas, Trigger
from crashloop.platforms import parse_platform

PHASE, TARGET = "database", "postgres"
DEATHS = 2  # chosen
STAGGER_S = 300.0  # chosen: the first replica has started by then, on a busy machine, too


def outage(params: Params) -> Outage:
    """The first replica has migrated and its lock stays; those that start later wait for it."""
    count, limit_s = int(params["replicas"]), float(params["limit_s"])
    migrated = Moment(on="phase.completed", where={"phase": PHASE, "replica": 1})
    later = range(2, count + 1)
    served = tuple(Moment(on="journey.step", where={"step": 1, "replica": n}) for n in later)
    died = deaths(DEATHS, replicas=count)[1:]
    fault = plan(
        name="lock-stays-in-the-pooler",
        target=TARGET,
        kind="lock_orphaned",
        params={"advisory": params["advisory"]},
        inject=Trigger(first_of=(migrated,)),
        heal=Trigger(first_of=(Trigger(all_of=died), Trigger(all_of=served))),
    )
    return Outage(
        phase=PHASE,
        target=TARGET,
        dependencies=dependencies(params),
        platform=parse_platform(str(params["platform"])),
        replicas=Replicas(count=count, stagger_s=STAGGER_S),
        faults=(fault,),
        knobs={
            "migration_lock": params["advisory"],
            "prepared_statements": False,
            "connect_timeout_s": max(60.0, 2 * limit_s),
            "close_timeout_s": 60.0,  # PgBouncer 1.18 dies if one leaves while it cancels
        },
        deadline_s=count * STAGGER_S + (DEATHS + 2) * (limit_s + 120.0),
    )


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """Each replica but the first waits for a lock that an idle session holds, and gives up."""
    some = {"replicas": "some"}
    of_phase = {"phase": PHASE, **some}
    hangs = {**of_phase, "times": DEATHS, "errors": ("TimeoutError", "CancelledError")}
    waits = showed(TARGET, WAITS)
    return (
        CheckSpec(check="phase_failed", params={**hangs, "at_limit": True}),
        replace(waits, params={**waits.params, "phase": PHASE}),
        came("answered"),
        CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS, **some}),
        CheckSpec(check="last_phase", params=of_phase),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS, **some}),
        CheckSpec(check="a_replica_served"),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="orphaned-advisory-lock-behind-a-pooler",
    title="a migration's advisory lock stays in PgBouncer: the first replica starts, others wait",
    source="github.com/IBM/mcp-context-forge issue 4051 (2026-04); goauthentik/authentik 23876",
    facts=(
        "migrations took an advisory lock of their session, through a pooler in transaction mode",
        "the unlock reached another session and returned false; the lock stayed where it was",
        "the first replica started; the others tried for about 10 minutes to get the lock",
        "elsewhere it stayed until the pooler's server_lifetime, 3600 s by default",
        "the fixes: look at the schema first; lock in a transaction; migrate without the pooler",
    ),
    look_alikes=(
        LookAlike(says="a slow database stops every replica", ruled_out_by="a_replica_served"),
        LookAlike(says="a path that hangs gives no answer", ruled_out_by="connection_was"),
        LookAlike(says="a lock whose holder is at work is not idle", ruled_out_by="server_showed"),
    ),
    remedy=Remedy(
        name="look first",
        says="look whether the schema is current before taking the lock, and leave it alone if so",
        knobs={"look_first": True},
    ),
    parameters={
        "limit_s": limit(600.0, PHASE),  # mcp-context-forge tried for about 10 minutes
        "advisory": Parameter(default=KEY, low=1, high=2**53, says="the key of the app's lock"),
        "replicas": Parameter(default=2, low=2, high=4, says="instances in turn (chosen)"),
        "pooler": replace(POOLER, default="transaction", choices=("transaction",)),
        "transport": replace(TRANSPORT, default="tcp"),
        "platform": platform("kubernetes"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=40.0,
)
