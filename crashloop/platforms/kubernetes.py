"""Kubernetes: restarts at once, then after 10 s, doubled up to 300 s (CrashLoopBackOff)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.model import RestartPolicy
from crashloop.platforms.base import Bounds, PlatformKind, doubled_s, read_settings, restart

if TYPE_CHECKING:
    from crashloop.platforms.base import Decision, Exit, State

# kubernetes, pkg/kubelet/kubelet.go, newCrashLoopBackOff: without jitter.
FIRST_BACKOFF_S = 10.0
MAX_BACKOFF_S = 300.0
# The same, behind the feature gate ReduceDefaultCrashLoopBackOffDecay: KEP-4603, alpha and off by
# default since 1.33.
KEP_4603 = "kep-4603"
REDUCED_FIRST_S = 1.0
REDUCED_MAX_S = 60.0
# KubeletCrashLoopBackOffMax: KEP-5593, beta and on by default since 1.35. A node's
# crashLoopBackOff.maxContainerRestartPeriod; one below 10 s is also the first delay.
MAX = "max"
MAX_BOUNDS = Bounds(low=1.0, high=300.0)
# kubelet.go, crashLoopBackOff.HasExpiredFunc: 600 s, whatever the maximum.
RESET_AFTER_S = 600.0
# The Pod API: terminationGracePeriodSeconds is 30 by default.
GRACE_S = 30.0

NAME = "kubernetes"
_NOTE = (
    "Kubernetes, restartPolicy Always: at once, then {first:g} s, doubled up to {max:g} s, "
    "forgotten after a run of more than 600 s{why}"
)


def parse(text: str) -> RestartPolicy | None:
    """The policy of a Deployment's pods, which is always `Always`, and how long its back-off is."""
    if not text:
        note = _NOTE.format(first=FIRST_BACKOFF_S, max=MAX_BACKOFF_S, why="")
        return RestartPolicy(name="always", note=note)
    if text == KEP_4603:
        note = _NOTE.format(first=REDUCED_FIRST_S, max=REDUCED_MAX_S, why="; KEP-4603")
        return RestartPolicy(name=text, note=note)
    settings = read_settings(NAME, text, {MAX: MAX_BOUNDS})
    if settings is None:
        return None
    first_s = min(FIRST_BACKOFF_S, settings[MAX])
    note = _NOTE.format(first=first_s, max=settings[MAX], why="; KEP-5593")
    return RestartPolicy(name=text, note=note, settings=settings)


def step(policy: RestartPolicy, state: State, ended: Exit) -> tuple[State, Decision]:
    """Restart whatever ended; the first restart, and one after a long run, is at once."""
    if state.restarts == 0:
        return restart(state, backoff_s=0.0, reason="the first restart is at once")
    if ended.run_s > RESET_AFTER_S:
        reason = "ran more than 600 s: the back-off starts over"
        return restart(state, backoff_s=0.0, reason=reason)
    first_s, max_s = _delays_s(policy)
    backoff_s = doubled_s(state, first_s=first_s, max_s=max_s)
    return restart(state, backoff_s=backoff_s, reason="ended again")


def _delays_s(policy: RestartPolicy) -> tuple[float, float]:
    """The first delay that is not 0, and the longest."""
    if policy.name == KEP_4603:
        return REDUCED_FIRST_S, REDUCED_MAX_S
    max_s = policy.settings.get(MAX, MAX_BACKOFF_S)
    return min(FIRST_BACKOFF_S, max_s), max_s


KUBERNETES = PlatformKind(
    name=NAME,
    forms=(NAME, f"{NAME}:{KEP_4603}", f"{NAME}:{MAX}=S"),
    parse=parse,
    step=step,
    grace_s=GRACE_S,
    longest_backoff_s=lambda policy: _delays_s(policy)[1],
    resets="a run of more than 600 s",
)
