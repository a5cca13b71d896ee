"""How numbers and durations are written."""

import pytest

from crashloop.durations import plain, times, took


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1200.0, "1200"),
        (1234567.0, "1234567"),
        (20.0, "20"),
        (0.25, "0.25"),
        (0.05, "0.05"),
        (0.00001, "0.00001"),
        (0.0, "0"),
        (-1.5, "-1.5"),
        (19.99998, "20"),
    ],
)
def test_a_number_has_no_exponent(value: float, shown: str) -> None:
    assert plain(value) == shown


def test_few_times_are_listed_equal_ones_written_once_and_many_are_a_range() -> None:
    assert times([20.01, 20.02]) == "20.0"
    assert times([1.0, 3.0, 2.0]) == "1.0, 3.0, 2.0"
    assert times([1.0, 3.0, 2.0, 4.0, 5.0, 6.0, 7.0]) == "1.0 to 7.0"


def test_what_was_refused_at_once_is_in_milliseconds_of_this_machine() -> None:
    assert took([0.118, 0.25], limit_s=1.0, scale=20.0) == "118, 250 ms here"
    assert took([0.118], limit_s=1.0, scale=1.0) == "118 ms"


def test_everything_else_is_in_seconds_of_the_incident() -> None:
    assert took([0.118, 1.0], limit_s=1.0, scale=20.0) == "2.4, 20.0 s"
    assert took([0.1], limit_s=None, scale=20.0) == "2.0 s"
