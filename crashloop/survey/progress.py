"""How far a check is, and how long the rest may take. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.durations import about, together_s
from crashloop.model import Role
from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crashloop.survey.plan import Planned


LEAST, MOST = 0.5, 4.0
"""By how much the runs that are done may change the estimates of the others."""
OVERDUE = 0.25
"""The part of the time that a run has taken which it needs at least until it ends."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """What was planned, what runs since when, and how long what is done has taken.

    Instants are wall seconds of one clock. `at_once` is how many runs of a time scale
    share the machine.
    """

    at_once: Callable[[float], int]
    planned: dict[str, Planned] = field(default_factory=dict)
    started_s: dict[str, float] = field(default_factory=dict)
    took_s: dict[str, float] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def plan(self, runs: Iterable[Planned]) -> None:
        """Take these runs in, or their new estimates."""
        self.planned |= {each.folder: each for each in runs}

    def start(self, run: Planned, now_s: float) -> None:
        """A run has started, perhaps for the second time."""
        self.took_s.pop(run.folder, None)
        self.planned[run.folder] = run
        self.started_s[run.folder] = now_s

    def finish(self, run: Planned, now_s: float) -> None:
        """A run has ended."""
        started_s = self.started_s.pop(run.folder, now_s)
        self.took_s[run.folder] = now_s - started_s

    def skip(self, run: Planned) -> None:
        """An earlier check has its result: it takes no time, and says nothing about the others."""
        self.planned.pop(run.folder, None)

    def running(self) -> list[tuple[Planned, float, str]]:
        """What runs, since when, and the last thing that it said."""
        return [
            (self.planned[name], since_s, self.said.get(name, ""))
            for name, since_s in self.started_s.items()
        ]

    def left_s(self, now_s: float) -> float:
        """Wall seconds that the rest may take.

        A run that takes longer than expected is taken to need a part of what it has taken again.
        """
        left_s: dict[float, list[float]] = {}
        for name, run in self.planned.items():
            if name not in self.took_s:
                ran_s = now_s - self.started_s.get(name, now_s)
                least_s = ran_s * OVERDUE
                expected_s = run.expected_s * self._factor(run) - ran_s
                left_s.setdefault(run.scale, []).append(max(expected_s, least_s))
        return sum(together_s(each, self.at_once(scale)) for scale, each in left_s.items())

    def _factor(self, run: Planned) -> float:
        """By how much the estimate of a run is wrong, as runs of its kind show, else all.

        A control, which has no outage, shows nothing.
        """
        if run.role is Role.CONTROL:
            return 1.0
        done = [self.planned[name] for name in self.took_s]
        done = [each for each in done if each.role is not Role.CONTROL]
        alike = [each for each in done if (each.scale, each.way) == (run.scale, run.way)]
        chosen = alike or done
        expected_s = sum(each.expected_s for each in chosen)
        took_s = sum(self.took_s[each.folder] for each in chosen)
        return min(max(took_s / expected_s, LEAST), MOST) if expected_s else 1.0

    def words(self, now_s: float) -> str:
        """`3 of 12 runs done, about 2 min left`."""
        total = len(self.planned)
        done = f"{len(self.took_s)} of {counted(total, 'run')} done"
        return f"{done}, {about(self.left_s(now_s))} left" if total > len(self.took_s) else done
