"""The page of a run: complete, harmless, bounded, and readable without its script."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from crashloop_traces import TraceBuilder, reproduction
from html_pages import Page, read_page
from report_runs import OwnTold, killed_by_the_probe, own_app, three_replicas

from crashloop.incidents import incident
from crashloop.judge import judge
from crashloop.model import Finding, Judgement, Verdict
from crashloop.report.events import history_of, instants_of
from crashloop.report.page.contacts import contacts_of
from crashloop.report.page.lanes import MAX_LIVES_APART, chart_of
from crashloop.report.page.run import run_html

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

MARKUP = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>"
SAYS = Judgement(
    verdict=Verdict.INCONCLUSIVE,
    reason="nothing was judged",
    findings=(Finding(check="a_check", role="expect", holds=None, says="it", evidence=(3, 999)),),
    signature="x",
)


def never_started() -> Trace:
    return OwnTold().control_failed("died", "it died", "last line", exit_code=1)


def page_of(trace: Trace, judgement: Judgement | None = None, **values: Any) -> Page:
    return read_page(run_html(trace, judgement or judge(trace), **values))


def saying(*texts: str) -> Trace:
    """A reproduction whose app also said these texts."""
    trace = reproduction()
    last = trace.events[-1]
    said = [
        replace(
            last,
            seq=last.seq + n,
            source="app",
            kind="app.output",
            replica=1,
            attempt=1,
            data={"lines": 1, "text": text},
        )
        for n, text in enumerate(texts, start=1)
    ]
    return replace(trace, events=(*trace.events, *said))


def test_the_page_says_what_the_run_was_how_it_ended_and_how_to_run_it_again() -> None:
    trace = reproduction()

    page = page_of(trace)

    assert page.all("h1")[0].text == "issue-1278"
    head = page.all("header")[0].text
    for words in (trace.scenario["title"], "REPRODUCED", "all 11 signs", "seed 1278", "scale 20"):
        assert words in head
    assert page.all("code")[0].text == "crashloop reproduce issue-1278"
    told = page.by_id("happened").text
    assert "Attempts 1 to 3: phase database failed after 20.0 s (its limit: 20 s)" in told


def test_every_finding_links_to_the_events_that_it_rests_on() -> None:
    trace = reproduction()
    judgement = judge(trace)

    page = page_of(trace, judgement)

    ids = {one.attributes.get("id") for one in page.elements}
    links = {address for tag, address in page.references() if tag == "a"}
    assert {f"#e{seq}" for each in judgement.findings for seq in each.evidence} <= links
    assert {address.removeprefix("#") for address in links} <= ids


def test_a_cited_event_that_the_trace_lacks_is_named_as_missing() -> None:
    assert "not in this trace: 999" in page_of(reproduction(), SAYS).by_id("evidence").text


def test_of_many_events_behind_a_finding_the_page_counts_those_that_it_leaves_out() -> None:
    many = replace(SAYS.findings[0], evidence=tuple(range(1, 31)))

    text = page_of(reproduction(), replace(SAYS, findings=(many,))).by_id("evidence").text

    assert "30 events behind it: 1, 2, 3, " in text
    assert "19, 20 and 10 more" in text


def test_the_timeline_says_in_words_what_it_draws() -> None:
    page = page_of(reproduction())

    drawn = next(one for one in page.all("svg") if one.attributes.get("role") == "img")
    assert "attempt 1: phase database failed after 20 s of 20 s" in drawn.text
    assert "exit 3 in database" in drawn.text
    assert "fault connector-scaling (hold): injected at " in drawn.text
    legend = next(one for one in page.all("ul") if one.attributes.get("class") == "legend").text
    assert "phase failed" in legend
    assert "probe failed" not in legend


@pytest.mark.parametrize(
    "trace",
    [reproduction(), three_replicas(), killed_by_the_probe(), own_app(), never_started()],
    ids=["reproduction", "replicas", "probes", "own app", "never started"],
)
def test_the_page_is_well_formed_and_complete_in_itself(trace: Trace) -> None:
    page = page_of(trace, SAYS)

    assert page.wrong == []
    assert {tag for tag, _ in page.references()} <= {"a"}
    assert all(address.startswith("#") for _, address in page.references())
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    assert not [one for one in page.elements if {"style", "onclick"} & one.attributes.keys()]


def test_the_policy_allows_nothing_but_the_pages_own_style_and_script() -> None:
    page = page_of(reproduction())

    policy = next(one for one in page.all("meta") if "http-equiv" in one.attributes)
    content = policy.attributes["content"] or ""
    assert content.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in content
    assert [len(page.all(tag)) for tag in ("style", "script")] == [1, 1]


def test_without_its_script_everything_is_shown() -> None:
    page = page_of(reproduction())

    hidden = [one for one in page.elements if "hidden" in one.attributes]
    assert [one.attributes.get("id") for one in hidden] == ["filter"]


def test_markup_in_a_log_is_text() -> None:
    page = page_of(saying(MARKUP))

    assert MARKUP in page.by_id("log").text
    assert [len(page.all(tag)) for tag in ("script", "img")] == [1, 0]


def test_escapes_and_marks_that_hide_text_are_taken_out_or_made_visible() -> None:
    html = run_html(saying("\x1b[31mred\x1b]0;title\x07 abc\u202edcba\u200b\ud800"), SAYS)

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e]", html)
    assert "red abc⟨U+202E⟩dcba⟨U+200B⟩\ufffd" in html
    html.encode()


def test_a_line_without_an_end_is_cut() -> None:
    assert len(run_html(saying("x" * 1_000_000), SAYS)) < len(run_html(saying(""), SAYS)) + 10_000


def test_a_page_of_more_than_5000_events_stays_below_3_mb_and_keeps_what_is_cited() -> None:
    builder = TraceBuilder(incident("issue-1278").scenario())
    builder.opening()
    builder.started(1)
    for n in range(5100):
        builder.add("app", "app.output", attempt=1, lines=n, text='"<\u00e9' * 100)
    cited = Finding(check="c", role="expect", holds=True, says="it", evidence=(2550,))

    html = run_html(builder.trace(), replace(SAYS, findings=(cited,)))

    assert len(html.encode()) < 3_000_000
    assert '<tr id="e2550" data-l="1.1" class="c">' in html
    assert "5111 events, of which 4999 are shown" in html
    assert "earlier messages, which the trace has" in html


def test_files_beside_the_page_are_linked() -> None:
    page = page_of(saying("x"), files=("attempt-1.log", "trace.jsonl"))

    assert ("a", "trace.jsonl") in page.references()
    assert "The whole output: attempt-1.log" in page.by_id("log").text
    assert "attempt-2.log" not in page.by_id("log").text


def test_a_lane_is_named_by_its_replica_and_attempt_and_a_connection_ends_with_its_life() -> None:
    chart = chart_of(
        history_of(three_replicas()),
        contacts_of(three_replicas().events, instants_of(three_replicas())),
    )

    assert chart is not None
    labels = [lane.label for lane in chart.lanes]
    assert labels[1] == "replica 1, attempt 1"
    assert labels[-1] == "old replica 4, attempt 1"
    first = chart.lanes[1]
    alive = next(bar for bar in first.bars if bar.look == "alive")
    held = next(bar for bar in first.bars if bar.look == "held")
    assert held.x + held.width <= alive.x + alive.width


def test_many_attempts_share_the_lane_of_their_replica() -> None:
    builder = TraceBuilder(incident("issue-1278").scenario())
    builder.opening()
    for attempt in range(1, MAX_LIVES_APART + 2):
        builder.started(attempt)
        builder.exited(attempt)

    chart = chart_of(history_of(builder.trace()), ())

    assert chart is not None
    assert [lane.label for lane in chart.lanes] == [f"{MAX_LIVES_APART + 1} attempts"]
    deaths = [mark for mark in chart.lanes[0].marks if mark.look == "died"]
    assert len(deaths) == MAX_LIVES_APART + 1


def test_of_more_attempts_than_fit_the_page_counts_those_that_it_leaves_out() -> None:
    builder = TraceBuilder(incident("issue-1278").scenario())
    builder.opening()
    for attempt in range(1, 303):
        builder.started(attempt)
        builder.add("app", "app.output", attempt=attempt, lines=1, text="x")
        builder.exited(attempt)

    page = page_of(builder.trace(), SAYS)

    assert "Left out: 2 earlier attempts." in page.by_id("attempts").text
    assert "Left out: what 242 earlier attempts said" in page.by_id("log").text


def test_a_probe_that_failed_and_its_kill_are_marked_with_their_words() -> None:
    html = run_html(killed_by_the_probe(), SAYS)

    assert re.search(r"attempt 1 of replica 2: start-up probe failed \d+ in a row", html)
    assert "attempt 1 of replica 2: SIGTERM for the start-up probe" in html
