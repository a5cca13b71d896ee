"""Which trial of which arm comes next, and how long the rest may take. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OVERDUE = 0.25
"""The part of the time that a trial has taken which it needs at least until it ends."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """One arm's trials: which were begun, how many have ended, and the wall seconds that they took.

    `counted` of those that have ended count. `until` is the trial up to which trials may be begun;
    `expected_s` is the estimate of a trial before one has ended. `wanted` is how many trials may be
    needed to decide the arm.
    """

    until: int
    expected_s: float
    wanted: int
    begun: set[int] = field(default_factory=set)
    ended: int = 0
    counted: int = 0
    took_s: float = 0.0
    timed: int = 0
    is_decided: bool = False

    @property
    def trial_s(self) -> float:
        """Wall seconds of a trial, as those that have ended show."""
        return self.took_s / self.timed if self.timed else self.expected_s

    @property
    def waiting(self) -> int:
        """How many trials may be begun now."""
        return 0 if self.is_decided else self.until - len(self.begun)

    @property
    def work_s(self) -> float:
        """Wall seconds of the trials that may still be needed, but for those that were begun."""
        left = max(self.wanted, self.until) - len(self.begun)
        return 0.0 if self.is_decided else left * self.trial_s


class Schedule:
    """The order of the trials of `arms`, by name, each with the estimate of one trial.

    An arm is looked at after `looks` trials that count, and no trial is begun beyond those that the
    next look needs, as it may be the last. Every arm has one trial first. Then the arm comes next
    that may need most work, so that none runs alone at the end. `running` and `left_s` may be
    called from another thread.
    """

    def __init__(self, arms: Mapping[str, float], *, looks: Sequence[int]) -> None:
        self._looks = tuple(looks)
        self.arms = {
            name: Progress(until=looks[0], expected_s=expected_s, wanted=looks[0])
            for name, expected_s in arms.items()
        }
        self._running: dict[tuple[str, int], float] = {}

    def take(self, now_s: float) -> tuple[str, int] | None:
        """The arm and number of the next trial, which begins now.

        None if there is none, until another one has ended or for good.
        """
        ready = {name: one for name, one in self.arms.items() if one.waiting}
        if not ready:
            return None
        name = max(ready, key=lambda each: (not ready[each].begun, ready[each].work_s))
        begun = self.arms[name].begun
        number = next(n for n in range(1, self.arms[name].until + 1) if n not in begun)
        begun.add(number)
        self._running[name, number] = now_s
        return name, number

    def end(self, name: str, number: int, now_s: float | None = None, *, counts: bool) -> bool:
        """A trial has ended: now, or in an earlier part of the comparison.

        One that does not count is made up for, unless no trial is left. Whether the arm is to be
        looked at: nothing of it runs, and no trial may be begun.
        """
        arm = self.arms[name]
        arm.begun.add(number)
        arm.ended += 1
        arm.counted += counts
        if not counts:
            arm.until = min(arm.until + 1, self._looks[-1])
        if now_s is not None:
            arm.took_s += now_s - self._running.pop((name, number))
            arm.timed += 1
        return arm.ended == arm.until

    def look(self, name: str, *, decided: bool) -> None:
        """The arm was looked at; if it is not decided, it goes on to the next look, if any."""
        arm, most = self.arms[name], self._looks[-1]
        arm.is_decided = decided or arm.ended >= most
        if not arm.is_decided:
            missing = next(each for each in self._looks if each > arm.counted) - arm.counted
            arm.until = min(arm.ended + missing, most)

    def expect(self, name: str, trials: int | None) -> None:
        """So many trials may decide the arm, as those that have ended show; None: nobody knows."""
        arm = self.arms[name]
        arm.wanted = min(max(trials or 0, arm.until), self._looks[-1])

    def running(self, name: str) -> int:
        """How many trials of an arm run."""
        return sum(one == name for one, _ in list(self._running))

    @property
    def is_done(self) -> bool:
        """Whether every arm is decided, or has no trial left."""
        return all(each.is_decided for each in self.arms.values())

    def left_s(self, now_s: float, *, at_once: int) -> float:
        """Wall seconds that the rest may take, so many trials at once."""
        running = [
            max(self.arms[name].trial_s - (now_s - since_s), (now_s - since_s) * OVERDUE)
            for (name, _), since_s in list(self._running.items())
        ]
        waiting_s = sum(each.work_s for each in self.arms.values())
        return max([(sum(running) + waiting_s) / at_once, *running])
