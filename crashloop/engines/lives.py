"""The lives of the app on this machine: started, known to the proxy, stopped."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.apps import inherited, python_of, render, secret_values, wrapping
from crashloop.engines import process
from crashloop.engines.app import AppProcess, app_process
from crashloop.engines.command_log import CommandLog
from crashloop.engines.output import AppOutput
from crashloop.engines.ports import HOST
from crashloop.model import CONTROL, SETUP_LOG
from crashloop.supervisor.command import run_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.engines.app import Output
    from crashloop.engines.base import Setup
    from crashloop.engines.links import Links
    from crashloop.engines.proxy_process import ProxyProcess
    from crashloop.engines.workspace import Workspace
    from crashloop.model import AppUnderTest, Life
    from crashloop.supervisor.life import LifeProcess


class Lives:
    """Starts lives of an app; each replica has a port of its own for all its lives.

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

    async def start(self, life: Life, app: AppUnderTest) -> AppProcess:
        """Start one life; UsageError for a template that cannot be filled in."""
        output = AppOutput(
            self._setup.recorder,
            life=life,
            path=self._setup.artifacts / life.log_name(several=len(self._ports) > 1),
            ready=app.ready.log,
        )
        started = self._start(life, app, output)
        self._links.begin(life, started.pid)
        started.exited.add_done_callback(lambda _: self._links.end(life))
        await self._watch()
        started.release()
        return started

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
        self, life: Life, app: AppUnderTest, output: Output, *, folder: Path | None = None
    ) -> AppProcess:
        address = (HOST, self._ports[life.replica])
        values = {
            **self._values,
            "host": HOST,
            "port": str(address[1]),
            "python": python_of(app),
            "seed": str(self._setup.seed),
            "replica": str(life.replica),
            "attempt": str(life.attempt),
            "replicas": str(self._setup.scenario.replicas.most),
        }
        command, environment = render(app, values, self._setup.scale)
        environment |= wrapping(app, {**inherited(app), **environment})
        for secret in secret_values(app, environment):
            self._setup.recorder.redactor.add(secret)
        started = app_process(
            command,
            environment,
            inherited=inherited(app),
            life=life,
            space=self._space,
            address=address,
            output=output,
            folder=Path(app.cwd) if app.cwd else folder,
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
