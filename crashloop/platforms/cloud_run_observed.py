"""Cloud Run as it was observed: a pause of 5 s before each restart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.model import RestartPolicy
from crashloop.platforms.base import PlatformKind, give_up, restart
from crashloop.plural import often

if TYPE_CHECKING:
    from crashloop.platforms.base import Decision, Exit, State

# Cloud Run publishes no back-off. One service's public log history shows exits 6.9 and 7.2 s apart,
# 6.1 s of them from an exit to the next start's first log line, interpreter imports included.
PAUSE_S = 5.0
# cloud.google.com/run/docs/container-contract: SIGTERM, and SIGKILL after 10 s.
GRACE_S = 10.0

NAME = "cloud-run-observed"
_NOTE = "observed in one service's public logs; Cloud Run publishes no back-off"
_COUNT = re.compile(r"[0-9]{1,6}")


def parse(text: str) -> RestartPolicy | None:
    """Read nothing, or the most restarts."""
    if text and not _COUNT.fullmatch(text):
        return None
    return RestartPolicy(name=NAME, max_restarts=int(text or 0), note=_NOTE)


def step(policy: RestartPolicy, state: State, _ended: Exit) -> tuple[State, Decision]:
    """Restart whatever ended, up to the limit."""
    if policy.max_restarts and state.restarts >= policy.max_restarts:
        return give_up(state, f"restarted {often(state.restarts)}, which is the limit")
    return restart(state, backoff_s=PAUSE_S, reason="observed pause, unpublished")


CLOUD_RUN_OBSERVED = PlatformKind(
    name=NAME,
    forms=(NAME, f"{NAME}:N"),
    parse=parse,
    step=step,
    grace_s=GRACE_S,
    longest_backoff_s=PAUSE_S,
)
