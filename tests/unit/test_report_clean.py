"""Text from others is made harmless before it is shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashloop.report.clean import clean, label, number


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2Jgone", "gone"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("a\nb\r\n\tc", "a b c"),
        ("bell\x07", "bell\ufffd"),
        ("[red]not markup[/red]", "[red]not markup[/red]"),
        ("left\u202eright", "left\ufffdright"),
        ("half \ud800 a pair", "half \ufffd a pair"),
    ],
)
def test_what_could_act_on_a_terminal_is_removed(hostile: str, shown: str) -> None:
    assert clean(hostile) == shown


def test_a_huge_text_is_cut_and_says_so() -> None:
    cut = clean("x" * 10_000_000, 50)

    assert len(cut) == 50
    assert cut.endswith("…")


@given(st.text(), st.integers(min_value=2, max_value=60))
def test_clean_text_is_bounded_and_holds_nothing_but_what_can_be_shown(
    text: str, limit: int
) -> None:
    shown = clean(text, limit)

    assert len(shown) <= limit
    assert not [c for c in shown if unicodedata.category(c).startswith("C")]
    shown.encode()


def test_a_label_takes_one_column_for_each_character() -> None:
    assert label("数据库") == "???"


@pytest.mark.parametrize("value", [True, "3", None, [], float("nan"), float("inf"), 10**400])
def test_only_a_sensible_number_is_a_number(value: object) -> None:
    assert number(value) is None
