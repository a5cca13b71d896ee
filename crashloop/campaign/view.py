"""What a comparison shows while it runs: a line for each arm, or plain lines as trials end."""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING, Self

from crashloop.durations import about, plain
from crashloop.model.comparison import Met
from crashloop.plural import counted
from crashloop.report.clean import clean
from crashloop.report.lines import BLANK, Line, Span, Tone, line
from crashloop.report.plain_lines import PlainLines
from crashloop.report.redrawn import Redrawn
from crashloop.report.terminal import MAX_WIDTH, Terminal, rich_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from crashloop.campaign.decision import Decision
    from crashloop.campaign.execution import Execution
    from crashloop.campaign.fairness import Fair
    from crashloop.campaign.measure import Measured
    from crashloop.campaign.plan import PlannedArm

REFRESH_PER_S = 2
AROUND = 3
NAME = 30
STATES = {
    Met.MET: ("met", Tone.GOOD),
    Met.NOT_MET: ("not met", Tone.BAD),
    Met.NOT_ENOUGH_TRIALS: ("not enough trials", Tone.DOUBT),
}
PREPARING = "control runs measure how many runs are fair at once"


class Shown:
    """What a comparison has done so far, in lines: one for each arm, and one for the whole."""

    def __init__(self) -> None:
        self.execution: Execution | None = None
        self.success: dict[str, tuple[int, int]] = {}
        self.results: dict[str, Met] = {}
        self.preparing = PREPARING
        self.is_fair = False

    def count(self, arm: PlannedArm, trial: Measured) -> None:
        """Add a trial that has ended."""
        ready, started = self.success.get(arm.name, (0, 0))
        if trial.counts:
            ready, started = ready + trial.lives_ready, started + trial.lives_started
        self.success[arm.name] = ready, started

    def words(self, now_s: float) -> str:
        """`34 trials, 2 of 18 arms decided, about 9 min left`."""
        execution = self.execution
        if execution is None or not self.is_fair:
            return self.preparing
        arms = execution.schedule.arms
        done = counted(sum(each.ended for each in arms.values()), "trial")
        finished = [name for name, each in arms.items() if each.is_decided]
        if len(finished) == len(arms):
            return done
        undecided = [self.results.get(each) for each in finished].count(Met.NOT_ENOUGH_TRIALS)
        decided = f"{len(finished) - undecided} of {counted(len(arms), 'arm')} decided"
        if undecided:
            decided += f", {undecided} undecided at the last look"
        left_s = execution.schedule.left_s(now_s, at_once=execution.at_once)
        return f"{done}, {decided}, {about(left_s)} left"

    def arm_words(self, name: str) -> tuple[str, Tone]:
        """`12 of 20 trials  success 24 of 26  2 running`."""
        assert self.execution is not None
        progress = self.execution.schedule.arms[name]
        ready, started = self.success.get(name, (0, 0))
        running = self.execution.schedule.running(name)
        trials = f"{progress.ended:3} of {progress.until:3} trials"
        success = f"success {ready} of {started}" if started else ""
        state, tone = (f"{running} running", Tone.RUNNING) if running else ("waiting", Tone.DIM)
        if progress.is_decided:
            state, tone = STATES[self.results.get(name, Met.NOT_ENOUGH_TRIALS)]
        return f"{trials}  {success:22} {state}", tone


class PlainView:
    """A context manager; writes a line for each trial that ends and each arm that is decided."""

    def __init__(self, stream: IO[str]) -> None:
        self.shown = Shown()
        self._lines = PlainLines(stream)
        self._earlier = 0

    def controls(self, at_once: int, scale: float) -> None:
        """So many controls run at once."""
        self._lines.write(f"{counted(at_once, 'control run')} at once at x{plain(scale)}")

    def unfair(self, why: str) -> None:
        """Controls were not fair; `why`, and what is tried next."""
        self._lines.write(why)

    def fair(self, fair: Fair, arms: Sequence[PlannedArm]) -> None:
        """What the controls have found, and the arms with their scales."""
        self.shown.is_fair = True
        says = f"{counted(fair.at_once, 'run')} at once at x{plain(fair.scale)}"
        self._lines.write(f"{says}: {fair.says}" if fair.says else says)
        for each in arms:
            if each.scale_note:
                self._lines.write(f"{each.name} runs at x{plain(each.scale)}: {each.scale_note}")

    def begun(self, arm: PlannedArm, number: int) -> None:
        """A trial runs: its end is shown."""

    def ended(self, arm: PlannedArm, number: int, trial: Measured, *, earlier: bool) -> None:
        """A trial has ended, now or in an earlier part of the comparison."""
        self.shown.count(arm, trial)
        if earlier:
            return
        says = f"{trial.lives_ready} of {counted(trial.lives_started, 'start')} succeeded"
        if trial.inconclusive:
            says = f"inconclusive: {trial.inconclusive}"
        elif trial.near_limit:
            says = f"not counted: {trial.near_limit[0]}"
        left = self.shown.words(time.monotonic())
        self._lines.write(f"{arm.name}, trial {number}: {says} in {trial.wall_s:.0f} s; {left}")

    def looked(self, arm: PlannedArm, decision: Decision) -> None:
        """An arm was looked at."""
        self.shown.results[arm.name] = decision.result
        words, _ = STATES[decision.result]
        self._lines.write(f"{arm.name} after {counted(decision.trials, 'trial')}: {words}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class LiveComparison(Redrawn):
    """A context manager; draws a line for each arm, and how long the rest may take."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal, times_per_s=REFRESH_PER_S)
        self.shown = Shown()
        self._why = ""

    def controls(self, at_once: int, scale: float) -> None:
        """So many controls run at once."""
        self.shown.preparing = f"{PREPARING}: {at_once} at x{plain(scale)}{self._why}"

    def unfair(self, why: str) -> None:
        """Controls were not fair; `why`, and what is tried next."""
        self._why = f" ({why})"

    def fair(self, _fair: Fair, _arms: Sequence[PlannedArm]) -> None:
        """What the controls have found."""
        self.shown.is_fair = True

    def begun(self, arm: PlannedArm, number: int) -> None:
        """A trial runs: the schedule has it."""

    def ended(self, arm: PlannedArm, _number: int, trial: Measured, *, earlier: bool) -> None:
        """A trial has ended, now or in an earlier part of the comparison."""
        del earlier  # both count
        self.shown.count(arm, trial)

    def looked(self, arm: PlannedArm, decision: Decision) -> None:
        """An arm was looked at."""
        self.shown.results[arm.name] = decision.result

    def _draw(self) -> Text:
        console = self._terminal.console
        width = min(console.width, MAX_WIDTH)
        return rich_text(
            live_lines(self.shown, now_s=time.monotonic(), width=width, height=console.height)
        )


def live_lines(shown: Shown, *, now_s: float, width: int, height: int) -> list[Line]:
    """The arms, those that are decided last, and the time left.

    Where the terminal is too low, the last of them are not shown.
    """
    if shown.execution is None:
        return [line(Span(shown.preparing, Tone.RUNNING))]
    arms = shown.execution.schedule.arms
    order = sorted(arms, key=lambda name: arms[name].is_decided)
    found = [_arm_line(shown, name, width) for name in order[: max(height - AROUND, 1)]]
    return [*found, BLANK, line(Span(shown.words(now_s), Tone.RUNNING))]


def _arm_line(shown: Shown, name: str, width: int) -> Line:
    words, tone = shown.arm_words(name)
    head = f"{clean(name, NAME):{NAME}} "
    return line(head, Span(words[: max(width - len(head), 0)], tone))
