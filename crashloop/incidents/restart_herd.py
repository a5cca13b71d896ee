"""All replicas restart at once, and what they read at their start is too slow for all at once.

Source: Google Cloud's incident report ow5i3PPK96RduMcb1SsW (2025-06-12). The first cause is a crash
of all replicas at once; here SIGKILL stands for it. The capacity of the table that they read is
modelled, in Postgres: N readers at once take N times as long. It is the same before the crash, when
each replica has started on its own, and after it, when none starts any more.
"""

from __future__ import annotations

from crashloop.faults import plan
from crashloop.faults.states import STATES
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, limit, platform
from crashloop.model import CheckSpec, Moment, Outage, Replicas, Trigger
from crashloop.platforms import parse_platform

PHASE = "database"
TABLE = "policies"
ROUNDS = 3  # chosen: how often each replica fails before the table gets more capacity
READ_OF_LIMIT = 0.65  # chosen: what a read alone takes of the phase's limit; two at once never end
CRASH, CAPACITY = "all-crash-at-once", "readers-share-the-table"


def outage(params: Params) -> Outage:
    """Replicas that have started one by one crash together, and start together."""
    count, limit_s = int(params["replicas"]), float(params["limit_s"])
    failed = Trigger(all_of=deaths(ROUNDS + 1, replicas=count))
    at_latest = Moment(on="fault.healed", where={"fault": CRASH}, after_s=4.0 * ROUNDS * limit_s)
    capacity = plan(
        name=CAPACITY,
        target="postgres",
        kind="shared_capacity",
        params={"table": TABLE, "work_s": READ_OF_LIMIT * limit_s},
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": "postgres"}),)),
        heal=Trigger(first_of=(failed, _all_ready(count, attempt=2), at_latest)),
    )
    unplugged = Moment(on="fault.injected", where={"fault": CRASH}, after_s=10.0)
    crash = plan(
        name=CRASH,
        target="replicas",
        kind="killed",
        inject=_all_ready(count, attempt=1),
        heal=Trigger(first_of=(*deaths(1, replicas=count), unplugged)),
    )
    return Outage(
        phase=PHASE,
        target="postgres",
        dependencies=dependencies(params),
        platform=parse_platform(str(params["platform"])),
        replicas=Replicas(count=count, stagger_s=limit_s),
        faults=(capacity, crash),
        knobs={"limit_s": limit_s, "startup_table": TABLE},
        journey_after_heal=True,  # it is ready before the crash
        deadline_s=900.0,
    )


def _all_ready(count: int, *, attempt: int) -> Trigger:
    life = {"attempt": attempt, "ready": True}
    replicas = range(1, count + 1)
    return Trigger(
        all_of=tuple(Moment(on="ready.answered", where={"replica": n, **life}) for n in replicas)
    )


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """The crash is over, and every replica dies at its limit, again and again."""
    phase, target = {"phase": PHASE}, {"target": "postgres"}
    errors = {"errors": ("TimeoutError", "CancelledError"), "at_limit": True}
    shared = {"event": "database.read_shared", "others": STATES}
    return (
        CheckSpec(check="stayed_down", params={"cause": CRASH, "times": ROUNDS}),
        CheckSpec(check="phase_failed", params={**phase, **errors, "times": ROUNDS}),
        CheckSpec(check="connection_was", params={**phase, **target, "way": "answered"}),
        CheckSpec(check="server_showed", params={**target, **shared}),
        CheckSpec(check="restart_loop", params={"restarts": ROUNDS + 1}),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="restart-herd",
    title="all restart at once and overload what they read at their start, after the cause is gone",
    source="Google Cloud, incident report ow5i3PPK96RduMcb1SsW (2025-06-12)",
    facts=(
        "the fix was there after about 40 min; the largest region took up to 2 h 40 min to recover",
        "the restarting tasks overloaded the table that they all read at their start",
        "restarts had no randomised back-off; they were throttled by hand",
    ),
    look_alikes=(
        LookAlike(says="a cause that is still there", ruled_out_by="stayed_down"),
        LookAlike(says="a path that lets nothing through", ruled_out_by="connection_was"),
        LookAlike(says="a lock, or a server that recovers", ruled_out_by="server_showed"),
    ),
    remedy=Remedy(
        name="admission",
        says="let one replica start at a time, or draw the pause before a restart",
        knobs={"admission": 1},
    ),
    parameters={
        "limit_s": limit(20.0, PHASE),
        "replicas": Parameter(default=4, low=3, high=20, says="replicas that read the table"),
        "transport": TRANSPORT,
        "platform": platform("docker:on-failure:12"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=5.0,
)
