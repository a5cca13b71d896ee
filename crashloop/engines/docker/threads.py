"""Blocking calls of the SDK in threads, and what such threads call in the run's loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from crashloop.engines.process import finish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


async def blocking(work: Callable[..., T], *arguments: Any) -> T:
    """Run `work` in a thread to its end, even when cancelled: what it creates must be known."""
    return await finish(asyncio.to_thread(work, *arguments))


def in_loop(
    loop: asyncio.AbstractEventLoop, call: Callable[..., object], *arguments: object
) -> None:
    """From a thread, have `loop` make the call; nothing happens when the loop has ended."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *arguments)


def follow(
    name: str,
    stream: Callable[[], Iterable[T]],
    *,
    on_item: Callable[[T], object],
    on_end: Callable[[str], object],
) -> threading.Thread:
    """Iterate over a blocking stream in a thread called `name`, which is returned.

    In the running loop, `on_item` gets each item, then `on_end` the error, or "" without one.
    """
    loop = asyncio.get_running_loop()

    def run() -> None:
        why = ""
        try:
            for item in stream():
                in_loop(loop, on_item, item)
        except Exception as error:  # noqa: BLE001  whatever the SDK raises of a broken stream
            why = f"{type(error).__name__}: {error}"
        in_loop(loop, on_end, why)

    thread = threading.Thread(target=run, daemon=True, name=name)
    thread.start()
    return thread
