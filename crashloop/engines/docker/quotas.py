"""What the kernel holds the app's containers to: memory, and a share of a CPU."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import docker.errors

from crashloop.clock import NS_PER_S
from crashloop.engines.docker.daemon import sdk_errors
from crashloop.engines.docker.threads import blocking
from crashloop.errors import CapabilityError
from crashloop.faults.base import REPLICAS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from crashloop.engines.docker.container import ContainerLife
    from crashloop.engines.docker.daemon import Daemon
    from crashloop.engines.docker.events import ContainerEvent
    from crashloop.engines.docker.replicas import Replicas
    from crashloop.model import Life
    from crashloop.trace.recorder import Recorder

PERIOD_US = 100_000
"""A CPU quota's period: the kernel's own default."""
LOOK_EVERY_S = 0.25


class Quotas:
    """The limits of the containers of a run's replicas; the daemon changes them as they run."""

    def __init__(self, daemon: Daemon, replicas: Replicas, recorder: Recorder) -> None:
        self._daemon = daemon
        self._replicas = replicas
        self._recorder = recorder
        self._memory: Mapping[str, Any] = {}

    @contextlib.asynccontextmanager
    async def memory(
        self, limit_bytes: int, *, fault: str, old_limit_bytes: int = 0
    ) -> AsyncIterator[None]:
        """While entered, the kernel ends each life that has more memory than that.

        Emits `process.memory_exceeded` for each, when the daemon says so. With an old limit, emits
        `process.memory_over_old_limit` for each life of which the kernel says that it has more
        memory than that.
        """
        facts = self._daemon.facts
        if not facts.limits_memory:
            raise _lacking("memory")
        about: dict[str, Any] = {"fault": fault, "limit_bytes": limit_bytes}
        over: set[Life] = set()

        async def look(each: ContainerLife) -> None:
            found = await blocking(self._resident_bytes, each)
            if found > old_limit_bytes and each.life not in over:
                over.add(each.life)
                data = {**about, "resident_bytes": found, "old_limit_bytes": old_limit_bytes}
                self._say("process.memory_over_old_limit", each.life, data)

        self._memory = about
        try:
            await self._update(mem_limit=limit_bytes, memswap_limit=limit_bytes)
            async with self._watching(look) if old_limit_bytes else contextlib.nullcontext():
                yield
        finally:
            # A limit cannot be taken away, only set higher than all there is.
            await self._update(mem_limit=facts.memory_bytes, memswap_limit=-1)
            self._memory = {}

    def exceeded(self, event: ContainerEvent) -> None:
        """Docker says that the kernel ended a process in a container for its memory."""
        life = self._replicas.current(event.role)
        if self._memory and life is not None:
            data = {**self._memory, "signal": "SIGKILL", "container": event.container[:12]}
            self._say("process.memory_exceeded", life, data, mono_ns=event.mono_ns)

    @contextlib.asynccontextmanager
    async def cpu(self, share: float, *, fault: str) -> AsyncIterator[None]:
        """While entered, the kernel lets each life run for that share of the time of one CPU.

        Emits `process.cpu_withheld` for each life when the kernel says that it had to wait, and how
        long it did in all when it was last asked.
        """
        if not self._daemon.facts.limits_cpu:
            raise _lacking("CPU")
        withheld_s: dict[Life, float] = {}

        def say(life: Life) -> None:
            data = {"fault": fault, "share": share, "withheld_s": round(withheld_s[life], 3)}
            self._say("process.cpu_withheld", life, data)

        async def look(each: ContainerLife) -> None:
            found_s = await blocking(self._throttled_s, each)
            is_first = each.life not in withheld_s
            if found_s > withheld_s.get(each.life, 0.0):
                withheld_s[each.life] = found_s
                if is_first:
                    say(each.life)

        await self._update(cpu_period=PERIOD_US, cpu_quota=round(share * PERIOD_US))
        try:
            async with self._watching(look):
                yield
        finally:
            await self._update(cpu_period=PERIOD_US, cpu_quota=-1)
            for life in withheld_s:
                say(life)

    @contextlib.asynccontextmanager
    async def _watching(
        self, look: Callable[[ContainerLife], Awaitable[None]]
    ) -> AsyncIterator[None]:
        """While entered, look at each running life again and again, as a quota has no event."""

        async def watch() -> None:
            while True:
                for each in self._replicas.running():
                    await look(each)
                await asyncio.sleep(LOOK_EVERY_S)

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait({watching})
        if not watching.cancelled():
            watching.result()

    def _say(
        self, kind: str, life: Life, data: Mapping[str, Any], *, mono_ns: int | None = None
    ) -> None:
        self._recorder.emit("platform", kind, data, life=life, target=REPLICAS, mono_ns=mono_ns)

    async def _update(self, **limits: int) -> None:
        def update() -> None:
            for identity in self._replicas.identities:
                self._daemon.api.update_container(identity, **limits)

        with sdk_errors("the limits of the app's containers could not be changed"):
            await blocking(update)

    def _throttled_s(self, life: ContainerLife) -> float:
        """How long the kernel made a running container wait, in all; 0 if it has ended."""
        with contextlib.suppress(docker.errors.APIError):
            stats = self._daemon.api.stats(life.container_id, stream=False, one_shot=True)
            throttling = stats.get("cpu_stats", {}).get("throttling_data", {})
            return float(throttling.get("throttled_time", 0)) / NS_PER_S
        return 0.0

    def _resident_bytes(self, life: ContainerLife) -> int:
        """The memory of a running container that is no cache of files; 0 if it has ended."""
        with contextlib.suppress(docker.errors.APIError):
            stats = self._daemon.api.stats(life.container_id, stream=False, one_shot=True)
            found = stats.get("memory_stats", {}).get("stats", {})
            return int(found.get("anon", found.get("rss", 0)))  # version 2 and 1 of cgroups
        return 0


def _lacking(what: str) -> CapabilityError:
    return CapabilityError(
        f"this Docker daemon cannot limit the {what} of a container: its kernel lacks the cgroup",
        hint="see the warnings of docker info, or use --engine local",
    )
