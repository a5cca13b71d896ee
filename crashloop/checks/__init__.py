"""The checks: pure functions from a trace to what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks import (
    connection,
    control,
    dependency,
    evidence,
    exits,
    hidden,
    journey,
    lateness,
    limits,
    memory,
    metastable,
    phases,
    probes,
    readiness,
    receipts,
    request,
    running,
    scale,
    server,
    serving,
    shown,
    starting,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.checks.result import Result

_ALL: tuple[Callable[..., Result], ...] = (
    evidence.evidence_complete,
    control.control_passed,
    control.waits_are_declared,
    evidence.baseline_passed,
    evidence.path_used,
    scale.scale_is_fair,
    receipts.faults_have_receipts,
    receipts.receipts_not_contradicted,
    receipts.no_receipt,
    connection.connection_was,
    connection.never_came,
    connection.came_from_several,
    connection.connected_before,
    request.request_passed_on,
    request.not_let_through,
    lateness.came_late,
    lateness.each_life_waited,
    lateness.a_life_got_through,
    phases.phase_failed,
    server.server_said,
    server.server_said_no_error,
    server.role_was_unknown,
    shown.server_showed,
    server.old_revision_held,
    phases.last_phase,
    starting.first_phase_late,
    phases.all_phases_done,
    running.phase_running_at_death,
    running.died_after_startup,
    running.told_to_stop,
    running.fails_at_once,
    limits.died_at_own_limit,
    exits.exit_code,
    memory.memory_exceeded,
    exits.died,
    exits.restart_loop,
    exits.no_death,
    hidden.several_starts,
    hidden.failure_hidden,
    probes.killed_by_probe,
    probes.killed_at_same_age,
    probes.probe_passed,
    serving.no_port_before_ready,
    serving.port_before_ready,
    readiness.ready,
    readiness.recovered,
    readiness.a_replica_served,
    readiness.rollout_stuck,
    metastable.stayed_down,
    journey.journey_passed,
    journey.users_failed,
    serving.no_connection_left,
    serving.listened_elsewhere,
    dependency.dependency_needed,
)

CHECKS: dict[str, Callable[..., Result]] = {check.__name__: check for check in _ALL}
"""Every check by the name that signatures use; called as `check(trace, **params)`."""
