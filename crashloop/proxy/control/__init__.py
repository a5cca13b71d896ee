"""Clients of a fault proxy in another process: of `crashloop proxy`, and of Toxiproxy."""

from __future__ import annotations

from crashloop.proxy.control.client import Control

__all__ = ["Control"]
