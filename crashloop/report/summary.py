"""The summary of a run as lines: what happened, verdict, evidence, where it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.durations import plain
from crashloop.model import ALONE, CONTROL, Verdict
from crashloop.plural import counted
from crashloop.report.attempts import death
from crashloop.report.clean import clean
from crashloop.report.events import told_life
from crashloop.report.fate import outcome_lines
from crashloop.report.glyphs import UNICODE, Glyphs
from crashloop.report.history import LOCAL
from crashloop.report.lines import BLANK, Line, Span, Tone, command_lines, line, paragraph
from crashloop.report.loops import loop_sentences
from crashloop.report.sentences import clock_note, sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.model import Fate, Finding, Judgement, ReplicaLoop
    from crashloop.report.history import History

MAX_SAYS = 500
MAX_FINDINGS = 60

MEANING: dict[Verdict, str] = {
    Verdict.REPRODUCED: "the outage happened here as the incident describes it",
    Verdict.NOT_REPRODUCED: "a fair test, and the outage did not happen",
    Verdict.INCONCLUSIVE: "no conclusion: some of the evidence that a verdict needs is missing",
    Verdict.HARNESS_ERROR: "crashloop itself broke, so this says nothing about the app",
}
"""What each verdict means, in one line."""

MEANING_ALONE = MEANING | {
    Verdict.REPRODUCED: "the fault acted here, and the run shows its signs",
    Verdict.NOT_REPRODUCED: "a fair test, and the run does not show the signs of the fault",
}
"""What each verdict means about one fault alone."""

ROLE_ENDS: dict[str, tuple[Verdict, str]] = {
    "control": (Verdict.NOT_REPRODUCED, "no fault, so the app must start"),
    "reproduction": (Verdict.REPRODUCED, "the fault is in place, so the outage must happen"),
    "remedy": (Verdict.NOT_REPRODUCED, "the same fault, but with the remedy on the app must serve"),
    "unplugged": (Verdict.INCONCLUSIVE, "a fault that is only planned must prove nothing"),
}
"""How each of a proof's runs must end, and why."""

_WITH_FAULT = ("reproduction", "remedy")

