"""The proxies by name, and everything a client can do to them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from crashloop.proxy.api import wanted
from crashloop.proxy.api.body import parse
from crashloop.proxy.api.entry import Entry
from crashloop.proxy.api.error import ApiError
from crashloop.proxy.api.toxic import changed, read_toxic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from crashloop.proxy.api.entry import MakePlane
    from crashloop.proxy.api.journal import Journal
    from crashloop.proxy.api.wanted import Wanted

T = TypeVar("T")
Document = dict[str, object]

OPERATION_LIMIT_S = 20.0
MAX_PROXIES = 10_000

_CONFLICT = 409


class Collection:
    """Every change of one proxy waits for the one before it; each has a time limit.

    A change is completed even if its client disconnects. It returns the answer's document; what
    it ignored of the request is listed there under `warnings`, and `warn` is called with the
    proxy's name and each text.
    """

    def __init__(
        self,
        *,
        make: MakePlane,
        journal: Journal,
        warn: Callable[[str, str], None],
        operation_limit_s: float = OPERATION_LIMIT_S,
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self._make = make
        self._journal = journal
        self._warn = warn
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

    def documents(self) -> Document:
        """All proxies by name, in the order of the names."""
        return {name: self.entries[name].document() for name in sorted(self.entries)}

    async def create(self, body: bytes) -> Document:
        """Make a proxy, with its toxics, or nothing at all."""
        warnings: list[str] = []
        one = wanted.new_proxy(parse(body), warnings)
        entry = await self._run(lambda: self._create(one))
        return self._answer(entry.document(), one.name, warnings)

    async def populate(self, body: bytes) -> tuple[Document, ApiError | None]:
        """Make or replace proxies; return those done, and the error that ended it early."""
        done: list[Entry] = []
        warnings: list[str] = []
        failed: ApiError | None = None
        try:
            proxies = wanted.new_proxies(parse(body), warnings)
        except ApiError as error:
            proxies, failed = [], error
        for at, one in enumerate(proxies, start=1):
            try:
                done.append(await self._run(partial(self._create_or_replace, one)))
            except ApiError as error:
                failed = ApiError(error.message, error.status, entry=at)
                break
        shown = [entry.document() for entry in done]
        return self._answer({"proxies": shown or None}, "", warnings), failed

    async def update(self, name: str, body: bytes) -> Document:
        """Change listen, upstream or enabled; toxics in the body are ignored."""
        warnings: list[str] = []

        async def update(entry: Entry) -> Document:
            now = replace(entry.settings, enabled=entry.enabled)
            await entry.become(wanted.changed(now, parse(body), warnings))
            return entry.document()

        return self._answer(await self._run(lambda: self._on(name, update)), name, warnings)

    async def remove(self, name: str) -> None:
        """Stop a proxy and forget it."""
        await self._run(lambda: self._remove(name))

    async def reset(self) -> None:
        """Enable every proxy and remove all toxics; all are tried, the first error is raised."""
        errors = [await self._run(partial(self._reset, name)) for name in sorted(self.entries)]
        for error in errors:
            if error is not None:
                raise error

    async def add_toxic(self, name: str, body: bytes) -> Document:
        """Make a toxic on a proxy."""
        warnings: list[str] = []

        async def add(entry: Entry) -> Document:
            toxic = read_toxic(parse(body), warnings)
            await entry.add(toxic)
            return toxic.document()

        return self._answer(await self._run(lambda: self._on(name, add)), name, warnings)

    async def change_toxic(self, name: str, toxic: str, body: bytes) -> Document:
        """Change a toxic's attributes or toxicity."""
        warnings: list[str] = []

        async def change(entry: Entry) -> Document:
            now = changed(entry.toxic(toxic), parse(body), warnings)
            await entry.change(now)
            return now.document()

        return self._answer(await self._run(lambda: self._on(name, change)), name, warnings)

    async def remove_toxic(self, name: str, toxic: str) -> None:
        """Remove a toxic from a proxy."""
        await self._run(lambda: self._on(name, lambda entry: entry.remove(toxic)))

    async def close(self) -> None:
        """Stop every proxy, and make no more; changes in progress are cancelled."""
        self._closed = True
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        ending = [entry.end() for entry in self.entries.values()]
        self.entries.clear()
        await asyncio.gather(*ending, return_exceptions=True)

    def _answer(self, document: Document, proxy: str, warnings: list[str]) -> Document:
        for text in warnings:
            self._warn(proxy, text)
        return {**document, "warnings": warnings} if warnings else document

    async def _create(self, one: Wanted) -> Entry:
        async with self._alone(one.name):
            if one.name in self.entries:
                raise ApiError("proxy already exists", _CONFLICT)
            return await self._new(one)

    async def _create_or_replace(self, one: Wanted) -> Entry:
        async with self._alone(one.name):
            entry = self.entries.get(one.name)
            if entry is None:
                return await self._new(one)
            toxics = one.toxics
            same_toxics = toxics is None or list(toxics) == list(entry.toxics.values())
            if not same_toxics or await entry.differs(one.settings):
                await entry.become(one.settings, toxics or ())
            return entry

    async def _new(self, one: Wanted) -> Entry:
        if len(self.entries) >= MAX_PROXIES:
            raise ApiError(f"there are {MAX_PROXIES} proxies already", _CONFLICT)
        emit = self._journal.emitter(one.name)
        entry = Entry(name=one.name, settings=one.settings, make=self._make, emit=emit)
        await entry.begin(one.toxics or ())
        self.entries[one.name] = entry
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
            raise ApiError(f"not done within {self._limit_s:g} s; cancelled", 503) from None

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
