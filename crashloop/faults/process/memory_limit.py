"""The fault of a memory limit that the app does not fit into."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from crashloop.errors import UsageError
from crashloop.faults.alone import DEATHS, Alone
from crashloop.faults.base import REPLICAS
from crashloop.faults.parameter import takes
from crashloop.faults.process.fault import ProcessFault, each_life, seen
from crashloop.faults.process.usage import resident_bytes
from crashloop.model import CheckSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from crashloop.faults.ports import Ports
    from crashloop.model import Life

MIB = 1024 * 1024
LEAST_MIB, MOST_MIB = 6, 2**20
"""The least that Docker takes; and 1 TiB."""
LOOK_EVERY_S = 0.002
OVER_OLD_LIMIT = "process.memory_over_old_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimit(ProcessFault):
    """SIGKILL ends the app's first process as soon as it has more than `limit_mib` MiB of memory.

    In a container, the kernel does it. Else it is watched, and what is resident counts, as /proc
    says it. With `old_limit_mib`, a smaller limit that there was before, each life that has more
    memory than that is reported, and goes on.
    """

    kind = "memory_limit"
    by_quota: ClassVar[bool] = True
    receipt = seen("process.memory_exceeded")
    modelled: ClassVar[Mapping[str, str]] = {
        "local": "its memory is watched, and crashloop kills it instead of the kernel"
    }
    alone = Alone(
        target=REPLICAS,
        phase="",
        params={"limit_mib": 32.0},
        comes=False,
        shows=(
            CheckSpec(check="exit_code", params={"code": 137, "times": DEATHS}),
            CheckSpec(check="memory_exceeded", params={"exceeded": True}),
            CheckSpec(check="journey_passed"),
        ),
        told_by={"cpu_starved": "exit_code", "killed": "memory_exceeded"},
        ends="a larger limit, or an app that loads less: each start needs as much again",
    )

    limit_mib: float = field(default=512.0, metadata=takes("MiB", least=LEAST_MIB, most=MOST_MIB))
    old_limit_mib: float = field(
        default=0.0, metadata=takes("MiB", most=MOST_MIB, says="less than limit_mib; 0: none")
    )

    def __post_init__(self) -> None:
        if self.old_limit_mib >= self.limit_mib:
            raise UsageError(
                f"the fault memory_limit got old_limit_mib={self.old_limit_mib:g} and "
                f"limit_mib={self.limit_mib:g}",
                hint="give an old limit that is smaller, or leave it out",
            )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Limit the memory of each life, or watch it, as each start begins small again.

        Emits `process.memory_exceeded` when the kernel has ended a life for it, or the wait status
        says that SIGKILL has. Before, emits `process.memory_over_old_limit` when a life has more
        memory than the old limit, if there was one.
        """
        limit_bytes, old_limit_bytes = int(self.limit_mib * MIB), int(self.old_limit_mib * MIB)
        if (quotas := ports.quotas()) is not None:
            async with quotas.memory(limit_bytes, fault=name, old_limit_bytes=old_limit_bytes):
                yield
            return
        lives = ports.lives()

        async def watch(life: Life, pid: int) -> None:
            about: dict[str, Any] = {"fault": name, "pid": pid, "limit_bytes": limit_bytes}
            if old_limit_bytes and (found := await _more_than(old_limit_bytes, pid)) is not None:
                seen = {"resident_bytes": found, "old_limit_bytes": old_limit_bytes}
                ports.emit("harness", OVER_OLD_LIMIT, target, life=life, **about, **seen)
            if (found := await _more_than(limit_bytes, pid)) is None:
                return
            about |= {"signal": signal.SIGKILL.name, "modelled": True}
            if not await lives.signal(life, signal.SIGKILL):
                return
            ports.emit("harness", "process.signalled", target, life=life, **about)
            if await lives.status(life) == -signal.SIGKILL:
                about |= {"resident_bytes": found}
                ports.emit("harness", "process.memory_exceeded", target, life=life, **about)

        async with each_life(lives, watch):
            yield


async def _more_than(limit_bytes: int, pid: int) -> int | None:
    """Wait until the process has more memory than that, and give how much; None if it has ended."""
    while True:
        found = resident_bytes(pid)
        if found is None or found > limit_bytes:
            return found
        await asyncio.sleep(LOOK_EVERY_S)  # memory has no event
