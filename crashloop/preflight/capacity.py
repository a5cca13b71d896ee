"""Whether this machine can start so many instances in time, by measured figures."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.clock import TimeScale
    from crashloop.model import Probe, Scenario

# CPU time, measured with the sample app on two cores of a shared x86-64 machine, 1 to 16 at once:
# a whole start; its phase database with one connection; each warm connection beyond that.
START_CPU_S = 0.6
PHASE_CPU_S = 0.02
CONNECTION_CPU_S = 0.004

SHARE = 0.25
"""How much of a time limit the machine's own work may take up, or the limit tests the machine."""


def require_room(scenario: Scenario, scale: TimeScale) -> None:
    """Refuse more instances than the processors can start in time, when they start at once.

    Under a phase's limit one instance is always allowed: its control run says whether the scale is
    fair. A probe, though, must leave time for one whole start, or it kills every healthy one.
    Instances that start further apart than that are always allowed.
    """
    count, cores = scenario.replicas.count, processors()
    probe = scenario.platform.startup or scenario.platform.liveness
    if probe is not None and (allowed_s := scale.wall_s(_patience_s(probe))) * SHARE < START_CPU_S:
        fair = max(1, int(_patience_s(probe) * SHARE / START_CPU_S))
        raise UsageError(
            f"the probe allows {allowed_s:g} s for a start at time scale {scale.factor:g}, and "
            f"starting takes {START_CPU_S:g} s or more here, over a quarter of it",
            hint=f"use a time scale of {fair} at most, or a more patient probe",
        )
    if count == 1 or scale.wall_s(scenario.replicas.stagger_s) >= START_CPU_S / cores:
        return
    for limit, limit_s, cpu_s in _limits(scenario):
        wall_s = scale.wall_s(limit_s)
        possible = max(1, int(SHARE * wall_s * cores / cpu_s))
        if count > possible:
            raise UsageError(
                f"{count} replicas cannot start at once here: {limit} is {wall_s:g} s at time "
                f"scale {scale.factor:g}, and {cores} cores would need "
                f"{count * cpu_s / cores:.2g} s of it, more than a quarter",
                hint=f"at most {possible} replicas; or use a smaller --time-scale",
            )


def processors() -> int:
    """The processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _limits(scenario: Scenario) -> Iterator[tuple[str, float, float]]:
    """Each time limit of a start: its name, incident seconds, and CPU seconds that count in it."""
    knobs, platform = scenario.app.knobs, scenario.platform
    if "limit_s" in knobs:
        warm = float(knobs.get("warm_connections", 1))
        cpu_s = PHASE_CPU_S + CONNECTION_CPU_S * (warm - 1)
        yield "limit_s", float(knobs["limit_s"]), cpu_s
    first = "start-up" if platform.startup else "liveness"
    probe = platform.startup or platform.liveness
    if probe is not None:
        yield f"what the {first} probe allows", _patience_s(probe), START_CPU_S
    yield "the run's deadline", scenario.deadline_s, START_CPU_S


def _patience_s(probe: Probe) -> float:
    return probe.delay_s + probe.period_s * probe.failures
