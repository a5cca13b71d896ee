"""The record of a real outage, as data, and the four runs that the framework derives from it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from crashloop.apps import about_entry, is_scalable, sample_app
from crashloop.apps.table import known_names
from crashloop.clock import DEFAULT_SCALE, REAL_TIME
from crashloop.errors import UsageError
from crashloop.faults import REPLICAS, fault_kind
from crashloop.incidents.compared import Compared
from crashloop.incidents.knobs import LIMIT, require_known, require_noticed, turned
from crashloop.incidents.own_app import (
    NotApplicableError,
    adapted,
    asked,
    is_logged,
    of_path,
    preferred,
)
from crashloop.incidents.parameter import Parameter, Params, read_params
from crashloop.incidents.remedy import remedied_run
from crashloop.model import CheckSpec, Role, Scenario, Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.diagnosis.cause import InLogs
    from crashloop.incidents.remedy import Remedy
    from crashloop.model import AppUnderTest, Dependency, Outage, PlannedFault

LISTEN_FIRST = "listen_first"
"""The knob of an app that opens its port before it is ready, in a control run, too."""


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
    `compared` is its ordinary comparison. `overlaps` are other incidents, or faults alone as
    `fault:KIND`, that truly look alike, each with the reason. `platforms` are
    those that its reports name, if any. `idle` says why it cannot happen to an app of the user's
    that its faults never touch. `others` are more remedies; a proof tries one of them if it is
    named. `in_logs` is how it shows itself in anybody's logs.
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
    compared: Compared = field(default_factory=Compared)
    overlaps: Mapping[str, str] = field(default_factory=dict)
    platforms: tuple[str, ...] = ()
    idle: str = ""
    others: tuple[Remedy, ...] = ()
    in_logs: InLogs | None = None

    @property
    def called(self) -> str:
        """What it is called in messages."""
        return self.name

    @property
    def defaults(self) -> Params:
        """The value of each parameter where none is given."""
        return read_params(self.called, self.parameters, {})

    def remedy_named(self, name: str) -> Remedy:
        """The remedy of the incident by this name; its first for any other, as for ""."""
        return next((one for one in self.others if one.name == name), self.remedy)

    def scenario(
        self,
        role: Role = Role.REPRODUCTION,
        app: AppUnderTest | None = None,
        /,
        *,
        remedy: str = "",
        **params: Any,
    ) -> Scenario:
        """The scenario for `role`, of the sample app where no other is given.

        `remedy` names one, for the run with the remedy: see `crashloop.remedies`. Raises UsageError
        for a parameter that it does not have or cannot take; NotApplicableError, a UsageError, if
        the incident cannot happen to the app.
        """
        chosen = params if app is None else preferred(app, self.parameters, params)
        values = read_params(self.called, self.parameters, chosen)
        outage, under_test, expect = self.outage(values), app or sample_app(), self.expect(values)
        if heal_s := float(values.get("heal_s", 0.0)):
            outage = outage.healed_at(heal_s)
        not_asked: Mapping[str, str] = {}
        remedy_name = ""
        if app is None:
            require_known(self.called, outage, (self.remedy, *self.others), under_test)
        else:
            outage = adapted(outage, app, expect, incident=self.called)
            expect, not_asked = asked(expect, outage, app)
        with contextlib.nullcontext() if app is None else about_entry(app):
            if app is not None:
                without = {name: value for name, value in chosen.items() if name not in params}
                usual = self.outage(read_params(self.called, self.parameters, without))
                require_noticed(self.called, app, outage, usual, params)
            if role is Role.REMEDY:
                remedies = (self.remedy, *self.others)
                remedied = remedied_run(self.called, remedies, outage, under_test, remedy)
                outage, under_test, remedy_name = remedied
            under_test = turned(under_test, outage, values)
        faults = () if role is Role.CONTROL else outage.faults
        signature = _signature(self.name, outage, expect, is_own_app=app is not None)
        if app is None and not params:  # parameters may choose what is asked
            _require_ruled_out(self, signature)
        return Scenario(
            incident=self.name,
            title=self.title,
            params=values,
            role=role,
            app=under_test,
            dependencies=outage.dependencies,
            platform=outage.platform,
            replicas=outage.replicas,
            journey_after_heal=outage.journey_after_heal,
            faults=faults,
            phase=outage.phase,
            signature=signature if faults else _control(signature, outage.phase),
            deadline_s=outage.deadline_s,
            remedy=remedy_name,
            real_time_only=_real_time_only(faults, under_test),
            time_scale=self.time_scale,
            is_own_app=app is not None,
            advice=self.remedy.says,
            not_asked=not_asked,
        )

    def applies(self, app: AppUnderTest, **params: Any) -> str:
        """Why the incident cannot happen to the user's own app; "" if it can.

        Raises UsageError for a parameter that it cannot take.
        """
        try:
            scenario = self.scenario(Role.REPRODUCTION, app, **params)
        except NotApplicableError as error:
            return error.message
        for fault in scenario.faults:
            if why := fault_kind(fault.kind)(**fault.params).why_not(app):
                return f"{self.name} cannot happen to app {app.name}: {why}"
        return ""

    def ordinary_scale(self, app: AppUnderTest | None = None) -> float:
        """The time scale of a run that names none: real time if the app cannot be scaled."""
        return self.time_scale if app is None or is_scalable(app) else REAL_TIME

    def healthy(self, scenario: Scenario) -> Signature:
        """What the control run must show, besides that the incident did not happen in it."""
        values = dict(scenario.params)
        outage, wanted = self.outage(values), self.expect(values)
        if scenario.is_own_app:
            outage = adapted(outage, scenario.app, wanted)
        target = outage.target
        # In a phase before that of its dependency, an app that is well does not come to it either.
        phase = of_path(scenario.phase) if outage.comes else ""
        on_path = {"phase": phase, "target": target}
        listens_first = bool(scenario.app.knobs.get(LISTEN_FIRST))
        expect = (
            CheckSpec(check="no_receipt", params={"target": target}),
            CheckSpec(check="no_death"),
            CheckSpec(check="all_phases_done", params={"phases": scenario.app.phases}),
            *(() if listens_first else (CheckSpec(check="no_port_before_ready"),)),
            CheckSpec(check="ready"),
            CheckSpec(check="journey_passed"),
            *nothing_left(scenario.dependencies),
        )
        if scenario.is_own_app:
            expect, _ = asked(expect, outage, scenario.app)
        return Signature(
            name="healthy",
            require=(
                CheckSpec(check="evidence_complete"),
                *_baseline(target),
                *((CheckSpec(check="path_used", params=on_path),) if target != REPLICAS else ()),
                *_fair_scale(scenario.phase),
            ),
            expect=expect,
        )


def nothing_left(dependencies: tuple[Dependency, ...]) -> tuple[CheckSpec, ...]:
    """The checks that no life leaves a session in a database; a pooler's sessions are its own."""
    names = [each.name for each in dependencies if each.kind == "postgres" and not each.pooler]
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


