"""The page of a proof: a row for each run, with its own page, and whether it is proven."""

from __future__ import annotations

import pytest
from html_pages import read_page

from crashloop.model import Verdict
from crashloop.report.page.proof import proof_html
from crashloop.report.verdicts import ProofRow

CONTROL = ProofRow(
    role="control",
    verdict=Verdict.NOT_REPRODUCED,
    expected=Verdict.NOT_REPRODUCED,
    shortfall="",
)
REPRODUCTION = ProofRow(
    role="reproduction",
    verdict=Verdict.INCONCLUSIVE,
    expected=Verdict.REPRODUCED,
    shortfall="nothing <i>touched</i> it",
)


@pytest.mark.parametrize("proven", [True, False])
def test_a_proof_names_its_runs_and_links_to_their_pages(*, proven: bool) -> None:
    html = proof_html(
        "issue-1278",
        (CONTROL, REPRODUCTION),
        proven=proven,
        command="crashloop prove issue-1278",
        pages={"control": "control/report.html"},
    )
    page = read_page(html)

    assert page.wrong == []
    assert page.all("title")[0].text == f"issue-1278: {'PROVEN' if proven else 'NOT PROVEN'}"
    assert ("a", "control/report.html") in page.references()
    runs = [row.text for row in page.all("tr")][1:]
    assert "nothing <i>touched</i> it" in runs[1]
    assert runs[2].startswith("remedy")
    assert all("not run" in run for run in runs[2:])
