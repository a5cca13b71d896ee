"""The control life of the user's own app, as a record to show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSpan:
    """The control life, before any fault; times are wall seconds.

    `before` of `before_of` steps and a try of the journey (`passed`) were taken in it. `ended` is
    how it stopped when it was asked to. If it failed, `what` names where, `why` says it in a
    sentence, `exit` is how it died, if it did, and `lines` are the last of its output.
    """

    setup_s: float | None = None
    started: bool = False
    ready_after_s: float | None = None
    before: int = 0
    before_of: int = 0
    passed: bool = False
    ended: str = ""
    what: str = ""
    why: str = ""
    exit: str = ""
    lines: tuple[str, ...] = ()
