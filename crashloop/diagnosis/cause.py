"""A cause that logs can show, as data: its signs, what rules it out, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crashloop.diagnosis.case import Case
    from crashloop.trace.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Something that logs may show. `look` returns the events that show it; none: not seen.

    `says` completes "the log shows that ..." in a few words. `is_generic`: any outage may show it,
    so that it is cited beside others, makes a cause no surer and never brings one up.
    """

    says: str
    look: Callable[[Case], Sequence[Event]]
    is_generic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InLogs:
    """How a cause shows itself in logs.

    One of `decides` is enough to name it; `points` make it surer and never name it on their own;
    one of `refutes` rules it out. `explains` are the causes whose signs are this one's
    consequences, by id. One that `covers` hides what failed beneath it: both are named, it first.
    `next` is the one thing to look at.
    """

    decides: tuple[Sign, ...]
    next: str
    points: tuple[Sign, ...] = ()
    refutes: tuple[Sign, ...] = ()
    explains: tuple[str, ...] = ()
    covers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A cause by its slug, an incident's name if it is one; `meaning` is a sentence.

    `reproduce` is the command that makes it happen here; "" if there is none.
    """

    id: str
    title: str
    meaning: str
    in_logs: InLogs
    reproduce: str = ""
