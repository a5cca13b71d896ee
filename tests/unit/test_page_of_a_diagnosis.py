"""The page of a diagnosis: complete, harmless, bounded; each line and what cites it are linked."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from html_pages import Page, read_page
from made_cases import diagnosis_of
from typer.testing import CliRunner

from crashloop.cli import app
from crashloop.diagnosis.case import Cited
from crashloop.report.page.annotated import MAX_CHARS, MAX_LINES, Annotated, Citation, Near
from crashloop.report.page.diagnosis import DiagnosisPage

if TYPE_CHECKING:
    from pathlib import Path

ROLE = """
    db  | NOTICE:  identifier "shop # Change this, too" will be truncated to "shop # Change this"
    db  | 2026-01-05 08:00:02.478 UTC [74] FATAL:  password authentication failed for user "shop"
    db  | 2026-01-05 08:00:02.478 UTC [74] DETAIL:  Role "shop" does not exist.
    shop  | INFO:     Started server process [1]
    shop  | INFO:     Waiting for application startup.
    shop  | psycopg.OperationalError: failed: FATAL:  password authentication failed for user "shop"
    shop  | ERROR:    Application startup failed. Exiting.
    shop exited with code 3
"""
NEAR = {"1.log": Near(lines=dict(enumerate(dedent(ROLE).splitlines())))}
MARKUP = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>"


def page_of(*logs: str, near: dict[str, Near] | None = None) -> Page:
    files = [f"{number}.log" for number in range(1, len(logs) + 1)]
    return read_page(DiagnosisPage(diagnosis_of(*logs), files).html(near or {}))


def diagnosed(file: str, tmp_path: Path, *, given: str | None = None) -> Page:
    to = tmp_path / "report.html"
    CliRunner().invoke(app, ["diagnose", file, "--report", str(to)], input=given)
    return read_page(to.read_text())


def test_the_page_has_the_answer_its_whys_the_causes_and_what_is_ruled_out() -> None:
    page = page_of(ROLE, near=NEAR)

    assert page.all("h1")[0].text == "env-file-comment-became-the-value"
    assert "crashloop diagnose 1.log" in page.all("header")[0].text
    assert "The database itself said" in page.by_id("whys").text
    assert "a name was created with a comment in it" in page.by_id("causes").text
    assert "wrong-password is ruled out" in page.by_id("ruled-out").text


def test_each_cited_line_is_linked_with_what_cites_it_and_back() -> None:
    page = page_of(ROLE, near=NEAR)

    ids = {one.attributes.get("id") for one in page.elements}
    links = [address.removeprefix("#") for _, address in page.references()]
    assert set(links) <= ids
    assert {"f0-1", "f0-6", "why-1", "cause-1-1", "out-1-1"} <= set(links)
    assert "Waiting for application startup" in page.by_id("f0-5").text


def test_the_page_of_logs_that_decide_nothing_says_what_would_decide() -> None:
    page = page_of("hello\nworld")

    assert page.all("h1")[0].text == "Unknown"
    assert "the log of the app" in page.by_id("decides").text


def test_hostile_lines_are_text_and_nothing_is_loaded() -> None:
    hostile = f"shop-1  | ERROR: {MARKUP} \x1b]0;title\x07 \u202eabc\n"
    log = f"{hostile}ValueError: {MARKUP}"
    page = page_of(log, near={"1.log": Near(lines={1: hostile * 1000})})

    assert page.wrong == []
    assert [len(page.all(tag)) for tag in ("script", "img")] == [1, 0]
    assert {tag for tag, _ in page.references()} <= {"a"}
    assert all(address.startswith("#") for _, address in page.references())
    assert "\u27e8U+202E\u27e9abc" in page.by_id("log").text
    assert len(page.by_id("log").text) < 10_000


def test_a_secret_beside_a_cited_line_is_masked(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("connecting to postgresql://shop:made-up-word@db/shop\nValueError: no\n")

    page = diagnosed(str(log), tmp_path)

    assert "connecting to postgresql://shop:***@db/shop" in page.by_id("log").text
    assert "made-up-word" not in "".join(one.text for one in page.all("html"))


def test_a_folder_of_artifacts_gets_the_page_as_report_html(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("ValueError: no\n")

    CliRunner().invoke(app, ["diagnose", str(log), "--artifacts", str(tmp_path / "new")])

    assert "Unknown" in (tmp_path / "new" / "report.html").read_text()


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("ValueError: no\n")

    found = CliRunner().invoke(app, ["diagnose", str(log), "--report", str(log / "report.html")])

    assert found.exit_code != 0
    assert "cannot be written" in str(found.exception or found.output)


def test_of_standard_input_only_cited_lines_are_shown_and_the_page_says_so(tmp_path: Path) -> None:
    page = diagnosed("-", tmp_path, given="before\nValueError: no\nafter\n")

    assert "cannot be read again" in page.by_id("log").text
    assert "ValueError: no" in page.by_id("log").text
    assert "before" not in page.by_id("log").text


def test_an_entry_of_cloud_logging_beside_a_cited_one_is_shown_as_its_text(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    entry = '{{"insertId": "{0}", "timestamp": "2026-01-05T08:00:0{0}Z", "textPayload": "{1}"}}\n'
    log.write_text(entry.format(1, "one moment") + entry.format(2, "ValueError: no"))

    assert "2026-01-05T08:00:01Z one moment" in diagnosed(str(log), tmp_path).by_id("log").text


def test_2000_lines_are_shown_at_most_and_the_cited_ones_first() -> None:
    cited = tuple(Cited("1.log", 10 * n, f"line {n}") for n in range(1, 400))
    log = Annotated([Citation(anchor="why-1", label="why 1", lines=cited)], {})

    wanted = log.wanted()["1.log"]
    assert len(wanted) == MAX_LINES
    assert {one.line for one in cited} <= set(wanted)

    (excerpt,) = log.excerpts({"1.log": Near(lines=dict.fromkeys(wanted, "x" * 1000))})
    assert len(excerpt.lines) == MAX_LINES
    assert max(len(line.text) for line in excerpt.lines) <= MAX_CHARS
