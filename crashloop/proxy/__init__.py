"""The built-in fault proxy: a data plane with a gate on connect(), as a library."""

from __future__ import annotations

from crashloop.proxy.address import Address
from crashloop.proxy.faults import BlackHole, ConnectDelay, Fault, Hold, Latency, Refuse
from crashloop.proxy.proxy import FaultProxy

__all__ = [
    "Address",
    "BlackHole",
    "ConnectDelay",
    "Fault",
    "FaultProxy",
    "Hold",
    "Latency",
    "Refuse",
]
