"""The fault proxy of a run: `crashloop proxy` as a child, told by its API, heard by its output."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import re
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from crashloop.clock import NS_PER_S
from crashloop.engines.process import Process, describe_exit, finish, start, terminate
from crashloop.errors import HarnessError
from crashloop.proxy.control import Control, ProxyState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from crashloop.engines.workspace import Workspace
    from crashloop.proxy.address import Address
    from crashloop.proxy.faults import Fault

T = TypeVar("T")

START_BOUND_S = 20.0
EVENTS_BOUND_S = 10.0
STOP_STEPS = ((signal.SIGTERM, 3.0),)
HOST = "127.0.0.1"


class EmitAt(Protocol):
    """Takes an event of the proxy with the instant at which it happened."""

    def __call__(self, kind: str, data: Mapping[str, Any], mono_ns: int, /) -> None:
        """Record it; `mono_ns` is of the monotonic clock, which all processes share."""


class ProxyProcess:
    """A proxy in a process of its own.

    Every call returns when the proxy has done it and all its events up to then are recorded.
    `died` is set when it ends or fails without having been told to, and `why` says how.
    Raises HarnessError when the proxy does not answer, and what the fault's injection raises.
    """

    def __init__(self, process: Process, *, name: str, emit: EmitAt) -> None:
        self.died = asyncio.Event()
        self.why = ""
        self.address: Address
        self._name = name
        self._process = process
        self._begun_ns = time.monotonic_ns()
        self._emit = emit
        self._control: Control
        self._seq = 0
        self._news = asyncio.Event()
        self._stopping = False
        process.listen(self._on_line)
        process.exited.add_done_callback(lambda exited: self._on_exit(exited.result()))

    async def begin(self) -> None:
        """Wait until it answers."""
        said = self._process.said("crashloop proxy: API on ", deadline_s=START_BOUND_S)
        # The client's own imports take as long as a third of the proxy's start: meanwhile.
        client = asyncio.to_thread(importlib.import_module, "crashloop.proxy.control.consumer")
        line, _ = await asyncio.gather(said, client)
        found = re.search(r"http://[^ ,]+", line)
        assert found is not None, line
        self._control = Control(found[0])
        facts = {"pid": self._process.pid, "api": found[0], "start_s": self._since_start_s()}
        self._emit("proxy.started", facts, time.monotonic_ns())

    async def listen(self, listen: Address, upstream: Address) -> None:
        """Forward from `listen` to `upstream` from now on."""
        wanted = ProxyState(name=self._name, listen=_text(listen), upstream=_text(upstream))
        state = await self._call(self._control.create, wanted)
        self.address = state.address

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Turn a fault on; it works at the return."""
        await self._call(self._control.proxy(self._name).inject, fault_id, fault)

    async def heal(self, fault_id: str) -> None:
        """Turn a fault off; what it held has been released at the return."""
        await self._call(self._control.proxy(self._name).heal, fault_id)

    async def watch(self, pids: Iterable[int]) -> None:
        """Say whose waiting connects are ours."""
        await self._call(self._control.watch, list(pids))

    async def settle(self) -> None:
        """Wait until all that has happened so far is recorded."""
        await self._call(self._control.version)

    async def stop(self) -> None:
        """End it, and hear its last events."""
        self._stopping = True
        await terminate(self._process, *STOP_STEPS)

    def _since_start_s(self) -> float:
        return round((time.monotonic_ns() - self._begun_ns) / NS_PER_S, 4)

    async def _call(self, what: Callable[..., T], *arguments: Any) -> T:
        done = await asyncio.to_thread(what, *arguments)
        await self._heard(self._control.last_seq or 0)
        return done

    async def _heard(self, seq: int) -> None:
        try:
            async with asyncio.timeout(EVENTS_BOUND_S):
                while self._seq < seq and not self.died.is_set():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise HarnessError(
                f"the fault proxy's event {seq} did not arrive within {EVENTS_BOUND_S:g} s; "
                f"the last one was {self._seq}",
                hint="nothing of this run counts; run it again on a less busy machine",
            ) from None
        if self.died.is_set():
            raise HarnessError(f"the fault proxy {self.why}", hint="nothing of this run counts")

    def _on_line(self, line: str) -> None:
        if not line.startswith("{"):
            return
        event = json.loads(line)
        kind, data = event["kind"], event["data"]
        if kind in {"events.missed", "proxy.error"}:
            self._fail(f"failed: {kind} {json.dumps(data)[:500]}")
            return
        self._seq = event["seq"]
        self._emit(kind, data, event["mono_ns"])
        self._news.set()

    def _on_exit(self, code: int) -> None:
        if not self._stopping:
            self._fail(f"{describe_exit(code)}; its last lines:\n{self._process.tail()}")

    def _fail(self, why: str) -> None:
        self.why = self.why or why
        self.died.set()
        self._news.set()


@contextlib.asynccontextmanager
async def proxy_process(
    workspace: Workspace, *, name: str, seed: int, emit: EmitAt
) -> AsyncIterator[ProxyProcess]:
    """Start a proxy called `name` and end it on leaving; `listen` lets it forward.

    Raises HarnessError with its last words when it does not start.
    """
    process = start(
        [
            *(sys.executable, "-P", "-m", "crashloop", "proxy"),
            *("--api", f"{HOST}:0", "--seed", str(seed), "--events", "-"),
        ],
        workspace=workspace,
        name="crashloop proxy",
        environment={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    proxy = ProxyProcess(process, name=name, emit=emit)
    try:
        await proxy.begin()
        yield proxy
    finally:
        await finish(proxy.stop())


def _text(address: Address) -> str:
    return str(address).removeprefix("tcp:")
