"""The record of a real outage, as data, and the four runs that the framework derives from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from crashloop.apps import about_entry, is_scalable, knobs_used, sample_app, with_knobs
from crashloop.clock import DEFAULT_SCALE, REAL_TIME
from crashloop.errors import UsageError
from crashloop.faults import fault_kind
from crashloop.incidents.parameter import Parameter, Params, read_params
from crashloop.model import CheckSpec, Platform, Replicas, Role, Scenario, Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from crashloop.model import AppUnderTest, Dependency, PlannedFault, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What happens in an incident: the app's knobs, what it depends on, what is done to it.

    `phase` is the start-up phase that it is about, `target` the dependency that this phase opens.
    """

    phase: str
    target: str
    dependencies: tuple[Dependency, ...]
    platform: Platform
    faults: tuple[PlannedFault, ...]
    deadline_s: float
    knobs: Mapping[str, Value] = field(default_factory=dict)
    replicas: Replicas = field(default_factory=Replicas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What would have ended the outage: the knobs that it changes in the app, and its platform."""

    name: str
    says: str
    knobs: Mapping[str, Value] = field(default_factory=dict)
    old_knobs: Mapping[str, Value] = field(default_factory=dict)
    platform: Callable[[Platform], Platform] | None = None

    def applied(self, outage: Outage) -> Outage:
        """The same outage with the remedy in place."""
        old_knobs = {**outage.replicas.old_knobs, **self.old_knobs}
        return replace(
            outage,
            knobs={**outage.knobs, **self.knobs},
            replicas=replace(outage.replicas, old_knobs=old_knobs),
            platform=self.platform(outage.platform) if self.platform else outage.platform,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlike:
    """Another outage that could be taken for this one, and the check that rules it out."""

    says: str
    ruled_out_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A real outage with a source.

    `outage` and `expect` give its scenario and what it looks like, from checked parameters. The
    four runs of its proof are derived. `time_scale` is one that its control run finds fair.
    """

    name: str
    title: str
    source: str
    facts: tuple[str, ...]
    look_alikes: tuple[LookAlike, ...]
    remedy: Remedy
    parameters: Mapping[str, Parameter]
    outage: Callable[[Params], Outage]
    expect: Callable[[Params], tuple[CheckSpec, ...]]
    time_scale: float = DEFAULT_SCALE

    def scenario(
        self, role: Role = Role.REPRODUCTION, app: AppUnderTest | None = None, /, **params: Any
    ) -> Scenario:
        """The scenario for `role`, of the sample app where no other is given.

        UsageError for a parameter that it does not have or cannot take, or an app without a knob.
        """
        values = read_params(self.name, self.parameters, params)
        outage, under_test = self.outage(values), app or sample_app()
        if role is Role.REMEDY:
            outage = self.remedy.applied(outage)
        with about_entry(under_test):
            remedy = self.remedy.knobs if role is Role.REMEDY else {}
            under_test = _turned(self.name, under_test, outage, remedy)
        faults = () if role is Role.CONTROL else outage.faults
        signature = _signature(self.name, outage, self.expect(values))
        known = {spec.check for spec in (*signature.require, *signature.expect)}
        assert {one.ruled_out_by for one in self.look_alikes} <= known, self.name
        return Scenario(
            incident=self.name,
            title=self.title,
            params=values,
            role=role,
            app=under_test,
            dependencies=outage.dependencies,
            platform=outage.platform,
            replicas=outage.replicas,
            faults=faults,
            phase=outage.phase,
            signature=signature if faults else _control(signature),
            deadline_s=outage.deadline_s,
            remedy=self.remedy.name if role is Role.REMEDY else "",
            real_time_only=_real_time_only(faults, under_test),
            time_scale=self.time_scale,
        )

    def ordinary_scale(self, app: AppUnderTest | None = None) -> float:
        """The time scale of a run that names none: real time if the app cannot be scaled."""
        return self.time_scale if app is None or is_scalable(app) else REAL_TIME

    def healthy(self, scenario: Scenario) -> Signature:
        """What the control run must show, besides that the incident did not happen in it."""
        target = self.outage(dict(scenario.params)).target
        return Signature(
            name="healthy",
            require=(
                CheckSpec(check="evidence_complete"),
                CheckSpec(check="baseline_passed", params={"target": target}),
                CheckSpec(check="path_used", params={"phase": scenario.phase, "target": target}),
                CheckSpec(check="scale_is_fair"),
            ),
            expect=(
                CheckSpec(check="no_receipt", params={"target": target}),
                CheckSpec(check="no_death"),
                CheckSpec(check="all_phases_done", params={"phases": scenario.app.phases}),
                CheckSpec(check="no_port_before_ready"),
                CheckSpec(check="ready"),
                CheckSpec(check="journey_passed"),
                *nothing_left(scenario.dependencies),
            ),
        )


def nothing_left(dependencies: tuple[Dependency, ...]) -> tuple[CheckSpec, ...]:
    """The checks that no life leaves a session in a database."""
    names = [each.name for each in dependencies if each.kind == "postgres"]
    return tuple(CheckSpec(check="no_connection_left", params={"target": one}) for one in names)


def recovery(
    phase: str, *, remedied: tuple[str, ...] = ("recovered", "journey_passed")
) -> tuple[CheckSpec, ...]:
    """The checks that the app came back and serves its users; a remedy must show `remedied`.

    Where the remedy keeps the app from failing at all, there is nothing to recover from.
    """
    wanted = {"recovered": {"phase": phase}, "journey_passed": {}}
    return tuple(
        CheckSpec(check=name, params=params, with_remedy=name in remedied)
        for name, params in wanted.items()
    )


def _signature(name: str, outage: Outage, expect: tuple[CheckSpec, ...]) -> Signature:
    """What a fair test needs is the same for every incident; what it looks like is its own."""
    phase, target = outage.phase, outage.target
    return Signature(
        name=name,
        require=(
            CheckSpec(check="evidence_complete"),
            CheckSpec(check="baseline_passed", params={"target": target}),
            CheckSpec(
                check="faults_have_receipts",
                params={"phase": phase, "target": target},
                needs_fault=True,
                with_remedy=True,
            ),
            CheckSpec(check="receipts_not_contradicted", needs_fault=True),
            CheckSpec(check="path_used", params={"phase": phase, "target": target}),
        ),
        expect=(*expect, *nothing_left(outage.dependencies)),
    )


def _control(signature: Signature) -> Signature:
    """The incident's own signature less the receipts, on a scale that must be fair."""
    control = signature.without_faults()
    return replace(control, require=(*control.require, CheckSpec(check="scale_is_fair")))


def _turned(
    incident: str, app: AppUnderTest, outage: Outage, remedy: Mapping[str, Value]
) -> AppUnderTest:
    """The app with the incident's knobs, of which `remedy` are those that a remedy turns.

    UsageError, with the line to add, if its entry lacks one of them or has no use for its value.
    """
    wanted, old = outage.knobs, outage.replicas.old_knobs
    if missing := {
        name: value for name, value in {**old, **wanted}.items() if name not in app.knobs
    }:
        # A remedy's switch is off in the app itself.
        own = {n: False if v is True and n in remedy else v for n, v in missing.items()}
        lines = ", ".join(f"{name} = {json.dumps(value)}" for name, value in own.items())
        raise UsageError(
            f"{incident} turns {', '.join(missing)}, which app {app.name} does not have",
            hint=f"add the app's own values to its `knobs`: {lines}; and use "
            f"{_placeholders(missing)} in its `env` or `command`",
        )
    used = knobs_used(app)
    for name, value in (*wanted.items(), *old.items()):
        if name not in used and value != app.knobs[name]:
            raise UsageError(
                f"{incident} sets {name} to {json.dumps(value)}, and app {app.name}, whose "
                f"own is {json.dumps(app.knobs[name])}, would not notice",
                hint=f"use {_placeholders([name])} in its `env` or `command`, or run the incident "
                "with parameters that keep the app's own value",
            )
    return with_knobs(app, wanted)


def _placeholders(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)


def _real_time_only(faults: tuple[PlannedFault, ...], app: AppUnderTest) -> str:
    """Why this cannot be scaled, as the app or the faults say; empty if it can."""
    if not is_scalable(app):
        return (
            f"app {app.name} takes no time from crashloop, neither by `timers` nor by a "
            "placeholder such as {limit_s}, so its waiting cannot be scaled"
        )
    limit_s = float(app.knobs.get("limit_s", 0.0))
    reasons = (fault_kind(f.kind)(**f.params).real_time_only(limit_s=limit_s) for f in faults)
    return next((reason for reason in reasons if reason), "")
