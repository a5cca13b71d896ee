"""What failed: phases of a start-up, or the lives of an app that logs none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.checks.lines import is_running, phase_started, seconds
from crashloop.checks.lives import deaths, killed, of_replicas
from crashloop.checks.phases import AT_LIMIT

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A phase that failed, or that was running when a probe ended its life; or a life that died.

    `ended` is its last line, or the end of its life, of which `kill` was the beginning. `waited`:
    it is to be explained from its first half on.
    """

    phase: str
    began_ns: int
    ended: Event
    waited: bool
    kill: Event | None = None

    @property
    def what(self) -> str:
        """What failed: the phase by name, or the life."""
        return f"its phase {self.phase}" if self.phase else "its life"

    @property
    def until_ns(self) -> int:
        """When the phase was over."""
        return (self.kill or self.ended).mono_ns

    @property
    def lasted_ns(self) -> int:
        """How long the phase lasted."""
        return self.until_ns - self.began_ns


def failures(trace: Trace, phase: str) -> list[Failure]:
    """The scenario's lives that failed in the phase, or were killed by the platform in it.

    Without a phase, those that died: their whole lives count.
    """
    if not phase:
        return [_whole_life(trace, died) for died in deaths(trace)]
    failed = of_replicas(trace, trace.of("phase.failed", phase=phase))
    found = [_failure(trace, phase, ended) for ended in failed]
    for died in deaths(trace):
        kill = killed(trace, died)
        if kill is not None and is_running(trace, kill, phase):
            found.append(_failure(trace, phase, died, kill))
    return found


def _failure(trace: Trace, phase: str, ended: Event, kill: Event | None = None) -> Failure:
    begun = phase_started(trace, ended, phase)
    began_ns = begun.mono_ns if begun else 0
    limit_s = seconds(ended.data, "limit_s")
    early = limit_s and (ended.mono_ns - began_ns) / 1e9 < AT_LIMIT * limit_s
    return Failure(phase=phase, began_ns=began_ns, ended=ended, waited=not early, kill=kill)


def _whole_life(trace: Trace, died: Event) -> Failure:
    started = trace.first("process.started", life=died.life)
    began_ns = started.mono_ns if started else 0
    kill = killed(trace, died)
    return Failure(phase="", began_ns=began_ns, ended=died, waited=False, kill=kill)
