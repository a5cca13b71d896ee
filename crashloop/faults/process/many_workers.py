"""The fault of a server that starts a worker for each of many cores."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.faults.parameter import takes
from crashloop.faults.process.fault import ProcessFault, each_life, seen
from crashloop.faults.process.proc import signal_state, workers_of
from crashloop.model import Launch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports
    from crashloop.model import AppUnderTest, Life

VARIABLE = "WEB_CONCURRENCY"
"""What uvicorn and gunicorn take the number of their workers from."""

MOST_WORKERS = 256  # chosen: each is a process of this machine
LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyWorkers(ProcessFault):
    """The app's server starts as many workers as `workers` says, as on a host with so many cores.

    The environment variable WEB_CONCURRENCY tells it to.
    """

    kind = "many_workers"
    receipt = seen("process.workers_started")

    workers: int = field(metadata=takes("count", least=2, most=MOST_WORKERS))

    def why_not(self, app: AppUnderTest) -> str:
        """Why the number of workers cannot be changed; "" if it can."""
        fixes = any(word == "-w" or word.startswith("--workers") for word in app.command)
        return "its command says how many workers its server has" if fixes else ""

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Start each life with the variable.

        Emits `process.workers_started` when /proc says that a life has as many workers.
        """
        lives = ports.lives()

        async def look(life: Life, pid: int) -> None:
            while signal_state(pid):
                workers = workers_of(pid)
                if len(workers) >= self.workers:
                    data = {"fault": name, "pid": pid, "workers": workers}
                    ports.emit("harness", "process.workers_started", target, life=life, **data)
                    return
                await asyncio.sleep(LOOK_EVERY_S)  # a fork has no event

        change = Launch(set_env={VARIABLE: str(self.workers)})
        async with lives.launched(change), each_life(lives, look):
            yield
