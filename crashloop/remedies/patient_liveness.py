"""A liveness probe that waits for longer: no remedy for an app that ends on its own."""

from __future__ import annotations

from dataclasses import replace

from crashloop.errors import UsageError
from crashloop.model import Probe, ProbeKind
from crashloop.platforms import PLATFORMS
from crashloop.remedies.overlay import Remedied, RemedyKind

PATIENCE_S = 300.0  # chosen: longer than every limit of the audit


def overlay(before: Remedied, _value: str) -> Remedied:
    """Let the liveness probe, a TCP probe if there is none, fail for 300 s before it kills."""
    platform = before.outage.platform
    if not PLATFORMS[platform.name].has_probes:
        raise UsageError(
            f"patient-liveness: {platform.name} has no probes",
            hint="choose a platform with probes, such as kubernetes",
        )
    probe = platform.liveness or Probe(kind=ProbeKind.TCP)
    patient = replace(probe, failures=max(round(PATIENCE_S / probe.period_s), probe.failures))
    changed = replace(platform, liveness=patient)
    return before._replace(outage=replace(before.outage, platform=changed))


REMEDY = RemedyKind(
    name="patient-liveness",
    says=f"let the liveness probe wait {PATIENCE_S:g} s before it kills",
    overlay=overlay,
)