def _require_ruled_out(incident: Incident, signature: Signature) -> None:
    """Refuse a look-alike that no check of the signature rules out."""
    known = [spec.check for spec in (*signature.require, *signature.expect)]
    for one in incident.look_alikes:
        if one.ruled_out_by not in known:
            raise UsageError(
                f"{one.ruled_out_by!r}, which rules out a look-alike of {incident.name}, is not in "
                "its signature",
                hint=known_names(one.ruled_out_by, known),
            )


def _signature(
    name: str, outage: Outage, expect: tuple[CheckSpec, ...], *, is_own_app: bool
) -> Signature:
    """What a fair test needs is the same for every incident; what it looks like is its own."""
    on_path = {"phase": of_path(outage.phase), "target": outage.target}
    own = ("control_passed", "waits_are_declared") if is_own_app else ()
    return Signature(
        name=name,
        require=(
            CheckSpec(check="evidence_complete"),
            *(CheckSpec(check=check) for check in own),
            *_baseline(outage.target),
            CheckSpec(
                check="faults_have_receipts", params=on_path, needs_fault=True, with_remedy=True
            ),
            CheckSpec(check="receipts_not_contradicted", needs_fault=True),
            *((CheckSpec(check="path_used", params=on_path),) if outage.comes else ()),
        ),
        expect=(*expect, *nothing_left(_reached(outage, expect))),
    )


def _baseline(target: str) -> tuple[CheckSpec, ...]:
    """That the path to the target works; an app without any dependency has no path."""
    if target == REPLICAS:
        return ()
    return (CheckSpec(check="baseline_passed", params={"target": target}),)


def _reached(outage: Outage, expect: tuple[CheckSpec, ...]) -> tuple[Dependency, ...]:
    """The dependencies that lives come to: who never came to one leaves no session there."""
    never = {spec.params["target"] for spec in expect if spec.check == "never_came"}
    return tuple(each for each in outage.dependencies if each.name not in never)


def _control(signature: Signature, phase: str) -> Signature:
    """The incident's own signature less the receipts, on a scale that must be fair."""
    control = signature.without_faults()
    return replace(control, require=(*control.require, *_fair_scale(phase)))


def _fair_scale(phase: str) -> tuple[CheckSpec, ...]:
    """Without phases of the app's own, nothing says what time its real work has."""
    return (CheckSpec(check="scale_is_fair"),) if is_logged(phase) else ()


def _real_time_only(faults: tuple[PlannedFault, ...], app: AppUnderTest) -> str:
    """Why this cannot be scaled, as the app or the faults say; empty if it can."""
    if not is_scalable(app):
        return (
            f"app {app.name} takes no time from crashloop, neither by `timers` nor by a "
            "placeholder such as {limit_s}, so its waiting cannot be scaled"
        )
    limit_s = float(app.knobs.get(LIMIT, 0.0))
    reasons = (fault_kind(f.kind)(**f.params).real_time_only(limit_s=limit_s) for f in faults)
    return next((reason for reason in reasons if reason), "")
