"""Who saw a fault act, and how often, in words. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from crashloop.plural import counted, listed, often
from crashloop.report.clean import clean, label, listing, mapping
from crashloop.report.words import count_of, sentence, sqlstate_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crashloop.report.history import History
    from crashloop.trace.event import Event

NOBODY = "Nothing shows that it touched the app or its target."
_MAX_KINDS = 4
_FAR_FUTURE_NS = 2**63
_ECONNREFUSED = (61, 111)
_SERVERS_WORD = {
    "cache.loading": "{target} itself answered -LOADING",
    "process.stopped": "the processes of {target} were stopped",
}


def receipts_of(
    fault: Mapping[str, Any],
    events: Iterable[Event],
    times: Sequence[tuple[Event, Event | None]],
    *,
    is_dependency: bool,
) -> list[Event]:
    """The events that show that a planned fault acted, as its `receipt` says.

    `times` are its injections, each with its heal. A server's word counts for the fault's target;
    where that is no dependency, any server's does. An app speaks for itself only.
    """
    receipt = mapping(fault.get("receipt"))
    kinds, whose = listing(receipt.get("kinds")), receipt.get("whose", "link")
    found = [e for e in events if e.kind in kinds and (e.source == "app") == (whose == "app")]
    found = [e for e in found if _has(e, mapping(receipt.get("where")))]
    if whose == "link":
        named = [e for e in found if e.data.get("fault") == fault.get("name")]
        return [e for e in named if e.attempt is not None]
    found = [e for e in found if any(_meanwhile(e, *time) for time in times)]
    if whose == "app":
        return [e for e in found if e.attempt is not None and _was_refused(e)]
    return [e for e in found if e.target == fault.get("target") or not is_dependency]


def witness_words(fault: Mapping[str, Any], receipts: Sequence[Event], history: History) -> str:
    """Who saw the fault act, in one sentence."""
    if not receipts:
        return NOBODY
    grade = str(mapping(fault.get("receipt")).get("grade", ""))
    if grade == "client":
        if len(receipts) == 1:
            return "The app's own refused connection shows it."
        return f"The app's own refused connections show it, {often(len(receipts))}."
    if grade in {"server", "process"}:
        alike: dict[tuple[str, str | None], list[Event]] = {}
        for event in receipts:
            alike.setdefault((event.kind, event.target), []).append(event)
        said = [_by_server(found, history) for found in list(alike.values())[:_MAX_KINDS]]
        return sentence(f"{'; '.join(said)}.")
    who = "the proxy shows"
    if history.is_on_docker and fault.get("kind") != "hold":
        who = "the packets at Toxiproxy's port show"
    elif grade == "kernel":
        who = "a SYN_SENT socket of the app shows"
    return f"It touched the app {often(len(receipts))}, as {who}."


def _by_server(found: Sequence[Event], history: History) -> str:
    """What a server, or the system about it, says in events of one kind."""
    first = found[0]
    target = history.target(label(first.target, 24))
    match first.kind:
        case "database.error":
            states = Counter(label(e.data.get("sqlstate", "?"), 8) for e in found)
            return sqlstate_words(target, states.most_common(_MAX_KINDS))
        case "database.sessions_taken":
            taken, left = (count_of(first.data.get(key)) for key in ("count", "left"))
            return f"{target} itself counted {counted(taken, 'session')} taken and {left} left"
        case "database.lock_waiting":
            return f"{target} itself saw a session wait for the lock {often(len(found))}"
        case "revision.overlapping":
            held = [
                f"{history.target(label(name))} itself counted {counted(count_of(n), 'session')}"
                for name, n in list(mapping(first.data.get("sessions")).items())[:_MAX_KINDS]
            ]
            return f"{listed(held) or 'somebody counted sessions'} of the old revision"
    word = _SERVERS_WORD.get(first.kind)
    if word is not None:
        return word.format(target=target)
    return f"{target} itself shows {clean(first.kind, 40)} {often(len(found))}"


def _meanwhile(event: Event, injected: Event, healed: Event | None) -> bool:
    """Whether the event lies between the beginning of the injection and the heal."""
    begun_ns = injected.data.get("begun_ns")
    since_ns = begun_ns if type(begun_ns) is int else injected.mono_ns
    until_ns = healed.mono_ns if healed else _FAR_FUTURE_NS
    return since_ns <= event.mono_ns <= until_ns


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
