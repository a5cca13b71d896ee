"""One plain line for each important event, for where no live view can be. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.durations import plain
from crashloop.model import CONTROL
from crashloop.plural import listed, often
from crashloop.report.clean import clean, label, listing, mapping, number
from crashloop.report.history import NS_PER_S
from crashloop.report.lives import SERVER_FAILURES, answers
from crashloop.report.triggers import trigger_words
from crashloop.report.words import (
    address_words,
    count_of,
    error_words,
    exit_words,
    fault_words,
    probe_words,
    server_words,
    target_words,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.model import Life
    from crashloop.trace.event import Event

MAX_LINES = 200


class Progress:
    """Turns events into lines with both clocks; None for an event that is not worth a line.

    Times never run backwards: an event that arrives late gets the time of the line before. At
    most 200 lines, then one that says so: a loop must not fill a log.
    """

    def __init__(self, *, scale: float, replicas: int = 1) -> None:
        self._scale = scale
        self._several = replicas > 1
        self._origin_ns: int | None = None
        self._latest_s = 0.0
        self._lines = 0
        self._said: dict[tuple[Life | None, str], str] = {}

    def line(self, event: Event) -> str | None:
        """The event's line, or None."""
        if self._origin_ns is None and event.kind in {"process.started", "fault.injected"}:
            self._origin_ns = event.mono_ns
        words = self.words(event)
        if words is None or self._lines > MAX_LINES or self._repeats(event, words):
            return None
        self._lines += 1
        if self._lines > MAX_LINES:
            words = "many events: what follows is in the trace only"
        return f"{self._clock(event)}  {words}"

    def _repeats(self, event: Event, words: str) -> bool:
        """Whether it says of a life what the last event of its kind said, where many may come."""
        if event.kind not in _OFTEN:
            return False
        key = event.life, event.kind
        before, self._said[key] = self._said.get(key), words
        return before == words

    def _clock(self, event: Event) -> str:
        wall_s = 0.0
        if self._origin_ns is not None:
            wall_s = max(self._latest_s, (event.mono_ns - self._origin_ns) / NS_PER_S)
        self._latest_s = wall_s
        if self._scale == 1.0:
            return f"{wall_s:7.1f} s"
        return f"{wall_s * self._scale:7.1f} s ({wall_s:5.2f} s here)"

    def words(self, event: Event) -> str | None:
        """What the event says, without a clock; None if it is not worth a line."""
        if event.kind == "fault.healed":
            return _healed(event, several=self._several)
        say = _SAYINGS.get(event.kind)
        if say is None:
            return None
        if event.life == CONTROL:
            return say(event, self._scale, "control life, before any fault")
        self._several = self._several or (event.replica or 1) > 1
        who = f"attempt {event.attempt}" + (f" of replica {event.replica}" * self._several)
        if event.kind in _OF_A_REPLICA:
            who = f" in replica {event.replica}" * self._several
        return say(event, self._scale, who)


def _injected(event: Event, _: float, _who: str) -> str:
    done = "injected" if event.data.get("plugged") is not False else "planned only"
    name, says = label(event.data.get("fault"), 40), fault_words(event.data)
    return f"fault {name}{'' if says == name else f' ({says})'} {done}"


def _healed(event: Event, *, several: bool) -> str:
    why = trigger_words(clean(event.data.get("trigger", ""), 120), several=several)
    return f"fault {label(event.data.get('fault'), 40)} healed" + (f" {why}" if why else "")


def _started(event: Event, _: float, who: str) -> str:
    old = " of the old revision" if event.data.get("revision") == "old" else ""
    return f"{who}{old} started, pid {label(event.data.get('pid'))}"


def _phase(event: Event, scale: float, who: str) -> str:
    data = event.data
    took_s, limit_s = number(data.get("duration_s")), number(data.get("limit_s"))
    limit = f" of {plain(limit_s * scale)} s" if limit_s else ""
    after = "" if took_s is None else f" after {took_s * scale:.1f} s{limit}"
    how = event.kind.removeprefix("phase.")
    error = error_words(data)
    what = f"{who}: phase {label(data.get('phase', '?'))} {how}"
    return f"{what}{after}" + (f": {error}" if error else "")


def _probe(event: Event, _: float, who: str) -> str:
    failures = count_of(event.data.get("failures"))
    return f"{who}: the {probe_words(event.data.get('probe', '?'))} failed {often(failures)}"


def _killed(event: Event, _: float, who: str) -> str:
    signal, by = label(event.data.get("signal", "?"), 10), probe_words(event.data.get("by", "?"))
    return f"{who}: {signal} from the platform, for the {by}"


