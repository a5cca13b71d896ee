"""What a run has shown, in a few words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.model import Role
from crashloop.report.lines import Tone
from crashloop.survey.result import Met, Result
from crashloop.survey.table import died_words, outcome_words

if TYPE_CHECKING:
    from crashloop.survey.plan import Planned

DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a run has shown: `words` in a tone, and `more`, for which there may be no room."""

    words: str
    tone: Tone = Tone.PLAIN
    more: str = ""

    def __str__(self) -> str:
        return f"{self.words} ({self.more})" if self.more else self.words


def shown(run: Planned, result: Result) -> Shown:
    """The outcome; that of a control, and without a dependency, is not what the run is for."""
    asks_else = run.target or run.role is Role.CONTROL
    if asks_else and result.met not in {Met.HARNESS, Met.NEVER_STARTED, Met.DOES_NOT_APPLY}:
        return Shown(words=DONE, tone=Tone.DIM)
    words, tone = outcome_words(result)
    if result.met is Met.DOES_NOT_APPLY:
        words, tone = "does not apply", Tone.DIM
    return Shown(words=words, tone=tone, more=died_words(result))
