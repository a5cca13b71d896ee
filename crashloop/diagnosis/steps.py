"""The steps back from the end of a life to the error that brought it about. Pure.

Each step of a life comes before the one that it explains. Lives are told together, for they failed
alike.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from crashloop.diagnosis.case import FAILED
from crashloop.diagnosis.chain import links
from crashloop.diagnosis.quote import error_words, exit_words, quoted, root_of, was_killed
from crashloop.durations import plain, took
from crashloop.logs.event import ERROR, SERVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from crashloop.diagnosis.case import LifeLog
    from crashloop.trace.event import Event

    Step = tuple[str, list[Event]]

LEAST_S = 0.1
"""A phase without a limit that took less is not worth a duration."""
_MAX_S = 1e6


def steps_back(lives: Sequence[LifeLog], *, scale: float = 1.0) -> Iterator[Step]:
    """How these lives ended, and why, as far back as their own events go.

    Durations are multiplied by `scale`.
    """
    ends = [life.exit for life in lives]
    found = there(ends)
    if found:
        data = found[-1].data
        ran_s = _seconds(data.get("ran_s"))
        after = "" if ran_s is None else f", {plain(round(ran_s * scale, 1))} s after its start"
        yield each_time(lives, f"Its process ended with {exit_words(data)}{after}."), found
        if was_killed(found[-1].data):
            yield from doing(lives)
            return
    yield from failures(lives, ends, scale=scale)


def failures(
    lives: Sequence[LifeLog], ends: Sequence[Event | None], *, scale: float = 1.0
) -> Iterator[Step]:
    """What each life said before its end of why: its server, its phase, its error."""
    servers = [_last(life, end, _gave_up) for life, end in zip(lives, ends, strict=True)]
    if found := there(servers):
        data = found[-1].data
        says = f"{quoted(data.get('server'), 20)} gave up and said: {quoted(data.get('text'))}"
        yield each_time(lives, says), found
    ends = [server or end for server, end in zip(servers, ends, strict=True)]
    phases = [_last(life, end, _phase_failed) for life, end in zip(lives, ends, strict=True)]
    if found := there(phases):
        yield each_time(lives, _phase_words(found[-1], scale)), found
    ends = [phase or end for phase, end in zip(phases, ends, strict=True)]
    if errors := there(map(_error, lives, ends)):
        chain = links(errors[-1])
        outer, root = error_words(chain[0]), error_words(root_of(chain))
        if not found and _is_another(chain):
            yield each_time(lives, f"It met {outer}"), errors
            yield f"At the root of that was {root}", errors
        else:
            yield each_time(lives, f"It met {root}"), errors


def doing(lives: Sequence[LifeLog]) -> Iterator[Step]:
    """What lives were doing when they were killed: the phase that had not ended, the last error."""
    begun = there(map(_open_phase, lives))
    if begun:
        name = quoted(begun[-1].data.get("phase"), 40)
        yield f"By then, phase {name} had begun and not ended.", begun
    errors = there(_last(life, None, _is_error) for life in lives)
    if errors:
        yield f"The last error before that was {error_words(root_of(links(errors[-1])))}", errors


def alike(lives: Sequence[LifeLog]) -> list[LifeLog]:
    """Those of the lives that failed in the way in which most did, of several the latest."""
    ways = [_way(life) for life in lives]
    times = Counter(ways)
    way = max(reversed(ways), key=times.__getitem__, default=None)
    return [life for life, each in zip(lives, ways, strict=True) if each == way]


def each_time(lives: Sequence[LifeLog], says: str) -> str:
    """The sentence, for one life or for several."""
    return f"Each time {says[0].lower()}{says[1:]}" if len(lives) > 1 else says


def there(events: Iterable[Event | None]) -> list[Event]:
    """The events that are there."""
    return [event for event in events if event is not None]


def way_of(error: Event) -> tuple[str, ...]:
    """What an error is at its root, without its words."""
    root = root_of(links(error))
    return tuple(str(root.get(name)) for name in ("type", "sqlstate", "errno"))


def _way(life: LifeLog) -> tuple[str, ...]:
    """How a life failed, without what differs from one life to the next."""
    if life.fatal is not None and links(life.fatal):
        return way_of(life.fatal)
    end = life.exit
    data = {} if end is None else end.data
    return tuple(str(data.get(name)) for name in ("exit_code", "signal", "reason"))


def _is_another(chain: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the outermost error says something else than the one at the root."""
    outer, root = str(chain[0].get("message")), str(root_of(chain).get("message"))
    return chain[0] is not root_of(chain) and not (root and root in outer)


def _last(life: LifeLog, before: Event | None, fits: Callable[[Event], bool]) -> Event | None:
    """The last event of a life that fits, before another one of it, if that is there."""
    found = None
    for event in life.events:
        if before is not None and event is before:
            break
        if fits(event):
            found = event
    return found


def _error(life: LifeLog, end: Event | None) -> Event | None:
    """The error with which a life came to its end: of the phase that failed, or the last before."""
    if end is not None and _phase_failed(end) and links(end):
        return end
    return _last(life, end, _is_error)


def _open_phase(life: LifeLog) -> Event | None:
    begun: dict[str, Event] = {}
    for event in life.events:
        name = str(event.data.get("phase"))
        if event.kind == "phase.started":
            begun[name] = event
        elif event.kind.startswith("phase."):
            begun.pop(name, None)
    return next(reversed(begun.values()), None)


def _phase_words(event: Event, scale: float) -> str:
    """Which phase failed, and how much of its time it took."""
    name = quoted(event.data.get("phase"), 40)
    took_s, limit_s = _seconds(event.data.get("duration_s")), _seconds(event.data.get("limit_s"))
    if took_s is None or (limit_s is None and took_s * scale < LEAST_S):
        return f"Its start-up failed in phase {name}."
    limit = f" of its limit of {plain(round(limit_s * scale, 1))} s" if limit_s else ""
    after = took([took_s], limit_s=limit_s, scale=scale)
    return f"Its start-up failed in phase {name}, after {after}{limit}."


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _MAX_S else None


def _gave_up(event: Event) -> bool:
    return event.kind == SERVER and event.data.get("says") in FAILED


def _phase_failed(event: Event) -> bool:
    return event.kind == "phase.failed"


def _is_error(event: Event) -> bool:
    return event.kind in {ERROR, "phase.failed"} and bool(links(event))
