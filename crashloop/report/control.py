"""The control life: the user's own app before any fault, made from its events. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.model import CONTROL
from crashloop.report.clean import clean, line_as_said, listing, number
from crashloop.report.control_span import ControlSpan
from crashloop.report.words import count_of, exit_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.trace.event import Event

MAX_LINES = 12


def control_of(events: Sequence[Event]) -> ControlSpan | None:
    """The control life as far as its events show; None if nothing of it was seen."""
    of_kind: dict[str, list[Event]] = {}
    for event in events:
        if event.kind == "setup.finished" or event.life == CONTROL:
            of_kind.setdefault(event.kind, []).append(event)

    def seconds(kind: str, name: str) -> float | None:
        return number(of_kind[kind][-1].data.get(name)) if kind in of_kind else None

    if not of_kind:
        return None
    before, tried = of_kind.get("before.passed", []), of_kind.get("journey.tried", [])
    failed, ended = of_kind.get("control.failed", []), of_kind.get("control.ended", [])
    data = failed[-1].data if failed else {}
    lines = [str(one) for one in listing(data.get("lines")) if str(one).strip()]
    return ControlSpan(
        setup_s=seconds("setup.finished", "took_s"),
        started="control.started" in of_kind,
        ready_after_s=seconds("control.ready", "after_s"),
        before=len(before),
        before_of=max([count_of(e.data.get("of")) for e in before], default=0),
        passed=any(e.data.get("passed") is True for e in tried),
        ended=exit_words(ended[-1].data) if ended else "",
        what=clean(data.get("what", "?"), 20) if failed else "",
        why=clean(data.get("why", "?"), 500) if failed else "",
        exit=exit_words(data) if {"exit_code", "signal"} & data.keys() else "",
        lines=tuple(map(line_as_said, lines[-MAX_LINES:])),
    )
