"""How each attempt to start the app went, in sentences; those that went alike share one. Pure."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from crashloop.durations import plain, times, took
from crashloop.plural import counted, listed, numbers, often
from crashloop.report.history import PhaseEnd
from crashloop.report.words import sentence
from crashloop.trace.event import PLATFORM_GAVE_UP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.report.history import History, LifeSpan, PhaseSpan

    Group = list[list[LifeSpan]]

MAX_GROUPS = 12
MAX_DEATHS = 4
_LONG_S = 10.0
AS_FAR = ", as far as the trace goes"
_NOT_DONE = (PhaseEnd.FAILED, PhaseEnd.DEGRADED, PhaseEnd.CUT)


def attempts(history: History) -> Iterator[tuple[float, str]]:
    """Sentences about the lives, each with the instant of the last thing that it says."""
    if not history.lives:
        yield 0.0, f"The app was never started{'' if history.has_ended else AS_FAR}."
    groups = _groups(history)
    skipped = groups[: max(0, len(groups) - MAX_GROUPS)]
    if skipped:
        count = sum(len(run) for group in skipped for run in group)
        yield 0.0, f"{counted(count, 'earlier attempt')} ended in other ways; see the timeline."
    platform = history.restarter
    for group in groups[len(skipped) :]:
        said = _sentence(history, group)
        if "the platform" in said:  # whose it is, is said once
            said, platform = said.replace("the platform", platform, 1), "the platform"
        yield max(map(_told_until_s, group)), said


def _told_until_s(run: Sequence[LifeSpan]) -> float:
    """When the last life of a run died, or ended the last phase that it began."""
    last = run[-1]
    if last.died or last.last_phase is None:
        return last.end_s
    return last.last_phase.end_s


def death(history: History, died: Sequence[LifeSpan]) -> str:
    """How lives died, each way with how often, in half a sentence; `died` is not empty."""
    alike: dict[tuple[object, ...], list[LifeSpan]] = {}
    for life in died:
        alike.setdefault(_look(life), []).append(life)
    ways = sorted(alike.values(), key=len, reverse=True)
    said = [f"{_death(history, same)}, {often(len(same))}" for same in ways[:MAX_DEATHS]]
    rest = ways[MAX_DEATHS:]
    if rest:
        more = counted(sum(map(len, rest)), "more attempt")
        said.append(f"{more} died in {counted(len(rest), 'other way')}")
    return "; ".join(said)


def _death(history: History, same: Sequence[LifeSpan]) -> str:
    """How lives that look the same died."""
    first = same[0]
    phase = first.last_phase
    where = "; ".join(_seen(history, same))
    if phase is not None:
        where = f"phase {phase.name} was the last"
    if phase is not None and phase.outcome is PhaseEnd.FAILED:
        spans = [life.phases[-1] for life in same]
        error = f" with {phase.error}" if phase.error else ""
        where = f"phase {phase.name} failed after {_took(history, spans)}{error}"
    end = f"the app died with {first.exit}"
    if first.kills:
        end = f"the {first.kills[0].by} had the app killed ({first.exit})"
    if phase or not history.is_own_app:
        return f"{where} and {end}"
    return f"{where}; {end}" if where else end


def _groups(history: History) -> list[Group]:
    """Lives that look the same to a reader: each replica's runs of consecutive attempts.

    Runs of several replicas form one group if they begin with the same attempt, and if the last
    life of each was restarted, or of none.
    """
    found: dict[tuple[object, ...], Group] = {}
    for lives in history.by_replica().values():
        shown = [life for life in lives if not life.old or life.died]
        for look, same in groupby(shown, key=_look):
            run = list(same)
            key = (look, run[0].attempt, run[-1] is lives[-1], run[0].old)
            found.setdefault(key, []).append(run)
    return sorted(found.values(), key=lambda group: group[0][0].start_s)


def _look(life: LifeSpan) -> tuple[object, ...]:
    """What makes two lives the same to a reader."""
    phase = life.last_phase
    bad = tuple((p.name, p.outcome, p.error) for p in _not_done(life))
    kills = tuple((kill.by, kill.signal) for kill in life.kills)
    seen = () if phase else (tuple(_held_of(life).items()), life.server, life.error)
    return life.died, life.exit, phase.name if phase else "", bad, kills, seen


def _held_of(life: LifeSpan) -> Counter[str]:
    """How many connections of a life a fault held, by target."""
    return Counter(link.target for link in life.held)


def _not_done(life: LifeSpan) -> list[PhaseSpan]:
    return [phase for phase in life.phases if phase.outcome in _NOT_DONE]


def _sentence(history: History, group: Group) -> str:
    lives = [life for run in group for life in run]
    first = lives[0]
    said = "; ".join(_start_up(history, lives))
    if not first.died:
        return f"{_who(history, group)}: {said}."
    process, each = "the process", " each time" if len(lives) > 1 else ""
    if len(group) > 1:
        process, each = "each process", ""
    verb = "ended" if first.kills else "died"
    end = f"{process} {verb} with {first.exit}{each}, and {_follows(history, group)}"
    before = f"{said}; " if said else ""
    return f"{_who(history, group)}: {before}{end}{_meanwhile(history, group)}."


def _who(history: History, group: Group) -> str:
    attempts = [life.attempt for life in group[0]]
    if not history.several:
        return sentence(numbers("attempt", attempts))
    old = " of the old revision" if group[0][0].old else ""
    replicas = numbers("replica", [run[0].replica for run in group]) + old
    if len(group) == 1:
        return sentence(f"{numbers('attempt', attempts)} of {replicas}")
    sizes = sorted({len(run) for run in group})
    if len(sizes) == 1:
        return sentence(f"{replicas}, {numbers('attempt', attempts)}")
    return sentence(
        f"{replicas}, {sizes[0]} to {sizes[-1]} attempts each from attempt {attempts[0]} on"
    )


def _start_up(history: History, lives: Sequence[LifeSpan]) -> Iterator[str]:
    """How far the lives came and what stopped them."""
    first = lives[0]
    columns = list(zip(*map(_not_done, lives), strict=True))
    in_phase = ""
    for spans in columns:
        if first.kills and spans is columns[-1] and spans[0].outcome is PhaseEnd.CUT:
            in_phase = spans[0].name
        else:
            yield _phase(history, spans)
    if first.last_phase is None:
        yield from _seen(history, lives)
    elif not columns:
        yield _progress(first)
    if first.kills:
        yield _killed(history, lives, in_phase)


def _seen(history: History, lives: Sequence[LifeSpan]) -> Iterator[str]:
    """What was seen of lives that began no phase: their connections, and what they logged."""
    if not history.is_own_app:
        yield "no start-up phase began"
        return
    first = lives[0]
    for target, count in _held_of(first).items():
        held = [link for life in lives for link in life.held if link.target == target]
        lasted = times([history.incident_s(link.end_s - link.start_s) for link in held])
        until = ", until the app gave up" if all(link.gave_up for link in held) else ""
        what, was = counted(count, "connection"), "was" if count == 1 else "were"
        yield f"{what} to {history.target(target)} {was} held for {lasted} s{until}"
    if not first.held:
        yield from _tried(history, lives)
    if first.server:
        yield f"its log says {first.server}"
    if first.error:
        yield f"the app logged {first.error}"
    if not (first.held or first.server or first.error or first.died):
        yield "it did not end on its own"


def _tried(history: History, lives: Sequence[LifeSpan]) -> Iterator[str]:
    """How often lives that died connected, to those of their targets that all of them reached."""
    shared = set.intersection(*(set(life.links) for life in lives))
    for target in [name for name in lives[0].links if name in shared] if lives[0].died else ():
        opened = sorted({life.links[target] for life in lives})
        span = str(opened[0]) if len(opened) == 1 else f"{opened[0]} to {opened[-1]}"
        noun = "connection" if opened == [1] else "connections"
        yield f"it opened {span} {noun} to {history.target(target)}"


def _killed(history: History, lives: Sequence[LifeSpan], phase: str) -> str:
    """Which probe had the lives killed, at which age, in which phase and how."""
    kills = lives[0].kills
    by = kills[0].by
    ages: list[float] = []
    failures: set[int] = set()
    for life in lives:
        failed = [probe for probe in life.probes if probe.probe == by]
        ages.append(failed[-1].age_s if failed else life.kills[0].at_s - life.start_s)
        failures |= {failed[-1].failures} if failed else set()
    age = f"{times([history.incident_s(age_s) for age_s in ages], 0)} s after the start"
    when = f"{age}, in phase {phase}," if phase else age
    signals = f"the platform sent {kills[0].signal}"
    for n, kill in enumerate(kills[1:], start=1):
        later = [history.incident_s(life.kills[n].at_s - life.kills[n - 1].at_s) for life in lives]
        signals += f", and {kill.signal} {times(later, 0 if min(later) >= _LONG_S else 1)} s later"
    if not failures:
        return f"{when} {signals} for the {by}"
    return f"{when} the {by} had failed {often(max(failures))}; {signals}"


def _follows(history: History, group: Group) -> str:
    """Whether the lives were restarted."""
    who = "Docker" if history.docker_restarts else "the platform"
    last = [run[-1] for run in group]
    it = "it" if len(group) == 1 else "them"
    lives = history.by_replica()
    if all(life is not lives[life.replica][-1] for life in last):
        return f"{who} restarted {it}"
    is_over = all(life.replica in history.ending.gave_up for life in last)
    is_over = is_over or history.ending.how == PLATFORM_GAVE_UP
    until = " before the run ended" if history.has_ended else AS_FAR
    sizes = {len(run) - 1 for run in group}
    if sizes == {0}:
        return f"{who} did not restart {it}{'' if is_over else until}"
    if len(sizes) > 1:
        return f"{who} then restarted none of them again{'' if is_over else until}"
    each = "it" if len(group) == 1 else "each"
    end = " and then no more" if is_over else until
    return f"{who} restarted {each} {often(max(sizes))}{end}"


def _meanwhile(history: History, group: Group) -> str:
    """Which other replicas were ready when the last of these lives ended."""
    ours = {run[0].replica for run in group}
    end_s = max(run[-1].end_s for run in group)
    serving: dict[bool, set[int]] = {}
    for life in history.lives:
        is_ready = life.ready_s is not None and life.ready_s <= end_s <= life.end_s
        if is_ready and life.replica not in ours:
            serving.setdefault(life.old, set()).add(life.replica)
    who = [
        numbers("replica", sorted(replicas)) + (" of the old revision" if old else "")
        for old, replicas in sorted(serving.items())
    ]
    return f", while {listed(who)} served" if who else ""


def _progress(life: LifeSpan) -> str:
    done = [p.name for p in life.phases if p.outcome is PhaseEnd.COMPLETED]
    running = [p.name for p in life.phases if p.outcome is PhaseEnd.RUNNING]
    said = [f"{counted(len(done), 'phase')} completed, the last one {done[-1]}"] if done else []
    return "; ".join(said + [f"phase {name} was still running" for name in running])


def _phase(history: History, spans: Sequence[PhaseSpan]) -> str:
    one = spans[0]
    limit = ""
    if one.limit_s:
        limit = f" (its limit: {plain(history.incident_s(one.limit_s))} s)"
    verb = {
        PhaseEnd.FAILED: "failed",
        PhaseEnd.DEGRADED: "did not succeed, and the app continued without it,",
    }.get(one.outcome, "was cut short")
    error = f" with {one.error}" if one.error else ""
    return f"phase {one.name} {verb} after {_took(history, spans)}{limit}{error}"


def _took(history: History, spans: Sequence[PhaseSpan]) -> str:
    limits_s = [span.limit_s for span in spans if span.limit_s]
    limit_s = min(limits_s, default=None)
    return took([span.took_s for span in spans], limit_s=limit_s, scale=history.scale)
