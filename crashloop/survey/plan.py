"""Which runs a check makes, in which order and at which time scale. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from crashloop import __version__
from crashloop.clock import REAL_TIME
from crashloop.errors import CapabilityError, UsageError
from crashloop.incidents import ELSEWHERE, find, incident, library
from crashloop.incidents.dependency import LATER_AWAY, START_AWAY, WAYS, dependency_name
from crashloop.incidents.parameter import read_params
from crashloop.model import Role
from crashloop.survey.estimate import HANGS, OVERHEAD_S, expected_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crashloop.clock import TimeScale
    from crashloop.incidents.incident import Incident
    from crashloop.model import AppUnderTest, Scenario

START_S = 2.0
"""How long an app takes to start, in wall seconds, until a control has measured it."""
WAIT_AT_START_S, WAIT_LATER_S, LONGEST_S = 30.0, 15.0, 3600.0
STARTS = 4
MARGIN_S = 2.0


class Machine(Protocol):
    """What this machine, and the command line, make possible."""

    def scale(self, ordinary: float) -> TimeScale:
        """The time scale of a run whose ordinary one this is."""

    def require(self, scenario: Scenario, scale: TimeScale) -> None:
        """Raise CapabilityError for what this machine cannot run, UsageError for a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One run: an incident, or a run without a dependency, with the parameters that were given.

    `remedy` names one that is in place. `why` says why an incident does not apply; "" if it does.
    `expected_s` are the wall seconds that it may take, and `starts` how often the app starts
    meanwhile. `target` and `way` are those of a run without a dependency.
    """

    incident: str
    title: str
    params: Mapping[str, Any]
    remedy: str = ""
    why: str = ""
    scale: float = REAL_TIME
    expected_s: float = 0.0
    starts: float = 0.0
    rank: int = 0
    role: Role = Role.REPRODUCTION
    target: str = ""
    way: str = ""

    @property
    def folder(self) -> str:
        """The name of the folder for its evidence."""
        if self.role is Role.CONTROL:
            return "control"
        return self.incident.replace(":", "-")

    @property
    def name(self) -> str:
        """What it is called while it runs."""
        return "control, without a fault" if self.role is Role.CONTROL else self.incident

    def after_control(self, start_s: float) -> Planned:
        """The run with the time that it takes as the control took `start_s` to start."""
        expected_s = self.expected_s + self.starts * (start_s - START_S)
        return replace(self, expected_s=max(expected_s, OVERHEAD_S))

    def words(self, app: str = "", config: str = "") -> list[str]:
        """The arguments of `crashloop` that make this run, of the sample app if none is named."""
        words = ["reproduce", self.incident]
        if folder := ELSEWHERE.folder_of(self.incident):
            words += ["--incidents", str(folder)]
        words += ["--app", app] if app else []
        words += ["--config", config] if config else []
        words += ["--real-time"] if self.scale == REAL_TIME else ["--time-scale", f"{self.scale:g}"]
        words += ["--role", str(self.role)] if self.role is not Role.REPRODUCTION else []
        words += ["--remedy", self.remedy] if self.remedy else []
        for name, value in self.params.items():
            words += ["-p", f"{name}={value}"]
        return words

    def digest(self, app: AppUnderTest) -> str:
        """What makes a run the same as an earlier one: all that it is made from."""
        facts = [repr(app), self.incident, dict(self.params), self.scale, str(self.role)]
        facts += [self.remedy, __version__, _made(self.incident, self.params)]
        return sha256(json.dumps(facts, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Runs that are made together: those that are scaled, or those in real time.

    `scale` is the fastest of them.
    """

    scale: float
    runs: tuple[Planned, ...]


def plan_incidents(
    app: AppUnderTest,
    names: Sequence[str],
    params: Mapping[str, str],
    machine: Machine,
    *,
    remedy: str = "",
) -> list[Planned]:
    """The incidents with these names (all of the library where none is given), most telling first.

    What hangs comes before what fails at once, the database before anything else. An incident that
    contradicts the app's entry, or that the `remedy` cannot be in place for, does not apply. Raises
    UsageError for a name or a parameter that none has, and for an entry or a remedy that no
    incident can be run with.
    """
    chosen = [incident(name) for name in dict.fromkeys(names or library().incidents)]
    for name in params:
        if not any(name in one.parameters for one in chosen):
            raise UsageError(
                f"none of the incidents has a parameter {name!r}",
                hint="`crashloop incidents NAME` lists the parameters of an incident",
            )
    found: list[Planned] = []
    refused: list[UsageError] = []
    for one in chosen:
        own = {name: value for name, value in params.items() if name in one.parameters}
        planned = _remedied(Planned(incident=one.name, title=one.title, params=own), remedy)
        if why := one.applies(app, **own):
            found.append(replace(planned, why=why))
            continue
        try:
            found.append(_timed(planned, one, app, machine))
        except UsageError as error:
            refused.append(error)
            found.append(replace(planned, why=error.message))
    if refused and all(each.why for each in found):
        raise refused[0]
    return sorted(found, key=lambda each: (bool(each.why), each.rank, each.incident))


