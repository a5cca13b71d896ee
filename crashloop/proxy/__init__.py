"""The built-in fault proxy: a data plane with a gate on connect(), as a library."""

from __future__ import annotations

from crashloop.proxy.address import Address
from crashloop.proxy.faults import (
    AcceptClose,
    Bandwidth,
    BlackHole,
    ConnectDelay,
    Fault,
    Hold,
    Latency,
    LimitData,
    Refuse,
    ResetPeer,
    Slicer,
    SlowClose,
    SlowConnect,
    Timeout,
)
from crashloop.proxy.proxy import FaultProxy

__all__ = [
    "AcceptClose",
    "Address",
    "Bandwidth",
    "BlackHole",
    "ConnectDelay",
    "Fault",
    "FaultProxy",
    "Hold",
    "Latency",
    "LimitData",
    "Refuse",
    "ResetPeer",
    "Slicer",
    "SlowClose",
    "SlowConnect",
    "Timeout",
]
