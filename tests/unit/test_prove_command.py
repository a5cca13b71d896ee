"""`crashloop prove` on runs that were made before: what it prints, and the files that it leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from canned_machine import CannedMachine
from crashloop_traces import control, reproduction
from html_pages import read_page

from crashloop.commands.prove import prove
from crashloop.incidents import incident
from crashloop.options import RunOptions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a proof whose runs are a good control and three outages."""
    CannedMachine(monkeypatch, control(), reproduction())
    return tmp_path / "kept"


def run(folder: Path, *, as_json: bool) -> int:
    return prove(
        incident("issue-1278"),
        None,
        {},
        RunOptions(artifacts=folder, seed=7),
        as_json=as_json,
        no_live=True,
        summary=folder.with_name("summary.md"),
    )


def test_a_proof_ends_with_its_table_its_page_and_a_summary(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(kept, as_json=False)

    out = capsys.readouterr().out
    assert status != 0
    assert "NOT PROVEN   2 of 4 runs did not end as they must" in out
    assert f"Page      {kept}/report.html" in out
    page = read_page((kept / "report.html").read_text())
    links = [address for _, address in page.references() if not address.startswith("#")]
    assert links == [
        f"{role}/report.html" for role in ("control", "reproduction", "remedy", "unplugged")
    ]
    assert all((kept / address).is_file() for address in links)
    assert "**NOT PROVEN**" in kept.with_name("summary.md").read_text()


def test_the_document_of_a_proof_names_its_page_and_says_the_same(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(kept, as_json=True)

    document = json.loads(capsys.readouterr().out)
    assert document["exit_status"] == status
    assert document["page"] == str(kept / "report.html")
    assert "crashloop prove issue-1278" in document["command"]
