"""From triggers to injections and heals: watches a run's events and acts when one is due."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S, TimeScale
from crashloop.faults import build
from crashloop.faults.injector import Unplugged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crashloop.faults.injector import Injector
    from crashloop.model import Moment, PlannedFault, Trigger
    from crashloop.trace.event import Event
    from crashloop.trace.recorder import Recorder


@dataclass(slots=True, kw_only=True)
class _Pending:
    """An injection or a heal that waits for its trigger."""

    fault: PlannedFault
    action: str
    trigger: Trigger
    fired: bool = False
    countdowns: dict[Moment, Countdown] = field(default_factory=dict)


class Countdown:
    """Seconds of the incident until something is due; pauses while the app is being restarted.

    A restart's real work (process, imports) takes as long in a scaled run as in the incident, so
    counting it twenty-fold would let "90 s after" come before its time. In real time it never
    pauses. Instants are of the monotonic clock, and may lie in the past.
    """

    def __init__(self, due_in_s: float, *, scale: TimeScale, fire: Callable[[], None]) -> None:
        self._remaining_s = scale.wall_s(due_in_s)
        self._may_pause = not scale.is_real_time
        self._fire = fire
        self._timer: asyncio.TimerHandle | None = None
        self._running_since_ns = 0

    def run(self, since_ns: int) -> None:
        """Count from this instant; does nothing while it counts already."""
        if self._timer is None:
            passed_s = (time.monotonic_ns() - since_ns) / NS_PER_S
            self._running_since_ns = since_ns
            self._timer = asyncio.get_running_loop().call_later(
                max(self._remaining_s - passed_s, 0), self._fire
            )

    def pause(self, at_ns: int) -> None:
        """Stop counting until `run`, unless it was due before this instant."""
        left_s = self._remaining_s - (at_ns - self._running_since_ns) / NS_PER_S
        if self._timer is not None and self._may_pause and left_s > 0:
            self.cancel()
            self._timer = None
            self._remaining_s = left_s

    def cancel(self) -> None:
        """Never fire."""
        if self._timer is not None:
            self._timer.cancel()


class Timeline:
    """Injects and heals each planned fault once, at the first moment of its trigger.

    Emits `fault.injected` and `fault.healed`, with the trigger that fired, when the injector is
    done. Run `run` in a task; an injector's error ends it.
    """

    def __init__(
        self,
        faults: Iterable[PlannedFault],
        *,
        injector: Injector,
        recorder: Recorder,
        scale: TimeScale,
    ) -> None:
        self._injector = injector
        self._recorder = recorder
        self._scale = scale
        self._pending = [_Pending(fault=f, action="inject", trigger=f.inject) for f in faults]
        self._due: asyncio.Queue[tuple[_Pending, str, int | None]] = asyncio.Queue()
        recorder.subscribe(self._on_event)

    async def run(self) -> None:
        """Act on what becomes due until cancelled."""
        try:
            while True:
                pending, why, cause = await self._due.get()
                await self._act(pending, why, cause)
                self._due.task_done()
        finally:
            self._recorder.unsubscribe(self._on_event)
            for pending in self._pending:
                for countdown in pending.countdowns.values():
                    countdown.cancel()

    async def settled(self) -> None:
        """Wait until everything that is due now has been done."""
        await self._due.join()

    async def end(self, why: str) -> None:
        """Finish what is due, heal what is still injected, and inject nothing more."""
        for pending in self._pending:
            if pending.action == "inject":
                pending.fired = True
            elif not pending.fired:
                pending.fired = True
                self._due.put_nowait((pending, why, None))
        await self.settled()

    def _on_event(self, event: Event) -> None:
        for pending in tuple(self._pending):
            for moment in pending.trigger.first_of:
                self._weigh(pending, moment, event)

    def _weigh(self, pending: _Pending, moment: Moment, event: Event) -> None:
        """What one event means for one moment: fire, start counting, pause, or change nothing."""
        countdown = pending.countdowns.get(moment)
        if pending.fired:
            return
        if _matches(moment, event):
            if not moment.after_s:
                self._fire(pending, moment, event)
                return
            if countdown is None:
                countdown = pending.countdowns[moment] = Countdown(
                    moment.after_s,
                    scale=self._scale,
                    fire=partial(self._fire, pending, moment, event),
                )
            countdown.run(event.mono_ns)
        elif countdown is not None and event.kind == "process.exited":
            countdown.pause(event.mono_ns)
        elif countdown is not None and _is_under_way_again(moment, event):
            countdown.run(event.mono_ns)

    def _fire(self, pending: _Pending, moment: Moment, cause: Event) -> None:
        if pending.fired:
            return
        pending.fired = True
        self._due.put_nowait((pending, str(moment), cause.seq))
        if pending.action == "inject":
            self._await_heal(pending.fault, moment, cause)

    def _await_heal(self, fault: PlannedFault, injected: Moment, cause: Event) -> None:
        """Wait for the heal's trigger, from the event on that caused the injection.

        A moment with a delay counts from its event even where that came while the injection's own
        delay passed. A moment without one cannot come before the injection.
        """
        heal = _Pending(fault=fault, action="heal", trigger=fault.heal)
        self._pending.append(heal)
        for event in self._recorder.events[cause.seq - 1 :]:
            for moment in fault.heal.first_of:
                if moment.after_s or (event is cause and not injected.after_s):
                    self._weigh(heal, moment, event)

    async def _act(self, pending: _Pending, why: str, cause: int | None) -> None:
        fault = pending.fault
        data = {"fault": fault.name, "fault_kind": fault.kind, "trigger": why, "cause": cause}
        if pending.action == "inject":
            await self._injector.inject(fault.name, build(fault, self._scale))
            self._recorder.emit(
                "harness",
                "fault.injected",
                {
                    **data,
                    "params": dict(fault.params),
                    "grade": str(fault.grade),
                    "plugged": not isinstance(self._injector, Unplugged),
                },
            )
        else:
            await self._injector.heal(fault.name)
            self._recorder.emit("harness", "fault.healed", data)


def _matches(moment: Moment, event: Event) -> bool:
    return (
        event.kind == moment.on
        and (moment.attempt is None or event.attempt == moment.attempt)
        and (moment.phase is None or event.data.get("phase") == moment.phase)
    )


def _is_under_way_again(moment: Moment, event: Event) -> bool:
    """Whether the restart is over: the moment's phase has begun, or any if it names none."""
    return event.kind == "phase.started" and moment.phase in {None, event.data.get("phase")}
