"""Redis is still loading its data set after a restart: it accepts, and every command fails.

Sources: github.com/bookwyrm-social/bookwyrm issue 3929 (2026-05-30); github.com/redis/go-redis
issue 1131.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.faults import plan
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, TRANSPORT, deaths, dependencies, limit, platform
from crashloop.model import CheckSpec, Moment, Outage, Trigger
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from crashloop.incidents.parameter import Params

PHASE = "cache"
DEATHS = 3
LOADED_AT_LATEST_S = 90.0  # chosen: the reports name no time


def outage(params: Params) -> Outage:
    """A cache that loads while the app starts, and a database that is well."""
    loaded = Moment(on="phase.started", where={"phase": PHASE}, after_s=LOADED_AT_LATEST_S)
    fault = plan(
        name="cache-loads",
        target="redis",
        kind="loading",
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": "redis"}),)),
        heal=Trigger(first_of=(*deaths(DEATHS), loaded)),
    )
    return Outage(
        phase=PHASE,
        target="redis",
        dependencies=dependencies(params),
        platform=parse_platform(str(params["platform"])),
        faults=(fault,),
        knobs={"cache_limit_s": params["limit_s"], "cache_critical": True},
        deadline_s=300.0,
    )


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """Phase cache fails at once with Redis' own -LOADING, after the database's phase was done."""
    return (
        CheckSpec(
            check="phase_failed",
            params={
                "phase": PHASE,
                "times": DEATHS,
                "errors": ("BusyLoadingError",),
                "at_limit": False,
            },
        ),
        CheckSpec(check="fails_at_once", params={"phase": PHASE}),
        CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS}),
        CheckSpec(check="last_phase", params={"phase": PHASE}),
        CheckSpec(check="restart_loop", params={"restarts": DEATHS}),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE, remedied=("journey_passed",)),
    )


INCIDENT = Incident(
    name="cache-still-loading",
    title="Redis still loads its data set: it accepts connections, and every command fails",
    source="github.com/bookwyrm-social/bookwyrm issue 3929 (2026-05-30); go-redis issue 1131",
    facts=(
        "after a restart, Redis answered LOADING while it read its data set from disk",
        "the connection works, every command fails; the app died after its database phase",
    ),
    look_alikes=(
        LookAlike(says="a database that is away stops the phase before", ruled_out_by="last_phase"),
        LookAlike(
            says="a cache that cannot be reached is refused or hangs", ruled_out_by="phase_failed"
        ),
    ),
    remedy=Remedy(
        name="optional cache",
        says="start without the cache, and use it when it is back",
        knobs={"cache_critical": False},
    ),
    parameters={
        "limit_s": limit(20.0, PHASE),
        "transport": TRANSPORT,
        "platform": platform("docker:on-failure:6"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    overlaps={"fault:loading": "it is the incident's own fault"},
)
