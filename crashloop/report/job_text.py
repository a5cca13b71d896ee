"""One run, a proof, or a comparison in Markdown, for the summary of a GitHub job. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.loops import loops_of
from crashloop.model import Outcome, Verdict
from crashloop.model.comparison import Met
from crashloop.outcome import fate_of
from crashloop.report.clean import clean
from crashloop.report.comparison_words import conclusion, rate_words, recovery_words, sentences
from crashloop.report.events import history_of
from crashloop.report.loops import loop_sentences
from crashloop.report.markdown import markdown
from crashloop.report.sentences import sentences as happened
from crashloop.report.summary import ROLE_ENDS, meaning_of, shows_outcome, verdict_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.model import Judgement
    from crashloop.model.comparison import Comparison
    from crashloop.report.verdicts import ProofRow
    from crashloop.trace.event import Trace

AS_EXPECTED, OTHERWISE, UNCLEAR, BROKEN = "✅", "❌", "❔", "⚠️"
_MET = {Met.MET: AS_EXPECTED, Met.NOT_MET: OTHERWISE, Met.NOT_ENOUGH_TRIALS: UNCLEAR}
_OUTCOMES = {
    Outcome.SURVIVED: AS_EXPECTED,
    Outcome.RECOVERED: AS_EXPECTED,
    Outcome.INCONCLUSIVE: UNCLEAR,
}


def run_text(trace: Trace, judgement: Judgement) -> str:
    """One run: its verdict with the reason, what happened, and what runs it again."""
    return "\n".join(_run(trace, judgement)) + "\n"


def proof_text(
    incident: str, rows: Sequence[ProofRow], *, proven: bool, remedied: str, command: str
) -> str:
    """The four runs of a proof, and whether it is one."""
    return "\n".join(_proof(incident, rows, proven, remedied, command)) + "\n"


def comparison_text(comparison: Comparison, *, command: str) -> str:
    """The arms of a comparison, and what they add up to."""
    return "\n".join(_comparison(comparison, command)) + "\n"


def sign_of(verdict: Verdict, role: str) -> str:
    """Whether the verdict is the one that a run of this role must have."""
    if verdict is Verdict.HARNESS_ERROR:
        return BROKEN
    wanted, _ = ROLE_ENDS.get(role, (Verdict.REPRODUCED, ""))
    if verdict is wanted:
        return AS_EXPECTED
    return UNCLEAR if verdict is Verdict.INCONCLUSIVE else OTHERWISE


def fenced(command: str) -> Iterator[str]:
    """A command as a block that can be copied; nothing for none."""
    if command:
        yield from ("", "````", clean(command, 2000).replace("````", ""), "````")


def _run(trace: Trace, judgement: Judgement) -> Iterator[str]:
    history, fate = history_of(trace), fate_of(trace)
    yield f"### crashloop {markdown(history.incident)} ({markdown(history.role)})"
    yield ""
    if fate is not None and shows_outcome(history):
        sign = _OUTCOMES.get(fate.outcome, OTHERWISE)
        yield f"{sign} **{markdown(fate.outcome)}**: {markdown(fate.why)}"
        yield ""
    sign = sign_of(judgement.verdict, history.role)
    meaning = markdown(meaning_of(history, judgement.verdict))
    yield f"{sign} **{markdown(judgement.verdict)}**: {meaning}, because"
    yield markdown(verdict_words(history, judgement))
    yield ""
    for says in (*happened(history), *loop_sentences(loops_of(trace), history)):
        yield f"- {markdown(says)}"
    yield from fenced(history.command)


def _proof(
    incident: str, rows: Sequence[ProofRow], proven: bool, remedied: str, command: str
) -> Iterator[str]:
    sign, word = (AS_EXPECTED, "PROVEN") if proven else (OTHERWISE, "NOT PROVEN")
    yield f"### crashloop prove {markdown(incident)}"
    yield ""
    yield f"{sign} **{word}** {markdown(remedied)}".rstrip()
    yield ""
    yield "| | run | verdict | must be | |"
    yield "|---|---|---|---|---|"
    for row in rows:
        cells = [row.role, row.verdict, row.expected, row.shortfall or ROLE_ENDS[row.role][1]]
        sign = OTHERWISE if row.shortfall else AS_EXPECTED
        yield f"| {' | '.join([sign, *map(markdown, cells)])} |"
    yield from fenced(command)


def _comparison(comparison: Comparison, command: str) -> Iterator[str]:
    yield f"### crashloop compare {markdown(comparison.incident)}"
    yield ""
    yield markdown(conclusion(comparison))
    yield ""
    yield "| | remedy | connector | trials | success | loops | golden path | recovery | |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for arm in comparison.arms:
        rates = [rate_words(each) for each in (arm.success, arm.loops, arm.golden_path)]
        cells = [arm.remedy, arm.connector or "-", str(arm.counted), *rates]
        cells += [recovery_words(arm.recovery), " ".join(sentences(arm, comparison.criteria))]
        yield f"| {' | '.join([_MET[arm.result], *map(markdown, cells)])} |"
    yield from fenced(command)
