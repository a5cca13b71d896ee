"""What every platform is made of: exits, what is remembered of them, decisions, and their step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from crashloop.errors import UsageError
from crashloop.model import RestartPolicy
from crashloop.plural import often

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model import Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How one life ended: `status` is the exit code, or minus the signal's number.

    Times are seconds of the incident: `run_s` is how long the life ran, and `at_s` is how long
    after the replica's first start it ended. `draw` is a random number from 0 up to 1 for a
    platform that draws its back-off; the caller takes it from the run's seed.
    """

    status: int
    run_s: float
    at_s: float
    draw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a platform remembers of a replica: its restarts so far, and the last back-off.

    A platform that counts starts or exits within an interval has `counted` so many since
    `window_s`, in seconds of the incident after the replica's first start.
    """

    restarts: int = 0
    backoff_s: float = 0.0
    window_s: float = 0.0
    counted: int = 0


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
    and a colon ("" if nothing does); it returns None for an unknown option and raises UsageError
    for a wrong value. `aliases` are options that mean this platform without its name, too.
    `longest_backoff_s` is the longest back-off of a policy. `resets` says what makes the back-off
    start over. `has_probes`: it asks a life whether it is well; `startup` is the start-up probe
    that it has by default.
    """

    name: str
    forms: tuple[str, ...]
    parse: Callable[[str], RestartPolicy | None]
    step: Step
    grace_s: float
    longest_backoff_s: Callable[[RestartPolicy], float]
    resets: str
    aliases: tuple[str, ...] = ()
    has_probes: bool = True
    startup: Probe | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a setting may be: a number of seconds, or a whole number if `is_count`."""

    low: float
    high: float
    is_count: bool = False


def restart(state: State, *, backoff_s: float, reason: str) -> tuple[State, Decision]:
    """A restart after `backoff_s`."""
    after = replace(state, restarts=state.restarts + 1, backoff_s=backoff_s)
    return after, Decision(restart=True, backoff_s=backoff_s, reason=reason)


def give_up(state: State, reason: str) -> tuple[State, Decision]:
    """No restart."""
    return state, Decision(restart=False, backoff_s=0.0, reason=reason)


def at_limit(policy: RestartPolicy, state: State) -> str:
    """Why there are no more restarts: the policy's limit; "" if there are."""
    if policy.max_restarts and state.restarts >= policy.max_restarts:
        return f"restarted {often(state.restarts)}, which is the limit"
    return ""


def doubled_s(state: State, *, first_s: float, max_s: float) -> float:
    """Twice the last back-off, up to `max_s`; `first_s` if there was none."""
    return min(state.backoff_s * 2, max_s) or first_s


def drawn_s(ended: Exit, low_s: float, high_s: float) -> float:
    """A back-off between the two, by the draw that came with the exit."""
    return low_s + ended.draw * (high_s - low_s)


def without_options(name: str, note: str) -> Callable[[str], RestartPolicy | None]:
    """The `parse` of a platform that takes no options."""

    def parse(text: str) -> RestartPolicy | None:
        return None if text else RestartPolicy(name=name, note=note)

    return parse


def always_s(backoff_s: float) -> Callable[[RestartPolicy], float]:
    """The `longest_backoff_s` of a platform where nothing can be set."""
    return lambda _: backoff_s


def read_settings(platform: str, text: str, known: Mapping[str, Bounds]) -> dict[str, float] | None:
    """Read `NAME=VALUE`, several of them with a colon between; None for anything else.

    Raises UsageError for a value that is out of bounds or a name that comes twice.
    """
    found: dict[str, float] = {}
    for part in text.split(":"):
        name, equals, value = part.partition("=")
        if not equals or name not in known:
            return None
        if name in found:
            raise UsageError(f"{platform}: {name} is given twice", hint=f"give {name} once")
        found[name] = _number(platform, name, value, known[name])
    return found


def _number(platform: str, name: str, value: str, bounds: Bounds) -> float:
    try:
        number = float(int(value) if bounds.is_count else float(value))
    except ValueError:
        number = math.nan
    if not bounds.low <= number <= bounds.high:
        unit = "a whole number" if bounds.is_count else "a number of seconds"
        raise UsageError(
            f"{platform}: {name}={value} is not possible",
            hint=f"{name} is {unit} from {bounds.low:g} to {bounds.high:g}",
        )
    return number