def _exited(event: Event, _: float, who: str) -> str | None:
    if event.data.get("requested"):
        return None
    return f"{who} died: {exit_words(event.data)}"


def _answered(event: Event, _: float, who: str) -> str | None:
    if not answers(event):
        return None
    return f"{who} answers: {'ready' if event.data.get('ready') is True else 'not ready'}"


def _step(event: Event, _: float, where: str) -> str:
    step, of = count_of(event.data.get("step")), count_of(event.data.get("of"))
    return f"journey{where}, step {step} of {of}: {clean(event.data.get('says', '?'))}"


def _waiting(event: Event, _: float, where: str) -> str:
    step, of = count_of(event.data.get("step")), count_of(event.data.get("of"))
    return f"journey{where}, step {step} of {of} not yet: {clean(event.data.get('why', '?'))}"


def _gave_up(event: Event, _: float, where: str) -> str:
    which = where.replace(" in", "", 1)
    return f"the platform gave up{which}: {clean(event.data.get('reason', '?'))}"


def _lab_ready(event: Event, _: float, _who: str) -> str:
    addresses = list(mapping(event.data.get("addresses")))[:8]
    names = [target_words(label(name)) for name in addresses]
    return f"{listed([*names, 'the fault proxy'])} {'are' if names else 'is'} up"


def _setup(event: Event, _: float, _who: str) -> str:
    took_s, how = number(event.data.get("took_s")), exit_words(event.data)
    after = "" if took_s is None else f" after {took_s:.1f} s"
    return f"the setup command ended{after} ({how})"


def _control_ready(event: Event, _: float, who: str) -> str:
    after_s = number(event.data.get("after_s"))
    return f"{who}: ready" + ("" if after_s is None else f" after {after_s:.1f} s")


def _tried(event: Event, _: float, who: str) -> str:
    if event.data.get("passed") is True:
        return f"{who}: the journey passed"
    step = count_of(event.data.get("step"))
    return f"{who}: the journey failed at step {step}: {clean(event.data.get('why', '?'))}"


def _checked(event: Event, _: float, _who: str) -> str | None:
    found = [
        f"{len(texts)} {name} ({clean(texts[0])})"
        for name in ("lost", "doubled")
        if (texts := listing(event.data.get(name)))
    ]
    return f"data of before the fault: {listed(found)}" if found else None


def _logged(event: Event, _: float, who: str) -> str:
    where = address_words(event.data)
    return f"{who} logged {error_words(event.data) or 'an error'}{f' at {where}' if where else ''}"


def _server_said(event: Event, _: float, who: str) -> str | None:
    failed = event.data.get("says") in SERVER_FAILURES
    return f"{who}: {server_words(event.data)}" if failed else None


_OFTEN = frozenset({"journey.tried", "log.error", "log.server"})
_OF_A_REPLICA = frozenset({"journey.step", "journey.waiting", "journey.failed", "restart.gave_up"})
_SAYINGS: dict[str, Callable[[Event, float, str], str | None]] = {
    "image.missing": lambda e, *_: f"{clean(e.data.get('what', '?'))}; needed once",
    "lab.ready": _lab_ready,
    "setup.finished": _setup,
    "control.started": lambda e, _, who: f"{who}: started, pid {label(e.data.get('pid'))}",
    "control.ready": _control_ready,
    "control.ended": lambda e, _, who: f"{who}: stopped ({exit_words(e.data)})",
    "control.failed": lambda e, *_: (
        f"the control life failed: {clean(e.data.get('why', '?'), 500)}"
    ),
    "before.checked": _checked,
    "baseline.passed": lambda e, *_: f"the path to {target_words(label(e.target))} works",
    "fault.injected": _injected,
    "process.started": _started,
    "phase.failed": _phase,
    "phase.degraded": _phase,
    "probe.failed": _probe,
    "process.killed": _killed,
    "process.exited": _exited,
    "ready.answered": _answered,
    "log.server": _server_said,
    "log.error": _logged,
    "journey.tried": _tried,
    "journey.step": _step,
    "journey.waiting": _waiting,
    "journey.failed": lambda e, _, where: f"journey failed{where}: {clean(e.data.get('why', '?'))}",
    "restart.gave_up": _gave_up,
    "harness.failed": lambda e, *_: f"the harness broke: {clean(e.data.get('message', '?'), 1000)}",
    "run.interrupted": lambda *_: "interrupted",
}
