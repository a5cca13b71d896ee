"""The proxies by name, and everything a client can do to them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from crashloop.proxy.api.decode import first_value
from crashloop.proxy.api.entry import Entry
from crashloop.proxy.api.error import ApiError
from crashloop.proxy.api.wanted import changes, new_proxies, new_proxy, new_toxic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from crashloop.proxy.api.journal import Journal
    from crashloop.proxy.api.plane import MakePlane
    from crashloop.proxy.api.wanted import Wanted
    from crashloop.proxy.api.wire import Toxic

T = TypeVar("T")

OPERATION_LIMIT_S = 20.0
MAX_PROXIES = 10_000

_CONFLICT = 409


class Collection:
    """Every change of one proxy waits for the one before it; each has a time limit.

    A change that was begun is ended also when whoever asked for it has gone.
    """

    def __init__(
        self,
        *,
        make: MakePlane,
        journal: Journal,
        operation_limit_s: float = OPERATION_LIMIT_S,
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self._make = make
        self._journal = journal
        self._limit_s = operation_limit_s
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: dict[str, int] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    def get(self, name: str) -> Entry:
        """The proxy of this name; ApiError 404."""
        if name not in self.entries:
            raise ApiError("proxy not found", 404)
        return self.entries[name]

    def documents(self) -> dict[str, object]:
        """All proxies by name, in the order of the names."""
        return {name: self.entries[name].document() for name in sorted(self.entries)}

    async def create(self, body: bytes) -> Entry:
        """Make a proxy, with its toxics, or nothing at all."""
        wanted = new_proxy(first_value(body))
        return await self._run(lambda: self._create(wanted))

    async def populate(self, body: bytes) -> tuple[list[Entry], ApiError | None]:
        """Make or replace proxies; gives those done, and the error that ended it early."""
        try:
            wanted = new_proxies(first_value(body))
        except ApiError as error:
            return [], error
        done: list[Entry] = []
        for at, one in enumerate(wanted, start=1):
            try:
                done.append(await self._run(partial(self._create_or_replace, one)))
            except ApiError as error:
                return done, ApiError(error.message, error.status, entry=at)
        return done, None

    async def update(self, name: str, body: bytes) -> Entry:
        """Change listen, upstream or enabled; toxics in the body are ignored."""
        return await self._run(lambda: self._on(name, lambda entry: _update(entry, body)))

    async def remove(self, name: str) -> None:
        """Stop a proxy and forget it."""
        await self._run(lambda: self._remove(name))

    async def reset(self) -> None:
        """Enable every proxy and remove all toxics; all are tried, the first error is raised."""
        errors = [await self._run(partial(self._reset, name)) for name in sorted(self.entries)]
        for error in errors:
            if error is not None:
                raise error

    async def add_toxic(self, name: str, body: bytes) -> Toxic:
        """Make a toxic on a proxy."""
        return await self._run(lambda: self._on(name, lambda entry: _add(entry, body)))

    async def change_toxic(self, name: str, toxic: str, body: bytes) -> Toxic:
        """Change a toxic's attributes or toxicity."""
        return await self._run(lambda: self._on(name, lambda entry: entry.change(toxic, body)))

    async def remove_toxic(self, name: str, toxic: str) -> None:
        """Remove a toxic from a proxy."""
        await self._run(lambda: self._on(name, lambda entry: entry.remove(toxic)))

    async def close(self) -> None:
        """Stop every proxy, and make no more; what is being changed is cancelled."""
        self._closed = True
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        ending = [entry.end() for entry in self.entries.values()]
        self.entries.clear()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _create(self, wanted: Wanted) -> Entry:
        async with self._alone(wanted.name):
            if wanted.name in self.entries:
                raise ApiError("proxy already exists", _CONFLICT)
            return await self._new(wanted)

    async def _create_or_replace(self, wanted: Wanted) -> Entry:
        async with self._alone(wanted.name):
            entry = self.entries.get(wanted.name)
            if entry is None:
                return await self._new(wanted)
            toxics = wanted.toxics
            same_toxics = toxics is None or list(toxics) == list(entry.toxics.values())
            if not same_toxics or not await entry.is_asked_for_again(wanted.settings):
                await entry.become(wanted.settings, toxics or ())
            return entry

    async def _new(self, wanted: Wanted) -> Entry:
        if len(self.entries) >= MAX_PROXIES:
            raise ApiError(f"there are {MAX_PROXIES} proxies already", _CONFLICT)
        emit = self._journal.emitter(wanted.name)
        entry = Entry(name=wanted.name, settings=wanted.settings, make=self._make, emit=emit)
        await entry.begin(wanted.toxics or ())
        self.entries[wanted.name] = entry
        return entry

    async def _remove(self, name: str) -> None:
        async with self._alone(name):
            entry = self.get(name)
            del self.entries[name]
            await entry.end()

    async def _reset(self, name: str) -> ApiError | None:
        async with self._alone(name):
            entry = self.entries.get(name)
            if entry is None:
                return None
            first: ApiError | None = None
            try:
                await entry.enable()
            except ApiError as error:
                first = error
            for toxic in tuple(entry.toxics):
                try:
                    await entry.remove(toxic)
                except ApiError as error:
                    first = first or error
            return first

    async def _on(self, name: str, change: Callable[[Entry], Awaitable[T]]) -> T:
        async with self._alone(name):
            return await change(self.get(name))

    async def _run(self, operation: Callable[[], Awaitable[T]]) -> T:
        if self._closed:
            raise ApiError("the proxy is being stopped", 503)
        task = asyncio.get_running_loop().create_task(self._limited(operation))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _limited(self, operation: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._limit_s):
                return await operation()
        except TimeoutError:
            raise ApiError(f"not done within {self._limit_s:g} s; given up", 503) from None

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._users[name] = self._users.get(name, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name], self._locks[name]


async def _update(entry: Entry, body: bytes) -> Entry:
    given = changes(first_value(body))
    now = replace(entry.settings, listen=entry.listen, enabled=entry.enabled)
    await entry.become(replace(now, **given))
    return entry


async def _add(entry: Entry, body: bytes) -> Toxic:
    return await entry.add(new_toxic(first_value(body)))
