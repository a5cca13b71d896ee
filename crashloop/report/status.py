"""What a run that has not ended is doing now, in a sentence. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.durations import plain
from crashloop.plural import listed, numbers
from crashloop.report.history import PhaseEnd

if TYPE_CHECKING:
    from crashloop.report.control_span import ControlSpan
    from crashloop.report.history import History, JourneySpan, LifeSpan

MAX_STATES = 6


def status(history: History) -> str:
    """What is happening now."""
    names = [history.target(name) for name, _, _ in history.dependencies]
    if not history.lab_ready and history.making:
        return f"{history.making}; needed once"
    if not history.lab_ready:
        return f"{listed([*names, 'the fault proxy'])} {'are' if names else 'is'} starting"
    if not history.lives and history.is_own_app and not _has_run(history.control):
        return _control(history.control)
    if not history.lives:
        what = f"checking the paths to {listed(names)}" if names else "about to start the app"
        return f"{what} before any fault"
    doing: dict[str, list[LifeSpan]] = {}
    journeys = {journey.replica: journey for journey in history.journeys}
    for replica, lives in history.by_replica().items():
        doing.setdefault(_doing(history, lives[-1], journeys.get(replica)), []).append(lives[-1])
    said = [
        f"{_who(history, lives)}{what}{_clock(history, lives)}"
        for what, lives in list(doing.items())[:MAX_STATES]
    ]
    return "; ".join(said) + ("; ..." if len(doing) > MAX_STATES else "")


def _has_run(control: ControlSpan | None) -> bool:
    return control is not None and bool(control.what or control.ended)


def _control(control: ControlSpan | None) -> str:
    """What happens before and in the control life."""
    if control is None or not control.started:
        return "setting up, before any fault"
    if control.ready_after_s is None:
        return "control life, before any fault: the app starts"
    return "control life, before any fault: the app is ready and is being tried"


def _who(history: History, lives: list[LifeSpan]) -> str:
    """The replicas, and the attempt that they are at if it is the same one."""
    attempts = {life.attempt for life in lives}
    if not history.several:
        return f"attempt {attempts.pop()}"
    replicas = numbers("replica", [life.replica for life in lives])
    return f"{replicas}, attempt {attempts.pop()}" if len(attempts) == 1 else replicas


def _doing(history: History, life: LifeSpan, journey: JourneySpan | None) -> str:
    if life.exit:
        return f" ended ({life.exit})" if life.died else " stopped"
    if life.kills:
        return f": the {life.kills[-1].by} had it killed"
    if life.ready_s is not None:
        return f": ready{'' if life.old else _trying(history, life, journey)}"
    return f": {_starting(history, life)}"


def _starting(history: History, life: LifeSpan) -> str:
    """How far a life that is not ready has come."""
    phase = life.last_phase
    if phase is not None:
        ended = "" if phase.outcome is PhaseEnd.RUNNING else f" {phase.outcome.value}"
        return f"phase {phase.name}{ended}"
    if life.held and life.held[-1].end_s == life.end_s:
        return f"waiting on a held connection to {history.target(life.held[-1].target)}"
    return "starting"


def _trying(history: History, life: LifeSpan, journey: JourneySpan | None) -> str:
    """How the journey of a ready life is going."""
    if not history.is_own_app or journey is not None:
        return f", and the journey {_progress(journey)}"
    ours = [one for one in history.tries if one.replica == life.replica]
    if not ours:
        return ""
    how = "passed" if ours[-1].passed else f"failed: {ours[-1].why}"
    return f", and try {ours[-1].number} of the journey {how}"


def _progress(journey: JourneySpan | None) -> str:
    if journey is not None and (journey.passed or journey.failed):
        return "passed" if journey.passed else "failed"
    return "is being tried"


def _clock(history: History, lives: list[LifeSpan]) -> str:
    """For how long the lives have been in the phase that `_doing` names, if it is running."""
    life, phase = lives[0], lives[0].last_phase
    if phase is None or phase.outcome is not PhaseEnd.RUNNING or life.exit or life.kills:
        return ""
    if life.ready_s is not None:
        return ""
    ages = [history.incident_s(one.last_phase.took_s) for one in lives if one.last_phase]
    low, high = f"{min(ages):.0f}", f"{max(ages):.0f}"
    limit = f" of {plain(history.incident_s(phase.limit_s))} s" if phase.limit_s else ""
    return f" for {low if low == high else f'{low} to {high}'} s{limit}"
