"""What of a life's connections to a target came late, or not at all, as the proxy saw it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from crashloop.checks.connections import is_own, of_link
from crashloop.checks.lines import PHASE_ENDS, phase_started
from crashloop.checks.link_times import FAR_FUTURE_NS
from crashloop.checks.lives import observed, of_replicas
from crashloop.checks.phases import AT_LIMIT
from crashloop.checks.receipts import last_heal_ns
from crashloop.checks.result import Result, holds, not_seen, refuted, saw_nothing
from crashloop.durations import plain
from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.trace.event import Event, Trace

LATE = {
    "connect": "its connect() took until a later SYN",
    "first_answer": "its connection was accepted, and only the first answer came late",
    "answers": "each answer came late, by the same time whatever its size",
    "bytes": "the more bytes an answer had, the later it came",
    "pieces": "its answers came in small pieces, with a pause after each",
    "end": "its answers came at once, and the end of its connection late",
    "nothing": "nothing came late",
}
"""What can come late."""

# What a phase waited for takes most of it; the rest is real work.
MOST = 0.5

# Two chunks show whether the delay follows the size. The answer to a request for TLS, of one byte,
# is none of them.
LEAST_BYTES = 2
PIECES = 2

# Sizes within a factor of two are alike: slices are, a server's first answers (24, 101, 498 bytes)
# are not.
ALIKE = 2.0

# A busy machine only adds to delays: more than 26 ms to one of 24 ms, with four busy processes on
# two cores. A piece that came at once has less than this share of the longest delay. The delays so
# far have at least these shares of the time of as many bytes, or of as many chunks.
AT_ONCE, OF_BYTES, OF_CHUNKS = 0.75, 0.75, 0.5


def came_late(trace: Trace, *, target: str, phase: str, what: str) -> Result:
    """Of each life that ended the phase before the last heal, this came late, and nothing else.

    `what` is one of LATE. Only the first chunks of a connection say how late they came.
    """
    healed_ns = last_heal_ns(trace)
    ended = of_replicas(trace, trace.of(*PHASE_ENDS, phase=phase))
    begun = [(phase_started(trace, each, phase), each) for each in ended]
    under = [(start, end) for start, end in begun if start and start.mono_ns < healed_ns]
    if not under:
        return saw_nothing(f"no attempt ended phase {phase} before the last heal")
    evidence: list[Event] = []
    for start, end in under:
        name = trace.name(end.life)
        if not _came(trace, start, end, target):
            return saw_nothing(f"{name} was never seen to come to {target}", [end])
        if unsized := _unsized(trace, start, end, target):
            return saw_nothing(f"nobody counted the bytes that came late to {name}", unsized)
        late, event = next(_lateness(trace, start, end, target), ("nothing", end))
        if late == "nothing" and (untimed := _untimed(trace, start, end, target)):
            return saw_nothing(f"nothing says when {target} answered {name}", untimed)
        if late != what:
            return refuted(f"{name}: {LATE[late]}", [event, end])
        evidence.append(event)
    return holds(f"{counted(len(under), 'attempt')}, each: {LATE[what]}", evidence)


def each_life_waited(trace: Trace, *, target: str, phase: str, at_least_s: float) -> Result:
    """In every life that began the phase, nothing came from the target for so long.

    Lives that completed the phase count, too. The time runs from the life's first connection in the
    phase, in seconds of the incident.
    """
    begun = of_replicas(trace, trace.of("phase.started", phase=phase))
    if not begun:
        return saw_nothing(f"no attempt began phase {phase}")
    evidence: list[Event] = []
    for start in begun:
        name, wait = trace.name(start.life), _wait(trace, start, phase, target)
        if wait is None:
            return saw_nothing(f"{name} was never seen to come to {target}", [start])
        if wait.most_s < AT_LIMIT * at_least_s:
            says = f"{name} waited {wait.most_s:.1f} s for {target}, not {plain(at_least_s)} s"
            return refuted(says, wait.evidence)
        if wait.least_s < AT_LIMIT * at_least_s:
            return saw_nothing(f"nothing says when {target} answered {name}", wait.evidence)
        evidence += wait.evidence
    who = counted(len(begun), "attempt")
    return holds(f"each of {who} waited {plain(at_least_s)} s for {target} at least", evidence)


def a_life_got_through(trace: Trace, *, target: str, phase: str, within_s: float) -> Result:
    """A life that completed the phase had waited for the target for less than `within_s`.

    The time is counted as in `each_life_waited`.
    """
    if not trace.of("phase.started", phase=phase):
        return saw_nothing(f"no attempt began phase {phase}")
    done = of_replicas(trace, trace.of("phase.completed", phase=phase))
    if not done:
        return not_seen(trace, f"no attempt completed phase {phase}")
    begun = [start for each in done if (start := phase_started(trace, each, phase))]
    waits = [(start, _wait(trace, start, phase, target)) for start in begun]
    seen = [(trace.name(start.life), wait) for start, wait in waits if wait is not None]
    if not seen:
        return saw_nothing(f"no attempt was seen to come to {target}", done)
    for name, wait in seen:
        if wait.most_s < AT_LIMIT * within_s:
            says = f"{name} got through to {target} in less than {plain(within_s)} s"
            return holds(says, wait.evidence)
    if unknown := [(n, w) for n, w in seen if w.least_s < AT_LIMIT * within_s]:
        name, wait = unknown[0]
        return saw_nothing(f"nothing says when {target} answered {name}", wait.evidence)
    name, wait = seen[-1]
    says = f"{name}, which got through to {target}, had waited {wait.least_s:.1f} s for it"
    return refuted(says, wait.evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait:
    """How long nothing came from the target in a phase: as long at least, and as long at most.

    In seconds of the incident. They differ where nothing says when the first answer came.
    """

    least_s: float
    most_s: float
    evidence: tuple[Event, ...]


def _wait(trace: Trace, start: Event, phase: str, target: str) -> _Wait | None:
    """How long a life waited in the phase that began then; None if it was not seen to come."""
    end = _end(trace, start, phase)
    came = _came(trace, start, end, target) if end else []
    if end is None or not came:
        return None
    least_ns = most_ns = end.mono_ns
    closings: list[Event] = []
    for one in came:
        closed = of_link(trace, "link.closed", one)
        closings += closed
        if said := [e for e in closed if "first_byte_down_ns" in e.data]:
            answered_ns = said[0].data["first_byte_down_ns"] or FAR_FUTURE_NS
            least_ns, most_ns = min(least_ns, answered_ns), min(most_ns, answered_ns)
        else:
            connected = of_link(trace, "link.connected", one)
            least_ns = min([least_ns, *(e.mono_ns for e in connected)])
    since_ns = came[0].mono_ns
    return _Wait(
        least_s=(least_ns - since_ns) / 1e9 * trace.scale,
        most_s=(most_ns - since_ns) / 1e9 * trace.scale,
        evidence=(came[0], *closings, end),
    )


def _end(trace: Trace, start: Event, phase: str) -> Event | None:
    """The line that ended the phase, or the end of its life."""
    ends = trace.of(*PHASE_ENDS, life=start.life, phase=phase)
    ends += observed(trace, "process.exited", life=start.life)
    after = (e for e in ends if e.mono_ns >= start.mono_ns)
    return min(after, key=lambda e: e.mono_ns, default=None)


def _came(trace: Trace, start: Event, end: Event, target: str) -> list[Event]:
    """The life's connections and SYNs of the phase."""
    found = observed(trace, "link.opened", "gate.syn_seen", life=end.life, target=target)
    return [e for e in found if start.mono_ns <= e.mono_ns <= end.mono_ns and is_own(trace, e)]


