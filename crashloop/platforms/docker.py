"""Docker: restarts after 100 ms, doubled up to 60 s, by one of its restart policies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.model import RestartPolicy
from crashloop.platforms.base import (
    PlatformKind,
    always_s,
    at_limit,
    doubled_s,
    give_up,
    restart,
)

if TYPE_CHECKING:
    from crashloop.platforms.base import Decision, Exit, State

# moby, daemon/restartmanager.go: 100 ms, doubled up to 60 s, forgotten after a run of 10 s or more.
FIRST_BACKOFF_S = 0.1
MAX_BACKOFF_S = 60.0
RESET_AFTER_S = 10.0
# docs.docker.com, `docker container stop`: SIGTERM, and SIGKILL after 10 s on Linux.
GRACE_S = 10.0

ON_FAILURE = "on-failure"
# These differ only in what a restart of the daemon does with a stopped container.
WITHOUT_LIMIT = ("always", "unless-stopped")

_NOTE = "Docker: 100 ms, doubled up to 60 s, forgotten after a run of 10 s"
_POLICY = re.compile(r"(?P<name>[a-z-]+)(?::(?P<count>[0-9]{1,6}))?")


def parse(text: str) -> RestartPolicy | None:
    """Read `on-failure`, `on-failure:N`, `always` or `unless-stopped`; nothing is `on-failure`."""
    match = _POLICY.fullmatch(text or ON_FAILURE)
    if match is None or match["name"] not in {ON_FAILURE, *WITHOUT_LIMIT}:
        return None
    name, count = match["name"], match["count"]
    if name == ON_FAILURE:
        return RestartPolicy(name=name, max_restarts=int(count or 0), note=_NOTE)
    if count is not None:
        raise UsageError(
            f"restart policy {text!r}: {name} takes no count, it restarts without limit",
            hint=f"use {name} alone, or on-failure:N for at most N restarts",
        )
    return RestartPolicy(name=name, note=f"{_NOTE}; exit 0 is restarted, too")


def step(policy: RestartPolicy, state: State, ended: Exit) -> tuple[State, Decision]:
    """Restart a failure, or any exit, up to the limit; every restart counts towards it."""
    if policy.name == ON_FAILURE and ended.status == 0:
        return give_up(state, "exit 0 is not a failure")
    if why := at_limit(policy, state):
        return give_up(state, why)
    if state.backoff_s and ended.run_s >= RESET_AFTER_S:
        reason = "ran 10 s or more: the back-off starts over"
        return restart(state, backoff_s=FIRST_BACKOFF_S, reason=reason)
    backoff_s = doubled_s(state, first_s=FIRST_BACKOFF_S, max_s=MAX_BACKOFF_S)
    reason = "failed" if ended.status else "ended, which this policy restarts as well"
    return restart(state, backoff_s=backoff_s, reason=reason)


DOCKER = PlatformKind(
    name="docker",
    forms=("docker", "docker:on-failure:N", *(f"docker:{name}" for name in WITHOUT_LIMIT)),
    parse=parse,
    step=step,
    grace_s=GRACE_S,
    longest_backoff_s=always_s(MAX_BACKOFF_S),
    resets="a run of 10 s or more",
    aliases=(ON_FAILURE, *WITHOUT_LIMIT),
    has_probes=False,
)
