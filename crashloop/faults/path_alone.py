"""What each fault of a path looks like alone, under the sample app.

The amounts are chosen, for a limit of 20 s. Until its database phase is done, the app gets about 18
chunks and 1.2 kB from Postgres, one after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.clock import REAL_TIME
from crashloop.faults.alone import Alone, dies, fails_at_once
from crashloop.model import CheckSpec, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

PHASE, TARGET = "database", "postgres"
HANGS = dies(PHASE, ("TimeoutError", "CancelledError"), at_limit=True)
CLOSED = "08"
"""The class of SQLSTATEs with which asyncpg reports a connection that was closed."""

LIVES_S = 60.0
"""How long a fault stays at most under which the app lives; its run ends before."""


def _came(way: str) -> CheckSpec:
    return CheckSpec(check="connection_was", params={"target": TARGET, "phase": PHASE, "way": way})


def _late(what: str) -> CheckSpec:
    return CheckSpec(check="came_late", params={"target": TARGET, "phase": PHASE, "what": what})


def _lives(what: str) -> tuple[CheckSpec, ...]:
    return (CheckSpec(check="no_death"), CheckSpec(check="ready"), _late(what))


RESETS = ("ConnectionResetError", "ConnectionError", "BrokenPipeError")

ALONE: Mapping[str, Alone] = {
    "latency": Alone(
        target=TARGET,
        params={"latency_s": 2.0},
        shows=(*HANGS, _came("answered"), _late("answers")),
        told_by={
            "bandwidth": "came_late",
            "slicer": "came_late",
            "slow_connect": "came_late",
            "slow_close": "came_late",
            "slow_query": "came_late",
            "lock_held": "came_late",
            "hold": "connection_was",
            "black_hole": "connection_was",
        },
        ends="a shorter way to the database, fewer round trips at start-up, or a longer limit",
    ),
    "bandwidth": Alone(
        target=TARGET,
        params={"rate_bytes_s": 50},
        shows=(*HANGS, _came("answered"), _late("bytes")),
        told_by={
            "latency": "came_late",
            "slicer": "came_late",
            "lock_held": "came_late",
            "hold": "connection_was",
            "black_hole": "connection_was",
        },
        ends="a wider path, fewer bytes at start-up, or a longer limit",
    ),
    "slow_close": Alone(
        target=TARGET,
        params={"delay_s": 5.0},
        # A pool that is smaller than what is opened closes a connection during start-up.
        knobs={"pool_size": 1, "max_overflow": 2, "warm_connections": 2},
        shows=_lives("end"),
        told_by={"latency": "came_late", "slow_connect": "came_late"},
        deaths=0,
        heal_s=LIVES_S,
        ends="a time limit for closing, so that nobody waits for the end of a connection",
    ),
    "timeout": Alone(
        target=TARGET,
        params={"timeout_s": 8.0},
        shows=(*dies(PHASE, (CLOSED,), at_limit=False), _came("swallowed")),
        told_by={
            "paused": "connection_was",
            "hold": "connection_was",
            "reset_peer": "connection_was",
            "limit_data": "connection_was",
            "accept_close": "connection_was",
        },
        ends="what drops the packets lets them through: a firewall, a NAT table, a security group",
    ),
    "reset_peer": Alone(
        target=TARGET,
        params={"timeout_s": 0.0},
        transport=Transport.TCP,  # a Unix socket knows no reset
        shows=(*fails_at_once(PHASE, "ConnectionResetError"), _came("reset")),
        told_by={
            "refuse": "connection_was",
            "accept_close": "connection_was",
            "limit_data": "connection_was",
            "timeout": "connection_was",
        },
        ends="what resets connections stops: a firewall, a proxy, a load balancer; until then, "
        "a retry with back-off",
    ),
    "slicer": Alone(
        target=TARGET,
        params={"average_bytes": 16, "delay_s": 2.0},
        shows=(*HANGS, _came("answered"), _late("pieces")),
        told_by={
            "latency": "came_late",
            "bandwidth": "came_late",
            "lock_held": "came_late",
            "hold": "connection_was",
            "black_hole": "connection_was",
        },
        ends="the path sends whole packets again, or a longer limit",
    ),
    "limit_data": Alone(
        target=TARGET,
        params={"limit_bytes": 200},
        shows=(*fails_at_once(PHASE, CLOSED), _came("cut")),
        told_by={
            "accept_close": "connection_was",
            "reset_peer": "connection_was",
            "timeout": "connection_was",
        },
        ends="the path passes as many bytes as the start-up needs",
    ),
    "hold": Alone(
        target=TARGET,
        shows=(
            *HANGS,
            _came("silent"),
            CheckSpec(
                check="request_passed_on",
                params={"target": TARGET, "phase": PHASE, "passed_on": False},
            ),
        ),
        told_by={
            "black_hole": "connection_was",
            "refuse": "phase_failed",
            "latency": "connection_was",
            "bandwidth": "connection_was",
            "slicer": "connection_was",
            "timeout": "connection_was",
            "slow_connect": "phase_failed",
            "paused": "request_passed_on",
            "lock_held": "connection_was",
            "lock_orphaned": "connection_was",
            "cpu_starved": "phase_failed",
            "name_late": "connection_was",
        },
        ends="the path answers again; a longer limit helps only if it is longer than the silence",
        example={"delay_s": 30.0},
    ),
    "slow_connect": Alone(
        target=TARGET,
        params={"low_s": 8.0, "high_s": 12.0},
        shows=_lives("first_answer"),
        told_by={
            "hold": "came_late",
            "latency": "came_late",
            "slow_close": "came_late",
            "connect_delay": "came_late",
        },
        deaths=0,
        heal_s=LIVES_S,
        ends="the path is quick again; a longer limit, or another try, gets through meanwhile",
    ),
    "accept_close": Alone(
        target=TARGET,
        shows=(
            *fails_at_once(
                PHASE, CLOSED, "ConnectionResetError", "ConnectionError", "BrokenPipeError"
            ),
            _came("turned_away"),
        ),
        told_by={
            "refuse": "phase_failed",
            "reset_peer": "connection_was",
            "limit_data": "connection_was",
            "timeout": "connection_was",
        },
        ends="what stands before the database reaches it again; until then, a retry with back-off",
        example={"reset": True},
    ),
    "refuse": Alone(
        target=TARGET,
        shows=(*fails_at_once(PHASE, "ConnectionRefusedError"), _came("refused")),
        told_by={
            "hold": "phase_failed",
            "black_hole": "phase_failed",
            "accept_close": "phase_failed",
            "reset_peer": "phase_failed",
            "recovering": "phase_failed",
            "missing_setting": "last_phase",
            "image_older": "phase_failed",
            "name_unknown": "phase_failed",
            "wrong_host": "connection_was",
        },
        ends="something listens at that address; until then, a retry with back-off",
    ),
    "black_hole": Alone(
        target=TARGET,
        transport=Transport.TCP,
        shows=(*HANGS, _came("unanswered")),
        told_by={
            "hold": "connection_was",
            "refuse": "phase_failed",
            "latency": "connection_was",
            "bandwidth": "connection_was",
            "slicer": "connection_was",
            "connect_delay": "phase_failed",
            "name_late": "connection_was",
            "ipv6_first": "connection_was",
        },
        ends="the network lets SYNs through: a route, a firewall rule, a security group",
    ),
    "connect_delay": Alone(
        target=TARGET,
        transport=Transport.TCP,
        params={"delay_s": 2.5},
        time_scale=REAL_TIME,  # the kernel times when a SYN is sent again
        shows=_lives("connect"),
        told_by={"black_hole": "no_death", "slow_connect": "came_late"},
        deaths=0,
        heal_s=LIVES_S,
        ends="the first SYN gets through; a limit longer than the delay gets through meanwhile",
    ),
}
