"""The fault of a CPU that is withheld from the app."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from crashloop.faults.alone import Alone
from crashloop.faults.base import REPLICAS
from crashloop.faults.parameter import takes
from crashloop.faults.process.fault import ProcessFault, each_life, seen
from crashloop.faults.process.usage import cpu_s, is_stopped
from crashloop.model import CheckSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from crashloop.faults.ports import Ports
    from crashloop.model import Life

PERIOD_S = 0.1
"""As Linux's own CPU quota has it: cpu.max, "max 100000" microseconds."""

LEAST_SHARE, MOST_SHARE = 0.01, 0.99
"""Of the period: the kernel's least quota is 1 ms of it."""

LATE_S = 8.0  # chosen: several times what the imports of an app take on a busy machine


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuStarved(ProcessFault):
    """The app may run for a `share` of the time, and has to wait for the rest.

    In a container, the kernel sees to it by a CPU quota. Else, the app's first process is stopped
    and continued.
    """

    kind = "cpu_starved"
    by_quota: ClassVar[bool] = True
    receipt = seen("process.cpu_withheld")
    modelled: ClassVar[Mapping[str, str]] = {
        "local": "SIGSTOP and SIGCONT every 100 ms stand for a CPU quota"
    }
    alone = Alone(
        target=REPLICAS,
        phase="",
        params={"share": 0.03},
        deaths=0,
        heal_s=LATE_S + 1.0,
        time_scale=1.0,
        comes=False,
        shows=(
            CheckSpec(check="first_phase_late", params={"at_least_s": LATE_S}),
            CheckSpec(check="no_death"),
            CheckSpec(check="journey_passed"),
        ),
        told_by={"hold": "first_phase_late", "memory_limit": "no_death"},
        ends="the app gets more CPU: a larger quota, CPU boost at start-up, fewer starts at once",
    )

    share: float = field(
        default=0.1,
        metadata=takes("share", least=LEAST_SHARE, most=MOST_SHARE, says="of one CPU's time"),
    )

    def real_time_only(self, *, limit_s: float) -> str:
        """Why it cannot be scaled: what the app computes takes as long at every scale."""
        del limit_s
        return "the app's own work, which it makes slower, takes as long at every time scale"

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Stop and continue each life in turns; on leaving, each is continued.

        Emits `process.cpu_withheld` when /proc first shows a life stopped, and how much it was in
        all when it ends or is healed.
        """
        if (quotas := ports.quotas()) is not None:
            async with quotas.cpu(self.share, fault=name):
                yield
            return
        lives = ports.lives()

        async def starve(life: Life, pid: int) -> None:
            about = {"fault": name, "pid": pid, "share": self.share, "modelled": True}

            def say(withheld_s: float) -> None:
                data = {**about, "withheld_s": round(withheld_s, 3), "cpu_s": cpu_s(pid)}
                ports.emit("harness", "process.cpu_withheld", target, life=life, **data)

            withheld_s, is_seen = 0.0, False
            try:
                while await lives.signal(life, signal.SIGSTOP):
                    begun = time.monotonic()
                    await asyncio.sleep(PERIOD_S * (1 - self.share))
                    if is_stopped(pid):
                        withheld_s += time.monotonic() - begun
                        if not is_seen:
                            say(withheld_s)
                        is_seen = True
                    if not await lives.signal(life, signal.SIGCONT):
                        break
                    await asyncio.sleep(PERIOD_S * self.share)
            finally:
                await lives.signal(life, signal.SIGCONT)
                if is_seen:
                    say(withheld_s)

        async with each_life(lives, starve):
            yield
