"""Kubernetes: restarts at once, then after 10 s, doubled up to 300 s (CrashLoopBackOff)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.model import RestartPolicy
from crashloop.platforms.base import PlatformKind, restart

if TYPE_CHECKING:
    from crashloop.platforms.base import Decision, Exit, State

# kubernetes, pkg/kubelet/kubelet.go: the back-off of a container that crashes, without jitter. A
# feature gate shortens it: ReduceDefaultCrashLoopBackOffDecay (1 s, 60 s; KEP-4603, off by
# default). KubeletCrashLoopBackOffMax (KEP-5593) lets a node be configured with another maximum.
FIRST_BACKOFF_S = 10.0
MAX_BACKOFF_S = 300.0
# client-go, util/flowcontrol/backoff.go: forgotten after a run of more than twice the maximum.
RESET_AFTER_S = 2 * MAX_BACKOFF_S
# The Pod API: terminationGracePeriodSeconds is 30 by default.
GRACE_S = 30.0

_NOTE = (
    "Kubernetes, restartPolicy Always: at once, then 10 s, doubled up to 300 s, forgotten after a "
    "run of more than 600 s"
)


def parse(text: str) -> RestartPolicy | None:
    """The policy of a Deployment's pods, which is always `Always`; it takes no options."""
    return None if text else RestartPolicy(name="always", note=_NOTE)


def step(_policy: RestartPolicy, state: State, ended: Exit) -> tuple[State, Decision]:
    """Restart whatever ended; the first restart, and one after a long run, is at once."""
    if state.restarts == 0:
        return restart(state, backoff_s=0.0, reason="the first restart is at once")
    if ended.run_s > RESET_AFTER_S:
        reason = "ran more than 600 s: the back-off starts over"
        return restart(state, backoff_s=0.0, reason=reason)
    backoff_s = min(state.backoff_s * 2, MAX_BACKOFF_S) or FIRST_BACKOFF_S
    return restart(state, backoff_s=backoff_s, reason="ended again")


KUBERNETES = PlatformKind(
    name="kubernetes",
    forms=("kubernetes",),
    parse=parse,
    step=step,
    grace_s=GRACE_S,
    longest_backoff_s=MAX_BACKOFF_S,
)
