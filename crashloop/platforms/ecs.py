"""Amazon ECS: replaces a task that ended after it ran, without throttling it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.platforms.base import PlatformKind, always_s, drawn_s, restart, without_options

if TYPE_CHECKING:
    from crashloop.model import RestartPolicy
    from crashloop.platforms.base import Decision, Exit, State

# docs.aws.amazon.com, AmazonECS/latest/developerguide/service-throttle-logic.html, 2026-11: only
# tasks that stop before they are RUNNING are throttled (up to 27 min); one whose command exits at
# once was RUNNING. How long a replacement takes to be RUNNING is not published: it is placed, and
# its image pulled. The range is chosen, not observed.
SHORTEST_S = 5.0
LONGEST_S = 60.0
# The task definition: stopTimeout is 30 s by default.
GRACE_S = 30.0

NAME = "ecs"
_NOTE = "Amazon ECS: an exit after RUNNING is not throttled; 5 to 60 s to a new task, chosen, drawn"


def step(_policy: RestartPolicy, state: State, ended: Exit) -> tuple[State, Decision]:
    """Replace whatever ended, as soon as a new task runs."""
    backoff_s = drawn_s(ended, SHORTEST_S, LONGEST_S)
    return restart(state, backoff_s=backoff_s, reason="not throttled; a new task, unpublished")


ECS = PlatformKind(
    name=NAME,
    forms=(NAME,),
    parse=without_options(NAME, _NOTE),
    step=step,
    grace_s=GRACE_S,
    longest_backoff_s=always_s(LONGEST_S),
    resets="nothing, as an exit after RUNNING is not throttled",
)
