"""Remedies: what could have ended the outage. Each is off by default.

A remedy is a module here with a subclass of `Remedy` that is made from the context in phase init, a
setting that switches it on, and a line in `REMEDIES`. Its module is imported only if it is on, so
that the others cost a start nothing.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app_under_test.context import Context
    from app_under_test.remedy import Remedy, Work

REMEDIES = {
    "remedy_sigterm": "sigterm:Sigterm",
    "remedy_degraded_start": "degraded:DegradedStart",
    "remedy_degraded_phases": "degraded_phases:DegradedPhases",
    "remedy_admission": "admission:Admission",
    "remedy_measured_limit": "measured_limit:MeasuredLimit",
    "remedy_retry_probe_s": "retry_probe:RetryProbe",
    "remedy_retry_s": "retry:Retry",
    "remedy_pool_sizing": "pool_sizing:PoolSizing",
    "remedy_circuit_breaker": "circuit_breaker:CircuitBreaker",
}
"""Where each remedy is, `module:Class`, by its setting. The first is the outermost."""


def switch_on(context: Context) -> None:
    """Add to the context the remedies that its settings ask for."""
    for setting, place in REMEDIES.items():
        if getattr(context.settings, setting):
            module, _, name = place.partition(":")
            remedy: Callable[[Context], Remedy] = getattr(
                import_module(f"{__name__}.{module}"), name
            )
            context.remedies.append(remedy(context))


def around(context: Context, phase: str, work: Work) -> Work:
    """Wrap the phase's work in every remedy that is on."""
    for remedy in reversed(context.remedies):
        work = partial(remedy.around, phase, work)
    return work
