"""supervisord: restarts at once what ran 1 s; what ended sooner after 1, 2 and 3 s, then FATAL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.platforms.base import PlatformKind, always_s, give_up, restart, without_options

if TYPE_CHECKING:
    from crashloop.model import RestartPolicy
    from crashloop.platforms.base import Decision, Exit, State

# supervisord.org/configuration.html, the defaults of a program: startsecs, startretries,
# autorestart=unexpected, exitcodes=0. supervisor, process.py: each end before startsecs waits a
# second longer than the one before, and counts towards startretries whatever its status.
STARTED_AFTER_S = 1.0
RETRIES = 3
# The same page: stopwaitsecs is 10 by default, then SIGKILL.
GRACE_S = 10.0

NAME = "supervisord"
_NOTE = "supervisord: at once after a run of 1 s; else after 1, 2 and 3 s, then FATAL"


def step(_policy: RestartPolicy, state: State, ended: Exit) -> tuple[State, Decision]:
    """Restart what had started and then failed; retry a start three times."""
    if ended.run_s >= STARTED_AFTER_S:
        if ended.status == 0:
            return give_up(state, "exit 0 is expected")
        reason = "failed after 1 s or more: the back-off starts over"
        return restart(state, backoff_s=0.0, reason=reason)
    if state.backoff_s >= RETRIES:
        return give_up(state, f"ended {RETRIES + 1} times within 1 s of its start: FATAL")
    return restart(state, backoff_s=state.backoff_s + 1, reason="ended within 1 s of its start")


SUPERVISORD = PlatformKind(
    name=NAME,
    forms=(NAME,),
    parse=without_options(NAME, _NOTE),
    step=step,
    grace_s=GRACE_S,
    longest_backoff_s=always_s(float(RETRIES)),
    resets="a run of 1 s or more",
    has_probes=False,
)
