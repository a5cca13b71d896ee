"""From triggers to injections and heals: watches a run's events and acts when one is due."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from crashloop.clock import NS_PER_S
from crashloop.countdown import Countdown
from crashloop.faults import build
from crashloop.model import Moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crashloop.clock import TimeScale
    from crashloop.faults.ports import Ports
    from crashloop.model import Life, PlannedFault, Trigger
    from crashloop.trace.event import Event
    from crashloop.trace.recorder import Recorder


@dataclass(slots=True, kw_only=True)
class _Pending:
    """An injection or a heal that waits for its trigger.

    `come` are the moments that have come, by their number in the trigger; so are the countdowns.
    """

    fault: PlannedFault
    action: str
    trigger: Trigger
    fired: bool = False
    come: set[int] = field(default_factory=set)
    countdowns: dict[int, Countdown] = field(default_factory=dict)
    moments: list[Moment] = field(init=False)

    def __post_init__(self) -> None:
        self.moments = list(self.trigger.moments())

    def is_due(self) -> bool:
        """Whether enough of the trigger's moments have come."""
        numbers = iter(range(len(self.moments)))

        def come(part: Moment | Trigger) -> bool:
            if isinstance(part, Moment):
                return next(numbers) in self.come
            parts = [come(one) for one in part.first_of or part.all_of]
            return any(parts) if part.first_of else all(parts)

        return come(self.trigger)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """An action that is due; if a death caused it, `after_s` seconds of the incident after that."""

    pending: _Pending
    why: str
    cause: int | None = None
    died: Life | None = None
    after_s: float = 0.0
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Timeline:
    """Injects and heals each planned fault when its trigger fires.

    Emits `fault.injected` and `fault.healed`, with the trigger that fired, when it is done. Run
    `run` in a task; a fault's error ends it, and however it ends, it heals what is injected.
    Unplugged (`plugged` false), everything is recorded and nothing is done: a plan alone must
    reproduce nothing.

    `start_s` is how long the app needs to start, in wall seconds, where its entry's phases do not
    say when it has: in a scaled run, a time that counts from the start of a life, or goes on with
    one, does so after it.
    """

    def __init__(
        self,
        faults: Iterable[PlannedFault],
        *,
        ports: Ports,
        recorder: Recorder,
        scale: TimeScale,
        plugged: bool = True,
        start_s: float = 0.0,
    ) -> None:
        self._start_ns = 0 if scale.is_real_time else round(start_s * NS_PER_S)
        self._ports = ports
        self._recorder = recorder
        self._scale = scale
        self._plugged = plugged
        self._pending = [_Pending(fault=f, action="inject", trigger=f.inject) for f in faults]
        self._due: asyncio.Queue[_Due] = asyncio.Queue()
        self._done: _Due | None = None
        self._caused: list[_Due] = []
        self._injected: dict[str, AsyncExitStack] = {}
        self._is_over = False
        recorder.subscribe(self._on_event)

    async def run(self) -> None:
        """Act on what becomes due until cancelled."""
        try:
            async with AsyncExitStack() as everything:
                while True:
                    due = await self._due.get()
                    await self._act(due, everything)
                    due.done.set()
                    self._due.task_done()
        finally:
            self._recorder.unsubscribe(self._on_event)
            for pending in self._pending:
                for countdown in pending.countdowns.values():
                    countdown.cancel()

    async def settled(self) -> None:
        """Wait until everything that is due now has been done."""
        await self._due.join()

    async def done_after(self, died: Life, backoff_s: float) -> bool:
        """Wait until what the death of a life has caused is done; whether it was not done yet.

        Call it when the back-off after the death, in seconds of the incident, is over. In the
        incident, injecting and healing take no time, so a fault that is healed at a death is over
        before the next life. Here they take as long as they take; a replica that waits for this
        before its next start never meets a fault that its last death has healed, and always meets
        one that this has injected.

        A death causes what its `process.exited` makes due, and what is due as soon as that is done.
        If that has a delay longer than the back-off, it is not awaited, because the incident has
        the start first. Nor is what something else has caused, such as another replica's death,
        unless it is in front. If an action fails, `run` raises, and this waits until cancelled.
        """
        waited = False
        for due in self._caused:  # grows while this waits
            if due.died == died and due.after_s <= backoff_s and not due.done.is_set():
                waited = await due.done.wait()
        return waited

    async def end(self, why: str) -> None:
        """Finish what is due, heal what is still injected, and inject nothing more."""
        self._is_over = True
        for pending in self._pending:
            if pending.action == "heal" and not pending.fired:
                self._due.put_nowait(_Due(pending=pending, why=why))
            pending.fired = True
        await self.settled()

    def _on_event(self, event: Event) -> None:
        for pending in tuple(self._pending):
            for number in range(len(pending.moments)):
                self._weigh(pending, number, event)

    def _weigh(self, pending: _Pending, number: int, event: Event) -> None:
        """What one event means for one moment: it comes, starts counting, pauses, or nothing."""
        moment, countdown = pending.moments[number], pending.countdowns.get(number)
        if pending.fired or number in pending.come:
            return
        starting_ns = self._start_ns if event.kind == "process.started" else 0
        if _matches(moment, event):
            if not moment.after_s:
                self._come(pending, number, event)
                return
            if countdown is None:
                countdown = pending.countdowns[number] = Countdown(
                    moment.after_s,
                    scale=self._scale,
                    replica=event.replica,
                    fire=partial(self._come, pending, number, event),
                    through_restarts=moment.through_restarts,
                )
            countdown.run(event.replica, event.mono_ns + starting_ns)
        elif countdown is not None and event.kind == "process.exited":
            countdown.pause(event.replica, event.mono_ns)
        elif countdown is not None and (starting_ns or _is_under_way_again(moment, event)):
            countdown.run(event.replica, event.mono_ns + starting_ns)

    def _come(self, pending: _Pending, number: int, cause: Event) -> None:
        """A moment has come; fire if the trigger needs no other."""
        pending.come.add(number)
        if pending.fired or not pending.is_due():
            return
        pending.fired = True
        moment = pending.moments[number]
        died, after_s = self._death(moment, cause)
        due = _Due(pending=pending, why=str(moment), cause=cause.seq, died=died, after_s=after_s)
        self._due.put_nowait(due)
        if died is not None:
            self._caused.append(due)
        if pending.action == "inject":
            self._await_heal(pending.fault, moment, cause)
        elif pending.fault.each_life and not self._is_over:
            again = _Pending(fault=pending.fault, action="inject", trigger=pending.fault.inject)
            self._pending.append(again)

    def _death(self, moment: Moment, cause: Event) -> tuple[Life | None, float]:
        """The life whose death made the moment come, if one did, and the delay after it.

        Also where that was through an action that it had caused and that has just been done.
        """
        if cause.kind == "process.exited":
            return cause.life, moment.after_s
        if self._done is None:
            return None, 0.0
        return self._done.died, self._done.after_s

    def _await_heal(self, fault: PlannedFault, injected: Moment, cause: Event) -> None:
        """Wait for the heal's trigger, from the event on that caused the injection.

        A moment with a delay counts from its event even where that came while the injection's own
        delay passed. A moment without one cannot come before the injection.
        """
        heal = _Pending(fault=fault, action="heal", trigger=fault.heal)
        self._pending.append(heal)
        for event in self._recorder.events[cause.seq - 1 :]:
            for number, moment in enumerate(heal.moments):
                if moment.after_s or (event is cause and not injected.after_s):
                    self._weigh(heal, number, event)

    async def _act(self, due: _Due, everything: AsyncExitStack) -> None:
        pending, fault = due.pending, due.pending.fault
        data: dict[str, Any] = {"fault": fault.name, "fault_kind": fault.kind}
        # What shows that a server's fault acts comes while it is being injected, and it may no
        # longer act while it is being healed.
        data |= {"trigger": due.why, "cause": due.cause, "begun_ns": time.monotonic_ns()}
        kind = "fault.healed"
        if pending.action == "inject":
            kind = "fault.injected"
            data |= {"params": dict(fault.params), "plugged": self._plugged}
            self._injected[fault.name] = await everything.enter_async_context(AsyncExitStack())
            if self._plugged:
                active = build(fault, self._scale).active(
                    self._ports, name=fault.name, target=fault.target
                )
                await self._injected[fault.name].enter_async_context(active)
        else:
            await self._injected[fault.name].aclose()
        self._done = due  # what its event makes due is caused by the same death
        self._recorder.emit("harness", kind, data, target=fault.target)
        self._done = None


def _matches(moment: Moment, event: Event) -> bool:
    if event.kind != moment.on:
        return False
    own = {"replica": event.replica, "attempt": event.attempt, "target": event.target}
    fields = {**event.data, **own, "source": event.source}
    return all(fields.get(name) == value for name, value in moment.where.items())


def _is_under_way_again(moment: Moment, event: Event) -> bool:
    """Whether a restart is over: the moment's phase has begun, or any if it names none."""
    phase = moment.where.get("phase")
    return event.kind == "phase.started" and (phase is None or phase == event.data.get("phase"))
