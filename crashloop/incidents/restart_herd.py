"""All replicas restart at once, and what they read at their start is too slow for all at once.

Source: Google Cloud's incident report ow5i3PPK96RduMcb1SsW (2025-06-12). Its first cause, a crash
of all tasks, is SIGKILL here. The capacity of the table that they read is modelled, in Postgres: N
readers at once take N times as long.

The outage is metastable. With that capacity the app serves, and after the crash each replica fails
five times more, for 100 s at least. With either remedy the capacity is the same, and all come back.
"""

from __future__ import annotations

from crashloop.faults import plan
from crashloop.faults.states import STATES
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import (
    HEAL_S,
    TRANSPORT,
    deaths,
    dependencies,
    limit,
    platform,
    ready,
)
from crashloop.model import CheckSpec, Moment, Outage, Replicas, Trigger
from crashloop.platforms import parse_platform

PHASE, TARGET, TABLE = "database", "postgres", "policies"
ROUNDS = 5  # chosen: how often each replica fails before the table gets more capacity
READ_OF_LIMIT = 0.8  # chosen: what a read alone takes of the limit; two at once never end
SERVED_S = 10.0  # chosen: how long it serves with that capacity before the crash
PAUSE_S = 120.0  # chosen: the reads of four replicas, one after the other, take 64 s
PAUSES = {"retry_first_pause_s": PAUSE_S, "retry_longest_pause_s": PAUSE_S}
JITTER = {"retry_s": 600.0, "limit_s": 610.0, "retry_attempt_s": 20.0, **PAUSES}
CRASH, CAPACITY = "all-crash-at-once", "readers-share-the-table"


def outage(params: Params) -> Outage:
    """Replicas that serve crash together, and start together."""
    count, limit_s = int(params["replicas"]), float(params["limit_s"])
    served = Moment(on="fault.injected", where={"fault": CAPACITY}, after_s=SERVED_S)
    unplugged = Moment(on="fault.injected", where={"fault": CRASH, "plugged": False})
    failed = Trigger(all_of=deaths(ROUNDS + 1, replicas=count))
    capacity = plan(
        name=CAPACITY,
        target=TARGET,
        kind="shared_capacity",
        params={"table": TABLE, "work_s": READ_OF_LIMIT * limit_s},
        inject=ready(count, attempt=1),
        # If nobody dies, it lasts until all are back: no capacity is what brings them back.
        heal=Trigger(first_of=(ready(count, attempt=2), failed, unplugged)),
    )
    crash = plan(
        name=CRASH,
        target="replicas",
        kind="killed",
        inject=Trigger(first_of=(served,)),
        heal=Trigger(first_of=(*deaths(1, replicas=count), unplugged)),
    )
    return Outage(
        phase=PHASE,
        target=TARGET,
        dependencies=dependencies(params),
        platform=parse_platform(str(params["platform"])),
        replicas=Replicas(count=count),
        faults=(capacity, crash),
        knobs={"limit_s": limit_s, "startup_table": TABLE},
        journey_after_heal=True,  # it is ready before the crash
        deadline_s=700.0,
    )


def expect(params: Params) -> tuple[CheckSpec, ...]:
    """The crash is over, and every replica dies at its limit, again and again."""
    of_phase, target = {"phase": PHASE}, {"target": TARGET}
    errors = {"errors": ("TimeoutError", "CancelledError"), "at_limit": True}
    shared = {"event": "database.read_shared", "others": STATES}
    down = {"cause": CRASH, "times": ROUNDS, "for_s": ROUNDS * float(params["limit_s"])}
    return (
        CheckSpec(check="stayed_down", params=down),
        CheckSpec(check="phase_failed", params={**of_phase, **errors, "times": ROUNDS}),
        CheckSpec(check="connection_was", params={**of_phase, **target, "way": "answered"}),
        CheckSpec(check="server_showed", params={**target, **shared}),
        CheckSpec(check="restart_loop", params={"restarts": ROUNDS + 1}),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="restart-herd",
    title="all replicas restart at once and overload the table they read, after the cause is gone",
    source="Google Cloud, incident report ow5i3PPK96RduMcb1SsW (2025-06-12)",
    facts=(
        "the fix was out after about 40 min; the largest region took up to 2 h 40 min to recover",
        "the restarting tasks overloaded the table that they all read at their start",
        "restarts had no randomised back-off; they were throttled by hand",
    ),
    look_alikes=(
        LookAlike(says="a cause that stays keeps them down, too", ruled_out_by="stayed_down"),
        LookAlike(says="a path that hangs lets no answer through", ruled_out_by="connection_was"),
        LookAlike(says="an app that waits for a lock reads nothing", ruled_out_by="server_showed"),
    ),
    remedy=Remedy(name="admission", says="let one replica start at a time", knobs={"admission": 1}),
    others=(Remedy(name="jitter", says="draw the pause before each new try", knobs=JITTER),),
    parameters={
        "limit_s": limit(20.0, PHASE),
        "replicas": Parameter(default=4, low=3, high=20, says="how many read the table (chosen)"),
        "transport": TRANSPORT,
        "platform": platform("docker:on-failure:12"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=2.0,  # a start on a busy machine must be short beside the limit
)
