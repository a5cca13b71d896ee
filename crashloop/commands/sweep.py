"""`crashloop sweep`: removes what earlier runs of the Docker engine have left, and says what."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crashloop.commands.place import print_json
from crashloop.engines.docker import sweep as broom
from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.sweep import Fate, Kind, Owner
from crashloop.errors import HarnessError
from crashloop.report.clean import clean
from crashloop.report.lines import Line, Span, Tone, line
from crashloop.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from crashloop.engines.docker.sweep import Done, Leftover

_WHOSE = {
    Owner.DEAD: "its owner is dead",
    Owner.ALIVE: "left alone, it still goes on",
    Owner.UNKNOWN: "its owner cannot be known from here",
}
_UNKNOWN = (
    "left alone, its owner cannot be known from here (on another machine, from before this one was "
    "started, or an unreadable label); --all removes it too"
)
_SAID = {
    Fate.REMOVED: ("removed ", Tone.GOOD),
    Fate.PLANNED: ("would remove ", Tone.DOUBT),
    Fate.GONE: ("gone already: ", Tone.DIM),
    Fate.LEFT: ("left ", Tone.DIM),
    Fate.FAILED: ("not removed: ", Tone.BAD),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOrder:
    """What was typed; `everything` takes runs of unknown owners too."""

    images: bool = False
    everything: bool = False
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """A run and what became of its things, or, without a run, the images."""

    run: Leftover | None
    done: tuple[Done, ...]


def sweep(order: SweepOrder) -> int:
    """Remove what dead runs have left; gives 0, or 12 where something could not be removed.

    Each run is shown as soon as it is done. CapabilityError without a daemon that can be used.
    """
    terminal = Terminal(sys.stdout)
    swept: list[Swept] = []
    with closing(connect()) as daemon:
        for one in _swept(daemon.client, order):
            swept.append(one)
            if not order.as_json:
                terminal.show(_lines(one))
    failed = any(done.fate is Fate.FAILED for one in swept for done in one.done)
    exit_status = HarnessError.exit_status if failed else 0
    if order.as_json:
        print_json(_document(swept, order, exit_status))
    else:
        terminal.show([line(closing_line(swept, dry_run=order.dry_run)), *_hints(swept)])
    return exit_status


def _swept(client: Any, order: SweepOrder) -> Iterator[Swept]:
    """Run by run, then the images, each after its things were removed."""
    gone: set[str] = set()
    for run in broom.find_runs(client):
        if not run.is_to_go(everything=order.everything):
            done = broom.left(run)
        elif order.dry_run:
            done = broom.planned(run)
            gone |= {thing.identity for thing in run.things}
        else:
            done = broom.remove(client, run.things)
        yield Swept(run=run, done=done)
    if order.images:
        images = broom.find_images(client, besides=gone)
        if not order.dry_run:
            kept = tuple(one for one in images if one.fate is Fate.LEFT)
            chosen = [one.thing for one in images if one.fate is Fate.PLANNED]
            images = broom.remove(client, chosen) + kept
        yield Swept(run=None, done=images)


def _lines(swept: Swept) -> Iterator[Line]:
    """One line for whose it was, and one for each thing that was to go."""
    if swept.run is None:
        if swept.done:
            yield line(Span("images", Tone.HEAD))
        yield from (_said(done) for done in swept.done)
        return
    head = Span(f"run {clean(swept.run.run_id, 100) or '(without a name)'}", Tone.HEAD)
    if all(done.fate is Fate.LEFT for done in swept.done):
        whose = _UNKNOWN if swept.run.owner is Owner.UNKNOWN else _WHOSE[swept.run.owner]
        yield line(head, Span(f"  {whose}: {_counted(swept.done)}", Tone.DIM))
        return
    yield line(head, Span(f"  {_WHOSE[swept.run.owner]}", Tone.DIM))
    yield from (_said(done) for done in swept.done)


def _said(done: Done) -> Line:
    lead, tone = _SAID[done.fate]
    why = f", {clean(done.why, 600)}" if done.why else ""
    return line("  ", Span(lead, tone), f"{done.thing.kind} {clean(done.thing.name)}{why}")


def closing_line(swept: Iterable[Swept], *, dry_run: bool) -> str:
    """All of it in one sentence: how much is removed, left, and could not be removed."""
    swept = list(swept)
    gone = Fate.PLANNED if dry_run else Fate.REMOVED
    parts = [_removed_part(swept, gone, dry_run=dry_run)]
    left = [one.run.owner for one in swept if one.run and _has(one, Fate.LEFT)]
    if alive := left.count(Owner.ALIVE):
        goes = "still goes on" if alive == 1 else "still go on"
        parts.append(f"left {_many(alive, 'run')} alone that {goes}")
    if unknown := left.count(Owner.UNKNOWN):
        parts.append(f"left {_many(unknown, 'run')} alone whose owner cannot be known from here")
    if images := [d for one in swept if one.run is None for d in one.done if d.fate is Fate.LEFT]:
        used = sum(done.why.startswith(broom.IN_USE) for done in images)
        parts += [f"left {_many(used, 'image')} in use"] if used else []
        foreign = len(images) - used
        parts += [f"left {_many(foreign, 'image')} under another name"] if foreign else []
    if failed := [done for one in swept for done in one.done if done.fate is Fate.FAILED]:
        parts.append(f"could not remove {_counted(failed)}")
    return "; ".join(parts)


def _removed_part(swept: list[Swept], gone: Fate, *, dry_run: bool) -> str:
    verb = "would remove" if dry_run else "removed"
    phrases = []
    if of_runs := _with(swept, gone, lambda one: one.run is not None):
        runs = sum(one.run is not None and _has(one, gone) for one in swept)
        phrases.append(f"{_counted(of_runs)} of {_many(runs, 'run')}")
    if images := _with(swept, gone, lambda one: one.run is None):
        phrases.append(_counted(images))
    if phrases:
        return f"{verb} {' and '.join(phrases)}"
    if any(_has(one, Fate.FAILED) for one in swept):
        return "removed nothing"
    return "nothing to remove"


def _with(swept: list[Swept], fate: Fate, of: Callable[[Swept], bool]) -> list[Done]:
    return [done for one in swept if of(one) for done in one.done if done.fate is fate]


def _has(swept: Swept, fate: Fate) -> bool:
    return any(done.fate is fate for done in swept.done)


def _hints(swept: Iterable[Swept]) -> Iterator[Line]:
    """What to do about what could not be removed, each hint once."""
    hints = dict.fromkeys(done.hint for one in swept for done in one.done if done.hint)
    yield from (line(Span(f"  {clean(hint, 600)}", Tone.DIM)) for hint in hints)


def _counted(done: Iterable[Done]) -> str:
    counts = Counter(one.thing.kind for one in done)
    return ", ".join(_many(counts[kind], kind) for kind in Kind if counts[kind])


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _document(swept: list[Swept], order: SweepOrder, exit_status: int) -> dict[str, Any]:
    runs = [
        {"run": one.run.run_id, "owner": one.run.owner, "things": _things(one)}
        for one in swept
        if one.run is not None
    ]
    images = [thing for one in swept if one.run is None for thing in _things(one)]
    return {
        "dry_run": order.dry_run,
        "runs": runs,
        "images": images,
        "closing": clean(closing_line(swept, dry_run=order.dry_run)),
        "exit_status": exit_status,
    }


def _things(swept: Swept) -> list[dict[str, str]]:
    return [
        {
            "kind": done.thing.kind,
            "name": done.thing.name,
            "fate": done.fate,
            "why": done.why,
            "hint": done.hint,
        }
        for done in swept.done
    ]
