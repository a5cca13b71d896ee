"""The lives of the app on this machine: started, known to the proxy, stopped."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.apps import inherited, python_of, render, secret_values, wrapping
from crashloop.engines import mounts, process
from crashloop.engines.app import AppProcess, app_process
from crashloop.engines.command_log import CommandLog
from crashloop.engines.launches import Launches, became_app
from crashloop.engines.output import AppOutput
from crashloop.engines.ports import HOST
from crashloop.model import CONTROL, SETUP_LOG
from crashloop.supervisor.command import run_command

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from crashloop.engines.app import Output
    from crashloop.engines.base import Setup
    from crashloop.engines.links import Links
    from crashloop.engines.proxy_process import ProxyProcess
    from crashloop.engines.workspace import Workspace
    from crashloop.model import AppUnderTest, Launch, Life
    from crashloop.supervisor.life import LifeProcess


class Lives:
    """Starts lives of an app; each replica has a port of its own for all its lives.

    What faults may do to them is that of `crashloop.faults.ports.Lives`.

    `ports` are the replicas' ports, `values` are the placeholders of the dependencies, such as
    `postgres.url`.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        space: Workspace,
        proxy: ProxyProcess,
        links: Links,
        ports: Mapping[int, int],
        values: Mapping[str, str],
    ) -> None:
        self._setup = setup
        self._space = space
        self._proxy = proxy
        self._links = links
        self._ports = ports
        self._values = values
        self._children: list[AppProcess] = []
        self._watching = asyncio.Lock()
        self._launches = Launches()
        self._prefixes: dict[Life, tuple[str, ...]] = {}
        self._of_replicas: list[AppProcess] = []
        self._subscribers: list[asyncio.Queue[AppProcess]] = []

    async def start(self, life: Life, app: AppUnderTest) -> AppProcess:
        """Start one life, as faults have changed it.

        UsageError for a template that cannot be filled in.
        """
        output = AppOutput(
            self._setup.recorder,
            life=life,
            path=self._setup.artifacts / life.log_name(several=len(self._ports) > 1),
            ready=app.ready.log,
        )
        port = self._ports[life.replica]
        is_new = life != CONTROL and life.replica <= self._setup.scenario.replicas.count
        changes = self._launches.changes if is_new else []
        told = await self._launches.address(life.replica, port) if is_new else (HOST, port)
        started = self._start(life, app, output, told=told, changes=changes)
        self._links.begin(life, started.pid)
        started.exited.add_done_callback(lambda _: self._links.end(life))
        await self._watch()
        started.release()
        if is_new:
            self._of_replicas.append(started)
            for queue in self._subscribers:
                queue.put_nowait(started)
        return started

    def launched(self, change: Launch) -> AbstractAsyncContextManager[None]:
        """While entered, each life is started with this change."""
        return self._launches.launched(change)

    async def started(self) -> AsyncGenerator[tuple[Life, int], None]:
        """Each life with its process, as soon as that has become the app; the running ones first.

        HarnessError for one that does not become the app.
        """
        queue: asyncio.Queue[AppProcess] = asyncio.Queue()
        for each in self._of_replicas:
            queue.put_nowait(each)
        self._subscribers.append(queue)
        try:
            while True:
                process = await queue.get()
                if await became_app(process, self._prefixes[process.life]):
                    yield process.life, process.pid
        finally:
            self._subscribers.remove(queue)

    def running(self) -> list[tuple[Life, int]]:
        """The lives of the new revision that run now, each with its process."""
        return [(each.life, each.pid) for each in self._of_replicas if not each.exited.done()]

    def address(self, life: Life) -> tuple[str, int]:
        """Where a life is asked."""
        return self._process_of(life).address

    async def signal(self, life: Life, number: signal.Signals) -> bool:
        """Send a signal to a life's process; False if it has ended."""
        return await self._process_of(life).signal(number)

    async def status(self, life: Life) -> int:
        """Wait for a life's end: its exit code, or minus a signal's number."""
        return await asyncio.shield(self._process_of(life).exited)

    def _process_of(self, life: Life) -> AppProcess:
        return next(each for each in self._of_replicas if each.life == life)

    async def set_up(self, app: AppUnderTest, *, within_s: float) -> int | None:
        """Run the app's `setup` to its end; its exit status, None if it took longer.

        UsageError for a template that cannot be filled in.
        """
        folder = None if app.cwd else self._space.part("setup")
        log = CommandLog(self._setup.artifacts / SETUP_LOG, self._setup.recorder.redactor)
        command = self._start(CONTROL, replace(app, command=app.setup), log, folder=folder)
        command.release()
        try:
            async with asyncio.timeout(within_s):
                return await command.wait()
        except TimeoutError:
            return None
        finally:
            await process.finish(command.stop())

    def _start(
        self,
        life: Life,
        app: AppUnderTest,
        output: Output,
        *,
        folder: Path | None = None,
        told: tuple[str, int] | None = None,
        changes: Sequence[Launch] = (),
    ) -> AppProcess:
        """Start a process; `told` is where the app is told to listen, by default the usual address.

        `changes` are applied in their order.
        """
        usual = (HOST, self._ports[life.replica])
        host, port = told or usual
        asked = (host, port) if any(each.asked_there for each in changes) else usual
        values = {
            **self._values,
            "host": host,
            "port": str(port),
            "python": python_of(app),
            "seed": str(self._setup.seed),
            "replica": str(life.replica),
            "attempt": str(life.attempt),
            "replicas": str(self._setup.scenario.replicas.most),
        }
        command, environment = render(app, values, self._setup.scale)
        kept = inherited(app)
        environment |= wrapping(app, {**kept, **environment})
        for change in changes:
            environment = {**_without(environment, change.unset), **change.set_env}
            kept = _without(kept, change.unset)
        prefix = tuple(word for change in changes for word in _words_before(change))
        begun = self._space.path / f"begun-{life.replica}-{life.attempt}" if prefix else None
        if begun is not None:
            prefix = (*mounts.began(begun), *prefix)
        self._prefixes[life] = prefix
        for secret in secret_values(app, environment):
            self._setup.recorder.redactor.add(secret)
        started = app_process(
            [*prefix, *command],
            environment,
            inherited=kept,
            life=life,
            space=self._space,
            address=asked,
            output=output,
            folder=Path(app.cwd) if app.cwd else folder,
            begun=begun,
        )
        self._children.append(started)
        return started

    async def run_command(self, life: LifeProcess, command: Sequence[str]) -> int:
        """Run a probe's command beside a life, where its app runs; its exit status."""
        assert isinstance(life, AppProcess)
        return await run_command(command, folder=life.folder, environment=life.environment)

    async def stop(self) -> None:
        """Stop all that run, at once, and end what the others left running."""
        stops = [process.finish(each.stop()) for each in self._children]
        for stopped in await asyncio.gather(*stops, return_exceptions=True):
            if isinstance(stopped, BaseException):
                raise stopped

    async def _watch(self) -> None:
        """Let the proxy name the processes of all running lives; one call after the other."""
        async with self._watching:
            running = [each.pid for each in self._children if not each.exited.done()]
            await self._proxy.watch(running)


def _words_before(change: Launch) -> tuple[str, ...]:
    read_only = mounts.with_read_only(change.read_only) if change.read_only else ()
    return (*change.prefix, *read_only)


def _without(variables: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name not in names}
