"""Mistakes in an incident's file that are refused when it is loaded, each by one message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from incident_files import EXAMPLE, NAME, changed, written

from crashloop.errors import UsageError
from crashloop.incidents import ELSEWHERE, incident

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _none_stay_known() -> Iterator[None]:
    yield
    ELSEWHERE.use(None)


def refused(folder: Path, text: str) -> str:
    """The one message about a file with this text, beside a good one; "" if it is used."""
    ELSEWHERE.use(written(folder, a=EXAMPLE, b=text))
    assert incident(NAME)
    messages = [f"{each.why}\n{each.hint}" for each in ELSEWHERE.in_folder.left_out]
    assert len(messages) <= 1
    return "".join(messages)


def named(text: str) -> str:
    """The text of another incident than the example's."""
    return text.replace(f'"{NAME}"', '"other"')


KNOBS = {
    "of the remedy": ('{"cache_critical": False}', '{"cache_criticall": False}', "cache_critical"),
    "of the outage": ('"cache_limit_s"', '"cache_limits_s"', "cache_limit_s"),
}


@pytest.mark.parametrize(("right", "wrong", "meant"), KNOBS.values(), ids=KNOBS)
def test_a_knob_that_would_change_nothing_is_refused(
    tmp_path: Path, right: str, wrong: str, meant: str
) -> None:
    message = refused(tmp_path, named(EXAMPLE.replace(right, wrong)))

    assert "no knob of the sample app" in message
    assert f"did you mean {meant}?" in message


def test_a_misspelt_knob_of_a_second_remedy_is_refused_before_anything_starts(
    tmp_path: Path,
) -> None:
    others = "(Remedy(name='retry', says='again', knobs={'retry_z': 15.0}),)"
    ELSEWHERE.use(written(tmp_path, start_needs_the_cache=changed(others=others)))

    with pytest.raises(
        UsageError, match=r"start_needs_the_cache\.py: the remedy 'retry' of .*'retry_z'"
    ):
        incident(NAME)
