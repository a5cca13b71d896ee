"""Faults of the connect family: what happens to a connection before its first byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.proxy.faults import BlackHole, ConnectDelay, Hold, Refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.clock import TimeScale


def hold(params: Mapping[str, float], scale: TimeScale) -> Hold:
    """`delay_s`: how long each connection is held; until the heal if it is not given."""
    delay_s = params.get("delay_s")
    return Hold(delay_s=None if delay_s is None else scale.wall_s(delay_s))


def black_hole(params: Mapping[str, float], scale: TimeScale) -> BlackHole:
    """No parameters: nothing connects until the heal."""
    del params, scale
    return BlackHole()


def connect_delay(params: Mapping[str, float], scale: TimeScale) -> ConnectDelay:
    """`delay_s`: how long after its first SYN a client is let in."""
    return ConnectDelay(delay_s=scale.wall_s(params["delay_s"]))


def refuse(params: Mapping[str, float], scale: TimeScale) -> Refuse:
    """No parameters: refused until the heal."""
    del params, scale
    return Refuse()
