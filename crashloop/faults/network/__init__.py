"""The faults of names, and of what stands between the app and an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.faults.network.ipv6_first import Ipv6First
from crashloop.faults.network.name_late import NameLate
from crashloop.faults.network.name_unknown import NameUnknown
from crashloop.faults.network.wrong_host import WrongHost

if TYPE_CHECKING:
    from crashloop.faults.base import Fault

FAULTS: tuple[type[Fault], ...] = (NameUnknown, NameLate, WrongHost, Ipv6First)
