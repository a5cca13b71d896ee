"""Who saw a fault act, and how often, in words. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from crashloop.plural import counted, often
from crashloop.report.clean import clean, label, listing, mapping
from crashloop.report.words import count_of, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crashloop.trace.event import Event

_NOBODY = "Nothing shows that it touched the app or its target."
_FAR_FUTURE_NS = 2**63
_SERVERS_WORD = {
    "cache.loading": "{target} itself answered -LOADING",
    "database.starting": "{target} itself answered that it was starting up",
    "process.stopped": "the processes of {target} were stopped (SIGSTOP)",
}


def kinds_of(planned: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The kinds of event that are receipts of these planned faults."""
    return frozenset(
        str(kind)
        for fault in planned
        for kind in listing(mapping(fault.get("receipt")).get("kinds"))
    )


def receipts_of(
    fault: Mapping[str, Any],
    events: Iterable[Event],
    times: Sequence[tuple[Event, Event | None]],
) -> list[Event]:
    """The events that show that a planned fault acted, as its `receipt` says.

    `times` are its injections, each with its heal.
    """
    receipt = mapping(fault.get("receipt"))
    kinds, whose = listing(receipt.get("kinds")), receipt.get("whose", "link")
    found = [e for e in events if e.kind in kinds and _has(e, mapping(receipt.get("where")))]
    if whose == "link":
        named = [e for e in found if e.data.get("fault") == fault.get("name")]
        return [e for e in named if e.attempt is not None]
    found = [e for e in found if any(_meanwhile(e, *time) for time in times)]
    if whose == "app":
        return [e for e in found if e.attempt is not None]
    return [e for e in found if e.target == fault.get("target")]


def _meanwhile(event: Event, injected: Event, healed: Event | None) -> bool:
    until_ns = healed.mono_ns if healed else _FAR_FUTURE_NS
    return injected.mono_ns <= event.mono_ns <= until_ns


def witness_words(
    fault: Mapping[str, Any], receipts: Sequence[Event], *, target: str, on_docker: bool
) -> str:
    """Who saw the fault act, in one sentence; `target` is its display name."""
    grade = str(mapping(fault.get("receipt")).get("grade", ""))
    if grade == "client" and receipts:
        return "The app's own refused connection shows it."
    if not receipts:
        return _NOBODY
    if grade in {"server", "process"}:
        return f"{_by_server(receipts, target)}."
    who = "the proxy shows"
    if on_docker and fault.get("kind") != "hold":
        who = "the packets at Toxiproxy's port show"
    elif grade == "kernel":
        who = "a SYN_SENT socket of the app shows"
    return f"It touched the app {often(len(receipts))}, as {who}."


def _by_server(receipts: Sequence[Event], target: str) -> str:
    """What the server or the system says about itself."""
    said = []
    for kind, count in Counter(e.kind for e in receipts).items():
        found = [e for e in receipts if e.kind == kind]
        if kind == "database.error":
            states = Counter(label(e.data.get("sqlstate", "?"), 8) for e in found)
            times = [f"{state} {often(n)}" for state, n in states.most_common(4)]
            said.append(f"{target} itself said {listed(times)}")
        elif kind == "database.sessions_taken":
            taken, left = (count_of(found[0].data.get(key)) for key in ("count", "left"))
            said.append(
                f"{target} itself counted {counted(taken, 'session')} taken and {left} left"
            )
        elif kind == "database.lock_waiting":
            said.append(f"{target} itself saw the app wait for a lock {often(count)}")
        elif kind in _SERVERS_WORD:
            said.append(_SERVERS_WORD[kind].format(target=target))
        else:
            said.append(f"{target}: {clean(kind, 40)}, {often(count)}")
    text = "; ".join(said[:4])
    return text[:1].upper() + text[1:]


def _has(event: Event, where: Mapping[str, Any]) -> bool:
    """Whether each field has its value: in the event's data, or in a link of its error chain."""
    chain = [mapping(error) for error in listing(event.data.get("error"))]
    return all(
        any(key in place and place[key] == value for place in (event.data, *chain))
        for key, value in where.items()
    )
