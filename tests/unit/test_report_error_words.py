"""A logged error in a few words."""

from __future__ import annotations

import pytest

from crashloop.report.words import error_words


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
