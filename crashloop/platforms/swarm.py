"""Docker Swarm: restarts whatever ended after 5 s, without limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.platforms.base import PlatformKind, always_s, restart, without_options

if TYPE_CHECKING:
    from crashloop.model import RestartPolicy
    from crashloop.platforms.base import Decision, Exit, State

# swarmkit, api/defaults/service.go: condition any, a delay of 5 s, no limit of attempts;
# manager/orchestrator/restart/restart.go applies the delay to every restart.
DELAY_S = 5.0
# docs.docker.com, `docker service create`: --stop-grace-period is 10 s by default.
GRACE_S = 10.0

NAME = "swarm"


def step(_policy: RestartPolicy, state: State, _ended: Exit) -> tuple[State, Decision]:
    """Restart whatever ended."""
    return restart(state, backoff_s=DELAY_S, reason="the restart delay, whatever ended")


SWARM = PlatformKind(
    name=NAME,
    forms=(NAME,),
    parse=without_options(NAME, "Docker Swarm: condition any, delay 5 s, no limit of attempts"),
    step=step,
    grace_s=GRACE_S,
    longest_backoff_s=always_s(DELAY_S),
    resets="nothing, as the delay is always 5 s",
)
