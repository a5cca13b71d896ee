"""What the faults of the app's processes share."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, ClassVar

from crashloop.faults.base import REPLICAS, Fault
from crashloop.model import Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from crashloop.faults.ports import Lives
    from crashloop.model import Life, Value


class ProcessFault(Fault):
    """A fault of the app's processes; what the system says of them shows that it acts."""

    __slots__ = ()

    acts_on: ClassVar[frozenset[str]] = frozenset({REPLICAS})
    needs_lives: ClassVar[bool] = True


def seen(kind: str, **where: Value) -> Receipt:
    """The receipt that the system says this of a life's process."""
    return Receipt(grade=Grade.PROCESS, kinds=(kind,), whose="server", where=where)


@contextlib.asynccontextmanager
async def each_life(
    lives: Lives, look: Callable[[Life, int], Coroutine[Any, Any, None]]
) -> AsyncIterator[None]:
    """While entered, call `look` with each life and its process, those that run now included.

    The lives are looked at side by side; what still looks when this is left is cancelled.
    """

    async def follow() -> None:
        async with (
            contextlib.aclosing(lives.started()) as started,
            asyncio.TaskGroup() as looking,
        ):
            async for life, pid in started:
                looking.create_task(look(life, pid))

    async with asyncio.TaskGroup() as group:
        following = group.create_task(follow())
        try:
            yield
        finally:
            following.cancel()