def _unsized(trace: Trace, start: Event, end: Event, target: str) -> list[Event]:
    """The chunks that came late and do not say how many bytes they had, as behind Toxiproxy."""
    came = _came(trace, start, end, target)
    delayed = [e for each in came for e in of_link(trace, "link.delayed", each)]
    return [e for e in delayed if "passed_bytes" not in e.data]


def _untimed(trace: Trace, start: Event, end: Event, target: str) -> list[Event]:
    """The ends of connections that do not say when the first answer came, as behind Toxiproxy."""
    came = _came(trace, start, end, target)
    closed = [e for each in came for e in of_link(trace, "link.closed", each)]
    return [e for e in closed if "first_byte_down_ns" not in e.data]


def _lateness(trace: Trace, start: Event, end: Event, target: str) -> Iterator[tuple[str, Event]]:
    """What came late of each of the life's connections, if anything did."""
    most_ns = (end.mono_ns - start.mono_ns) * MOST
    for came in _came(trace, start, end, target):
        if came.kind == "gate.syn_seen":
            continue
        for admitted in of_link(trace, "gate.admitted", came):
            if float(admitted.data.get("waited_s") or 0) * 1e9 >= most_ns:
                yield "connect", admitted
        delayed = of_link(trace, "link.delayed", came)
        if pieces := [e for e in delayed if not e.data.get("end")]:
            totals = [*of_link(trace, "link.closed", came), *of_link(trace, "link.delays", came)]
            if late := _of_pieces(pieces, totals):
                yield late, pieces[0]
        elif delayed:
            yield "end", delayed[0]
        for closed in of_link(trace, "link.closed", came):
            answered_ns = closed.data.get("first_byte_down_ns")
            if answered_ns and not delayed and answered_ns - came.mono_ns >= most_ns:
                yield "first_answer", closed


def _of_pieces(events: Sequence[Event], totals: Sequence[Event]) -> str:
    """How late the chunks of a connection came; "" where that does not tell.

    Under a limited rate, the first bytes take as long as any others, because a piece that is late
    makes the next one wait for less. Under a latency, a server's first chunks, which are large,
    take less than that.
    """
    passed = [0, *(int(e.data["passed_bytes"]) for e in events)]
    sizes = [after - before for before, after in pairwise(passed)]
    delays = [float(e.data.get("delay_s") or 0) for e in events]
    real = [size for size in sizes if size >= LEAST_BYTES]
    if len(real) < PIECES:
        return ""
    is_at_once = delays[sizes.index(real[0])] < AT_ONCE * max(delays)
    if max(real) <= ALIKE * min(real) and is_at_once:
        return "pieces"
    if (total := _total(events, totals)) is None:
        return ""
    size_bytes, chunks, delay_s = total
    so_far = list(accumulate(delays))
    byte_s, chunk_s = OF_BYTES * delay_s / size_bytes, OF_CHUNKS * delay_s / chunks
    if all(s >= byte_s * size for s, size in zip(so_far, passed[1:], strict=True)):
        return "bytes"
    if all(s >= chunk_s * number for number, s in enumerate(so_far, start=1)):
        return "answers"
    return ""


def _total(events: Sequence[Event], totals: Sequence[Event]) -> tuple[int, int, float] | None:
    """All bytes, chunks and delays of a connection, once it has ended."""
    for end in totals:
        for each in end.data.get("delays") or ():
            is_its = each.get("fault") == events[0].data.get("fault")
            if is_its and end.data.get("bytes_down") and each.get("delay_s"):
                return int(end.data["bytes_down"]), int(each["chunks"]), float(each["delay_s"])
    return None
