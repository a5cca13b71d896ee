"""The faults of a history, made from their events. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.report.clean import clean, label, mapping
from crashloop.report.history import FaultSpan
from crashloop.report.triggers import trigger_words
from crashloop.report.words import fault_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.report.history import History
    from crashloop.report.instants import Instants
    from crashloop.trace.event import Event

MAX_FAULTS = 8
MAX_INJECTIONS = 50


def faults_of(
    events: Sequence[Event],
    planned: Sequence[Mapping[str, Any]],
    *,
    instants: Instants,
    history: History,
) -> tuple[FaultSpan, ...]:
    """The faults that were injected, or planned only, each as often as it was.

    The events are in order of time. Who saw the faults act is not among them.
    """
    plans = {str(fault.get("name")): fault for fault in planned[:MAX_FAULTS]}
    injected: dict[str, list[Event]] = {}
    for event in events:
        if event.kind == "fault.injected":
            injected.setdefault(str(event.data.get("fault")), []).append(event)
    spans: list[FaultSpan] = []
    for name, found in list(injected.items())[:MAX_FAULTS]:
        plan = plans.get(name, {})
        times = [(event, _heal(events, event)) for event in found[:MAX_INJECTIONS]]
        target = label(found[0].target or plan.get("target") or "fault", 24)
        for event, healed in times:
            spans.append(
                FaultSpan(
                    name=label(name, 40),
                    kind=label(event.data.get("fault_kind", "?"), 24),
                    target=target,
                    says=fault_words(event.data),
                    grade=clean(mapping(plan.get("receipt")).get("grade", "?"), 20),
                    plugged=event.data.get("plugged") is not False,
                    start_s=instants.at_s(event),
                    end_s=instants.at_s(healed) if healed else instants.now_s,
                    healed=healed is not None,
                    trigger=_trigger(events, healed, history) if healed else "",
                )
            )
    return tuple(spans)


def _trigger(events: Sequence[Event], healed: Event, history: History) -> str:
    """When it was healed, in words."""
    cause = next((e for e in events if e.seq == healed.data.get("cause")), None)
    text = clean(healed.data.get("trigger", ""), 120)
    return trigger_words(text, several=history.several, cause=cause)


def _heal(events: Sequence[Event], injected: Event) -> Event | None:
    """The heal that follows this injection of the same fault."""
    name, begun = injected.data.get("fault"), (injected.mono_ns, injected.seq)
    heals = (e for e in events if e.kind == "fault.healed" and e.data.get("fault") == name)
    return next((e for e in heals if (e.mono_ns, e.seq) >= begun), None)
