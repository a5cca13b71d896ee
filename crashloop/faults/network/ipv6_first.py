"""The fault of a name whose first address is an IPv6 one that does not answer."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from crashloop.faults.alone import Alone, dies
from crashloop.faults.network.name_fault import PHASE, RIGHT, TARGET, NameFault, came
from crashloop.model import Grade, Receipt, Transport
from crashloop.proxy.faults import BlackHole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports

FIRST = "::1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv6First(NameFault):
    """The target's name has an IPv6 address first, at which every SYN is dropped; then its own.

    A client that tries one address after the other waits for the first until its limit; one with
    "happy eyeballs" (RFC 8305) goes on to the second and is well.
    """

    kind = "ipv6_first"
    needs_address: ClassVar[str] = FIRST
    receipt: ClassVar[Receipt] = Receipt(grade=Grade.KERNEL, kinds=("gate.syn_seen",))
    alone = Alone(
        target=TARGET,
        transport=Transport.TCP,
        comes=False,
        by_name=True,
        shows=(*dies(PHASE, ("TimeoutError", "CancelledError"), at_limit=True), came("elsewhere")),
        told_by={
            "black_hole": "connection_was",
            "name_late": "connection_was",
            "wrong_host": "phase_failed",
        },
        ends="IPv6 works on the path or is not announced, or the client tries both at once",
    )

    def answer(self) -> tuple[tuple[str, ...], float]:
        """Both addresses, at once."""
        return (FIRST, RIGHT), 0.0

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Drop the SYNs at the first address, and give each new life the answer.

        On leaving, who still waits there is refused at its next SYN, as nothing listens there then.
        """
        async with ports.path_at(target, FIRST) as path:
            await path.inject(name, BlackHole())
            async with NameFault.active(self, ports, name=name, target=target):
                yield
