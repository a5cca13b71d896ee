"""`crashloop sweep`: removes what earlier runs of the Docker engine have left behind."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.owner import Owner
from crashloop.engines.docker.removal import Done, Fate, Kind, remove
from crashloop.engines.docker.sweep import find_images, find_runs
from crashloop.errors import HarnessError
from crashloop.plural import counted
from crashloop.report.clean import clean
from crashloop.report.document import write_document
from crashloop.report.lines import Line, Span, Tone, line
from crashloop.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crashloop.engines.docker.sweep import Leftover

_OWNERS = {
    Owner.DEAD: "its process has ended",
    Owner.ALIVE: "left, still running",
    Owner.UNKNOWN: "its owner cannot be identified",
}
_LEFT_UNKNOWN = (
    "left, its owner cannot be identified (another machine, before this machine was booted, or an "
    "unreadable label); --all removes it too"
)
_FATES = {
    Fate.REMOVED: ("removed ", Tone.GOOD),
    Fate.PLANNED: ("would remove ", Tone.DOUBT),
    Fate.GONE: ("already gone: ", Tone.DIM),
    Fate.LEFT: ("left ", Tone.DIM),
    Fate.FAILED: ("not removed: ", Tone.BAD),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOrder:
    """The command line's options; `everything` also takes runs of unknown owners."""

    images: bool = False
    everything: bool = False
    dry_run: bool = False
    as_json: bool = False

    def takes(self, run: Leftover) -> bool:
        """Whether the run's things are to be removed; never while its owner is alive."""
        return run.owner is Owner.DEAD or (self.everything and run.owner is Owner.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What happened to a run's things or, without a run, to the images."""

    run: Leftover | None
    done: list[Done]


def sweep(order: SweepOrder) -> int:
    """Remove what dead runs have left; returns 0, or 12 where something could not be removed.

    Each run is shown as soon as it is done. CapabilityError without a usable daemon.
    """
    terminal = Terminal(sys.stdout)
    swept: list[Swept] = []
    with closing(connect()) as daemon:
        for one in _swept(daemon.client, order):
            swept.append(one)
            if not order.as_json:
                terminal.show(_lines(one))
    done = [each for one in swept for each in one.done]
    failed = any(each.fate is Fate.FAILED for each in done)
    exit_status = HarnessError.exit_status if failed else 0
    if order.as_json:
        write_document(_document(swept, order, exit_status))
    else:
        hints = dict.fromkeys(each.hint for each in done if each.hint)
        dim = [line(Span(f"  {clean(hint, 600)}", Tone.DIM)) for hint in hints]
        terminal.show([line(closing_line(swept, dry_run=order.dry_run)), *dim])
    return exit_status


def _swept(client: Any, order: SweepOrder) -> Iterator[Swept]:
    """Run by run, then the images, each after its things were removed."""
    gone: set[str] = set()
    for run in find_runs(client):
        if order.takes(run) and not order.dry_run:
            done = remove(client, run.things)
        else:
            fate = Fate.PLANNED if order.takes(run) else Fate.LEFT
            done = [Done(thing=thing, fate=fate) for thing in run.things]
            gone |= {thing.identity for thing in run.things if order.takes(run)}
        yield Swept(run=run, done=done)
    if order.images:
        images = find_images(client, besides=gone)
        if not order.dry_run:
            chosen = [one.thing for one in images if one.fate is Fate.PLANNED]
            images = remove(client, chosen) + [one for one in images if one.fate is Fate.LEFT]
        yield Swept(run=None, done=images)


def _lines(swept: Swept) -> Iterator[Line]:
    """A heading for the run or the images, and a line for each thing that was chosen."""
    if swept.run is None:
        if swept.done:
            yield line(Span("images", Tone.HEAD))
        yield from (_line(done) for done in swept.done)
        return
    head = Span(f"run {clean(swept.run.run_id, 100) or '(without a name)'}", Tone.HEAD)
    if all(done.fate is Fate.LEFT for done in swept.done):
        is_unknown = swept.run.owner is Owner.UNKNOWN
        why = _LEFT_UNKNOWN if is_unknown else _OWNERS[swept.run.owner]
        yield line(head, Span(f"  {why}: {_by_kind(swept.done)}", Tone.DIM))
        return
    yield line(head, Span(f"  {_OWNERS[swept.run.owner]}", Tone.DIM))
    yield from (_line(done) for done in swept.done)


def _line(done: Done) -> Line:
    lead, tone = _FATES[done.fate]
    why = f", {clean(done.why, 600)}" if done.why else ""
    return line("  ", Span(lead, tone), f"{done.thing.kind} {clean(done.thing.name)}{why}")


def closing_line(swept: Iterable[Swept], *, dry_run: bool) -> str:
    """The whole sweep in one sentence: what was removed, left, and could not be removed."""
    by_fate: dict[Fate, list[Done]] = {fate: [] for fate in Fate}
    left: list[Owner] = []
    for one in swept:
        for done in one.done:
            by_fate[done.fate].append(done)
        if one.run is not None and any(done.fate is Fate.LEFT for done in one.done):
            left.append(one.run.owner)
    gone = by_fate[Fate.PLANNED if dry_run else Fate.REMOVED]
    verb = "would remove" if dry_run else "removed"
    parts = [f"{verb} {_by_kind(gone)}" if gone else "nothing to remove"]
    if failed := by_fate[Fate.FAILED]:
        parts[0] = parts[0] if gone else "removed nothing"
        parts.append(f"could not remove {_by_kind(failed)}")
    if alive := left.count(Owner.ALIVE):
        parts.append(f"left {counted(alive, 'running run')}")
    if unknown := left.count(Owner.UNKNOWN):
        parts.append(f"left {counted(unknown, 'run')} of unknown owners")
    if images := [done for done in by_fate[Fate.LEFT] if done.thing.kind is Kind.IMAGE]:
        parts.append(f"left {_by_kind(images)}")
    return "; ".join(parts)


def _by_kind(done: Iterable[Done]) -> str:
    counts = Counter(one.thing.kind for one in done)
    return ", ".join(counted(counts[kind], kind) for kind in Kind if counts[kind])


def _document(swept: list[Swept], order: SweepOrder, exit_status: int) -> dict[str, Any]:
    runs = [
        {"run": one.run.run_id, "owner": one.run.owner, "things": _things(one)}
        for one in swept
        if one.run is not None
    ]
    return {
        "dry_run": order.dry_run,
        "runs": runs,
        "images": [thing for one in swept if one.run is None for thing in _things(one)],
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
