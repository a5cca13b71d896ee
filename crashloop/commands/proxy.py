"""`crashloop proxy`: the fault proxy in its own process."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvloop

from crashloop.commands.errors import exit_status
from crashloop.errors import UsageError
from crashloop.proxy.api import endpoint
from crashloop.proxy.api.collection import Collection
from crashloop.proxy.api.event_file import TO_STDOUT, EventFile
from crashloop.proxy.api.journal import Journal
from crashloop.proxy.api.parent import on_end_of_input
from crashloop.proxy.api.routes import Routes
from crashloop.proxy.api.server import ApiServer
from crashloop.proxy.link.busy_poll import BusyPoll
from crashloop.proxy.proxy import FaultProxy

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.proxy.address import Address
    from crashloop.proxy.events import Emit

API_ADDRESS = "127.0.0.1:8474"
TIDY_LIMIT_S = 1.5
MAX_OPEN_FILES = 1_048_576
MAX_CONFIG_BYTES = 16 * 1024 * 1024
MAX_REPORTS = 50

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIGNAL_STATUS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyOrder:
    """The command's options: `seed` None is a random one, `events` "-" is standard output."""

    api: str = API_ADDRESS
    seed: int | None = None
    config: Path | None = None
    events: str | None = None
    until_stdin_closes: bool = False


def proxy(order: ProxyOrder) -> int:
    """Serve until a signal, or the end of standard input; return the exit status, 0.

    Raises UsageError for an address or a config file that cannot be used, and HarnessError when
    events could not be written.
    """
    config = None if order.config is None else _read(order.config)
    _raise_file_limit()
    _spare_the_collector()
    loop = uvloop.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(_Process(order, config).run())
    finally:
        _cancel_rest(loop)
        asyncio.set_event_loop(None)
        loop.close()
    if _is_kept_alive():
        os._exit(0)
    return 0


class _Process:
    def __init__(self, order: ProxyOrder, config: bytes | None) -> None:
        self._order = order
        self._seed = int.from_bytes(os.urandom(4)) if order.seed is None else order.seed
        self._config = config
        self._reports = 0
        self._busy_poll: BusyPoll | None = None
        self._stopping = asyncio.Event()
        self._signalled = False
        self._writing: asyncio.Task[None] | None = None
        self.journal = Journal()
        self.collection = Collection(make=self._plane, journal=self.journal, warn=self._warn)
        self.routes = Routes(collection=self.collection, journal=self.journal, report=self._report)
        self.api = ApiServer(self.routes)

    async def run(self) -> None:
        """Serve until asked to stop, then clean up."""
        loop = asyncio.get_running_loop()
        self._busy_poll = BusyPoll(loop)
        loop.set_exception_handler(self._on_exception)
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._on_signal, number)
        tasks = [loop.create_task(self._start()), loop.create_task(self._stopping.wait())]
        starting, stopping = tasks
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stopping
        finally:
            for task in tasks:
                task.cancel()
            await self._tidy()
        if self._writing is not None and self._writing.done():
            self._writing.result()

    async def _start(self) -> None:
        if self._order.events is not None:
            file = EventFile(self._order.events)
            await file.open()
            self._writing = asyncio.create_task(file.write(self.journal.read()))
            self._writing.add_done_callback(lambda _: self._stopping.set())
        await self._populate()
        address = await self.api.start(self._order.api)
        if self._order.until_stdin_closes:
            on_end_of_input(self._stopping.set)
        self._announce(address)

    async def _populate(self) -> None:
        if self._config is None:
            return
        _, error = await self.collection.populate(self._config)
        if error is not None:
            where = "" if error.entry is None else f", proxy {error.entry} of the list"
            raise UsageError(
                f"{self._order.config}{where}: {error.message}",
                hint='it should be Toxiproxy\'s: [{"name": ..., "listen": ..., "upstream": ...}]',
            )

    async def _tidy(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(TIDY_LIMIT_S):
                await self.collection.close()
                self.journal.close()  # readers of events end when they have read the last
                await self.api.stop()
                if self._writing is not None:
                    await asyncio.wait({self._writing})
        self.journal.close()

    def _announce(self, address: Address) -> None:
        line = f"crashloop proxy: API on http://{endpoint.show(address)}, seed {self._seed}\n"
        stream = sys.stderr if self._order.events == TO_STDOUT else sys.stdout
        stream.write(line)
        stream.flush()

    def _plane(self, *, name: str, listen: Address, upstream: Address, emit: Emit) -> FaultProxy:
        return FaultProxy(
            listen=listen,
            upstream=upstream,
            emit=emit,
            name=name,
            seed=self._seed,
            watch_pids=lambda: self.routes.watched,
            busy_poll=self._busy_poll,
        )

    def _on_signal(self, number: signal.Signals) -> None:
        if self._signalled:
            os._exit(_SIGNAL_STATUS + number)
        self._signalled = True
        self._stopping.set()

    def _on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        del loop
        error = context.get("exception")
        text = str(context.get("message", "an error"))
        if isinstance(error, BaseException):
            text = "".join(traceback.format_exception(error))
        self._report(text)

    def _report(self, text: str) -> None:
        """Emit a bug as an event, and print it."""
        self.journal.emit("proxy.error", "", {"error": text[-2000:]})
        self._print(f"this is a bug, please report it\n{text}")

    def _warn(self, proxy: str, text: str) -> None:
        """Emit a warning about a request as an event, and print it."""
        self.journal.emit("proxy.warning", proxy, {"warning": text})
        self._print(f"warning: {f'proxy {proxy}: ' if proxy else ''}{text}")

    def _print(self, text: str) -> None:
        """Print a message to standard error, up to a number of them."""
        self._reports += 1
        if self._reports > MAX_REPORTS:
            return
        from crashloop.report.failure import multiline  # noqa: PLC0415  only when it is needed

        with suppress(OSError):
            sys.stderr.write(f"crashloop proxy: {multiline(text)}\n")
            sys.stderr.flush()


def _read(config: Path) -> bytes:
    try:
        with config.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{config} cannot be read: {error.strerror}",
            hint="give --config a file in Toxiproxy's JSON",
        ) from error
    if len(data) > MAX_CONFIG_BYTES:
        raise UsageError(
            f"{config} has more than {MAX_CONFIG_BYTES} bytes",
            hint="give --config a file in Toxiproxy's JSON",
        )
    return data


def _raise_file_limit() -> None:
    """Allow as many open files as possible: every connection takes two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _spare_the_collector() -> None:
    """Collect cyclic garbage rarely: links make none, and the journal keeps many objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _cancel_rest(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=0.2))
    loop.run_until_complete(loop.shutdown_asyncgens())


def _is_kept_alive() -> bool:
    """Whether a thread (a name look-up in progress) would delay the end of this process."""
    others = (one for one in threading.enumerate() if one is not threading.main_thread())
    return any(not one.daemon for one in others)


def main() -> int:
    """Run the proxy of a local run: address of its API, and seed."""
    api, seed = sys.argv[1:]
    order = ProxyOrder(api=api, seed=int(seed), events=TO_STDOUT)
    return exit_status(lambda: proxy(order), [])


if __name__ == "__main__":
    sys.exit(main())
