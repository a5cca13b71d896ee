"""Blocking calls of the SDK, in threads, always to their end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from crashloop.engines.process import finish

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def blocking(work: Callable[..., T], *arguments: Any) -> T:
    """Run it in a thread, and to its end: what a cancelled call still makes would be left."""
    return await finish(asyncio.to_thread(work, *arguments))


async def together(*works: Callable[[], Any]) -> list[Any]:
    """Run all at once, each in a thread; raises what the first of them raises, all ended."""
    done = await asyncio.gather(*(blocking(work) for work in works), return_exceptions=True)
    for each in done:
        if isinstance(each, BaseException):
            raise each
    return done


def from_thread(call: Callable[[str], Any]) -> Callable[[str], None]:
    """The same, callable from a thread, done in the running loop."""
    loop = asyncio.get_running_loop()

    def later(what: str) -> None:
        loop.call_soon_threadsafe(call, what)

    return later
