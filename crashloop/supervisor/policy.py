"""Restart policies: pure functions from the exits so far to what the platform does next.

All times are seconds of the incident.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.model import RestartPolicy
from crashloop.plural import often

if TYPE_CHECKING:
    from collections.abc import Sequence

# moby, daemon/restartmanager: 100 ms, doubled up to 60 s, forgotten after a run of 10 s or more.
DOCKER_FIRST_BACKOFF_S = 0.1
DOCKER_MAX_BACKOFF_S = 60.0
DOCKER_RESET_AFTER_S = 10.0

# Cloud Run publishes no back-off. One service's public log history shows exits 6.9 and 7.2 s apart,
# 6.1 s of them from an exit to the next start's first log line, interpreter imports included.
CLOUD_RUN_OBSERVED_PAUSE_S = 5.0

_NAME = re.compile(r"(?P<name>[a-z-]+)(?::(?P<count>[0-9]{1,6}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How one attempt ended: `status` is the exit code, or minus the signal's number."""

    status: int
    run_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the platform does after an exit: restart after `backoff_s`, or not, and why."""

    restart: bool
    backoff_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a policy: whether it takes a count, and where its rule is from."""

    takes_count: bool
    note: str


_DOCKERS_NOTE = "Docker: 100 ms, doubled up to 60 s, forgotten after a run of 10 s"
POLICIES = {
    "on-failure": Known(takes_count=True, note=_DOCKERS_NOTE),
    "always": Known(takes_count=False, note=f"{_DOCKERS_NOTE}; exit 0 is restarted, too"),
    # Differs from `always` only in what a restart of the daemon does with a stopped container.
    "unless-stopped": Known(takes_count=False, note=f"{_DOCKERS_NOTE}; exit 0 is restarted, too"),
    "cloud-run-observed": Known(
        takes_count=True,
        note="observed in one service's public logs; Cloud Run publishes no back-off",
    ),
}


def parse_policy(text: str) -> RestartPolicy:
    """Read a name of `POLICIES`, with a count (`on-failure:6`) if the policy takes one.

    UsageError for anything else.
    """
    match = _NAME.fullmatch(text.strip())
    if match is None or match["name"] not in POLICIES:
        raise UsageError(
            f"unknown restart policy {text!r}",
            hint="known: on-failure, on-failure:N, always, unless-stopped, cloud-run-observed, "
            "cloud-run-observed:N",
        )
    name = match["name"]
    if match["count"] is not None and not POLICIES[name].takes_count:
        raise UsageError(
            f"restart policy {text!r}: {name} takes no count, it restarts without limit",
            hint=f"use {name} alone, or on-failure:N for at most N restarts",
        )
    return RestartPolicy(name=name, max_restarts=int(match["count"] or 0), note=POLICIES[name].note)


def decide(policy: RestartPolicy, exits: Sequence[Exit]) -> Decision:
    """What `policy` does after the last of `exits` (at least one)."""
    assert exits
    restarts = len(exits) - 1
    if policy.name == "on-failure" and exits[-1].status == 0:
        return Decision(restart=False, backoff_s=0.0, reason="exit 0 is not a failure")
    if policy.max_restarts and restarts >= policy.max_restarts:
        return Decision(
            restart=False, backoff_s=0.0, reason=f"restarted {often(restarts)}, which is the limit"
        )
    if policy.name == "cloud-run-observed":
        return Decision(
            restart=True, backoff_s=CLOUD_RUN_OBSERVED_PAUSE_S, reason="observed pause, unpublished"
        )
    return _docker_restart(exits)


def _docker_restart(exits: Sequence[Exit]) -> Decision:
    """A restart after Docker's back-off, which is one for all its policies."""
    backoff_s = 0.0
    for one in exits:
        if one.run_s >= DOCKER_RESET_AFTER_S or backoff_s == 0.0:
            backoff_s = DOCKER_FIRST_BACKOFF_S
        else:
            backoff_s = min(backoff_s * 2, DOCKER_MAX_BACKOFF_S)
    reason = "failed" if exits[-1].status else "ended, which this policy restarts as well"
    if len(exits) > 1 and exits[-1].run_s >= DOCKER_RESET_AFTER_S:
        reason = "ran 10 s or more: back-off starts over"
    return Decision(restart=True, backoff_s=backoff_s, reason=reason)
