"""What a life did towards others, for its lane: connections, refusals and probes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.report.clean import clean, label
from crashloop.report.words import probe_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.report.instants import Instants
    from crashloop.trace.event import Event

MAX_CONTACTS = 1500
_INSTANTS = {
    "probe.passed": ("probe-passed", "{probe} passed"),
    "link.failed": ("refused", "a connection to {target} failed"),
    "link.turned_away": ("refused", "a connection to {target} was turned away"),
    "link.dropped": ("refused", "a connection to {target} was dropped"),
    "gate.refused": ("refused", "a connection to {target} was refused"),
    "gate.syn_seen": ("refused", "a connection to {target} got no answer (SYN)"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A connection from its opening to its end, or an instant; times as in a history."""

    life: tuple[int, int]
    start_s: float
    end_s: float
    look: str
    says: str
    is_span: bool = False


def contacts_of(events: Sequence[Event], instants: Instants) -> tuple[Contact, ...]:
    """The contacts of all lives, 1500 at most; held connections, which come last, are kept first.

    What an app says of itself is none.
    """
    seen = [e for e in events if e.source != "app"]
    found = [*_connections(seen, instants), *_instants(seen, instants)]
    found.sort(key=lambda one: (one.look != "held", one.start_s))
    return tuple(found[:MAX_CONTACTS][::-1])


def _connections(events: Sequence[Event], instants: Instants) -> Iterator[Contact]:
    ends: dict[tuple[str, str], Event] = {}
    for event in events:
        if event.kind in {"link.closed", "link.released"}:
            ends.setdefault((event.kind, clean(event.data.get("link"), 60)), event)
    for event in events:
        if event.kind not in {"link.opened", "link.held"} or event.life is None:
            continue
        link, target = clean(event.data.get("link"), 60), label(event.target)
        closed = ends.get(("link.closed", link))
        is_held = event.kind == "link.held"
        end = ends.get(("link.released", link), closed) if is_held else closed
        end_s = instants.at_s(end) if end else instants.now_s
        says = f"connection {link} to {target}"
        if is_held:
            says = f"{says} held by fault {label(event.data.get('fault'), 40)}"
        start_s = instants.at_s(event)
        yield Contact(
            life=event.life,
            start_s=start_s,
            end_s=max(start_s, end_s),
            look="held" if is_held else "link",
            says=says,
            is_span=True,
        )


def _instants(events: Sequence[Event], instants: Instants) -> Iterator[Contact]:
    for event in events:
        if event.kind not in _INSTANTS or event.life is None:
            continue
        look, says = _INSTANTS[event.kind]
        words = says.format(
            probe=probe_words(event.data.get("probe", "?")), target=label(event.target)
        )
        at_s = instants.at_s(event)
        yield Contact(life=event.life, start_s=at_s, end_s=at_s, look=look, says=words)
