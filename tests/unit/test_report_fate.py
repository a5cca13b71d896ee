"""The outcome of the user's own app, as lines and as the object that commands print."""

from __future__ import annotations

import json
from typing import Any

import pytest
from report_runs import Told

from crashloop.model import Fate, Flag, Judgement, Outcome, Verdict
from crashloop.report.fate import (
    MEANING,
    exit_status,
    inapplicable_document,
    outcome_lines,
    result_document,
)
from crashloop.report.lines import plain

KEYS = [
    "incident", "params", "applies", "why", "outcome", "verdict", "deaths", "exit_codes",
    "recovered_after_s", "port_before_ready", "flags", "advice", "evidence", "not_asked", "trace",
]  # fmt: skip
EVIL = "[red]\x1b[2J\x1b]0;owned\x07\nline\x00" + "A" * 100_000
JUDGEMENT = Judgement(verdict=Verdict.REPRODUCED, reason="so", findings=())
NO_PHASES = "the app logs no phases"


def fate(outcome: Outcome = Outcome.RECOVERED, **fields: Any) -> Fate:
    return Fate(**{"outcome": outcome, "why": "so it was", "flags": {}, **fields})


def told(found: Fate, *, width: int = 100, **not_asked: str) -> str:
    """The lines with their line breaks taken out."""
    return " ".join(plain(outcome_lines(found, not_asked, width=width)).split())


def test_the_outcome_comes_with_its_reason_its_deaths_and_what_would_help() -> None:
    text = told(
        fate(
            deaths=4,
            exit_codes=(3, 3, 3, 137),
            flags={Flag.DATA_LOST: "order 7 is gone", Flag.SIGTERM_IGNORED: "SIGKILL ended it"},
            advice="retry inside the process",
        ),
        phase_failed=NO_PHASES,
        recovered=NO_PHASES,
        path_used="no link names a process",
    )
    for part in (
        "RECOVERED the app failed under the fault, and was back in time after the heal",
        "because so it was",
        "4 deaths: exit 3, 3 times; exit 137 (SIGKILL)",
        "data_lost: order 7 is gone sigterm_ignored: SIGKILL ended it",
        "what helps: retry inside the process",
        f"not asked: phase_failed and recovered ({NO_PHASES})",
        "not asked: path_used (no link names a process)",
    ):
        assert part in text


@pytest.mark.parametrize("outcome", [Outcome.SURVIVED, Outcome.RECOVERED, Outcome.NOT_RECOVERED])
def test_a_run_with_a_remedy_says_what_it_did_with_it_and_advises_nothing_else(
    outcome: Outcome,
) -> None:
    found = fate(outcome, advice="serve at once")
    text = " ".join(plain(outcome_lines(found, {}, remedy="mine", width=80)).split())
    assert text.startswith(f"{outcome} with the remedy mine, ")
    assert "what helps" not in text


def test_an_outcome_says_nothing_about_the_incident_which_the_verdict_does() -> None:
    for meaning in MEANING.values():
        assert "outage happened" not in meaning


def test_what_did_not_happen_is_not_mentioned() -> None:
    text = told(fate(Outcome.SURVIVED))
    for word in ("death", "what helps", "not asked"):
        assert word not in text


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_asked(outcome: Outcome, width: int) -> None:
    words = "a reason in many words " * 9
    found = fate(outcome, why=words, flags=dict.fromkeys(Flag, words), advice=words, deaths=9)
    lines = plain(outcome_lines(found, {"path_used": words}, width=width)).split("\n")
    assert max(map(len, lines)) <= width


def test_hostile_text_is_harmless_and_bounded() -> None:
    found = fate(why=EVIL, advice=EVIL, flags=dict.fromkeys(Flag, EVIL))
    text = plain(outcome_lines(found, {}, width=100))
    assert not [c for c in text if ord(c) < 32 and c != "\n"]
    assert "owned" not in text
    assert len(text) < 10_000


def test_the_result_has_the_promised_keys_in_their_order_and_is_plain_json() -> None:
    run = Told()
    run.header["scenario"] |= {"params": {"limit_s": 20.0}, "not_asked": {"path_used": "blind"}}
    flags = {Flag.DATA_LOST: "order 7 is gone"}
    found = fate(deaths=1, exit_codes=(3,), flags=flags, evidence=(4, 5))
    document = result_document(run.trace(), JUDGEMENT, found, path="kept/trace.jsonl")
    assert list(document) == KEYS
    assert json.loads(json.dumps(document)) == document
    assert document["outcome"] == "RECOVERED"
    assert document["verdict"] == "REPRODUCED"
    assert document["params"] == {"limit_s": 20.0}
    assert document["exit_codes"] == [3]
    assert document["flags"] == {"data_lost": "order 7 is gone"}
    assert document["not_asked"] == {"path_used": "blind"}


def test_an_incident_that_does_not_apply_has_the_same_keys_and_the_reason() -> None:
    document = inapplicable_document("issue-1278", {}, "the platform has no probe")
    assert list(document) == KEYS
    assert (document["applies"], document["why"]) == (False, "the platform has no probe")


@pytest.mark.parametrize(
    ("found", "status"),
    [(None, 0), (fate(), 0), (fate(Outcome.NEVER_STARTED), 13)],
)
def test_an_app_that_never_started_has_an_exit_status_of_its_own(
    found: Fate | None, status: int
) -> None:
    assert exit_status(JUDGEMENT, found) == status
