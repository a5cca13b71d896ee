"""An incident for the user's own app, which has limits of its own and logs no phases of ours.

Without phases, an incident is about whole lives: its triggers wait for starts, and its checks read
what the proxy, the servers and the platform saw. What only the app's own lines could show is not
asked, and the scenario says so. An app with the wrapper logs one phase, its lifespan. That tells
when its start-up failed, but not all that it does: it may have connected at import.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from crashloop.errors import UsageError
from crashloop.faults import REPLICAS, fault_kind
from crashloop.incidents.parameter import ALIASES
from crashloop.model import CheckSpec, Dependency, Moment, Trigger
from crashloop.platforms import PLATFORMS
from crashloop.trace.event import NO_BASELINE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crashloop.incidents.parameter import Params
    from crashloop.model import AppUnderTest, Outage, PlannedFault, Value

LIFESPAN = "lifespan"
"""The phase of an app whose ASGI lifespan crashloop's wrapper logs."""

RECOVERY_S = 360.0  # chosen: Kubernetes' longest back-off, 300 s, and a start


class NotApplicableError(UsageError):
    """The incident cannot happen to this app; the message says why."""


class Asked(NamedTuple):
    """The checks that an app can be asked for, and the names of the others with the reason."""

    expect: tuple[CheckSpec, ...]
    not_asked: Mapping[str, str]


def phase_for(app: AppUnderTest, phase: str) -> str:
    """The phase of `app` that stands for the incident's; "" for its whole lives."""
    if phase in app.phases:
        return phase
    return LIFESPAN if app.wrap else ""


def is_logged(phase: str) -> bool:
    """Whether the app logs the phase itself, with its limit."""
    return phase not in {"", LIFESPAN}


def of_path(phase: str) -> str:
    """The phase that an app came to its dependency in; "" for its whole lives."""
    return phase if is_logged(phase) else ""


def preferred(app: AppUnderTest, known: Mapping[str, object], given: Params) -> Params:
    """The parameters of a run: those given, else the app's own platform and transport."""
    own = {"platform": app.platform, "transport": app.transport}
    named = {ALIASES.get(name, name) for name in given}
    return {n: v for n, v in own.items() if v and n in known and n not in named} | given


def adapted(
    outage: Outage,
    app: AppUnderTest,
    expect: tuple[CheckSpec, ...],
    *,
    incident: str = "the incident",
) -> Outage:
    """The outage, which looks as `expect` says, as it can happen to `app`.

    It has the app's dependencies, its own phase, and faults that wait for events of such an app.
    Raises NotApplicableError if it cannot happen to it.
    """
    phase = phase_for(app, outage.phase)
    dependencies = _dependencies(outage, app)
    names = [each.name for each in dependencies]
    if outage.target not in names and _is_of_processes(outage, expect):
        outage = _without_target(outage, names)
    for target in (outage.target, *(fault.target for fault in outage.faults)):
        if target not in (*names, REPLICAS):
            raise NotApplicableError(
                f"{incident} is about {target}, which app {app.name} does not use",
                hint=f"if it does, add {target!r} to its `dependencies`",
            )
    platform = outage.platform
    if (platform.startup or platform.liveness) and not PLATFORMS[platform.name].has_probes:
        raise NotApplicableError(
            f"{incident} needs a probe, and {platform.name}, which restarts app {app.name}, has "
            "none",
            hint="run it on another platform: -p platform=kubernetes",
        )

    old_knobs = {n: v for n, v in outage.replicas.old_knobs.items() if n in app.knobs}

    def on_own(moment: Moment) -> Moment:
        return _own_moment(moment, outage.phase, phase, app)

    return replace(
        outage,
        phase=phase,
        dependencies=dependencies,
        faults=tuple(_retriggered(fault, on_own) for fault in outage.faults),
        replicas=replace(outage.replicas, old_knobs=old_knobs),
        deadline_s=outage.deadline_s + (app.recover_within_s or RECOVERY_S),
    )


def asked(expect: tuple[CheckSpec, ...], outage: Outage, app: AppUnderTest) -> Asked:
    """The checks of `expect` for `app`, on which `outage` is already adapted."""
    is_killed = any(spec.check in _KILLS for spec in expect)
    found: list[CheckSpec] = []
    left_out: dict[str, str] = {}
    for spec in expect:
        if why := _why_not(spec, outage, app):
            left_out[spec.check] = why
        else:
            found += _own_checks(spec, outage, app, is_killed=is_killed)
    return Asked(expect=tuple(found), not_asked=left_out)


def _dependencies(outage: Outage, app: AppUnderTest) -> tuple[Dependency, ...]:
    used = [each for each in outage.dependencies if each.name in app.dependencies]
    services = [
        Dependency(name=name, kind="tcp", settings={"upstream": upstream})
        for name, upstream in app.services.items()
    ]
    return (*used, *services)


def _is_of_processes(outage: Outage, expect: tuple[CheckSpec, ...]) -> bool:
    """Whether it is about the app's own processes alone, and asks nothing about its target."""
    asks = any(spec.params.get("target") == outage.target for spec in expect)
    return not asks and all(
        fault.target == REPLICAS and fault_kind(fault.kind).needs_lives for fault in outage.faults
    )


