"""A fault proxy in another process: controlled through its API, its events recorded."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from crashloop.errors import CapabilityError, HarnessError, UsageError
from crashloop.proxy.address import Address
from crashloop.proxy.api import endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from crashloop.proxy.control import Control
    from crashloop.proxy.faults import Fault

T = TypeVar("T")

EVENTS_BOUND_S = 10.0


class EmitAt(Protocol):
    """Records an event of the proxy with the instant at which it happened."""

    def __call__(
        self, kind: str, data: Mapping[str, Any], mono_ns: int, /, *, target: str | None = None
    ) -> None:
        """Record it; `mono_ns` is of the monotonic clock, which all processes share.

        `target` is the dependency whose path it is about, if it is about one.
        """


class ProxiedPath:
    """The path to one dependency. `address` is where the app connects to it."""

    def __init__(self, proxy: RemoteProxy, target: str, address: Address) -> None:
        self.address = address
        self._proxy = proxy
        self._target = target

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Turn a fault on; it acts when this returns."""
        await self._proxy.call(self._proxy.control.inject, self._target, fault_id, fault)

    async def heal(self, fault_id: str) -> None:
        """Turn a fault off; what it held is released when this returns."""
        await self._proxy.call(self._proxy.control.heal, self._target, fault_id)


class RemoteProxy:
    """A `crashloop proxy` that runs elsewhere, with a path to each dependency.

    Every call returns when the proxy has done it and `record` has been given all events up to
    then. `died` is set when the proxy ends or fails unasked, `why` says how, and `emit` gets
    proxy.died. Raises HarnessError when the proxy does not answer, and what the fault's injection
    raises.
    """

    control: Control

    def __init__(self, *, emit: EmitAt) -> None:
        self.died = asyncio.Event()
        self.why = ""
        self.paths: dict[str, ProxiedPath] = {}
        self._beside: dict[str, tuple[str, str]] = {}
        self._emit = emit
        self._seq = 0
        self._news = asyncio.Event()

    async def listen(self, target: str, listen: Address, upstream: Address) -> ProxiedPath:
        """Forward from `listen` to `upstream`, the dependency `target`, from now on."""
        show = endpoint.show
        create = partial(self.control.create, listen=show(listen), upstream=show(upstream))
        self.paths[target] = ProxiedPath(self, target, await self.call(create, target))
        return self.paths[target]

    @contextlib.asynccontextmanager
    async def beside(self, target: str, host: str) -> AsyncIterator[ProxiedPath]:
        """A second path to a target while entered: the first one's port at another address.

        Its events are the target's, and have that address as `at`. CapabilityError if nothing can
        listen there.
        """
        first = self.path(target).address
        second = Address(host=host, port=first.port)
        name = f"{target} at {host}"
        self._beside[name] = (target, str(second))
        try:
            path = await self.listen(name, second, first)
        except (UsageError, HarnessError) as error:
            raise CapabilityError(
                f"nothing can listen at {second}, beside {target}: {error}",
                hint="turn IPv6 on for the loopback, as Linux has it unless it is switched off",
            ) from error
        try:
            yield path
        finally:
            del self.paths[name]
            await self.call(self.control.remove, name)

    def path(self, target: str) -> ProxiedPath:
        """The path to a dependency; CapabilityError if there is none."""
        if target not in self.paths:
            raise CapabilityError(
                f"there is no path to {target!r} in this run",
                hint=f"paths: {', '.join(self.paths) or 'none'}",
            )
        return self.paths[target]

    async def watch(self, pids: Iterable[int]) -> None:
        """Set the processes to look for among waiting connects."""
        await self.call(self.control.watch, list(pids))

    async def settle(self) -> None:
        """Wait until all that has happened so far is recorded."""
        await self.call(self.control.settle)

    def record(self, event: Mapping[str, Any]) -> None:
        """Record the proxy's next event, as `GET /events` has it; in the run's loop."""
        kind, data = event["kind"], event["data"]
        if kind in {"events.missed", "proxy.error"}:
            self.fail(f"failed: {kind} {json.dumps(data)[:500]}")
            return
        self._seq = event["seq"]
        target = event["proxy"] or None
        if target in self._beside:
            target, at = self._beside[target]
            data = {**data, "at": at}
        self._emit(kind, data, event["mono_ns"], target=target)
        self._news.set()

    def fail(self, why: str) -> None:
        """Record that the proxy failed, and why; only the first time."""
        if not self.died.is_set():
            self.why = why
            self._emit("proxy.died", {"why": why}, time.monotonic_ns())
        self.died.set()
        self._news.set()

    async def call(self, what: Callable[..., T], *arguments: Any) -> T:
        """Call the proxy's API in a thread, and wait for the events up to its answer."""
        done = await asyncio.to_thread(what, *arguments)
        await self._recorded(self.control.last_seq)
        return done

    async def _recorded(self, seq: int) -> None:
        try:
            async with asyncio.timeout(EVENTS_BOUND_S):
                while self._seq < seq and not self.died.is_set():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise HarnessError(
                f"the fault proxy's event {seq} did not arrive within {EVENTS_BOUND_S:g} s; "
                f"the last one was {self._seq}",
                hint="this run is invalid; run it again on a less busy machine",
            ) from None
        if self.died.is_set():
            raise HarnessError(f"the fault proxy {self.why}", hint="this run is invalid")
