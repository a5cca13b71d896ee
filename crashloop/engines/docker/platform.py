"""Docker as the platform: it starts the app's container, and restarts it by its own policy."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crashloop.clock import NS_PER_S
from crashloop.engines.docker.attempt_log import AttemptLog
from crashloop.engines.docker.daemon import sdk_errors
from crashloop.engines.output import AppOutput
from crashloop.errors import HarnessError
from crashloop.supervisor.policy import Exit, decide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crashloop.engines.base import Attempt
    from crashloop.engines.docker.daemon import Daemon
    from crashloop.engines.docker.events import ContainerEvent
    from crashloop.model import RestartPolicy
    from crashloop.trace.recorder import Recorder

STOP_SIGNAL_BOUND_S = 3
# How long Docker may take to give up after a death that is the last by the policy's model.
SETTLED_S = 5.0
ASK_EVERY_S = 0.05


@dataclass(slots=True, kw_only=True)
class ContainerAttempt:
    """One life of the app's container.

    `address`, `pid` and `restart_count` are from Docker; None if this life had ended before
    Docker was asked.
    """

    number: int
    address: tuple[str, int] | None
    pid: int | None
    restart_count: int | None
    started_ns: int
    log: AttemptLog
    output: AppOutput
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class DockerPlatform:
    """The app's container under Docker's restart policy, followed by Docker's event stream.

    Emits `process.started` and `process.exited` of source platform, each at Docker's own instant,
    with Docker's exit code and restart count, and `restart.gave_up`.
    """

    def __init__(
        self,
        *,
        daemon: Daemon,
        container: Any,
        port: int,
        policy: RestartPolicy,
        recorder: Recorder,
        artifacts: Path,
        on_attempt: Callable[[Attempt], None],
    ) -> None:
        self.attempts: list[ContainerAttempt] = []
        self.is_stopping = False
        self._stopped_ns = 0
        self._daemon = daemon
        self._container = container
        self._port = port
        self._policy = policy
        self._recorder = recorder
        self._artifacts = artifacts
        self._on_attempt = on_attempt
        self._events: asyncio.Queue[ContainerEvent | None] = asyncio.Queue()
        self._exits: list[Exit] = []
        self._died_ns = 0

    def take(self, event: ContainerEvent) -> None:
        """Queue the next event of the app's container."""
        self._events.put_nowait(event)

    async def run(self) -> None:
        """Start the container; return when Docker has given up restarting it, or after `stop`."""
        with sdk_errors("the app's container could not be started"):
            await asyncio.to_thread(self._daemon.api.start, self._container)
        while True:
            event = await self._events.get()
            if event is None:
                if self._is_up:  # a life that started during the stop: its end follows
                    continue
                return
            if event.action == "start":
                await self._started(event)
            elif event.action == "die":
                await self._died(event)
                if self.is_stopping or await self._gave_up():
                    return

    async def stop(self) -> None:
        """Send SIGTERM, then SIGKILL after 3 s; Docker does not restart what was stopped."""
        self._stopped_ns = time.monotonic_ns()
        self.is_stopping = True
        with sdk_errors("the app's container could not be stopped"):
            await asyncio.to_thread(
                self._daemon.api.stop, self._container, timeout=STOP_SIGNAL_BOUND_S
            )
        if not self._is_up:
            self._events.put_nowait(None)

    def close(self) -> None:
        """Stop recording the attempts: when a run has failed, one may still be running."""
        for attempt in self.attempts:
            attempt.output.close()

    @property
    def _is_up(self) -> bool:
        return bool(self.attempts) and not self.attempts[-1].ended.is_set()

    async def _started(self, event: ContainerEvent) -> None:
        number = len(self.attempts) + 1
        output = AppOutput(
            self._recorder,
            attempt=number,
            path=self._artifacts / f"attempt-{number}.log",
            started_ns=event.mono_ns,
        )
        seen = await asyncio.to_thread(self._look)
        # If the container has died and restarted meanwhile, this is the next life already.
        is_this = seen["RestartCount"] == number - 1 and seen["State"]["Running"]
        attempt = ContainerAttempt(
            number=number,
            address=_address(seen, self._port) if is_this else None,
            pid=int(seen["State"]["Pid"]) if is_this else None,
            restart_count=int(seen["RestartCount"]) if is_this else None,
            started_ns=event.mono_ns,
            log=AttemptLog(
                self._daemon, self._container, since_ns=self._died_ns, on_line=output.line
            ),
            output=output,
        )
        self.attempts.append(attempt)
        self._recorder.emit(
            "platform",
            "process.started",
            {
                "pid": attempt.pid,
                "restart_count": attempt.restart_count,
                "container": event.container[:12],
                "address": "{}:{}".format(*attempt.address) if attempt.address else None,
                "time_ns": event.time_ns,
            },
            attempt=number,
            mono_ns=event.mono_ns,
        )
        self._on_attempt(attempt)

    async def _died(self, event: ContainerEvent) -> None:
        attempt = self.attempts[-1]
        await attempt.log.ended()
        attempt.output.close()
        self._died_ns = event.time_ns
        run_s = (event.mono_ns - attempt.started_ns) / NS_PER_S
        self._recorder.emit(
            "platform",
            "process.exited",
            {
                "pid": attempt.pid,
                "exit_code": event.exit_code,
                "run_s": round(run_s, 6),
                "restart_count": attempt.restart_count,
                "container": event.container[:12],
                "time_ns": event.time_ns,
                "requested": self.is_stopping and event.mono_ns >= self._stopped_ns,
            },
            attempt=attempt.number,
            mono_ns=event.mono_ns,
        )
        self._exits.append(Exit(status=event.exit_code or 0, run_s=run_s))
        attempt.ended.set()

    async def _gave_up(self) -> bool:
        """Ask Docker whether it has given up: it sends no event. Only where the model says so."""
        decision = decide(self._policy, self._exits)
        if decision.restart:
            return False
        loop = asyncio.get_running_loop()
        until_s = loop.time() + SETTLED_S
        while self._events.empty():
            state = (await asyncio.to_thread(self._look))["State"]
            if state["Status"] == "exited":
                self._recorder.emit(
                    "platform",
                    "restart.gave_up",
                    {"reason": decision.reason},
                    attempt=self.attempts[-1].number,
                )
                return True
            if loop.time() > until_s:
                raise HarnessError(
                    f"Docker's {self._policy.name} should have given up ({decision.reason}), but "
                    f"the container is {state['Status']}",
                    hint="this run is invalid; this daemon restarts by other rules",
                )
            await asyncio.sleep(ASK_EVERY_S)
        return False

    def _look(self) -> dict[str, Any]:
        with sdk_errors("the app's container could not be inspected"):
            found: dict[str, Any] = self._daemon.api.inspect_container(self._container)
        return found


def _address(seen: dict[str, Any], port: int) -> tuple[str, int] | None:
    """Its address on its only network; each life may have another."""
    networks = seen["NetworkSettings"]["Networks"].values()
    return next(((str(n["IPAddress"]), port) for n in networks if n["IPAddress"]), None)
