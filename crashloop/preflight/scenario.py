"""Contradictions of a scenario, each of which would otherwise show late or as something else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.apps import about_entry, render, service_values, url_values, with_knobs
from crashloop.apps.placeholders import PLACES
from crashloop.errors import UsageError
from crashloop.faults import REPLICAS, build, fault_kind
from crashloop.faults.revision import RevisionChange
from crashloop.incidents.asked import require_possible
from crashloop.model import SqlStep
from crashloop.platforms.probes import require_sound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.clock import TimeScale
    from crashloop.model import (
        AppUnderTest,
        PlannedFault,
        Scenario,
        Value,
    )

URLS = {"postgres": "postgresql://u:p@h:1/d", "redis": "redis://h:1/0"}


def require_consistent(scenario: Scenario, scale: TimeScale) -> None:
    """Refuse a scenario that contradicts itself: UsageError that says what and what is possible."""
    with about_entry(scenario.app):
        _require_app(scenario, scale)
    for fault in scenario.faults:
        _require_fault(scenario, fault, scale)
    require_sound(scenario.platform, scenario.app)
    for spec in (*scenario.signature.require, *scenario.signature.expect):
        require_possible(f"the signature {scenario.signature.name}", spec)


def _require_app(scenario: Scenario, scale: TimeScale) -> None:
    app, replicas = scenario.app, scenario.replicas
    if replicas.count < 1 or replicas.overlap < 0 or replicas.stagger_s < 0:
        raise UsageError(
            f"{replicas.count} replicas, {replicas.overlap} of an old revision, each "
            f"{replicas.stagger_s:g} s after the one before: that is not possible",
            hint="replicas count from 1; the other two are 0 or more",
        )
    values = dict.fromkeys(PLACES, "0")
    for each in scenario.dependencies:
        if each.kind in URLS:
            values |= url_values(each.name, URLS[each.kind])
    for name in app.services:
        values |= service_values(name, "h", 1)
    for command in (app.command, app.setup):
        render(replace(app, command=command), values, scale)
    _require_pool("", app.knobs)
    old = with_knobs(app, replicas.old_knobs)
    _require_pool(" of the old revision", old.knobs)
    if scenario.phase and scenario.phase not in app.phases:
        raise UsageError(
            f"{scenario.incident} is about phase {scenario.phase}, which app {app.name} "
            "does not have",
            hint=f"its `phases` are: {', '.join(app.phases) or 'none'}; name those that it logs, "
            "see docs/log-lines.md",
        )
    _require_journey(app, scenario)


def _require_pool(whose: str, knobs: Mapping[str, Value]) -> None:
    names = ("warm_connections", "pool_size", "max_overflow")
    if not all(name in knobs for name in names):
        return
    warm, size, overflow = (int(knobs[name]) for name in names)
    if warm > size + overflow:
        raise UsageError(
            f"warm_connections{whose} is {warm}, and the pool has room for {size + overflow}",
            hint=f"pool_size {size} + max_overflow {overflow}: raise one, or open fewer at once",
        )


def _require_journey(app: AppUnderTest, scenario: Scenario) -> None:
    databases = [each.name for each in scenario.dependencies if each.kind == "postgres"]
    journey, before = enumerate(app.journey.steps, start=1), enumerate(app.before, start=1)
    steps = [
        *((f"step {number} of app {app.name}'s journey", step) for number, step in journey),
        *((f"step {number} of `before` of app {app.name}", step) for number, step in before),
    ]
    for which, step in steps:
        if isinstance(step, SqlStep) and step.target not in databases:
            raise UsageError(
                f"{which} asks {step.target}, which is no database of this scenario",
                hint=f"it has: {', '.join(databases) or 'none'}",
            )


def _require_fault(scenario: Scenario, fault: PlannedFault, scale: TimeScale) -> None:
    kind = fault_kind(fault.kind)
    dependency = {each.name: each for each in scenario.dependencies}.get(fault.target)
    if dependency is None and fault.target != REPLICAS:
        known = [each.name for each in scenario.dependencies]
        raise UsageError(
            f"the fault {fault.name} acts on {fault.target!r}, which this scenario does not have",
            hint=f"it has: {', '.join([*known, REPLICAS])}",
        )
    acts_on = dependency.kind if dependency else REPLICAS
    if acts_on not in kind.acts_on:
        raise UsageError(
            f"the fault {fault.name} is {fault.kind}, which does not act on {fault.target}",
            hint=f"{fault.kind} acts on: {', '.join(sorted(kind.acts_on))}",
        )
    if dependency and dependency.transport not in kind.transports:
        raise UsageError(
            f"the fault {fault.name} is {fault.kind}, which does not act over "
            f"{dependency.transport}, and that is how the app reaches {fault.target}",
            hint=f"add -p transport={'|'.join(sorted(kind.transports))}, or choose another fault, "
            "such as hold",
        )
    if fault.kind == RevisionChange.kind and not scenario.replicas.overlap:
        raise UsageError(
            f"the fault {fault.name} is {fault.kind}, and this scenario has no old revision",
            hint="give its replicas an overlap of 1 or more",
        )
    built = build(fault, scale)
    if dependency and (why := built.why_not_at(dependency)):
        raise UsageError(
            f"the fault {fault.name} cannot act on {fault.target}: {why}",
            hint=f"crashloop faults {fault.kind} says what its parameters take",
        )
    if why := built.why_not(scenario.app):
        raise UsageError(
            f"the fault {fault.name} cannot happen to app {scenario.app.name}: {why}",
            hint=f"crashloop faults {fault.kind} says what it does",
        )
