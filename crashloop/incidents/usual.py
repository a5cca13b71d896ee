"""What most incidents share: parameters, dependencies, and the moments of deaths."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.incidents.parameter import Parameter
from crashloop.model import Dependency, Moment, Transport, Trigger

if TYPE_CHECKING:
    from crashloop.incidents.parameter import Params
    from crashloop.model import Value

REPLICAS = Parameter(default=1, low=1, high=100, says="instances of the app that start at once")
TRANSPORT = Parameter(default="unix", choices=("unix", "tcp"), says="how the app reaches Postgres")
HEAL_S = Parameter(
    default=0.0,
    low=0.0,
    high=3600.0,
    says="when the faults end, in seconds, whatever the app does; 0: as the incident says",
)

NAME = "localhost"  # every machine can find it, so only the fault is what cannot

POOLER = Parameter(
    default="",
    choices=("", "session", "transaction"),
    says="the pool mode of a PgBouncer before Postgres; empty: there is none",
)


def limit(default_s: float, phase: str) -> Parameter:
    """The time limit of a start-up phase: 20 s, as in issue 1278, where a report has none."""
    says = f"time limit of phase {phase}, in seconds"
    return Parameter(default=default_s, low=1.0, high=3600.0, says=says)


def platform(default: str) -> Parameter:
    """What restarts the app."""
    return Parameter(
        default=default,
        says="what restarts the app: docker[:on-failure[:N]|:always|:unless-stopped], swarm, "
        "kubernetes[:kep-4603|:max=S], cloud-run, cloud-run-observed[:N], systemd[:NAME=VALUE...], "
        "ecs, nomad or supervisord; see docs/platforms.md",
    )


def dependencies(params: Params, **settings: Value) -> tuple[Dependency, ...]:
    """Postgres, reached by the parameter `transport` and with these settings, and Redis."""
    transport = Transport(str(params["transport"]))
    return (
        Dependency(
            name="postgres",
            kind="postgres",
            transport=transport,
            settings=settings,
            pooler=str(params.get("pooler", "")),
        ),
        Dependency(name="redis", kind="redis"),
    )


def by_name(found: tuple[Dependency, ...], target: str) -> tuple[Dependency, ...]:
    """These dependencies, the target of which is reached over TCP by a name."""
    return tuple(replace(each, host=NAME) if each.name == target else each for each in found)


def deaths(number: int, *, replicas: int = 1) -> tuple[Moment, ...]:
    """The `number`-th death of each replica."""
    return tuple(
        Moment(on="process.exited", where={"replica": replica, "attempt": number})
        for replica in range(1, replicas + 1)
    )


def ready(replicas: int, *, attempt: int) -> Trigger:
    """When every replica has been ready in this attempt."""
    lives = [{"replica": number, "attempt": attempt} for number in range(1, replicas + 1)]
    return Trigger(
        all_of=tuple(Moment(on="ready.answered", where={**one, "ready": True}) for one in lives)
    )
