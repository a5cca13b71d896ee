"""The fault of a name that leads to the loopback instead of the service."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from crashloop.errors import UsageError
from crashloop.faults.alone import Alone, fails_at_once
from crashloop.faults.network.name_fault import PHASE, RIGHT, TARGET, NameFault, came
from crashloop.faults.parameter import takes
from crashloop.model import Transport

ADDRESS_IS = f"an address in 127.0.0.0/8 that is not {RIGHT}, where the services are"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongHost(NameFault):
    """The target's name leads to a loopback address where nothing listens, not to the service.

    The service itself, and the path to it, are well all the time.
    """

    kind = "wrong_host"
    alone = Alone(
        target=TARGET,
        transport=Transport.TCP,
        comes=False,
        by_name=True,
        shows=(
            *fails_at_once(PHASE, "ConnectionRefusedError"),
            came("elsewhere"),
        ),
        told_by={
            "refuse": "connection_was",
            "name_unknown": "phase_failed",
            "name_late": "phase_failed",
            "ipv6_first": "phase_failed",
        },
        ends="the setting, or the name's record, is corrected; no restart and no retry helps",
        example={"address": "127.0.0.3"},
    )

    address: str = field(default="127.0.0.2", metadata=takes("text", says=ADDRESS_IS))

    def __post_init__(self) -> None:
        try:
            given = ipaddress.IPv4Address(self.address)
        except ValueError:
            given = None
        if given is None or not given.is_loopback or self.address == RIGHT:
            raise UsageError(
                f"the fault wrong_host got address={self.address!r}",
                hint=f"address is {ADDRESS_IS}",
            )

    def answer(self) -> tuple[tuple[str, ...], float]:
        """The wrong address, at once."""
        return (self.address,), 0.0
