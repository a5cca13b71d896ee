"""The results as a table: what became of the app in each outage, and what it depends on. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.dependency import Need
from crashloop.model import Outcome
from crashloop.plural import counted, listed, often
from crashloop.report.clean import clean
from crashloop.report.lines import BLANK, Line, Span, Tone, line, paragraph
from crashloop.report.words import target_words
from crashloop.survey.result import Met, Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.survey.need import DependencyNeed
    from crashloop.survey.plan import Planned

NAME, OUTCOME, DIED, BACK = 30, 15, 19, 10
WORDS = {
    Outcome.SURVIVED: ("survived", Tone.GOOD),
    Outcome.RECOVERED: ("recovered", Tone.DOUBT),
    Outcome.NOT_RECOVERED: ("NOT RECOVERED", Tone.BAD),
    Outcome.NEVER_STARTED: ("never started", Tone.BAD),
    Outcome.INCONCLUSIVE: ("inconclusive", Tone.DIM),
}
_NEEDS = {Need.HARD: Tone.BAD, Need.SOFT: Tone.GOOD, Need.UNUSED: Tone.DIM, Need.UNKNOWN: Tone.DIM}
INDENT = "    "
MAX_CODES = 3
MOST_NAME = 40
LEGEND = "died: exits that nobody asked for; back after: time from the end of the outage"
LAST_LINES = 8


def results_table(results: Sequence[Result], *, width: int) -> Iterator[Line]:
    """A row for each incident that was run, with what to know about it; then the rest.

    Where the terminal is too narrow, the last columns are left out: the notes say the same.
    """
    ran = [each for each in results if each.met is not Met.DOES_NOT_APPLY]
    name = name_width([each.incident for each in ran])
    room = width - name - OUTCOME - 2
    columns = (room >= DIED) + (room > DIED + BACK)
    if ran:
        more = ["", f"{'died':{DIED}}", f"{'died':{DIED}} back after"][columns]
        yield line(Span(f"{'outage':{name}} {'outcome':{OUTCOME}} {more}".rstrip(), Tone.HEAD))
    for each in ran:
        yield _row(each, name=name, columns=columns)
        for text, tone in notes(each):
            yield from paragraph(text, width=width, indent=INDENT, hanging=f"{INDENT}  ", tone=tone)
    if columns and any(each.deaths for each in ran):
        yield from paragraph(LEGEND, width=width, tone=Tone.DIM)
        yield BLANK
    yield from rest_lines([each for each in results if each.met is Met.DOES_NOT_APPLY], width=width)


def name_width(names: Sequence[str]) -> int:
    """How wide the column of these names is."""
    return min(max([NAME, *map(len, names)]), MOST_NAME)


def _row(result: Result, *, name: int, columns: int) -> Line:
    words, tone = outcome_words(result)
    died = died_words(result) if columns else ""
    back = back_words(result) if columns > 1 else ""
    room = max(DIED + 1 + BACK - len(died), len(back) + 1)
    rest = f"{died}{back:>{room}}".rstrip()
    return line(
        f"{clean(result.incident, 60):{name}} ",
        Span(f"{words:{OUTCOME}} " if rest else words, tone),
        rest,
    )


def rest_lines(rest: Sequence[Result | Planned], *, width: int) -> Iterator[Line]:
    """Which incidents do not apply, and why, those with the same reason together."""
    if not rest:
        return
    yield line(Span("does not apply", Tone.HEAD))
    reasons: dict[str, list[str]] = {}
    for each in rest:
        name, why = clean(each.incident, 60), clean(each.why)
        reasons.setdefault(why.removeprefix(f"{name} "), []).append(name)
    for why, names in reasons.items():
        text = f"{listed(names)}: {why.removeprefix('is ')}"
        yield from paragraph(text, width=width, hanging=INDENT, tone=Tone.DIM)
    yield BLANK


def outcome_words(result: Result) -> tuple[str, Tone]:
    """The outcome in a word or two, and how it is shown."""
    if result.outcome is None or result.met is Met.HARNESS:
        failed = result.met is Met.HARNESS
        return ("harness error", Tone.BAD) if failed else ("inconclusive", Tone.DIM)
    return WORDS[result.outcome]


def died_words(result: Result) -> str:
    """`twice, exit 1 and 3`; empty where no life ended on its own."""
    if not result.deaths:
        return ""
    codes = [str(code) for code in dict.fromkeys(result.exit_codes)]
    kinds = ", ".join([*codes[:MAX_CODES], "..."]) if len(codes) > MAX_CODES else listed(codes)
    return f"{often(result.deaths)}, exit {kinds}" if codes else often(result.deaths)


def back_words(result: Result) -> str:
    """`1.8 s`; empty where the app was not away, or did not come back."""
    after_s = result.recovered_after_s
    was_away = result.deaths or result.outcome is Outcome.RECOVERED
    return f"{after_s:.1f} s" if after_s is not None and was_away else ""


def why_words(result: Result) -> str:
    """What the app did, what its survival proves, or why nothing was shown."""
    if not result.why:
        return ""
    if result.outcome is Outcome.SURVIVED and result.met is not Met.HARNESS:
        return f"proves: {result.proves or result.why}"
    is_shown = result.met is not Met.HARNESS and result.outcome not in {None, Outcome.INCONCLUSIVE}
    return f"your app: {result.why}" if is_shown else f"because {result.why}"


def notes(result: Result) -> Iterator[tuple[str, Tone]]:
    """What the outage is, why the outcome is what it is, and what would help."""
    yield f"outage: {clean(result.title)}", Tone.DIM
    yield why_words(result), Tone.PLAIN
    if result.met is Met.KNOWN:
        yield "known: the baseline accepts it", Tone.DIM
    if result.changed:
        tone = Tone.BAD if result.met is Met.NOT_MET else Tone.GOOD
        yield f"{result.changed} in the baseline", tone
    for flag, says in result.flags.items():
        yield f"{flag}: {says}", Tone.DOUBT
    if result.advice and result.outcome in {Outcome.RECOVERED, Outcome.NOT_RECOVERED}:
        yield f"what helps: {result.advice}", Tone.PLAIN


def dependencies_table(needs: Sequence[DependencyNeed], *, width: int) -> Iterator[Line]:
    """A row for each dependency: hard, soft or unused, at start and at run time, and why."""
    if not needs:
        return
    yield line(Span(f"{'dependency':{NAME}} {'at start':{OUTCOME}} at run time", Tone.HEAD))
    for each in needs:
        yield line(
            f"{target_words(clean(each.name, 40)):{NAME}} ",
            Span(f"{each.start.need:{OUTCOME}} ", _NEEDS[each.start.need]),
            Span(str(each.run.need), _NEEDS[each.run.need]),
        )
        parts = [f"at start, {clean(each.start.why)}", f"at run time, {clean(each.run.why)}"]
        notes = [(text, Tone.DIM) for text in (*parts, each.slow) if text]
        notes += [(f"{flag}: {says}", Tone.DOUBT) for flag, says in each.flags.items()]
        for text, tone in notes:
            yield from paragraph(
                clean(text), width=width, indent=INDENT, hanging=f"{INDENT}  ", tone=tone
            )


def totals(results: Iterable[Result]) -> str:
    """`2 survived, 1 recovered, 1 does not apply`."""
    found = [*results]
    counts = [
        (sum(outcome_words(each)[0] == words for each in found if each.met is not _REST), words)
        for words in dict.fromkeys([*(words for words, _ in WORDS.values()), "harness error"])
    ]
    said = [f"{count} {words.lower()}" for count, words in counts if count]
    rest = sum(each.met is _REST for each in found)
    if rest:
        said.append(f"{rest} {'does' if rest == 1 else 'do'} not apply")
    return f"{counted(len(found), 'outage')}: {listed(said)}" if said else "no outage was tried"


def last_lines(lines: Sequence[str], *, width: int) -> Iterator[Line]:
    """The app's own last lines, which its developer wants to see first."""
    if not lines:
        yield from paragraph("the app printed nothing", width=width)
        return
    yield line(Span("  the last lines of the app:", Tone.HEAD))
    for text in lines[-LAST_LINES:]:
        yield line(Span(f"{INDENT}{clean(text, max(width - len(INDENT), 20))}", Tone.DIM))


_REST = Met.DOES_NOT_APPLY
