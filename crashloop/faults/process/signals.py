"""The faults of a signal to the app, such as one that comes while it starts."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from crashloop.faults.alone import DEATHS, Alone
from crashloop.faults.base import REPLICAS
from crashloop.faults.process.fault import ProcessFault, seen
from crashloop.faults.process.proc import SignalState, signal_state
from crashloop.model import CheckSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Lives, Ports
    from crashloop.model import Life

PHASE = "dependencies"
"""Where the sample app is met: its imports take a fifth of a second, whatever the time scale."""

HANDLER_WITHIN_S = 2.0
TAKEN_WITHIN_S = 2.0
LOOK_EVERY_S = 0.005


class SignalFault(ProcessFault):
    """A signal to the process of each life that runs when the fault is injected."""

    __slots__ = ()

    number: ClassVar[signal.Signals]

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Send the signal on entering; nothing is healed on leaving.

        Emits `process.signalled`, and `process.took_signal` when /proc or the wait status says
        that it came.
        """
        lives = ports.lives()

        async def send(life: Life, pid: int) -> None:
            state = await self._ready(pid)
            data = {"fault": name, "pid": pid, "signal": self.number.name}
            if not await lives.signal(life, self.number):
                return
            handled = state is not None and state.handles(self.number)
            ports.emit("harness", "process.signalled", target, life=life, handled=handled, **data)
            if await self._taken(lives, life, pid):
                ports.emit("harness", "process.took_signal", target, life=life, **data)

        async with asyncio.TaskGroup() as group:
            for life, pid in lives.running():
                group.create_task(send(life, pid))
        yield

    async def _ready(self, pid: int) -> SignalState | None:
        """The state in which the signal is sent."""
        return signal_state(pid)

    @abstractmethod
    async def _taken(self, lives: Lives, life: Life, pid: int) -> bool:
        """Whether the signal came, as the system says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed(SignalFault):
    """SIGKILL ends the process of each life that runs; where it is run alone, while it starts."""

    kind = "killed"
    number = signal.SIGKILL
    receipt = seen("process.took_signal", signal="SIGKILL")
    alone = Alone(
        target=REPLICAS,
        phase=PHASE,
        each_life=True,
        comes=False,
        shows=(
            CheckSpec(check="exit_code", params={"code": 137, "times": DEATHS}),
            CheckSpec(check="phase_running_at_death", params={"phase": PHASE, "times": DEATHS}),
            CheckSpec(check="last_phase", params={"phase": PHASE}),
            CheckSpec(check="memory_exceeded", params={"exceeded": False}),
            CheckSpec(check="recovered", params={"phase": PHASE}),
        ),
        told_by={"sigterm_during_start": "exit_code", "memory_limit": "memory_exceeded"},
        ends="what kills it stops: look for who sent it, a person, a probe or the kernel",
    )

    async def _taken(self, lives: Lives, life: Life, pid: int) -> bool:
        """Whether the wait status says so: no process can handle SIGKILL."""
        del pid
        return await lives.status(life) == -signal.SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class SigtermDuringStart(SignalFault):
    """SIGTERM comes while the app starts, as soon as its process handles that signal.

    An app that handles none gets it two seconds later.
    """

    kind = "sigterm_during_start"
    number = signal.SIGTERM
    receipt = seen("process.took_signal", signal="SIGTERM")
    alone = Alone(
        target=REPLICAS,
        phase=PHASE,
        each_life=True,
        comes=False,
        shows=(
            CheckSpec(check="exit_code", params={"code": 143, "times": DEATHS}),
            CheckSpec(check="died_after_startup", params={"times": DEATHS}),
            CheckSpec(check="told_to_stop", params={"while_starting": True, "times": DEATHS}),
            CheckSpec(check="recovered", params={"phase": PHASE}),
        ),
        told_by={
            "killed": "exit_code",
            "loopback_only": "told_to_stop",
            "other_port": "told_to_stop",
            "port_in_use": "exit_code",
        },
        ends="the app honours SIGTERM while it starts; else its server ends only when the start "
        "is over, or when SIGKILL comes",
    )

    async def _ready(self, pid: int) -> SignalState | None:
        """Wait until the process handles SIGTERM, or has ended; at most 2 s."""
        state = signal_state(pid)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HANDLER_WITHIN_S):
                while state and not state.handles(self.number):
                    await asyncio.sleep(LOOK_EVERY_S)  # sigaction has no event
                    state = signal_state(pid)
        return state

    async def _taken(self, lives: Lives, life: Life, pid: int) -> bool:
        """Whether it waits no more, as /proc says, or has ended the process."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TAKEN_WITHIN_S):
                while state := signal_state(pid):
                    if not state.waits(self.number):
                        return True
                    await asyncio.sleep(LOOK_EVERY_S)  # delivery has no event
                return await lives.status(life) == -signal.SIGTERM
        return False
