"""The faults that are on at a proxy, and which new connections each of them takes."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S
from crashloop.errors import UsageError
from crashloop.proxy.faults import (
    AcceptClose,
    ArrivalFault,
    ConnectionFault,
    Hold,
    LinkFault,
    SlowConnect,
)
from crashloop.proxy.link.link import Holding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.proxy.faults import Fault
    from crashloop.proxy.link.link import Link


MAX_CLIENTS = 10_000
"""How many clients a fault remembers; beyond that, the first one is forgotten."""


@dataclass(slots=True, kw_only=True)
class _Injected:
    """A fault, and how many connections it still takes; None: no limit.

    `clients` are those that it acts on once, by their sessions, each with what it met.
    """

    fault: Fault
    left: int | None
    since_ns: int
    clients: dict[int, Holding] = field(default_factory=dict)

    def counts(self) -> bool:
        """Count a new connection, and return whether it is within the limit."""
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0


class ActiveFaults:
    """The faults of the proxy `name` by their ids, in the order of their injection.

    `count_held` returns how many links a fault holds.
    """

    def __init__(self, *, name: str, seed: int, count_held: Callable[[str], int]) -> None:
        self._name = name
        self._seed = seed
        self._count_held = count_held
        self._injected: dict[str, _Injected] = {}

    @property
    def faults(self) -> Mapping[str, Fault]:
        """All faults that are on."""
        return {fault_id: injected.fault for fault_id, injected in self._injected.items()}

    def acts_on_arrivals(self) -> bool:
        """Whether a fault acts on the next connection before the upstream is dialled."""
        return any(
            isinstance(injected.fault, ArrivalFault)
            and (injected.left is None or injected.left > 0)
            for injected in self._injected.values()
        )

    def put(self, fault_id: str, fault: Fault) -> None:
        """Add a fault, or restart it with other parameters."""
        left = fault.connections if isinstance(fault, ConnectionFault) else None
        self._injected[fault_id] = _Injected(fault=fault, left=left, since_ns=time.monotonic_ns())

    def remove(self, fault_id: str) -> None:
        """Remove a fault."""
        del self._injected[fault_id]

    def known(self, fault_id: str) -> Fault:
        """Return the fault of this id; raises UsageError if there is none."""
        if fault_id not in self._injected:
            raise UsageError(
                f"The proxy {self._name} has no fault {fault_id!r}.",
                hint=f"On are: {', '.join(self._injected) or 'none'}.",
            )
        return self._injected[fault_id].fault

    def require_free(self, fault_id: str) -> None:
        """Raise UsageError if the id is taken."""
        if fault_id in self._injected:
            raise UsageError(f"The proxy {self._name} has a fault {fault_id!r} already.")

    def open(self, link: Link) -> None:
        """Open a link under the faults that take it, or close it at once."""
        now_ns = time.monotonic_ns()
        holds: list[Holding] = []
        for fault_id, injected in self._injected.items():
            match injected.fault:
                case ConnectionFault() if not injected.counts():
                    pass
                case Hold() as fault if self._takes(link, fault_id, fault):
                    until_ns = now_ns + round(fault.delay_s * NS_PER_S) if fault.delay_s else None
                    holds.append(Holding(fault_id=fault_id, until_ns=until_ns))
                case SlowConnect() as fault if self._takes(link, fault_id, fault):
                    holds += self._slow(fault_id, fault, injected, link, now_ns)
                case AcceptClose() as fault if self._takes(link, fault_id, fault):
                    link.turn_away(fault_id, reset=fault.reset)
                    return
                case LinkFault() as fault:
                    link.add(fault_id, fault)
        link.open(holds)

    def _slow(
        self, fault_id: str, fault: SlowConnect, injected: _Injected, link: Link, now_ns: int
    ) -> list[Holding]:
        """How the fault holds the link; nothing if it has let the link's client through before."""
        client = link.client_session if fault.each_client else None
        if client is None:
            return [self._drawn(fault_id, fault, injected.since_ns, now_ns)]
        met = injected.clients.get(client)
        if met is None:
            met = self._drawn(fault_id, fault, injected.since_ns, now_ns)
            if len(injected.clients) >= MAX_CLIENTS:
                del injected.clients[next(iter(injected.clients))]
            injected.clients[client] = met
            return [met]
        left_ns = (met.until_ns or 0) - now_ns
        facts = {**met.facts, "hold_s": left_ns / NS_PER_S}
        return [met._replace(facts=facts)] if left_ns > 0 else []

    def _drawn(self, fault_id: str, fault: SlowConnect, since_ns: int, now_ns: int) -> Holding:
        slot = fault.slot((now_ns - since_ns) / NS_PER_S)
        drawn_s = fault.drawn_s(slot, seed=self._seed, fault_id=fault_id)
        others = self._count_held(fault_id)
        hold_s = drawn_s + others * fault.each_other_s
        return Holding(
            fault_id=fault_id,
            until_ns=now_ns + round(hold_s * NS_PER_S),
            facts={"slot": slot, "drawn_s": drawn_s, "others": others, "hold_s": hold_s},
        )

    def _takes(self, link: Link, fault_id: str, fault: ArrivalFault) -> bool:
        if fault.toxicity >= 1:
            return True
        rng = random.Random(f"{self._seed}/{link.name}/{fault_id}")  # noqa: S311  a fault's draws
        return rng.random() < fault.toxicity
