"""What an app does without one dependency: it is taken away at the start, and again later.

Such a run has the name `dependency:TARGET:WAY`. It is no real outage, so it is not in the library;
`crashloop check` makes these runs, and `crashloop reproduce` makes one of them again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crashloop.checks.dependency import AT_START, LATER
from crashloop.errors import UsageError
from crashloop.faults import fault_kind
from crashloop.incidents.incident import Incident
from crashloop.incidents.parameter import Parameter
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import TRANSPORT, dependencies, platform
from crashloop.model import CheckSpec, Moment, Outage, PlannedFault, Role, Signature, Trigger
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.incidents.parameter import Params
    from crashloop.model import AppUnderTest, Scenario, Value

PREFIX = "dependency:"
LIVES = 20
"""The app may have died so often before it works and the dependency is taken away again."""

TIMES = (START_AWAY, LATER_AWAY) = ("start_away_s", "later_away_s")
RECOVERY_S = 120.0  # chosen: two starts, and the back-off between them

SLOW_S = 2.0  # of the audit of issue 1278
WAYS: Mapping[str, tuple[str, Mapping[str, Value], str]] = {
    "refused": ("refuse", {}, "connections to it are refused, and open ones reset"),
    "silent": (
        "timeout",
        {"timeout_s": 0, "direction": "upstream"},
        "it accepts connections and answers nothing",
    ),
    "slow": ("latency", {"latency_s": SLOW_S}, f"each of its answers comes {SLOW_S:g} s late"),
}
"""How a dependency is taken away, each with the fault, its parameters and what it does."""


def dependency_name(target: str, way: str) -> str:
    """The name of a run without `target`."""
    return f"{PREFIX}{target}:{way}"


def dependency_incident(name: str) -> Incident:
    """The run by its name, as an incident; UsageError if the name is none."""
    target, _, way = name.removeprefix(PREFIX).rpartition(":")
    if not target or way not in WAYS:
        raise UsageError(
            f"{name!r} takes no dependency away",
            hint=f"write {PREFIX}NAME:WAY, where WAY is one of {', '.join(WAYS)}",
        )
    return _Absence(
        name=name,
        title=f"without {target}: {WAYS[way][2]}",
        source="an experiment of crashloop check",
        facts=("each dependency is taken away in turn, while the app starts and while it runs",),
        look_alikes=(),
        remedy=Remedy(
            name="do without it",
            says=f"start without {target}, connect in the background, and use it when it is back",
        ),
        parameters={
            START_AWAY: Parameter(
                default=60.0, low=1.0, high=3600.0, says="how long the start has without it"
            ),
            LATER_AWAY: Parameter(
                default=140.0, low=1.0, high=3600.0, says="how long journeys are tried without it"
            ),
            "transport": TRANSPORT,
            "platform": platform("docker:on-failure:6"),
        },
        outage=lambda params: _outage(target, way, params),
        expect=lambda _: (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Absence(Incident):
    """An incident that asks how much the app needs a dependency, and nothing else."""

    def scenario(
        self,
        role: Role = Role.REPRODUCTION,
        app: AppUnderTest | None = None,
        /,
        *,
        remedy: str = "",
        **params: Any,
    ) -> Scenario:
        """As any incident's; UsageError for the sample app, whose dependencies are known."""
        if app is None:
            raise UsageError(f"{self.name} needs an app of your own", hint="name it: --app NAME")
        # Whether a try fails is asked here, and a patient journey has none.
        app = replace(app, journey=replace(app.journey, patient=False))
        made = Incident.scenario(self, role, app, remedy=remedy, **params)
        target = self.outage(dict(made.params)).target
        fair = ("evidence_complete", "control_passed")
        signature = Signature(
            name=self.name,
            require=(
                *(CheckSpec(check=check) for check in fair),
                CheckSpec(check="baseline_passed", params={"target": target}),
            ),
            expect=(CheckSpec(check="dependency_needed", params={"target": target}),),
        )
        faults = made.faults
        if faults and not app.journey.steps:
            is_ready = _works(float(made.params[LATER_AWAY]), journey=False)
            faults = (faults[0], replace(faults[1], inject=is_ready))
        return replace(
            made,
            signature=signature,
            faults=faults,
            not_asked={},
            deadline_s=sum(float(made.params[name]) for name in TIMES) + RECOVERY_S,
        )


def _outage(target: str, way: str, params: Params) -> Outage:
    """The target is away from before the start until the app is ready or has died; then again."""
    start_s, later_s = (float(params[name]) for name in TIMES)
    gone = Moment(on="baseline.passed", where={"target": target})
    at_start = _fault(
        AT_START,
        target,
        way,
        inject=Trigger(first_of=(gone,)),
        heal=Trigger(
            first_of=(
                Moment(on="ready.answered", where={"ready": True}),
                Moment(on="process.exited", where={"replica": 1, "attempt": 1}),
                Moment(on="process.started", where={"replica": 1, "attempt": 1}, after_s=start_s),
            )
        ),
    )
    later = _fault(
        LATER,
        target,
        way,
        inject=_works(later_s),
        heal=Trigger(
            first_of=(
                Moment(on="journey.tried", where={"passed": False}),
                Moment(on="process.exited"),
                Moment(on="fault.injected", where={"fault": LATER}, after_s=later_s),
            )
        ),
    )
    return Outage(
        phase="",
        target=target,
        dependencies=dependencies(params),
        platform=parse_platform(str(params["platform"])),
        faults=(at_start, later),
        deadline_s=start_s + later_s,
    )


def _works(later_s: float, *, journey: bool = True) -> Trigger:
    """The app works, in one of its lives, and the dependency has been back for a while."""
    back = Moment(on="fault.healed", where={"fault": AT_START}, after_s=later_s / 10)
    kinds = {"ready.answered": "ready"} | ({"journey.tried": "passed"} if journey else {})
    lives = [{"replica": 1, "attempt": attempt} for attempt in range(1, LIVES + 1)]
    return Trigger(
        first_of=tuple(
            Trigger(
                all_of=(
                    back,
                    *(Moment(on=kind, where={sign: True, **life}) for kind, sign in kinds.items()),
                )
            )
            for life in lives
        )
    )


def _fault(name: str, target: str, way: str, *, inject: Trigger, heal: Trigger) -> PlannedFault:
    """The fault on any kind of dependency; what it acts on is checked with the whole scenario."""
    kind, params, _ = WAYS[way]
    return PlannedFault(
        name=name,
        target=target,
        kind=kind,
        receipt=fault_kind(kind).receipt,
        inject=inject,
        heal=heal,
        params=dict(params),
    )
