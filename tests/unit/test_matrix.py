"""Each signature of the library against the traces of others."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from crashloop_edits import changed
from matrices import HANGS, LOADS, RETRIES, SLOTS, TRACES, UNLIKE, loosened, small

from crashloop.errors import UsageError
from crashloop.faults import KINDS
from crashloop.incidents import INCIDENTS, incident
from crashloop.matrix.cell import COUNTS, Cell, Expected, column
from crashloop.matrix.library import library
from crashloop.matrix.page import COMMAND, page
from crashloop.matrix.result import Found, What
from crashloop.matrix.table import matrix_page, totals
from crashloop.model import CheckSpec, Verdict
from crashloop.report.lines import plain

if TYPE_CHECKING:
    from crashloop.incidents.parameter import Params
    from crashloop.matrix.library import Library


def found(known: Library, *without: str) -> Found:
    columns = [column(TRACES[name], name, known) for name in known.traces if name not in without]
    return Found(library=known, columns=tuple(columns), absent=dict.fromkeys(without, "no room"))


def cell(result: Found, signature: str, trace: str) -> Cell:
    (one,) = [c for c in result.cells if (c.signature, c.trace) == (signature, trace)]
    return one


def test_by_default_every_incident_and_every_fault_that_is_run_alone_has_a_trace() -> None:
    known = library()
    faults = [f"fault:{kind}" for kind, each in KINDS.items() if each.alone is not None]
    assert known.signatures == tuple(sorted(INCIDENTS))
    assert known.traces == (*sorted(INCIDENTS), *faults)


def test_each_signature_matches_its_own_trace_and_no_other() -> None:
    result = found(small())
    matches = {(c.signature, c.trace) for c in result.cells if c.verdict is Verdict.REPRODUCED}
    assert len(result.cells) == 9
    assert matches == {(name, name) for name in TRACES}
    assert (result.exit_status, result.false_matches, result.missing) == (0, [], [])


def test_a_rejected_cell_names_the_finding_that_refutes_it() -> None:
    for one in found(small()).cells:
        if one.verdict is Verdict.NOT_REPRODUCED:
            assert one.decided_by is not None
            assert (one.decided_by.role, one.decided_by.holds) == ("expect", False)
    found_by = cell(found(small()), HANGS, SLOTS).decided_by
    assert found_by is not None
    assert (found_by.check, "53300" in found_by.says) == ("phase_failed", True)


def test_a_signature_that_is_too_loose_is_a_false_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INCIDENTS, RETRIES, loosened(RETRIES))
    result = found(small())
    assert [(c.signature, c.trace) for c in result.false_matches] == [
        (RETRIES, HANGS),
        (RETRIES, SLOTS),
    ]
    assert result.exit_status == 10
    shown = plain(matrix_page(result, folder="kept", width=100))
    assert f"{RETRIES} against {HANGS}: " in shown
    assert "NOT AS EXPECTED" in shown
    assert "2 false matches" in totals(result)


def test_an_overlap_that_the_incident_declares_is_no_false_match(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    overlaps = {HANGS: "the same loop", SLOTS: "the same refusal"}
    monkeypatch.setitem(INCIDENTS, RETRIES, loosened(RETRIES, overlaps=overlaps))
    result = found(small())
    assert cell(result, RETRIES, HANGS).expected is Expected.OVERLAP
    assert (result.exit_status, result.false_matches) == (0, [])
    assert f"{RETRIES} against {HANGS}: the same loop" in plain(
        matrix_page(result, folder="", width=100)
    )
    assert f"| `{RETRIES}` | `{HANGS}` | the same loop |" in page(result)


def test_an_overlap_counts_whichever_of_the_two_declares_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(INCIDENTS, RETRIES, loosened(RETRIES, overlaps={HANGS: "the same loop"}))
    declared = replace(INCIDENTS[SLOTS], overlaps={RETRIES: "the same refusal"})
    monkeypatch.setitem(INCIDENTS, SLOTS, declared)
    result = found(small())
    assert cell(result, RETRIES, SLOTS).expected is Expected.OVERLAP
    assert (result.exit_status, result.false_matches) == (0, [])
    assert f"| `{RETRIES}` | `{SLOTS}` | the same refusal |" in page(result)


@pytest.mark.parametrize(("name", "meant"), [("issue-1279", "issue-1278"), (RETRIES, "")])
def test_an_overlap_with_no_other_run_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setitem(INCIDENTS, RETRIES, replace(INCIDENTS[RETRIES], overlaps={name: "why"}))
    with pytest.raises(UsageError, match=f"{RETRIES} declares an overlap with '{name}'") as caught:
        library()
    assert meant in caught.value.hint


def test_a_declared_overlap_that_is_none_is_shown_so(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = replace(INCIDENTS[RETRIES], overlaps={HANGS: "the same loop"})
    monkeypatch.setitem(INCIDENTS, RETRIES, declared)
    result = found(small())
    assert result.exit_status == 0
    assert "NOT_REPRODUCED here; the same loop" in plain(matrix_page(result, folder="", width=120))


def test_a_cell_names_what_rejects_the_trace_besides_the_number_of_deaths(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(INCIDENTS, "other", replace(loosened(HANGS), name="other"))
    other = {"other": incident("other").scenario()}
    known = replace(small(HANGS), traces=("other",), scenarios={**small(HANGS).scenarios, **other})
    trace = changed(
        changed(UNLIKE, "process.exited", attempt=1, exit_code=1),
        "process.exited",
        attempt=2,
        exit_code=1,
    )
    (one,) = column(trace, "other", known).cells
    assert (one.verdict, one.by_count) == (Verdict.NOT_REPRODUCED, False)
    assert one.decided_by is not None
    assert one.decided_by.check == "exit_code"


def test_where_a_signature_asks_for_another_path_its_expectations_reject_the_trace() -> None:
    one = cell(found(small(LOADS)), LOADS, HANGS)
    assert (one.verdict, one.unmet) == (Verdict.NOT_REPRODUCED, "path_used")
    assert one.decided_by is not None
    assert one.decided_by.role == "expect"


def test_where_a_signature_asks_for_another_path_its_expectations_never_match(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(INCIDENTS, LOADS, loosened(LOADS))
    result = found(small(LOADS))
    one = cell(result, LOADS, HANGS)
    assert (one.verdict, one.unmet) == (Verdict.INCONCLUSIVE, "")
    assert one.decided_by is not None
    assert (one.decided_by.check, one.decided_by.role) == ("path_used", "require")
    assert one in result.inconclusive
    assert result.rejected_share == 0.0


def test_a_trace_that_only_the_number_of_deaths_rejects_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def expect(params: Params) -> tuple[CheckSpec, ...]:
        return tuple(
            replace(spec, params={**spec.params, **dict.fromkeys(COUNTS & set(spec.params), 2)})
            for spec in INCIDENTS[HANGS].expect(params)
        )

    monkeypatch.setitem(INCIDENTS, "twice", replace(INCIDENTS[HANGS], name="twice", expect=expect))
    twice = {"twice": incident("twice").scenario()}
    known = replace(small(HANGS), traces=("twice",), scenarios={**small(HANGS).scenarios, **twice})
    result = Found(library=known, columns=(column(UNLIKE, "twice", known),))
    one = cell(result, HANGS, "twice")
    assert (one.verdict, one.by_count) == (Verdict.NOT_REPRODUCED, True)
    assert result.by_count == [one]
    shown = plain(matrix_page(result, folder="", width=100))
    assert "rejected by the number of deaths alone" in shown
    assert not any(each.by_count for each in found(small()).cells)
    declared = replace(known, overlaps={HANGS: {"twice": "it is the same outage"}})
    (overlap,) = column(UNLIKE, "twice", declared).cells
    assert (overlap.verdict, overlap.by_count) == (Verdict.REPRODUCED, False)


def test_a_signature_that_does_not_match_its_own_trace_is_missing_on_the_diagonal() -> None:
    known = small()
    columns = [column(UNLIKE if n == HANGS else TRACES[n], n, known) for n in known.traces]
    result = Found(library=known, columns=tuple(columns))
    assert [(each.what, each.name) for each in result.missing] == [(What.DIAGONAL, HANGS)]
    assert result.exit_status == 10
    assert [c.signature for c in result.cells if c.trace == HANGS] == [HANGS]


def test_a_trace_that_does_not_show_its_fault_is_a_missing_trace() -> None:
    scenarios = {"fault:hold": incident("fault:hold").scenario()}
    known = replace(small(), traces=("fault:hold",), scenarios={**small().scenarios, **scenarios})
    result = Found(library=known, columns=(column(TRACES[HANGS], "fault:hold", known),))
    assert [(each.what, each.name) for each in result.missing] == [(What.TRACE, "fault:hold")]
    assert (result.exit_status, result.cells, result.rejected_share) == (11, [], None)


def test_a_missing_trace_counts_less_than_a_false_match(monkeypatch: pytest.MonkeyPatch) -> None:
    result = found(small(), SLOTS)
    assert [each.to_json() for each in result.missing] == [
        {"what": "trace", "name": SLOTS, "why": "no room"}
    ]
    assert result.exit_status == 11
    monkeypatch.setitem(INCIDENTS, RETRIES, loosened(RETRIES))
    assert found(small(), SLOTS).exit_status == 10


def test_the_matrix_of_one_incident_has_its_row_and_its_column() -> None:
    known = library([SLOTS])
    assert known.against(SLOTS) == sorted(INCIDENTS)
    assert known.against(HANGS) == [SLOTS]
    assert known.has_diagonal(SLOTS)
    assert not known.has_diagonal(HANGS)


def test_the_traces_can_be_named_and_those_of_the_incidents_come_too() -> None:
    known = library([SLOTS], ["fault:hold", SLOTS])
    assert known.traces == (SLOTS, "fault:hold")
    assert library((), [HANGS]).traces == (HANGS,)


@pytest.mark.parametrize(
    ("names", "against", "message"),
    [
        (["issue-1279"], [], "did you mean issue-1278"),
        (["fault:hold"], [], "is no incident"),
        (["fault:hol"], [], "did you mean hold"),
        ([], ["issue-1279"], "did you mean issue-1278"),
        ([], ["fault:revision_change"], "cannot be run alone"),
        ([], ["dependency:postgres:silent"], "needs an app of your own"),
    ],
)
def test_a_name_that_has_no_signature_or_no_trace_is_wrong_usage(
    names: list[str], against: list[str], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        library(names, against)
    assert message in str(caught.value)


def test_the_page_has_a_row_for_each_trace_and_the_checks_that_reject() -> None:
    result = found(small())
    shown = page(result)
    assert f"| 1 | `{HANGS}` | **=** | · | · |" in shown
    assert f"### 1. {HANGS}" in shown
    assert "| `phase_failed` | " in shown
    assert "Missing" not in shown
    assert f"| `{SLOTS}` | no room |" in page(found(small(), SLOTS))


def test_a_terminal_shows_all_about_one_incident_with_what_decides() -> None:
    known = replace(small(), about=frozenset({SLOTS}))
    result = found(known)
    shown = plain(matrix_page(result, folder="", width=100))
    assert f"the signature of {SLOTS} against the trace of" in shown
    assert f"the trace of {SLOTS} against the signature of" in shown
    assert "(phase_failed)" in shown
    assert len(result.cells) == 5


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for known in (small(), replace(small(), about=frozenset({SLOTS}))):
        shown = plain(matrix_page(found(known, RETRIES), folder="kept", width=width))
        assert max(map(len, shown.splitlines())) <= width


def test_overlaps_name_runs_of_the_library_and_have_a_reason() -> None:
    for each in INCIDENTS.values():
        for name, why in each.overlaps.items():
            assert name != each.name
            assert incident(name).scenario()
            assert why


def test_the_page_in_docs_has_the_traces_and_the_overlaps_of_the_library() -> None:
    shown = (Path(__file__).parents[2] / "docs" / "matrix.md").read_text()
    again = f"docs/matrix.md is out of date; write it again: {COMMAND}"
    known = library()
    assert shown.startswith(page(found(small())).partition("## The table")[0]), again
    table, _, overlaps = shown.partition("### Declared overlaps")
    overlaps, _, _ = overlaps.partition("###")
    assert re.findall(r"^\| \d* ?\| `([^`]+)` \|", table, re.MULTILINE) == [*known.traces], again
    assert set(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", overlaps, re.MULTILINE)) == {
        (name, trace) for name, declared in known.overlaps.items() for trace in declared
    }, again
