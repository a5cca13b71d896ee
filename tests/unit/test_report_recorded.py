"""The report of real runs that an older version recorded."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from report_texts import happened, timeline_text

from crashloop.trace.reader import parse_trace

RECORDED = Path(__file__).parents[2] / "fixtures" / "recorded" / "schema-1"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("reproduction", "It touched the app 3 times, as the proxy shows."),
        ("reproduction", "Attempts 1 to 3: phase database failed after 20.0 s (its limit: 20 s)"),
        ("reproduction", "Attempt 4 was ready at "),
        ("reproduction", "The journey passed: the message was answered;"),
        ("refused", "The app's own refused connections show it, 3 times."),
        ("black-hole", "as a SYN_SENT socket of the app shows."),
        ("remedy", "Attempt 1 served from "),
        ("control", "No fault was injected: this is the control run."),
        ("unplugged", "was planned, but the injector was unplugged: nothing was injected."),
    ],
)
def test_a_run_recorded_by_an_older_version_is_reported_in_full(name: str, says: str) -> None:
    trace = parse_trace(gzip.decompress((RECORDED / f"{name}.jsonl.gz").read_bytes()))

    text = happened(trace)

    assert "Before any fault, Postgres answered through the proxy." in text
    assert says in text
    assert "replica" not in text
    assert "replica" not in timeline_text(trace)
