"""The signs that causes are made of: each looks for events of one kind in a case.

An error counts only where it was the last before a life failed to start, and in at least half of
the lives that logged one: what an app logs beside its failure is not its cause. Where a single life
of a source failed, it is the one that left the lifespan, or else each may be the one. If one of
them is a mistake in code, the app may have handled the others, so they decide nothing.
"""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any

from crashloop.diagnosis.cause import Sign
from crashloop.diagnosis.chain import ends_in_code, links
from crashloop.logs.event import EXITED, PLATFORM_SAID, PROBE_FAILED, SERVER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crashloop.diagnosis.case import Case, LifeLog
    from crashloop.trace.event import Event

HALF = 0.5
KILLED = 128 + signal.SIGKILL


def error(
    says: str,
    *,
    types: tuple[str, ...] = (),
    sqlstates: tuple[str, ...] = (),
    errnos: tuple[int, ...] = (),
    message: str = "",
) -> Sign:
    """Lives ended with an error of which one link has all that is given here.

    A type is qualified, or a class's name alone. A SQLSTATE may be a class of two characters.
    `message` is searched for.
    """
    pattern = re.compile(message) if message else None

    def fits(link: Mapping[str, Any]) -> bool:
        return (
            (not types or _is_type(link.get("type"), types))
            and (not sqlstates or str(link.get("sqlstate") or "").startswith(sqlstates))
            and (not errnos or link.get("errno") in errnos)
            and (pattern is None or pattern.search(str(link.get("message"))) is not None)
        )

    return fatal(says, lambda event: any(fits(link) for link in links(event)))


def fatal(says: str, fits: Callable[[Event], bool]) -> Sign:
    """Lives ended with an error that fits, at least half of those that logged one."""

    def look(case: Case) -> Sequence[Event]:
        suspects = [each for life in case.failed if (each := case.suspects(life))]
        found = [_agreeing(each, fits) for each in suspects]
        is_half = sum(map(bool, found)) >= HALF * len(suspects)
        return [event for each in found for event in each] if is_half else ()

    return Sign(says=says, look=look)


def _agreeing(suspects: Sequence[Event], fits: Callable[[Event], bool]) -> Sequence[Event]:
    """The suspects of one life that fit; none if another one is a mistake in code."""
    others = [event for event in suspects if not fits(event)]
    return () if any(map(ends_in_code, others)) else [e for e in suspects if fits(e)]


def server_log(
    says: str,
    *,
    kind: str = "database.said",
    severity: tuple[str, ...] = (),
    message: str = "",
    detail: str = "",
) -> Sign:
    """A dependency's own log has a message that fits; the patterns are searched for."""
    in_message, in_detail = re.compile(message), re.compile(detail)

    def fits(data: Mapping[str, Any]) -> bool:
        return (
            (not severity or data.get("severity") in severity)
            and in_message.search(str(data.get("message", ""))) is not None
            and in_detail.search(str(data.get("detail", ""))) is not None
        )

    return Sign(says=says, look=lambda case: [e for e in case.trace.of(kind) if fits(e.data)])


def answered(says: str, *, message: str = "", detail: str = "") -> Sign:
    """Postgres' own log has a refusal that fits, and a life that failed had it as its error.

    What a server logs of others, such as a health check without a role, is no sign.
    """
    said = server_log(says, message=message, detail=detail)

    def look(case: Case) -> Sequence[Event]:
        told = [str(link.get("message")) for event in case.fatal for link in links(event)]
        return [e for e in said.look(case) if any(e.data["message"] in text for text in told)]

    return Sign(says=says, look=look)


def server_was_ready() -> Sign:
    """Postgres was ready: it agrees with a cause, and says nothing of it."""
    ready = server_log("the database was ready", message="^database system is ready to accept")
    return Sign(says=ready.says, look=ready.look, is_generic=True)


def web_server(says: str, *what: str, text: str = "") -> Sign:
    """A web server said one of these of itself: `startup_failed`, `listening` ..."""
    pattern = re.compile(text)

    def look(case: Case) -> Sequence[Event]:
        found = [e for e in case.trace.of(SERVER) if e.data["says"] in what]
        return [e for e in found if pattern.search(str(e.data.get("text", "")))]

    return Sign(says=says, look=look)


def start_refused(says: str, *what: str, text: str = "") -> Sign:
    """A web server said one of these in a life that failed to start."""
    whole = web_server(says, *what, text=text)

    def look(case: Case) -> Sequence[Event]:
        theirs = {event.seq for life in case.failed for event in life.events}
        return [event for event in whole.look(case) if event.seq in theirs]

    return Sign(says=says, look=look)


def exited(says: str, *, reason: str, ready: bool | None = None) -> Sign:
    """A life ended for this reason, by the platform's word; `ready`: after it was, or before.

    Whether it was ready, only its own lines tell.
    """

    def fits(life: LifeLog) -> bool:
        return ready is None or (life.has_words and life.was_ready is ready)

    def look(case: Case) -> Sequence[Event]:
        ends = [life.exit for life in case.lives if fits(life)]
        return [e for e in ends if e is not None and e.data.get("reason") == reason]

    return Sign(says=says, look=look)


def killed() -> Sign:
    """SIGKILL ended a process: a probe, the limit of memory and an operator all send it."""

    def look(case: Case) -> Sequence[Event]:
        return [e for e in case.trace.of(EXITED) if e.data.get("exit_code") == KILLED]

    return Sign(says="it was ended by SIGKILL", look=look, is_generic=True)


def probe_failed(says: str, fits: Callable[[Mapping[str, Any]], bool] = bool) -> Sign:
    """A probe of the platform failed."""
    return Sign(
        says=says, look=lambda case: [e for e in case.trace.of(PROBE_FAILED) if fits(e.data)]
    )


def platform_said(says: str, *what: str, text: str = "") -> Sign:
    """The platform said one of these of the app; `text` is searched for in its words."""
    pattern = re.compile(text)

    def fits(data: Mapping[str, Any]) -> bool:
        return data.get("says") in what and pattern.search(str(data.get("text"))) is not None

    return Sign(
        says=says, look=lambda case: [e for e in case.trace.of(PLATFORM_SAID) if fits(e.data)]
    )


def restarts(says: str = "the app was started again and again") -> Sign:
    """A source was started more than once: it agrees with a cause, and says nothing of it."""
    return Sign(says=says, look=lambda case: case.restarted, is_generic=True)


def became_ready(says: str = "the app became ready") -> Sign:
    """A source of which a life failed to start had a life that was ready: says nothing of why."""

    def look(case: Case) -> Sequence[Event]:
        failing = {life.source for life in case.failed}
        found = (life.ready for life in case.lives if life.source in failing)
        return [event for event in found if event is not None]

    return Sign(says=says, look=look, is_generic=True)


def is_of_one(source: str, other: str) -> bool:
    """Whether two sources may be one container: one is "", or has all the parts of the other."""
    parts, others = set(source.split("/")), set(other.split("/"))
    return not source or not other or parts <= others or others <= parts


def _is_type(name: object, types: tuple[str, ...]) -> bool:
    if not isinstance(name, str):
        return False
    return name in types or name.rpartition(".")[2] in types
