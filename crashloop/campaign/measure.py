"""What one trial shows: counts, times and its verdict, from its trace. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from crashloop.campaign.figures import is_count, is_finite
from crashloop.campaign.margin import near_limit
from crashloop.checks.failures import failures
from crashloop.checks.journey import replica_passed
from crashloop.checks.lines import PHASE_ENDS, seconds
from crashloop.checks.link_times import FAR_FUTURE_NS
from crashloop.checks.lives import observed
from crashloop.checks.receipts import last_heal_ns
from crashloop.checks.result import UNREADABLE
from crashloop.judge import judge
from crashloop.loops import loops_of
from crashloop.loops.replica import replica_of
from crashloop.model import Verdict
from crashloop.trace.event import SESSIONS_PEAK

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from crashloop.loops.replica import LifeRecord, Replica
    from crashloop.model import Life, ReplicaLoop
    from crashloop.trace.event import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One trial in numbers.

    `lives_started` are those whose start is decided, `lives_ready` of them called themselves ready.
    `phase_entered` and `phase_failed` are about the phase of the incident; of an app that logs no
    phase, its lives count. `loop`: a replica was in a restart loop. `golden_path` is k of n
    replicas whose journey passed, 0 of 0 if the app has none. `recovery_s` has seconds of the
    incident from the heal for each replica: 0 if it was ready before, or if there was no fault;
    None if it was not ready again. `connections_peak` is None if the database did not say.

    `reason` is the verdict's. `inconclusive` is why the trial cannot count, "" if it can.
    `near_limit` are the lives for which a twentieth of a limit decided. `command` runs the trial
    again; `trace` is its path.
    """

    verdict: Verdict
    inconclusive: str = ""
    reason: str = ""
    lives_started: int = 0
    lives_ready: int = 0
    phase_entered: int = 0
    phase_failed: int = 0
    loop: bool = False
    golden_path: tuple[int, int] = (0, 0)
    recovery_s: tuple[float | None, ...] = ()
    connections_peak: int | None = None
    near_limit: tuple[str, ...] = ()
    wall_s: float = 0.0
    command: str = ""
    trace: str = ""

    @property
    def counts(self) -> bool:
        """Whether the trial counts."""
        return not self.inconclusive and not self.near_limit

    @property
    def is_near_limit(self) -> bool:
        """Whether it does not count because a twentieth of a limit decided it."""
        return bool(self.near_limit) and not self.inconclusive

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` reads it back."""
        return {
            **asdict(self),
            "verdict": str(self.verdict),
            **{name: list(getattr(self, name)) for name in _TUPLES},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measured:
        """Read what `to_json` wrote; TypeError or ValueError if it is something else."""
        found = {name: tuple(data[name]) for name in _TUPLES if name in data}
        trial = cls(**{**data, **found, "verdict": Verdict(data["verdict"])})
        if not _is_possible(trial):
            raise ValueError("no trial has such figures")
        return trial


_TUPLES = ("golden_path", "recovery_s", "near_limit")


def _is_possible(trial: Measured) -> bool:
    """Whether every field is of its type, and no part is larger than its whole."""
    ready, failed = trial.lives_ready, trial.phase_failed
    started, entered = trial.lives_started, trial.phase_entered
    shares = ((ready, started), (failed, entered), (entered, started), trial.golden_path)
    times = (trial.wall_s, *(each for each in trial.recovery_s if each is not None))
    texts = (trial.inconclusive, trial.reason, trial.command, trial.trace, *trial.near_limit)
    peak = trial.connections_peak
    return (
        all(is_count(k) and is_count(n) and k <= n for k, n in shares)
        and all(map(is_finite, times))
        and all(isinstance(each, str) for each in texts)
        and isinstance(trial.loop, bool)
        and (peak is None or is_count(peak))
    )


def measured(trace: Trace, *, path: str = "") -> Measured:
    """Measure a trial by its trace, which is at `path`; UsageError if it has no signature."""
    judgement = judge(trace)
    span_ns = trace.events[-1].mono_ns - trace.events[0].mono_ns if trace.events else 0
    found = Measured(
        verdict=judgement.verdict,
        reason=judgement.reason,
        wall_s=round(span_ns / 1e9, 3),
        command=str(trace.header.get("command") or ""),
        trace=path,
    )
    is_fair = judgement.verdict in {Verdict.REPRODUCED, Verdict.NOT_REPRODUCED}
    try:
        return _counted(trace, replace(found, inconclusive="" if is_fair else judgement.reason))
    except UNREADABLE as error:
        why = f"the trace could not be read ({type(error).__name__}: {error})"
        return replace(found, inconclusive=why)


def _counted(trace: Trace, found: Measured) -> Measured:
    replicas = [replica_of(trace, number) for number in trace.replicas()]
    phase = str(trace.scenario.get("phase") or "")
    started = [each for one in replicas for each in one.lives if _is_decided(trace, each)]
    entered = [each for each in started if not phase or _entered(trace, each, phase)]
    failed = {failure.ended.life for failure in failures(trace, phase)}
    loops = loops_of(trace)
    journeys = [replica_passed(trace, one.number) for one in replicas if _has_journey(trace)]
    peaks = [seconds(each.data, "count") for each in observed(trace, SESSIONS_PEAK)]
    return replace(
        found,
        lives_started=len(started),
        lives_ready=sum(each.ready is not None for each in started),
        phase_entered=len(entered),
        phase_failed=sum(_failed(trace, each, phase, failed) for each in entered),
        loop=any(each.looped for each in loops),
        golden_path=(sum(each.holds is True for each in journeys), len(journeys)),
        recovery_s=tuple(
            _recovery_s(trace, one, each) for one, each in zip(replicas, loops, strict=True)
        ),
        connections_peak=max((round(each) for each in peaks if each is not None), default=None),
        near_limit=near_limit(trace),
    )


def _has_journey(trace: Trace) -> bool:
    journey = (trace.scenario.get("app") or {}).get("journey") or {}
    return bool(journey.get("steps"))


def _is_decided(trace: Trace, one: LifeRecord) -> bool:
    """Whether a life had its chance to be ready: it was, it died, or it had begun before the heal.

    Of one that began after the heal and was stopped by the end of the run, nothing is known.
    """
    return one.ready is not None or one.died or one.started.mono_ns < last_heal_ns(trace)


def _entered(trace: Trace, one: LifeRecord, phase: str) -> bool:
    return bool(trace.of("phase.started", *PHASE_ENDS, life=one.life, phase=phase))


def _failed(trace: Trace, one: LifeRecord, phase: str, failed: Container[Life | None]) -> bool:
    """Whether a life that entered the phase failed in it: it said so, died in it or hung in it."""
    if not phase:
        return one.ready is None
    ended = trace.of(*PHASE_ENDS, life=one.life, phase=phase)
    return one.life in failed or (one.ready is None and not ended)


def _recovery_s(trace: Trace, replica: Replica, loop: ReplicaLoop) -> float | None:
    """Seconds of the incident from the heal; 0 for a replica that was ready then, and stayed so.

    Where no fault is planned, nothing has to be healed, and a replica that is ready needed 0 s.
    """
    if loop.recovery is not None:
        return round(loop.recovery.total_s, 3)
    last = replica.lives[-1] if replica.lives else None
    if last is None or last.died or last.answered is None:
        return None
    was_ready = last.answered.mono_ns < last_heal_ns(trace) < FAR_FUTURE_NS
    return 0.0 if was_ready or not trace.scenario.get("faults") else None
