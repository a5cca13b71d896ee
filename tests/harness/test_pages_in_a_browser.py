"""Every page in a real Chromium: no error, no request, nothing that shuts a reader out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from browsers import violations
from comparisons import of_issue_1278
from crashloop_traces import TraceBuilder, reproduction
from made_cases import diagnosis_of
from report_runs import OwnTold, killed_by_the_probe, own_app, three_replicas

from crashloop.incidents import incident
from crashloop.judge import judge
from crashloop.model import Finding, Judgement, Verdict
from crashloop.report.page.annotated import Near
from crashloop.report.page.comparison import comparison_html
from crashloop.report.page.diagnosis import DiagnosisPage
from crashloop.report.page.proof import proof_html
from crashloop.report.page.run import run_html
from crashloop.report.verdicts import ProofRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crashloop.trace.event import Trace

pytestmark = pytest.mark.slow

SAYS = Judgement(
    verdict=Verdict.NOT_REPRODUCED,
    reason="a check was refuted",
    findings=(
        Finding(check="good", role="require", holds=True, says="it holds", evidence=(1, 2)),
        Finding(check="bad", role="expect", holds=False, says="it does not", evidence=(3, 999)),
        Finding(check="none", role="expect", holds=None, says="it saw nothing"),
    ),
    signature="x",
)
ROW = ProofRow(
    role="control", verdict=Verdict.REPRODUCED, expected=Verdict.NOT_REPRODUCED, shortfall="it died"
)
PICTURE = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
ATTACK = "</pre></details><script>window.owned = 1</script><img src=x onerror='window.owned = 1'>"


def many_events() -> Trace:
    """5,000 events of 25 lives."""
    builder = TraceBuilder(incident("issue-1278").scenario())
    builder.opening()
    for attempt in range(1, 26):
        builder.started(attempt)
        for _ in range(197):
            builder.add("app", "app.output", attempt=attempt, lines=2, text=f"{ATTACK}\n  \u202ex")
        builder.exited(attempt)
    return builder.trace()


ROLE = """
    db  | NOTICE:  identifier "shop # Change this, too" will be truncated to "shop # Change this"
    db  | 2026-01-05 08:00:02.478 UTC [74] FATAL:  password authentication failed for user "shop"
    db  | 2026-01-05 08:00:02.478 UTC [74] DETAIL:  Role "shop" does not exist.
    shop  | INFO:     Started server process [1]
    shop  | psycopg.OperationalError: failed: FATAL:  password authentication failed for user "shop"
    shop  | ERROR:    Application startup failed. Exiting.
    shop exited with code 3
