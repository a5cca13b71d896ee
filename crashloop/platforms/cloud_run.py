"""Cloud Run: its documented start-up probe, and a back-off that is observed, not published."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.model import Probe, ProbeKind, RestartPolicy
from crashloop.platforms.base import (
    PlatformKind,
    always_s,
    at_limit,
    drawn_s,
    give_up,
    restart,
    without_options,
)

if TYPE_CHECKING:
    from crashloop.platforms.base import Decision, Exit, State

# docs.cloud.google.com/run/docs/configuring/healthchecks says only that Cloud Run "limits instance
# restarts". The figures are from one service's public log history. Observed: exits 6.9 and 7.2 s
# apart, 6.1 s of them from an exit to the next start's first log line, interpreter imports
# included, so a pause of about 5 s. Observed in another window: an exit or a failed probe about
# every 17 s, so a pause of at most that. That every pause between the two is equally likely is
# assumed.
PAUSE_S = 5.0
LONGEST_PAUSE_S = 17.0
# The same page, 2026-11: the start-up probe of a service that configures none.
STARTUP = Probe(kind=ProbeKind.TCP, period_s=240.0, timeout_s=240.0, failures=1, keeps_trying=True)
# docs.cloud.google.com/run/docs/container-contract: SIGTERM, and SIGKILL after 10 s.
GRACE_S = 10.0

NAME = "cloud-run"
OBSERVED = "cloud-run-observed"
_NOTE = "observed in one service's public logs; Cloud Run publishes no back-off"
_COUNT = re.compile(r"[0-9]{1,6}")


def step(_policy: RestartPolicy, state: State, ended: Exit) -> tuple[State, Decision]:
    """Restart whatever ended, after a pause that is drawn from the observed range."""
    backoff_s = drawn_s(ended, PAUSE_S, LONGEST_PAUSE_S)
    return restart(state, backoff_s=backoff_s, reason="drawn from 5 to 17 s: unpublished")


def parse_observed(text: str) -> RestartPolicy | None:
    """Read nothing, or the most restarts."""
    if text and not _COUNT.fullmatch(text):
        return None
    return RestartPolicy(name=OBSERVED, max_restarts=int(text or 0), note=_NOTE)


def step_observed(policy: RestartPolicy, state: State, _ended: Exit) -> tuple[State, Decision]:
    """Restart whatever ended, up to the limit, after the same pause each time."""
    if why := at_limit(policy, state):
        return give_up(state, why)
    return restart(state, backoff_s=PAUSE_S, reason="observed pause, unpublished")


CLOUD_RUN = PlatformKind(
    name=NAME,
    forms=(NAME,),
    parse=without_options(NAME, f"Cloud Run: 5 to 17 s, drawn; {_NOTE}"),
    step=step,
    grace_s=GRACE_S,
    longest_backoff_s=always_s(LONGEST_PAUSE_S),
    resets="unknown, as Cloud Run publishes no back-off",
    startup=STARTUP,
)

CLOUD_RUN_OBSERVED = PlatformKind(
    name=OBSERVED,
    forms=(OBSERVED, f"{OBSERVED}:N"),
    parse=parse_observed,
    step=step_observed,
    grace_s=GRACE_S,
    longest_backoff_s=always_s(PAUSE_S),
    resets="nothing, as the observed pause is always 5 s",
)
