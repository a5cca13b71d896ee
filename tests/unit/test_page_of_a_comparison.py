"""The page of a comparison: a row for each arm, what it adds up to, and its curves."""

from __future__ import annotations

import base64

from comparisons import of_issue_1278
from html_pages import read_page

from crashloop.report.comparison_words import conclusion
from crashloop.report.page.comparison import comparison_html

FOUND = of_issue_1278()


def test_a_comparison_shows_its_arms_its_conclusion_and_its_curves() -> None:
    picture = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    html = comparison_html(
        FOUND,
        {"success-by-limit.svg": picture, "success-by-limit.png": b"not shown"},
        left_out={"sigterm": "it is <no> probe"},
        command="crashloop compare issue-1278",
    )
    page = read_page(html)

    assert page.wrong == []
    assert conclusion(FOUND) in page.all("header")[0].text
    rows = [cell.text for cell in page.all("th") if cell.attributes.get("scope") == "row"]
    assert rows == [*(arm.remedy for arm in FOUND.arms), "sigterm"]
    assert "it is <no> probe" in page.by_id("left-out").text
    (image,) = page.all("img")
    source = image.attributes["src"] or ""
    assert source == f"data:image/svg+xml;base64,{base64.b64encode(picture).decode()}"
    assert image.attributes["alt"] == "Start-up success by time limit"


def test_arms_behind_different_connectors_have_a_table_each() -> None:
    page = read_page(comparison_html(FOUND, {}, left_out={}, command=""))

    connectors = {arm.connector for arm in FOUND.arms}
    assert len(page.all("table")) == len(connectors)
