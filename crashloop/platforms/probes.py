"""Kubernetes' rules of probes: what a result means for one life. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.model import ProbeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.model import AppUnderTest, Platform, Probe

_PATH = re.compile(r"/[!-~]*")


class Purpose(StrEnum):
    """What a probe is for."""

    STARTUP = "startup"
    LIVENESS = "liveness"
    READINESS = "readiness"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeState:
    """One probe of one life so far: its last result, failures in a row, and whether it passed."""

    ok: bool | None = None
    failures: int = 0
    passed: bool = False


class Action(Enum):
    """What a result leads to: the first pass, the threshold of failures, the end of the life."""

    NOTHING = "nothing"
    PASSED = "passed"
    FAILED = "failed"
    KILL = "kill"


def probes_of(platform: Platform) -> dict[Purpose, Probe]:
    """The probes that `platform` has."""
    found = {
        Purpose.STARTUP: platform.startup,
        Purpose.LIVENESS: platform.liveness,
        Purpose.READINESS: platform.readiness,
    }
    return {purpose: probe for purpose, probe in found.items() if probe is not None}


def step(
    purpose: Purpose, probe: Probe, state: ProbeState, *, ok: bool
) -> tuple[ProbeState, Action]:
    """What one more result leads to.

    Failures count in a row; the threshold acts once. A failed start-up or liveness probe ends the
    life, a readiness probe never does (kubernetes, pkg/kubelet/prober/worker.go).
    """
    if ok:
        action = Action.NOTHING if state.passed else Action.PASSED
        return ProbeState(ok=True, passed=True), action
    after = ProbeState(ok=False, failures=state.failures + 1, passed=state.passed)
    if after.failures != probe.failures:
        return after, Action.NOTHING
    return after, Action.FAILED if purpose is Purpose.READINESS else Action.KILL


def is_news(probe: Probe, before: ProbeState, after: ProbeState) -> bool:
    """Whether a result says something new: a change, or a failure up to the threshold."""
    return before.ok != after.ok or 0 < after.failures <= probe.failures


def first_age_s(purpose: Purpose, probe: Probe, *, age_s: float) -> float:
    """How old a life is when a probe first runs that may run from `age_s` on; then every period.

    A start-up or liveness probe comes a period after its delay, as its ticks begin before the
    container does: so `failures` periods pass before it kills. A readiness probe is triggered as
    soon as it may run (kubernetes, pkg/kubelet/prober/worker.go and prober_manager.go). So is a
    probe that keeps trying.
    """
    if purpose is Purpose.READINESS or probe.keeps_trying:
        return max(age_s, probe.delay_s)
    ticks = max(math.ceil((age_s - probe.delay_s) / probe.period_s), 1)
    return probe.delay_s + ticks * probe.period_s


def require_sound(platform: Platform, app: AppUnderTest) -> None:
    """Raise UsageError for a probe that contradicts itself or the app."""
    if not (math.isfinite(platform.grace_s) and platform.grace_s >= 0):
        raise UsageError(
            f"{platform.name} has a grace period of {platform.grace_s:g} s",
            hint="give 0 or more seconds to grace_s",
        )
    has_port = any("{port}" in part for part in (*app.command, *app.env.values()))
    for purpose, probe in probes_of(platform).items():
        for is_wrong, what, hint in _contradictions(probe, app.name, has_port=has_port):
            if is_wrong:
                raise UsageError(f"the {purpose} probe of {platform.name} {what}", hint=hint)


def _contradictions(probe: Probe, app: str, *, has_port: bool) -> Iterator[tuple[bool, str, str]]:
    """What may be wrong with a probe: whether it is, in which words, and what to do."""
    for name in ("period_s", "timeout_s", "failures"):
        value = getattr(probe, name)
        wrong = not (math.isfinite(value) and value > 0)
        yield wrong, f"has {name}={value:g}", f"{name} is more than 0"
    wrong = not (math.isfinite(probe.delay_s) and probe.delay_s >= 0)
    yield wrong, f"has delay_s={probe.delay_s:g}", "delay_s is 0 or more"
    is_command, is_http = probe.kind is ProbeKind.COMMAND, probe.kind is ProbeKind.HTTP
    yield (
        is_command and not (probe.command and probe.command[0]),
        "runs a command and names none",
        "give it command=(program, argument, ...)",
    )
    yield (
        not is_command and bool(probe.command),
        f"is of kind {probe.kind} and has a command",
        "drop the command, or use the kind command",
    )
    yield (
        is_http and not _PATH.fullmatch(probe.path),
        f"requests the path {probe.path!r}",
        "give it a path that begins with / and has no spaces",
    )
    yield (
        not is_http and bool(probe.path),
        f"is of kind {probe.kind} and has the path {probe.path!r}",
        "drop the path, or use the kind http",
    )
    yield (
        not is_command and not has_port,
        f"needs a port, and the app {app} is given none",
        "use {port} in the app's command or environment, or probe it with a command",
    )