"""


def diagnosis_html(log: str) -> str:
    near = Near(lines=dict.fromkeys(range(1, 9), ATTACK), note="The file was written to.")
    return DiagnosisPage(diagnosis_of(log), ["1.log"]).html({"1.log": near})


PAGES = {
    "reproduction": lambda: run_html(reproduction(), judge(reproduction())),
    "findings": lambda: run_html(reproduction(), SAYS),
    "replicas": lambda: run_html(three_replicas(), SAYS),
    "probes": lambda: run_html(killed_by_the_probe(), SAYS),
    "own app": lambda: run_html(own_app(), SAYS),
    "never started": lambda: run_html(
        OwnTold().control_failed("died", "it died", "last line", exit_code=1), SAYS
    ),
    "many events": lambda: run_html(many_events(), judge(many_events())),
    "comparison": lambda: comparison_html(
        of_issue_1278(), {"recovery-by-remedy.svg": PICTURE}, left_out={"x": "y"}, command=""
    ),
    "proof": lambda: proof_html(
        "issue-1278", [ROW], proven=False, command="crashloop prove issue-1278", pages={}
    ),
    "diagnosis": lambda: diagnosis_html(ROLE),
    "unknown": lambda: diagnosis_html(f"ValueError: {ATTACK}\n  \u202ex"),
}


@dataclass(slots=True)
class Opened:
    """A page in a tab, with what the browser asked for and complained about."""

    tab: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def context(chromium: Any) -> Iterator[Any]:
    made = chromium.new_context(viewport={"width": 1200, "height": 1000})
    yield made
    made.close()


def opened(context: Any, html: str, folder: Path) -> Opened:
    file = folder / "report.html"
    file.write_text(html, encoding="utf-8")
    found = Opened(tab=context.new_page())
    found.tab.on("request", lambda request: found.requests.append(request.url))
    found.tab.on("console", lambda message: found.complaints.append(message.text))
    found.tab.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.tab.goto(file.as_uri())
    assert found.requests == [file.as_uri()]
    return found


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_a_complaint_and_asks_for_nothing(
    context: Any, tmp_path: Path, name: str
) -> None:
    page = opened(context, PAGES[name](), tmp_path)

    page.tab.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    page.tab.keyboard.press("End")
    assert page.complaints == []
    assert len(page.requests) == 1
    assert page.tab.evaluate("window.owned") is None


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("findings", "light"),
        ("findings", "dark"),
        ("replicas", "light"),
        ("probes", "dark"),
        ("own app", "light"),
        ("never started", "dark"),
        ("comparison", "dark"),
        ("proof", "light"),
        ("diagnosis", "dark"),
        ("diagnosis", "light"),
        ("unknown", "light"),
    ],
)
def test_axe_finds_nothing_that_shuts_a_reader_out(
    context: Any, tmp_path: Path, name: str, scheme: str
) -> None:
    page = opened(context, PAGES[name](), tmp_path)
    page.tab.emulate_media(color_scheme=scheme)
    page.tab.set_viewport_size({"width": 1200, "height": 20_000})  # so that all of it is drawn
    page.tab.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")

    assert violations(page.tab) == []


@pytest.mark.parametrize("name", ["reproduction", "replicas", "proof", "diagnosis"])
def test_a_narrow_page_is_not_wider_than_its_window(
    context: Any, tmp_path: Path, name: str
) -> None:
    page = opened(context, PAGES[name](), tmp_path)

    page.tab.set_viewport_size({"width": 400, "height": 800})

    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 400


def test_the_table_of_events_can_be_filtered_and_a_link_shows_its_event_again(
    context: Any, tmp_path: Path
) -> None:
    tab = opened(context, PAGES["reproduction"](), tmp_path).tab
    rows = tab.locator("#rows tr")
    total = rows.count()

    tab.select_option("#filter-life", "1.2")
    shown = tab.locator("#rows tr:not([hidden])")

    assert {row.get_attribute("data-l") for row in shown.all()} == {"1.2"}
    assert tab.locator("#filter-count").text_content() == f"{shown.count()} of {total} shown"
    tab.locator("#evidence summary").first.click()
    tab.locator("#evidence .cited a.seq").first.click()
    assert shown.count() == total


def test_without_scripts_all_events_are_shown_and_no_filter(chromium: Any, tmp_path: Path) -> None:
    context = chromium.new_context(java_script_enabled=False)
    tab = opened(context, PAGES["reproduction"](), tmp_path).tab

    assert tab.locator("#rows tr[hidden]").count() == 0
    assert not tab.locator("#filter").is_visible()
    assert tab.locator(".timeline").is_visible()
    context.close()


def test_a_script_that_was_added_to_the_page_does_not_run(context: Any, tmp_path: Path) -> None:
    html = PAGES["reproduction"]().replace("<h1>", "<script>window.owned = 1</script><h1>", 1)

    page = opened(context, html, tmp_path)

    assert page.tab.evaluate("window.owned") is None
    assert any("Content Security Policy" in each for each in page.complaints)


def test_on_paper_only_what_findings_cite_is_left_of_the_events(
    context: Any, tmp_path: Path
) -> None:
    judgement = replace(SAYS, findings=SAYS.findings[:1])
    tab = opened(context, run_html(reproduction(), judgement), tmp_path).tab

    tab.emulate_media(media="print")

    assert [
        row.get_attribute("id") for row in tab.locator("#rows tr").all() if row.is_visible()
    ] == [
        "e1",
        "e2",
    ]
    assert tab.locator("#events .on-paper").is_visible()
