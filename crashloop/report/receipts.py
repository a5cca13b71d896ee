"""Who saw a fault act, and how often, in words. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from crashloop.plural import counted, often
from crashloop.report.clean import clean, label, listing, mapping
from crashloop.report.words import count_of, listed, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crashloop.report.history import History
    from crashloop.trace.event import Event

_NOBODY = "Nothing shows that it touched the app or its target."
_FAR_FUTURE_NS = 2**63
_ECONNREFUSED = (61, 111)
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
    *,
    is_dependency: bool,
) -> list[Event]:
    """The events that show that a planned fault acted, as its `receipt` says.

    `times` are its injections, each with its heal. A server's word counts for the fault's target;
    where that is no dependency, any server's does.
    """
    receipt = mapping(fault.get("receipt"))
    kinds, whose = listing(receipt.get("kinds")), receipt.get("whose", "link")
    found = [e for e in events if e.kind in kinds and _has(e, mapping(receipt.get("where")))]
    if whose == "link":
        named = [e for e in found if e.data.get("fault") == fault.get("name")]
        return [e for e in named if e.attempt is not None]
    found = [e for e in found if any(_meanwhile(e, *time) for time in times)]
    if whose == "app":
        return [e for e in found if e.attempt is not None and _was_refused(e)]
    return [e for e in found if e.target == fault.get("target") or not is_dependency]


def _meanwhile(event: Event, injected: Event, healed: Event | None) -> bool:
    until_ns = healed.mono_ns if healed else _FAR_FUTURE_NS
    return injected.mono_ns <= event.mono_ns <= until_ns


def witness_words(fault: Mapping[str, Any], receipts: Sequence[Event], history: History) -> str:
    """Who saw the fault act, in one sentence."""
    grade = str(mapping(fault.get("receipt")).get("grade", ""))
    if grade == "client" and receipts:
        return "The app's own refused connection shows it."
    if not receipts:
        return _NOBODY
    if grade in {"server", "process"}:
        target = history.target(label(receipts[0].target or fault.get("target"), 24))
        return f"{_by_server(receipts, target)}."
    who = "the proxy shows"
    if history.is_on_docker and fault.get("kind") != "hold":
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
    return sentence("; ".join(said[:4]))


def _was_refused(event: Event) -> bool:
    """Whether the app logged ECONNREFUSED, by its number on Linux or macOS or by its name."""
    chain = [mapping(error) for error in listing(event.data.get("error"))]
    return any(
        error.get("errno") in _ECONNREFUSED
        or str(error.get("type", "")).endswith("ConnectionRefusedError")
        for error in chain
    )


def _has(event: Event, where: Mapping[str, Any]) -> bool:
    """Whether each field of the event has its value."""
    places = {"replica": event.replica, "attempt": event.attempt, "target": event.target}
    fields = {**event.data, **places, "source": event.source}
    return all(key in fields and fields[key] == value for key, value in where.items())