def _without_target(outage: Outage, names: Sequence[str]) -> Outage:
    """The outage for an app that does not use its target, but what has these names, or nothing.

    Its faults are injected when another path was shown to work or, without any, when the control
    life has ended.
    """
    before = Moment(on="baseline.passed", where={"target": outage.target})
    target = names[0] if names else REPLICAS
    now = Moment(on=NO_BASELINE) if not names else replace(before, where={"target": target})

    def on_now(moment: Moment) -> Moment:
        same = moment.on == before.on and moment.where == before.where
        return replace(moment, on=now.on, where=now.where) if same else moment

    faults = tuple(_retriggered(fault, on_now) for fault in outage.faults)
    return replace(outage, target=target, faults=faults, comes=False)


def _retriggered(fault: PlannedFault, change: Callable[[Moment], Moment]) -> PlannedFault:
    return replace(fault, inject=_changed(fault.inject, change), heal=_changed(fault.heal, change))


def _changed(trigger: Trigger, change: Callable[[Moment], Moment]) -> Trigger:
    def part(one: Moment | Trigger) -> Moment | Trigger:
        return change(one) if isinstance(one, Moment) else _changed(one, change)

    return Trigger(
        first_of=tuple(part(one) for one in trigger.first_of),
        all_of=tuple(part(one) for one in trigger.all_of),
    )


def _own_moment(moment: Moment, before: str, phase: str, app: AppUnderTest) -> Moment:
    """The moment that an app which logs `phase` has in place of the incident's."""
    if moment.on == "journey.step" and not app.journey.patient:
        return replace(moment, on="ready.answered", where={"ready": True})
    if moment.on not in _OF_LIVES or phase == before:
        return moment
    # An app may fail before its lifespan begins, so the moment is that of its life.
    on, besides = _OF_LIVES[moment.on]
    where = {name: value for name, value in moment.where.items() if name != "phase"}
    return replace(moment, on=on, where={**where, **besides})


def _why_not(spec: CheckSpec, outage: Outage, app: AppUnderTest) -> str:
    """Why the app cannot be asked for a check; "" if it can."""
    if spec.check == "journey_passed" and not app.journey.steps:
        return "its entry has no journey"
    if spec.check == "no_port_before_ready":
        return _why_no_port(outage, app)
    if spec.check in _OF_LOGGED_PHASES and outage.phase == LIFESPAN:
        return "its wrapper does not know when it connects"
    if spec.check == "fails_at_once" and outage.phase == LIFESPAN:
        return "its wrapper does not know its limits"
    if outage.phase or spec.check in _OF_WHOLE_LIVES:
        return ""
    return "" if spec.check == "phase_failed" and spec.params["at_limit"] else "it logs no phases"


def _why_no_port(outage: Outage, app: AppUnderTest) -> str:
    """Why the app cannot be asked whether its port stayed shut; "" if it can."""
    if app.port_before_ready == "allow":
        return "its entry allows it"
    if is_logged(outage.phase):
        return ""
    if app.port_before_ready == "report":
        return "its entry asks for a report only"
    return "" if app.ready.path or app.ready.log else "its port is what says that it is ready"


def _own_checks(
    spec: CheckSpec, outage: Outage, app: AppUnderTest, *, is_killed: bool
) -> tuple[CheckSpec, ...]:
    """The checks for an app of the user's own in place of `spec`."""
    params: dict[str, Any] = dict(spec.params)
    often: dict[str, Any] = {n: params[n] for n in ("times", "replicas") if n in params}
    if "phase" in params:
        params["phase"] = outage.phase
    match spec.check:
        case "exit_code":  # which one is decided by its server, or by what kills it
            codes = () if is_killed else app.exit_codes
            return (replace(spec, check="died", params={"codes": codes, **often}),)
        case "phase_failed" if params["at_limit"] and not is_logged(outage.phase):
            limit = {"target": outage.target, **often}
            own_limit = replace(spec, check="died_at_own_limit", params=limit)
            # The wrapper does not know the app's limits.
            wrapped = replace(spec, params={**params, "at_limit": False})
            return (wrapped, own_limit) if outage.phase else (own_limit,)
        case "old_revision_held":  # its pools are its own
            params["sessions"] = 1
        case "no_port_before_ready":
            params["by_answers"] = not is_logged(outage.phase)
        case "all_phases_done" if outage.phase == LIFESPAN:
            params["phases"] = (LIFESPAN,)
        case "recovered":
            params["phase"] = of_path(outage.phase)
    return (replace(spec, params=params),)


_OF_LIVES: Mapping[str, tuple[str, Mapping[str, Value]]] = {
    "phase.started": ("process.started", {}),
    "phase.completed": ("ready.answered", {"ready": True}),
    "phase.failed": ("process.exited", {}),
}
"""The event of a whole life that stands for one of a phase, and fields that it must have."""

_KILLS = {"killed_by_probe", "memory_exceeded"}
"""Checks that somebody else ended the app, which then has no exit code of its own."""

_OF_LOGGED_PHASES = {"a_life_got_through", "not_let_through"}
"""Checks that count from the beginning of the phase in which the app connects."""

_OF_WHOLE_LIVES = {
    "a_replica_served",
    "came_from_several",
    "exit_code",
    "failure_hidden",
    "journey_passed",
    "killed_at_same_age",
    "killed_by_probe",
    "never_came",
    "listened_elsewhere",
    "memory_exceeded",
    "no_connection_left",
    "no_death",
    "no_receipt",
    "old_revision_held",
    "ready",
    "recovered",
    "restart_loop",
    "role_was_unknown",
    "rollout_stuck",
    "server_said",
    "server_said_no_error",
    "server_showed",
    "stayed_down",
}
"""Checks that need no line of the app."""
