"""What each fault of a path looks like alone, under the sample app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.faults.alone import Alone, dies
from crashloop.model import CheckSpec, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

PHASE, TARGET = "database", "postgres"
HANGS = dies(PHASE, ("TimeoutError", "CancelledError"), at_limit=True)


def _came(way: str) -> CheckSpec:
    return CheckSpec(check="connection_was", params={"target": TARGET, "phase": PHASE, "way": way})


ALONE: Mapping[str, Alone] = {
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
            "paused": "request_passed_on",
            "lock_held": "connection_was",
            "lock_orphaned": "connection_was",
            "cpu_starved": "phase_failed",
            "name_late": "connection_was",
        },
        ends="the path answers again; a longer limit helps only if it is longer than the silence",
    ),
    "black_hole": Alone(
        target=TARGET,
        transport=Transport.TCP,
        shows=(*HANGS, _came("unanswered")),
        told_by={
            "hold": "connection_was",
            "refuse": "phase_failed",
            "name_late": "connection_was",
        },
        ends="the network lets SYNs through: a route, a firewall rule, a security group",
    ),
    "refuse": Alone(
        target=TARGET,
        shows=(
            *dies(PHASE, ("ConnectionRefusedError",), at_limit=False),
            CheckSpec(check="fails_at_once", params={"phase": PHASE}),
            _came("refused"),
        ),
        told_by={
            "hold": "phase_failed",
            "black_hole": "phase_failed",
            "recovering": "phase_failed",
            "missing_setting": "last_phase",
            "image_older": "phase_failed",
            "name_unknown": "phase_failed",
            "wrong_host": "connection_was",
        },
        ends="something listens at that address; until then, a retry with back-off",
    ),
}
