"""What every platform is made of: exits, what is remembered of them, decisions, and their step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from crashloop.model import RestartPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How one life ended: `status` is the exit code, or minus the signal's number.

    `run_s` is how long it ran, in seconds of the incident.
    """

    status: int
    run_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a platform remembers of a replica: its restarts so far, and the last back-off."""

    restarts: int = 0
    backoff_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the platform does after an exit: restart after `backoff_s`, or not, and why."""

    restart: bool
    backoff_s: float
    reason: str


Step: TypeAlias = Callable[[RestartPolicy, State, Exit], tuple[State, Decision]]
"""What a platform does after an exit, and what it remembers from then on. Pure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformKind:
    """A platform as code: its name, how it is written, its restarts, its grace period.

    `forms` are what a user may write, for messages and help. `parse` reads what follows the name
    and a colon ("" if nothing does) and returns None if it cannot. `aliases` are options that mean
    this platform without its name, too. `longest_backoff_s` is its longest back-off. `has_probes`:
    it asks a life whether it is well.
    """

    name: str
    forms: tuple[str, ...]
    parse: Callable[[str], RestartPolicy | None]
    step: Step
    grace_s: float
    longest_backoff_s: float
    aliases: tuple[str, ...] = ()
    has_probes: bool = True


def restart(state: State, *, backoff_s: float, reason: str) -> tuple[State, Decision]:
    """A restart after `backoff_s`."""
    after = State(restarts=state.restarts + 1, backoff_s=backoff_s)
    return after, Decision(restart=True, backoff_s=backoff_s, reason=reason)


def give_up(state: State, reason: str) -> tuple[State, Decision]:
    """No restart."""
    return state, Decision(restart=False, backoff_s=0.0, reason=reason)
