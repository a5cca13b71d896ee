"""A logged error in a few words."""

from __future__ import annotations

import pytest

from crashloop.report.words import error_words, fault_words


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ([{"type": "asyncpg.exceptions.TooManyConnectionsError", "sqlstate": "53300"}],
         "TooManyConnectionsError [53300]"),
        ([{"type": None, "errno": 111}], "ECONNREFUSED"),
        ([{"type": None, "errno": 10**30}], "?"),
        ([{"type": "Error"}, {"type": "Error", "code": "ENOTFOUND"}],
         "Error <- Error [ENOTFOUND]"),
        ([], ""),
    ],
)  # fmt: skip
def test_an_error_is_named_by_its_type_or_its_errno(
    chain: list[dict[str, object]], words: str
) -> None:
    assert error_words({"error": chain}) == words


def test_a_fault_is_written_with_its_times_and_with_what_is_on() -> None:
    params = {"low_s": 20.0, "each_client": True}
    words = fault_words({"fault_kind": "slow_connect", "params": params})
    assert words == "slow_connect, low 20 s, each_client"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"latency_s": 2.0}, "latency 2 s"),
        ({"rate_bytes_s": 50}, "rate 50 bytes/s"),
        ({"limit_bytes": 200}, "limit 200 bytes"),
        ({"connections": 3}, "connections 3"),
    ],
)
def test_a_parameter_of_a_fault_has_its_unit(params: dict[str, float], says: str) -> None:
    assert fault_words({"fault_kind": "slow", "params": params}) == f"slow, {says}"
