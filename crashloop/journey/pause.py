"""A pause that ends with the life that it is made in."""

from __future__ import annotations

import asyncio
import contextlib


async def pause(ended: asyncio.Event, seconds: float) -> None:
    """Wait until the time has passed or the life has ended."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await ended.wait()
