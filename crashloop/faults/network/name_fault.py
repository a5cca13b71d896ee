"""What the faults of names share."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from crashloop.faults.base import Fault
from crashloop.model import CheckSpec, Grade, Receipt, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports

PHASE, TARGET = "database", "postgres"
RIGHT = "127.0.0.1"
"""Where a dependency that has a name is reached."""


class NameFault(Fault):
    """A fault of the name by which the app reaches the target.

    Each life has a hosts file of its own, and its look-ups wait for the harness, which sees in
    /proc whose they are.
    """

    __slots__ = ()

    acts_on: ClassVar[frozenset[str]] = frozenset({"postgres", "redis"})
    transports: ClassVar[frozenset[Transport]] = frozenset({Transport.TCP})
    receipt: ClassVar[Receipt] = Receipt(grade=Grade.PROCESS, kinds=("name.asked",))
    needs_lives: ClassVar[bool] = True
    replaces: ClassVar[Literal["", "names", "files"]] = "names"

    @abstractmethod
    def answer(self) -> tuple[tuple[str, ...], float]:
        """The addresses that a look-up finds, and how many seconds later."""

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Give each new life the answer on entering; all find what this machine says after it."""
        addresses, after_s = self.answer()
        async with ports.names().answered(target, addresses, fault=name, after_s=after_s):
            yield


def came(way: str) -> CheckSpec:
    """The check of what the app's look-ups came to."""
    return CheckSpec(check="connection_was", params={"target": TARGET, "phase": PHASE, "way": way})
