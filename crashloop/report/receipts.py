"""Who saw a fault act, and how often, in words. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crashloop.checks.result import UNREADABLE
from crashloop.checks.touches import touches
from crashloop.plural import counted, listed, often
from crashloop.report.clean import clean, label, listing, mapping
from crashloop.report.words import count_of, sentence, sqlstate_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.checks.touch import Touch
    from crashloop.report.history import History
    from crashloop.trace.event import Event, Trace

NOBODY = "Nothing shows that it touched the app or its target."
WEAK = " The app named no address, so this is weaker evidence."
_MAX_KINDS = 4
_SERVERS_WORD = {
    "cache.loading": "{target} itself answered -LOADING",
    "process.listens": "the kernel shows where the app listened",
    "process.port_taken": "the kernel shows that somebody else listened at the app's port",
    "process.took_signal": "the system shows that the app's process took the signal",
    "process.cpu_withheld": "the system shows that the app's process had to wait, time and again",
    "process.memory_exceeded": "the system shows that the app's process had too much memory, and "
    "was killed",
    "database.lock_orphaned": "{target} itself saw the lock held by a session that is idle",
    "database.statement_running": "{target} itself saw a statement of the app run",
    "process.memory_over_old_limit": "the system shows that the app's process had more memory than "
    "the old limit allowed",
    "database.role_renamed": "{target} itself had the app's role under another name",
    "database.role_unknown": "{target} itself said that the app's role does not exist",
    "database.schema_newer": "{target} itself had the schema of a newer image",
    "process.files_read_only": "/proc shows that the folder was read-only for the app's process",
    "process.setting_missing": "/proc shows that the app's process was without the variable",
    "process.workers_started": "/proc shows that the app's server had so many workers",
    "database.read_shared": "{target} itself had its time shared by sessions that read a table",
    "name.asked": "a process of the app looked up the name of {target}, and the fault answered it",
    "process.stopped": "the processes of {target} were stopped",
}


def with_witnesses(history: History, trace: Trace) -> History:
    """The history, each of whose faults says who saw it act, by the rule that checks use."""
    said: dict[str, tuple[int, str]] = {}
    for fault in listing(trace.scenario.get("faults")):
        found = _touches(trace, mapping(fault))
        receipts = [*{touch.event.seq: touch.event for touch in found}.values()]
        words = witness_words(mapping(fault), receipts, history)
        if found and all(touch.is_weak for touch in found):
            words += WEAK
        said[label(mapping(fault).get("name"), 40)] = len(receipts), words
    faults = []
    for span in history.faults:
        count, words = said.get(span.name, (0, NOBODY))
        faults.append(replace(span, receipts=count, witness=words))
    return replace(history, faults=tuple(faults))


def _touches(trace: Trace, fault: Mapping[str, Any]) -> list[Touch]:
    try:
        return touches(trace, fault)
    except UNREADABLE:  # not a trace as a run writes it
        return []


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
    if history.is_on_docker and fault.get("kind") not in {"hold", "slow_connect"}:
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
        case "database.lock_waiting" | "database.orphan_waiting":
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
