"""Toxiproxy's toxics, one rule a module, and the chain that carries them out without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.proxy.faults import (
    Bandwidth,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
)
from crashloop.proxy.toxics.bandwidth import BANDWIDTH
from crashloop.proxy.toxics.latency import LATENCY
from crashloop.proxy.toxics.limit_data import LIMIT_DATA
from crashloop.proxy.toxics.reset_peer import RESET_PEER
from crashloop.proxy.toxics.slicer import SLICER
from crashloop.proxy.toxics.slow_close import SLOW_CLOSE
from crashloop.proxy.toxics.timeout import TIMEOUT

if TYPE_CHECKING:
    from crashloop.proxy.faults import LinkFault
    from crashloop.proxy.toxics.rule import Rule

RULES: dict[type[LinkFault], Rule] = {
    Latency: LATENCY,
    Bandwidth: BANDWIDTH,
    SlowClose: SLOW_CLOSE,
    Timeout: TIMEOUT,
    ResetPeer: RESET_PEER,
    Slicer: SLICER,
    LimitData: LIMIT_DATA,
}
