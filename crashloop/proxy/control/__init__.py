"""The control client: one way to tell either proxy what to do, over its HTTP API.

Light to import; requests and toxiproxy-python (54 ms more) are loaded when a `Control` is made.
"""

from __future__ import annotations

from crashloop.proxy.control.client import Control
from crashloop.proxy.control.events import EventStream
from crashloop.proxy.control.handle import ProxyControl
from crashloop.proxy.control.limits import Limits
from crashloop.proxy.control.records import LinkState, ProxyState, Toxic

__all__ = [
    "Control",
    "EventStream",
    "Limits",
    "LinkState",
    "ProxyControl",
    "ProxyState",
    "Toxic",
]
