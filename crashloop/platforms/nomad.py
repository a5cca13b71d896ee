"""Nomad: restarts a task twice in 30 minutes, after 15 s and up to a quarter more, then fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.platforms.base import (
    PlatformKind,
    always_s,
    drawn_s,
    give_up,
    restart,
    without_options,
)

if TYPE_CHECKING:
    from crashloop.model import RestartPolicy
    from crashloop.platforms.base import Decision, Exit, State

# developer.hashicorp.com/nomad/docs/job-specification/restart: the defaults of a service job.
ATTEMPTS = 2
INTERVAL_S = 30 * 60.0
DELAY_S = 15.0
# nomad, client/allocrunner/taskrunner/restarts/restarts.go: up to a quarter is added to the delay,
# and an interval that is over begins again with the exit.
LONGEST_DELAY_S = DELAY_S * 1.25
# The task block: kill_timeout is 5 s by default.
GRACE_S = 5.0

NAME = "nomad"
_NOTE = "Nomad, a service job: 15 s + up to 25 %, 2 restarts in 30 min, then failed"


def step(_policy: RestartPolicy, state: State, ended: Exit) -> tuple[State, Decision]:
    """Restart whatever ended, unless that was tried twice in the interval."""
    reason = "15 s and up to a quarter more, drawn"
    if ended.at_s - state.window_s > INTERVAL_S:
        reason += "; the count starts over"
        state = replace(state, window_s=ended.at_s, counted=0)
    if state.counted >= ATTEMPTS:
        return give_up(state, f"{ATTEMPTS} restarts in 30 min, which is the limit")
    counted = replace(state, counted=state.counted + 1)
    backoff_s = drawn_s(ended, DELAY_S, LONGEST_DELAY_S)
    return restart(counted, backoff_s=backoff_s, reason=reason)


NOMAD = PlatformKind(
    name=NAME,
    forms=(NAME,),
    parse=without_options(NAME, _NOTE),
    step=step,
    grace_s=GRACE_S,
    longest_backoff_s=always_s(LONGEST_DELAY_S),
    resets="the end of an interval of 30 min",
)
