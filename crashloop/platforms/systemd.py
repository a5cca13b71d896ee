"""systemd: restarts a failed service after 100 ms, until it was started 5 times in 10 s."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.model import RestartPolicy
from crashloop.platforms.base import Bounds, PlatformKind, give_up, read_settings, restart

if TYPE_CHECKING:
    from crashloop.platforms.base import Decision, Exit, State

# man systemd.service and systemd.unit; man systemd-system.conf for the defaults of the start limit.
# RestartSteps and RestartMaxDelaySec are new in 254. A service restarts only with Restart= in its
# unit; modelled is on-failure, which the manual recommends for services that run long.
RESTART_S = "RestartSec"
STEPS = "RestartSteps"
MAX_DELAY_S = "RestartMaxDelaySec"
INTERVAL_S = "StartLimitIntervalSec"
BURST = "StartLimitBurst"
DEFAULTS = {RESTART_S: 0.1, STEPS: 0.0, INTERVAL_S: 10.0, BURST: 5.0}
BOUNDS = {
    RESTART_S: Bounds(low=0.001, high=3600.0),
    STEPS: Bounds(low=1, high=1000, is_count=True),
    MAX_DELAY_S: Bounds(low=0.001, high=86400.0),
    INTERVAL_S: Bounds(low=0.0, high=86400.0),
    BURST: Bounds(low=1, high=10000, is_count=True),
}
# man systemd.service, the table of Restart=: on-failure takes these for a clean end.
CLEAN_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
# man systemd-system.conf: DefaultTimeoutStopSec is 90 s, then SIGKILL.
GRACE_S = 90.0

NAME = "systemd"
_NOTE = (
    "systemd, Restart=on-failure: RestartSec {restart:g} s{steps}; failed when it is to start more "
    "than {burst:g} times in {interval:g} s"
)


def parse(text: str) -> RestartPolicy | None:
    """Read settings by the names that a unit file has for them, in seconds."""
    settings = read_settings(NAME, text, BOUNDS) if text else {}
    if settings is None:
        return None
    if (STEPS in settings) != (MAX_DELAY_S in settings):
        raise UsageError(
            f"{NAME}: {STEPS} and {MAX_DELAY_S} have no effect without each other",
            hint=f"write {NAME}:{STEPS}=N:{MAX_DELAY_S}=S",
        )
    full = {**DEFAULTS, **settings}
    if MAX_DELAY_S in full and full[MAX_DELAY_S] < full[RESTART_S]:
        raise UsageError(
            f"{NAME}: {MAX_DELAY_S}={full[MAX_DELAY_S]:g} is less than "
            f"{RESTART_S}={full[RESTART_S]:g}",
            hint="the longest delay is no shorter than the first",
        )
    steps = f" up to {full[MAX_DELAY_S]:g} s in {full[STEPS]:g} steps" if full[STEPS] else ""
    note = _NOTE.format(
        restart=full[RESTART_S], steps=steps, burst=full[BURST], interval=full[INTERVAL_S]
    )
    return RestartPolicy(name=text or NAME, note=note, settings=settings)


def step(policy: RestartPolicy, state: State, ended: Exit) -> tuple[State, Decision]:
    """Restart a failure, unless it would be one start too many within the interval.

    The interval begins with the first start that it counts, not with every start
    (systemd, src/basic/ratelimit.c).
    """
    settings = {**DEFAULTS, **policy.settings}
    if ended.status == 0 or -ended.status in CLEAN_SIGNALS:
        return give_up(state, "a clean exit, which on-failure does not restart")
    backoff_s = _backoff_s(settings, number=state.restarts + 1)
    starts_s = ended.at_s + backoff_s
    counted = state.counted or 1  # the first start of all
    if starts_s - state.window_s > settings[INTERVAL_S]:
        after = replace(state, window_s=starts_s, counted=1)
    elif counted < settings[BURST]:
        after = replace(state, counted=counted + 1)
    else:
        why = f"started {counted} times in {settings[INTERVAL_S]:g} s: start-limit-hit"
        return give_up(state, why)
    return restart(after, backoff_s=backoff_s, reason="failed")


def _backoff_s(settings: dict[str, float], *, number: int) -> float:
    """The delay before a restart, which counts from 1 (systemd, service_restart_usec_next)."""
    first_s, steps = settings[RESTART_S], settings[STEPS]
    if number == 1 or not steps:
        return first_s
    if number > steps:
        return settings[MAX_DELAY_S]
    ratio = settings[MAX_DELAY_S] / first_s
    return float(first_s * ratio ** ((number - 1) / steps))


def _longest_backoff_s(policy: RestartPolicy) -> float:
    settings = {**DEFAULTS, **policy.settings}
    return settings.get(MAX_DELAY_S, settings[RESTART_S])


SYSTEMD = PlatformKind(
    name=NAME,
    forms=(
        NAME,
        f"{NAME}:{RESTART_S}=S",
        f"{NAME}:{STEPS}=N:{MAX_DELAY_S}=S",
        f"{NAME}:{BURST}=N:{INTERVAL_S}=S",
    ),
    parse=parse,
    step=step,
    grace_s=GRACE_S,
    longest_backoff_s=_longest_backoff_s,
    resets=f"nothing, as {STEPS} counts every restart",
    has_probes=False,
)
