"""Faults of the link family: what happens to the bytes of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.proxy.faults import Latency

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.clock import TimeScale


def latency(params: Mapping[str, float], scale: TimeScale) -> Latency:
    """`latency_s`: by how much every chunk from the database is delayed."""
    return Latency(latency_s=scale.wall_s(params["latency_s"]))
