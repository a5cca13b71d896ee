"""Docker as the platform: it starts a replica's container, and restarts it by its own policy."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from crashloop.errors import HarnessError
from crashloop.platforms import step_of
from crashloop.platforms.base import Exit, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.engines.base import Attempt
    from crashloop.engines.docker.container import AppContainer, ContainerLife
    from crashloop.engines.docker.events import ContainerEvent
    from crashloop.model import Platform

# How long Docker may take to give up after a death that is the last by the policy's model.
SETTLED_S = 5.0
ASK_EVERY_S = 0.05


class RestartedByDocker:
    """One replica's container under Docker's restart policy, followed by Docker's event stream.

    Emits `process.started` and `process.exited` of source platform, each at Docker's own instant,
    with Docker's exit code and restart count, and `restart.gave_up`.

    Docker's policy cannot be told to wait: a fault that is healed at a death may still be on when
    the next life starts, if healing it takes longer than Docker's back-off.
    """

    def __init__(
        self, container: AppContainer, platform: Platform, on_attempt: Callable[[Attempt], None]
    ) -> None:
        self._container = container
        self._recorder = container.recorder
        self._policy = platform.restart
        self._step = step_of(platform)
        self._on_attempt = on_attempt
        self._stopped_ns: int | None = None

    async def run(self) -> None:
        """Start the container; return when Docker has given up restarting it, or after `stop`."""
        await self._container.start()
        state, age_s = State(), 0.0
        while (its := await self._container.next_life(is_counted=True)) is not None:
            self._started(its)
            status = await its.wait()
            self._exited(its)
            if self._stopped_ns is not None:
                return
            age_s += its.run_s
            ended = Exit(status=status, run_s=its.run_s, at_s=age_s, draw=0.0)  # it draws nothing
            state, decision = self._step(state, ended)
            if not decision.restart and await self._gave_up(its, decision.reason):
                return
            age_s += decision.backoff_s

    async def stop(self) -> None:
        """Send SIGTERM, then SIGKILL after 3 s; Docker does not restart what was stopped."""
        self._stopped_ns = time.monotonic_ns()
        await self._container.stop()
        self._container.events.put_nowait(None)

    def _started(self, its: ContainerLife) -> None:
        data = {
            **_facts(its, its.begun),
            "revision": "new",
            "address": "{}:{}".format(*its.address) if its.address else None,
        }
        self._recorder.emit(
            "platform", "process.started", data, life=its.life, mono_ns=its.begun.mono_ns
        )
        self._on_attempt(its)

    def _exited(self, its: ContainerLife) -> None:
        died = its.died
        data = {
            **_facts(its, died),
            "exit_code": died.exit_code,
            "run_s": round(its.run_s, 6),
            "requested": self._stopped_ns is not None and died.mono_ns >= self._stopped_ns,
        }
        self._recorder.emit("platform", "process.exited", data, life=its.life, mono_ns=died.mono_ns)

    async def _gave_up(self, its: ContainerLife, why: str) -> bool:
        """Ask Docker whether it has given up: it sends no event. Only where the model says so."""
        until_s = time.monotonic() + SETTLED_S
        while self._container.events.empty():
            state = (await self._container.inspect())["State"]
            if state["Status"] == "exited":
                data = {"reason": why}
                self._recorder.emit("platform", "restart.gave_up", data, life=its.life)
                return True
            if time.monotonic() > until_s:
                raise HarnessError(
                    f"Docker's {self._policy.name} should have given up ({why}), but "
                    f"the container is {state['Status']}",
                    hint="this run is invalid; this daemon restarts by other rules",
                )
            await asyncio.sleep(ASK_EVERY_S)  # Docker has no event for giving up
        return False


def _facts(its: ContainerLife, event: ContainerEvent) -> dict[str, object]:
    return {
        "pid": its.pid,
        "restart_count": its.restart_count,
        "container": event.container[:12],
        "time_ns": event.time_ns,
    }