def plan_sample(names: Iterable[str], machine: Machine) -> list[Planned]:
    """The runs of the sample app with these names, incidents or faults alone.

    What this machine cannot run has the reason in `why`.
    """
    return [_of_sample(incident(name), machine) for name in names]


def plan_dependencies(
    app: AppUnderTest, machine: Machine, *, start_s: float = START_S, remedy: str = ""
) -> list[Planned]:
    """Each dependency of the app taken away in each way; `start_s` is what its start takes.

    It is away for a few times as long at the start, and later until a try of the journey can have
    hung to its end.
    """
    found = []
    tried_s = sum(step.within_s for step in app.journey.steps)
    for target in (*app.dependencies, *app.services):
        for way in WAYS:
            one = incident(dependency_name(target, way))
            factor = machine.scale(one.ordinary_scale(app)).factor
            params = {
                START_AWAY: _bounded(WAIT_AT_START_S, STARTS * start_s * factor),
                LATER_AWAY: _bounded(WAIT_LATER_S, (tried_s + MARGIN_S) * factor),
            }
            planned = Planned(
                incident=one.name, title=one.title, params=params, target=target, way=way
            )
            run = _timed(_remedied(planned, remedy), one, app, machine)
            found.append(run.after_control(start_s))
    return found


def control_of(runs: Sequence[Planned]) -> Planned | None:
    """The run without a fault, and without a remedy, that comes first; None where nothing applies.

    One is enough, that of the most telling run: all runs start the app in the same way, and each
    begins with a life of its own without a fault.
    """
    first = next((each for each in runs if not each.why), None)
    if first is None:
        return None
    return Planned(
        incident=first.incident,
        title=first.title,
        params=first.params,
        scale=first.scale,
        expected_s=OVERHEAD_S + START_S,
        role=Role.CONTROL,
    )


def grouped(runs: Iterable[Planned]) -> list[Group]:
    """What applies, in the same order: what is scaled first, and then what runs in real time.

    Runs in real time mostly wait, so more of them are made at once.
    """
    scaled: list[Planned] = []
    real: list[Planned] = []
    for each in runs:
        if not each.why:
            (real if each.scale == REAL_TIME else scaled).append(each)
    return [
        Group(scale=max(each.scale for each in found), runs=tuple(found))
        for found in (scaled, real)
        if found
    ]


def _remedied(run: Planned, remedy: str) -> Planned:
    return replace(run, role=Role.REMEDY, remedy=remedy) if remedy else run


def _of_sample(one: Incident, machine: Machine) -> Planned:
    planned = Planned(incident=one.name, title=one.title, params={})
    try:
        return _timed(planned, one, None, machine)
    except UsageError as error:  # this machine is too slow for it
        return replace(planned, why=error.message)


def _timed(planned: Planned, one: Incident, app: AppUnderTest | None, machine: Machine) -> Planned:
    """The run with its scale and time, or with the reason why this machine cannot make it."""
    scenario = one.scenario(planned.role, app, remedy=planned.remedy, **planned.params)
    scale = machine.scale(REAL_TIME if scenario.real_time_only else one.ordinary_scale(app))
    try:
        machine.require(scenario, scale)
    except CapabilityError as error:
        return replace(planned, why=error.message)
    usual_s = expected_s(scenario, scale, START_S)
    return replace(
        planned,
        scale=scale.factor,
        expected_s=usual_s,
        starts=expected_s(scenario, scale, START_S + 1) - usual_s,
        rank=_rank(scenario),
    )


def _rank(scenario: Scenario) -> int:
    """How telling it is: 0 a database that hangs, 1 one that fails, 2 a cache, 3 the rest."""
    targets = {fault.target for fault in scenario.faults}
    if "postgres" not in targets:
        return 2 if targets == {"redis"} else 3
    return 0 if HANGS & {fault.kind for fault in scenario.faults} else 1


def _made(name: str, params: Mapping[str, Any]) -> str:
    """What an incident's file makes of these parameters; it may change with the same version."""
    one = find(name)
    if one is None:
        return ""
    values = read_params(name, one.parameters, params)
    return repr((one.outage(values), one.expect(values)))


def _bounded(least_s: float, wanted_s: float) -> float:
    return round(min(max(least_s, wanted_s), LONGEST_S), 1)
