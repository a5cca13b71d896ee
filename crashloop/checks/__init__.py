"""The checks: pure functions from a trace to what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks import evidence, exits, phases, receipts, scale, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.checks.result import Result

_ALL: tuple[Callable[..., Result], ...] = (
    evidence.evidence_complete,
    evidence.baseline_passed,
    evidence.path_used,
    scale.scale_is_fair,
    receipts.faults_have_receipts,
    receipts.receipts_not_contradicted,
    receipts.no_receipt,
    phases.phase_failed,
    phases.last_phase,
    phases.all_phases_done,
    exits.exit_code,
    exits.restart_loop,
    exits.no_death,
    serving.no_port_before_ready,
    serving.ready,
    serving.recovered,
    serving.golden_path,
    serving.no_connection_left,
)

CHECKS: dict[str, Callable[..., Result]] = {check.__name__: check for check in _ALL}
"""Every check by the name that signatures use; called as `check(trace, **params)`."""
