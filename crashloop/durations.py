"""Numbers and durations as they are written everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE = 0.25
"""What fails within this share of its limit was refused at once and did not hang."""

_MAX_LISTED = 6
_SMALL = 0.1


def plain(value: float) -> str:
    """`1200`, `0.25`: no exponent, three decimals at most, six for small ones.

    Settings carry microseconds, so that a limit of 20 s may come as 19.99998 s.
    """
    text = f"{value:.{6 if abs(value) < _SMALL else 3}f}"
    return text.rstrip("0").rstrip(".")


def times(values: Sequence[float], digits: int = 1) -> str:
    """A few values one by one, the range of many; equal ones are written once."""
    shown = [f"{value:.{digits}f}" for value in values]
    if len(set(shown)) == 1:
        return shown[0]
    if len(shown) <= _MAX_LISTED:
        return ", ".join(shown)
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def took(wall_s: Sequence[float], *, limit_s: float | None, scale: float) -> str:
    """How long phases took, with the unit: `20.0 s` of the incident, or `118 ms here`.

    Where all failed at once, real work and not the limit decided how long they took: that is in
    milliseconds of this machine's clock. `limit_s` is in wall seconds, too.
    """
    if limit_s and max(wall_s) <= AT_ONCE * limit_s:
        here = "" if scale == 1 else " here"
        return f"{times([each * 1000 for each in wall_s], 0)} ms{here}"
    return f"{times([each * scale for each in wall_s])} s"


def together_s(expected_s: Sequence[float], at_once: int) -> float:
    """How long runs take that are made so many at once: no less than the longest of them."""
    return max([sum(expected_s) / at_once, *expected_s])


def about(seconds: float) -> str:
    """A time as it is promised: `about 40 s`, `about 3 min`."""
    if seconds < 90:  # noqa: PLR2004  until then, seconds are read more easily
        return f"about {max(5, round(seconds / 5) * 5)} s"
    return f"about {round(seconds / 60)} min"
