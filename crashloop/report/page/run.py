"""The page of one run, from its trace and judgement. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop import __version__
from crashloop.durations import plain
from crashloop.loops import loops_of
from crashloop.outcome import fate_of
from crashloop.plural import counted
from crashloop.report.clean import mapping
from crashloop.report.events import history_of, instants_of
from crashloop.report.loops import loop_sentences
from crashloop.report.page.contacts import contacts_of
from crashloop.report.page.document import WIDE, Part, head, page, part
from crashloop.report.page.findings import cited_by, findings_of
from crashloop.report.page.inert import inert
from crashloop.report.page.lanes import chart_of
from crashloop.report.page.lives import MAX_LIVES, attempts_of
from crashloop.report.page.log import logs_of
from crashloop.report.page.rows import rows_of, shown_events
from crashloop.report.run_whys import whys_of_run
from crashloop.report.sentences import clock_note, sentences
from crashloop.report.summary import MAX_SAYS, ending_lines
from crashloop.report.words import count_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from markupsafe import Markup

    from crashloop.diagnosis.why import Whys
    from crashloop.model import Judgement
    from crashloop.report.history import History
    from crashloop.trace.event import Trace


def run_html(trace: Trace, judgement: Judgement, *, files: Sequence[str] = ()) -> str:
    """The page; `files` are those beside it, to which it links, but not to a page."""
    files = [name for name in files if not name.endswith(".html")]
    history, instants = history_of(trace), instants_of(trace)
    cited = cited_by(judgement)
    overlap = count_of(mapping(trace.scenario.get("replicas")).get("overlap", 0))
    logs, lives_left_out = logs_of(
        trace.events,
        history=history,
        instants=instants,
        cited=cited,
        several=history.replicas + overlap > 1,
    )
    said = {one.seq for log in logs for one in log.said}
    whys = whys_of_run(trace, judgement, history)
    events = shown_events(trace.events, cited | {e.seq for why in whys.steps for e in why.events})
    rows = rows_of(events, history=history, instants=instants, cited=cited, said=said)
    chart = chart_of(history, contacts_of(trace.events, instants))
    told = [*sentences(history), *loop_sentences(loops_of(trace), history)]
    groups = findings_of(judgement, {row.seq: row for row in rows})
    events_part = part(
        "events.html", rows=rows, total=len(trace.events), lives=_lives(rows), history=history
    )
    bodies = {
        ("happened", "What happened"): part("happened.html", told=told, note=_note(history)),
        **_whys(whys, {row.seq for row in rows}),
        ("timeline", "Timeline"): part("timeline.html", chart=chart, told=" ".join(told)),
        ("evidence", "Evidence"): part("evidence.html", groups=groups),
        ("attempts", "Attempts"): part(
            "attempts.html",
            attempts=[*attempts_of(history)],
            left_out=max(len(history.lives) - MAX_LIVES, 0),
        ),
        ("log", "What the app said"): part(
            "log.html", logs=logs, files=files, left_out=lives_left_out
        ),
        ("events", "Events"): events_part,
        ("run", "This run"): part("facts.html", groups=_facts(trace, history), files=files),
    }
    parts = [
        Part(name=name, heading=heading, body=body) for (name, heading), body in bodies.items()
    ]
    title = f"{history.incident}: {judgement.verdict}"
    return page(title, parts, head=_head(trace, history, judgement), version=__version__)


def _whys(whys: Whys, shown: Collection[int]) -> dict[tuple[str, str], Markup]:
    """Why attempts died, with links to the events; no section for a run in which none did."""
    if not whys.steps:
        return {}
    steps = [
        {
            "says": inert(why.says, MAX_SAYS),
            "rests": "event" if len(why.events) == 1 else "events",
            "seqs": [(event.seq, event.seq in shown) for event in why.events],
        }
        for why in whys.steps
    ]
    return {("whys", "Why"): part("whys.html", steps=steps, ends=whys.ends)}


def _head(trace: Trace, history: History, judgement: Judgement) -> Markup:
    return head(
        history.incident,
        title=inert(trace.scenario.get("title") or ""),
        ending=ending_lines(history, judgement, fate_of(trace), width=WIDE, brief=True),
        facts=_summary(history),
        command=history.command,
    )


def _note(history: History) -> str:
    return "" if history.never_tested else clock_note(history)


def _summary(history: History) -> Iterator[str]:
    """The run in a few words."""
    yield f"{history.role} run"
    if history.remedy:
        yield f"remedy {history.remedy}"
    yield f"{history.engine} engine"
    yield counted(history.replicas, "replica")
    yield f"time scale {plain(history.scale)}" if history.is_scaled else "real time"
    yield f"seed {history.seed}"


def _lives(rows: Sequence[Any]) -> dict[str, str]:
    """The lives that rows belong to, as the filter names them."""
    return {row.life: row.who for row in rows if row.life}


def _facts(trace: Trace, history: History) -> dict[str, list[tuple[str, str]]]:
    """What is needed to understand and repeat the run, as pairs under headings."""
    header = trace.header
    return {
        "How it was run": [*_how(trace, history)],
        "Parameters of the incident": [*_named(mapping(trace.scenario.get("params")))],
        "Versions": [*_named(mapping(header.get("versions")))],
    }


def _how(trace: Trace, history: History) -> Iterator[tuple[str, str]]:
    header = trace.header
    yield "role", history.role
    if history.is_own_app:
        yield "app", inert(mapping(trace.scenario.get("app")).get("name", "?"), 60)
    if history.remedy:
        yield "remedy", history.remedy
    yield "started", inert(header.get("at", "?"), 40)
    yield "lasted", f"{history.incident_s(history.span_s):.0f} s of the incident"
    yield "here", f"{history.span_s:.1f} s, time scale {plain(history.scale)}"
    yield "seed", history.seed
    yield "engine", history.engine
    yield "restarted by", history.restarter
    yield "replicas", str(history.replicas)
    for name, _, transport in history.dependencies:
        yield history.target(name), transport
    yield "revision", inert(header.get("git_revision") or "not in a repository", 60)
    yield "run", inert(header.get("run_id", "?"), 40)
    yield "signature", inert(str(header.get("signature_sha256") or "?")[:12])


def _named(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in [*values.items()][:40]:
        if value not in (None, ""):
            yield inert(name, 40), inert(value, 120)
