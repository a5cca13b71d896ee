"""Numbers with their nouns, and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LISTED = 6


def counted(number: int, noun: str) -> str:
    """`1 attempt`, `2 attempts`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def often(number: int) -> str:
    """`once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def numbers(noun: str, found: Sequence[int]) -> str:
    """`replica 1`, `replicas 1 and 3`, `replicas 1 to 4`: the numbers are in order."""
    if len(found) == 1:
        return f"{noun} {found[0]}"
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:  # noqa: PLR2004
        return f"{noun}s {found[0]} to {found[-1]}"
    if len(found) > MAX_LISTED:
        return f"{len(found)} {noun}s ({found[0]} to {found[-1]})"
    return f"{noun}s {listed([str(n) for n in found])}"