TONES: dict[Verdict, Tone] = {
    Verdict.REPRODUCED: Tone.REPRODUCED,
    Verdict.NOT_REPRODUCED: Tone.NOT_REPRODUCED,
    Verdict.INCONCLUSIVE: Tone.INCONCLUSIVE,
    Verdict.HARNESS_ERROR: Tone.HARNESS_ERROR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where the evidence is: a folder (or a trace's path), the files in it, the page of the run.

    `command` runs it again.
    """

    folder: str
    files: tuple[str, ...] = ()
    page: str = ""
    command: str = ""


def title(history: History, *, width: int = 0) -> Line:
    """The run in one line: incident, role, engine if not local, replicas, scale, seed, paths.

    Where `width` is given and too small for all of it, the paths are left out.
    """
    scale = f"x{plain(history.scale)}" if history.is_scaled else "real time"
    engine = [history.engine] if history.engine != LOCAL else []
    replicas = [counted(history.replicas, "replica")] if history.replicas > 1 else []
    paths = [f"{name} {transport}" for name, _, transport in history.dependencies]
    facts = "  ".join([history.role, *engine, *replicas, scale, f"seed {history.seed}"])
    whole = "  ".join([facts, *paths])
    fits = not width or len(history.incident) + 2 + len(whole) <= width
    return line(Span(history.incident, Tone.HEAD), Span(f"  {whole if fits else facts}", Tone.DIM))


def summary(
    history: History,
    judgement: Judgement,
    *,
    fate: Fate | None = None,
    loops: Sequence[ReplicaLoop] = (),
    where: Where | None = None,
    width: int = 100,
    glyphs: Glyphs = UNICODE,
) -> list[Line]:
    """Everything below the timeline; no line is wider than `width`, but long paths.

    `fate` is that of the user's own app. Where it did not start without a fault, its own last lines
    come first: nothing else says more. `loops` are what the replicas' starts and deaths amount to.
    """
    lines: list[Line] = []
    if history.never_tested:
        lines += [*ending_lines(history, judgement, fate, width=width), BLANK]
    lines.append(line(Span("What happened", Tone.HEAD)))
    for sentence in (*sentences(history), *loop_sentences(loops, history)):
        lines += paragraph(sentence, width=width, indent=f"  {glyphs.dot} ", hanging="    ")
    note = clock_note(history)
    if note and not history.never_tested:
        lines += [BLANK, *paragraph(note, width=width, tone=Tone.DIM)]
    if not history.never_tested:
        lines += [BLANK, *ending_lines(history, judgement, fate, width=width)]
        lines += [BLANK, *evidence(judgement, width=width, glyphs=glyphs)]
    if where is not None:
        lines += [BLANK, *where_lines(where, width=width)]
    return lines


def ending_lines(
    history: History, judgement: Judgement, fate: Fate | None, *, width: int, brief: bool = False
) -> Iterator[Line]:
    """The outcome of the user's own app, its last lines, and the verdict about the incident.

    A run in which no fault acts has no outcome worth showing, unless the app did not start. If it
    is `brief`, last lines are shown in that case only.
    """
    is_shown = history.never_tested or not brief
    output = [*output_lines(history, width=width)] if is_shown else []
    if not shows_outcome(history):
        fate = None
    if fate is not None:
        not_asked = {} if history.never_tested else history.not_asked
        yield from outcome_lines(fate, not_asked, remedy=history.remedy, width=width)
        yield from output
        yield BLANK
    yield from verdict_lines(history, judgement, width=width)
    if fate is None and judgement.verdict is not Verdict.REPRODUCED:
        yield from output


def shows_outcome(history: History) -> bool:
    """Whether a fault acted, or the app did not start: else an outcome is not worth showing."""
    return history.role in _WITH_FAULT or history.never_tested


def verdict_lines(history: History, judgement: Judgement, *, width: int) -> Iterator[Line]:
    """The verdict with its meaning, its reason, and what the role should have ended with."""
    verdict = judgement.verdict
    wanted, why = ROLE_ENDS.get(history.role, (None, ""))
    tone = Tone.REPRODUCED if verdict is wanted else TONES[verdict]
    badge, meaning = f" {verdict} ", meaning_of(history, verdict)
    if len(badge) + 2 + len(meaning) <= width:
        yield line(Span(badge, tone), f"  {meaning}")
    else:
        yield line(Span(badge, tone))
        yield from paragraph(meaning, width=width)
    yield from paragraph(f"because {verdict_words(history, judgement)}", width=width)
    if history.unfair_scale and verdict is Verdict.REPRODUCED:
        yield from paragraph(f"but {history.unfair_scale}", width=width, tone=Tone.DOUBT)
    if history.ending.hint and verdict is Verdict.HARNESS_ERROR:
        yield from paragraph(f"what to do: {history.ending.hint}", width=width)
    if wanted is not None and history.role != "reproduction":
        how = "ended as it must" if verdict is wanted else f"must end {wanted}"
        text = f"the {history.role} run {how}: {why}"
        yield from paragraph(text, width=width, tone=Tone.DIM)


def meaning_of(history: History, verdict: Verdict) -> str:
    """What the verdict means for this run, in one line."""
    died = [life for life in history.lives if life.died]
    if verdict is not Verdict.NOT_REPRODUCED or not died:
        is_alone = history.incident.startswith(ALONE)
        return MEANING_ALONE[verdict] if is_alone else MEANING[verdict]
    return f"a fair test, and another outage happened instead: {death(history, died)}"


def verdict_words(history: History, judgement: Judgement) -> str:
    """The reason of the verdict: what was seen, or what was not."""
    if judgement.verdict is not Verdict.REPRODUCED:
        return clean(judgement.reason, MAX_SAYS)
    required = [f for f in judgement.findings if f.role == "require"]
    expected = [f for f in judgement.findings if f.role == "expect"]
    what = "fault" if history.incident.startswith(ALONE) else "incident"
    signs = f"all {len(expected)} signs of the {what} were seen"
    if len(expected) == 1:
        signs = f"the sign of the {what} was seen"
    return (
        f"the test was fair (all {len(required)} requirements met) and {signs} "
        f"(signature {clean(judgement.signature, 60)})"
    )


def evidence(judgement: Judgement, *, width: int, glyphs: Glyphs = UNICODE) -> Iterator[Line]:
    """Every finding: whether it holds, what it says, its check, and its lines of the trace."""
    heads = {"require": "Was it a fair test?", "expect": "Does it look like the incident?"}
    for role, head in heads.items():
        found = [f for f in judgement.findings if f.role == role][:MAX_FINDINGS]
        if found:
            yield line(Span(head, Tone.HEAD))
        for finding in found:
            yield from _finding(finding, width=width, glyphs=glyphs)


def _finding(finding: Finding, *, width: int, glyphs: Glyphs) -> Iterator[Line]:
    word, mark, tone = {
        True: ("holds", glyphs.holds, Tone.GOOD),
        False: ("refuted", glyphs.refuted, Tone.BAD),
        None: ("saw nothing", glyphs.nothing, Tone.DOUBT),
    }[finding.holds]
    head = f"  {mark} {word:12}"
    seqs = ", ".join(str(n) for n in finding.evidence)
    source = f"[{clean(finding.check, 60)}{f', seq {seqs}' if seqs else ''}]"
    room = width - len(head)
    said = [*paragraph(clean(finding.says, MAX_SAYS), width=room, indent="")] or [line("-")]
    if sum(len(span.text) for span in said[-1]) + 2 + len(source) <= room:
        said[-1] = (*said[-1], Span(f"  {source}", Tone.DIM))
    else:
        said += paragraph(source, width=room, indent="", tone=Tone.DIM)
    pad = " " * len(head)
    for n, one in enumerate(said):
        yield line(pad if n else Span(head, tone), *one)


def output_lines(history: History, *, width: int) -> Iterator[Line]:
    """The app's last lines, where a life died, the last was never ready, or the control failed."""
    life, control = told_life(history), history.control
    whose, log, found = "", history.log, history.output
    if control is not None and control.what:
        is_setup = control.what == "setup"
        whose = "the setup command" if is_setup else "the control life"
        log, found = "" if is_setup else CONTROL.log_name(several=False), control.lines
    elif life is not None and (life.died or life.ready_s is None):
        whose = history.name(life)
    if not whose or not found:
        return
    yield BLANK
    yield line(Span(f"Last lines of {whose}", Tone.HEAD), f"  ({log})" if log else "")
    for one in found:
        indent = "  " + " " * (len(one) - len(one.lstrip()))
        yield from paragraph(one.lstrip(), width=width, indent=indent)


def where_lines(where: Where, *, width: int) -> Iterator[Line]:
    """Where the evidence and the page are, and the command that runs it again."""
    yield line(Span("Evidence  ", Tone.HEAD), clean(where.folder, 1000))
    if where.files:
        yield from paragraph(
            ", ".join(clean(name, 80) for name in where.files[:20]),
            width=width,
            indent=" " * 10,
            tone=Tone.DIM,
        )
    if where.page:
        yield line(Span("Page      ", Tone.HEAD), clean(where.page, 1000))
    if where.command:
        yield from command_lines("Again     ", where.command, width=width)
