"""Workers as their comparison sees them: child processes that answer one job after the other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from crashloop.child import END_BOUND_S, MAX_LINE, end, lines
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from crashloop.campaign.plan import Job

COMMAND = (sys.executable, "-P", "-m", "crashloop.campaign.worker")
LINES_KEPT = 12
MAX_ANSWER = 1 << 24
START_BOUND_S = 60.0
LAST_LINES_BOUND_S = 1.0


class WorkerError(Exception):
    """The worker gave no answer: it died, or took too long. It takes no other job."""


class Asked(Protocol):
    """What answers jobs, one at a time."""

    async def ask(self, job: Job, *, bound_s: float) -> Mapping[str, Any]:
        """The answer to the job; WorkerError if none comes within `bound_s` wall seconds."""

    async def close(self) -> None:
        """End it, and the run that it is at."""


class Worker:
    """A started worker."""

    def __init__(self, child: Process) -> None:
        self._child = child
        self._said: deque[str] = deque(maxlen=LINES_KEPT)
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, command: Sequence[str] = COMMAND) -> Worker:
        """Start a worker, and wait until it takes jobs; HarnessError if it does not start."""
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=max(MAX_LINE, MAX_ANSWER),
            start_new_session=True,  # Ctrl-C is for the comparison, which ends its workers
        )
        started = cls(child)
        try:
            await started._line(START_BOUND_S)
        except WorkerError as error:
            await started.close()
            raise HarnessError(f"a worker of the comparison did not start: {error}") from None
        except asyncio.CancelledError:
            await started.close()
            raise
        return started

    async def ask(self, job: Job, *, bound_s: float) -> Mapping[str, Any]:
        """The answer to the job; WorkerError if none comes within `bound_s` wall seconds."""
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):  # it is gone, which reading shows
            self._child.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
            await self._child.stdin.drain()
        return await self._line(bound_s)

    async def close(self) -> None:
        """End it, and the run that it is at."""
        await end(self._child)
        # What a killed worker has left behind may hold its standard error open.
        await asyncio.wait({self._listening}, timeout=LAST_LINES_BOUND_S)
        self._listening.cancel()
        self._child._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001  no API

    async def _line(self, bound_s: float) -> dict[str, Any]:
        assert self._child.stdout is not None
        try:
            async with asyncio.timeout(bound_s) as bound:
                line = await self._child.stdout.readline()
        except TimeoutError:
            if not bound.expired():
                raise
            raise WorkerError(f"it did not end within {bound_s:.0f} s") from None
        except ValueError:
            raise WorkerError("its answer is too long") from None
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(line)
            if isinstance(found, dict):
                return found
        if not line:  # it is ending; a signal at this moment would hide its status
            await self._ended()
        await self.close()
        last = f": {self._said[-1]}" if self._said else ""
        raise WorkerError(f"it ended with status {self._child.returncode} and no answer{last}")

    async def _ended(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_BOUND_S):
                await self._child.wait()

    async def _listen(self) -> None:
        """Keep the last lines of its standard error until it ends."""
        assert self._child.stderr is not None
        async for line in lines(self._child.stderr):
            self._said.append(line)


class Crew:
    """The workers of a comparison; those that are idle wait for the next job."""

    def __init__(self, start: Callable[[], Awaitable[Asked]]) -> None:
        self._start = start
        self._idle: list[Asked] = []
        self._all: list[Asked] = []

    async def ready(self, number: int) -> None:
        """Have so many idle workers, all of them started."""
        missing = number - len(self._idle)
        async with asyncio.TaskGroup() as group:
            for _ in range(missing):
                group.create_task(self._add())

    async def ask(self, job: Job, *, bound_s: float) -> Mapping[str, Any]:
        """The answer of an idle worker, or of a new one; WorkerError if it gives none."""
        if not self._idle:
            await self._add()
        asked = self._idle.pop()
        try:
            answer = await asked.ask(job, bound_s=bound_s)
        except WorkerError:
            await asked.close()
            self._all.remove(asked)
            raise
        self._idle.append(asked)
        return answer

    async def _add(self) -> None:
        started = await self._start()
        self._all.append(started)
        self._idle.append(started)

    async def close(self) -> None:
        """End all of them at once."""
        await asyncio.gather(*(each.close() for each in self._all))


@contextlib.asynccontextmanager
async def crew(start: Callable[[], Awaitable[Asked]] = Worker.start) -> AsyncIterator[Crew]:
    """Workers, which have all ended on leaving."""
    found = Crew(start)
    try:
        yield found
    finally:
        await found.close()
