"""A gate that refuses: proven by a connect(), and counted where the machine allows it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from crashloop.errors import CapabilityError, HarnessError
from crashloop.proxy.address import Address
from crashloop.proxy.gate.tcp import TcpGate
from crashloop.proxy.kernel.rst_tap import RstTap

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.proxy.events import Emit
    from crashloop.proxy.faults import Refuse
    from crashloop.proxy.gate.unix import UnixGate

NAMED = 1000
"""How many refused clients get an event of their own; further ones are only counted."""

_PROBE_LIMIT_S = 0.25


class ActiveRefuse:
    """One Refuse on one gate, from `begin()` to `heal()`.

    Over TCP and with CAP_NET_RAW each refused client is an event, `gate.refused`. With
    `connections` N the gate opens at the Nth; who came in the same instant is refused, and counted,
    too. `cut` resets the open links; it is called once, when the gate refuses.
    """

    def __init__(
        self,
        *,
        fault_id: str,
        fault: Refuse,
        gate: TcpGate | UnixGate,
        cut: Callable[[], None],
        emit: Emit,
    ) -> None:
        self._fault_id = fault_id
        self._limit = fault.connections
        self._gate = gate
        self._cut = cut
        self._emit = emit
        self._tap: RstTap | None = None
        self._refuses = False
        self.refused = 0

    async def begin(self) -> None:
        """Refuse, and prove it by a connect().

        Raises CapabilityError when `connections` is given and refusals cannot be counted, before
        anything is touched; HarnessError when the proof fails, the gate is open again then.
        """
        self._tap = self._open_tap()
        try:
            self._gate.refuse()
            self._refuses = True
            self._emit(
                "gate.closed",
                {"fault": self._fault_id, "mode": "refuse", "counted": self._tap is not None},
            )
            self._cut()
            await self._prove()
        except BaseException:
            self._reopen()
            await self.stop()
            raise

    async def heal(self) -> None:
        """Open the gate, unless the Nth refusal has opened it.

        Raises HarnessError when it did not refuse until now; the gate is open then, too.
        """
        try:
            if self._refuses:
                await self._prove()
        finally:
            if self._refuses:
                self._reopen()
                self._count()
                self._tell_opened()
            await self.stop()

    async def stop(self) -> None:
        """Stop counting without changing the gate."""
        if self._tap is not None:
            tap, self._tap = self._tap, None
            await tap.close()

    def _open_tap(self) -> RstTap | None:
        if not isinstance(self._gate, TcpGate):
            if self._limit is not None:
                raise CapabilityError(
                    f"{self._gate.address} is a Unix socket, and the kernel does not report "
                    "its refusals, so they cannot be counted.",
                    hint="Use accept_close: each client is accepted, closed and counted exactly.",
                )
            return None
        try:
            return RstTap(
                loop=asyncio.get_running_loop(),
                address=self._gate.address,
                on_refusals=self._on_refusals,
            )
        except CapabilityError:
            if self._limit is not None:
                raise
        return None

    def _on_refusals(self) -> None:
        self._count()
        if self._refuses and self._limit is not None and self.refused >= self._limit:
            self._reopen()
            self._count()
            self._tell_opened()

    def _count(self) -> None:
        if self._tap is None:
            return
        assert isinstance(self._gate, TcpGate)
        clients, lost = self._tap.read()
        for host, port in clients:
            if self._gate.is_own(port):
                continue
            self.refused += 1
            if self.refused <= NAMED:
                client = str(Address(host=host, port=port)).removeprefix("tcp:")
                self._emit(
                    "gate.refused",
                    {"fault": self._fault_id, "client": client, "number": self.refused},
                )
        self.refused += lost

    async def _prove(self) -> None:
        if isinstance(self._gate, TcpGate):
            seen = await self._gate.observe(_PROBE_LIMIT_S, then=self._count)
        else:
            seen = await self._gate.observe(_PROBE_LIMIT_S)
        if not self._refuses:
            return
        self._emit("gate.checked", {"fault": self._fault_id, "observed": seen})
        if seen != "refused":
            raise HarnessError(
                f"{self._gate.address} should refuse, but a connect() saw: {seen}.",
                hint="Does another process listen on this address?",
            )

    def _reopen(self) -> None:
        if self._refuses:
            self._refuses = False
            self._gate.reopen()

    def _tell_opened(self) -> None:
        refused = None if self._tap is None else self.refused
        self._emit("gate.opened", {"fault": self._fault_id, "refused": refused})
