"""How many runs at once, and at which time scale, leave real work small beside scaled limits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crashloop.campaign.figures import is_count, is_finite
from crashloop.checks.lines import took_s
from crashloop.checks.lives import of_replicas
from crashloop.checks.scale import MAX_WORK_OF_LIMIT, scale_is_fair, slowest_work
from crashloop.clock import MAX_SCALE, REAL_TIME
from crashloop.durations import plain
from crashloop.errors import CapabilityError, CrashloopError
from crashloop.model import Finding, Verdict
from crashloop.trace.event import CONTROL_FAILED, JOURNEY_ENDED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from crashloop.model import Judgement
    from crashloop.trace.event import Trace

STEP = 2
"""Controls are run 2, 4, 6, ... at a time."""
PER_PROCESSOR = 2
"""The most runs for each processor. A trial uses about half of one, and with more its starts wait:
on two processors, one took 2.3 s among two runs, 4.2 s among four, and 10 s among eight."""
MOST_AT_ONCE = 1024
"""No machine runs more at once; chosen."""
ROUNDS = 3
"""How often a smaller scale is tried."""
CHECK = "scale_is_fair"


class DoesNotWorkError(CrashloopError):
    """The app does not work without a fault, so there is nothing to compare."""

    exit_status = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a control run shows: `wrong` is why the app does not work without a fault.

    `fair` is whether its real work was small enough, None where nothing shows that, and `says` is
    why; `share` is the largest part of a limit that it took. `phases` are the wall seconds of each
    phase at its slowest.
    """

    fair: bool | None
    share: float = 0.0
    says: str = ""
    wrong: str = ""
    phases: Mapping[str, float] = field(default_factory=dict)

    def is_fair(self, scale: float) -> bool:
        """Whether such a run shows what it is to show; in real time, it does if the app works."""
        return not self.wrong and (scale == 1 or bool(self.fair))

    def is_unfair(self, scale: float) -> bool:
        """Whether such a run shows that the app does not work, or is not fast enough."""
        return bool(self.wrong) or (scale != 1 and self.fair is False)


def work_in(trace: Trace, judgement: Judgement) -> Work:
    """What a control run shows of the machine."""
    found: dict[str, float] = {}
    for event in of_replicas(trace, trace.of("phase.completed")):
        phase, work_s = str(event.data.get("phase")), took_s(trace, event) or 0.0
        found[phase] = max(work_s, found.get(phase, 0.0))
    result, slowest = scale_is_fair(trace), slowest_work(trace)
    return Work(
        fair=result.holds,
        share=slowest.share if slowest else 0.0,
        says=result.says,
        wrong=_wrong(trace, judgement),
        phases=found,
    )


def _wrong(trace: Trace, judgement: Judgement) -> str:
    """Why the app does not work without a fault; a scale that is unfair does not count."""
    if judgement.verdict is Verdict.HARNESS_ERROR:
        return judgement.reason
    finished = trace.first("run.finished")
    how = finished.data.get("how") if finished else None
    if how == JOURNEY_ENDED:
        return ""
    broke: Iterable[Finding] = (f for f in judgement.findings if f.holds is False)
    says = [f.says for f in broke if f.check != CHECK]
    if how == CONTROL_FAILED:
        failed = next((e for e in trace.control if e.kind == "control.failed"), None)
        says = [str(failed.data.get("why"))] if failed else says
    return says[0] if says else f"without a fault, its run ended like this: {how}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fair:
    """What the controls have found: runs `at_once`, and the largest scale that is fair for them.

    `phases` are the wall seconds of each phase at its slowest, with so many runs at once.
    """

    at_once: int
    scale: float
    says: str = ""
    phases: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fair:
        """Read what `asdict` gave; TypeError or ValueError if it is something else."""
        fair = cls(**data)
        if (
            not is_count(fair.at_once)
            or not 0 < fair.at_once <= MOST_AT_ONCE
            or not is_finite(fair.scale)
            or not REAL_TIME <= fair.scale <= MAX_SCALE
            or not isinstance(fair.says, str)
            or not all(is_finite(work_s) and work_s >= 0 for work_s in {**fair.phases}.values())
        ):
            raise ValueError("no control run finds such figures")
        return fair

    def scale_for(self, limit_s: float, phase: str) -> float:
        """The largest scale, no larger than `scale`, at which this limit of a phase is fair."""
        work_s = self.phases.get(phase, 0.0)
        if not work_s or not limit_s:
            return self.scale
        return min(self.scale, max(1.0, math.floor(MAX_WORK_OF_LIMIT * limit_s / work_s)))

    def note(self, limit_s: float, phase: str) -> str:
        """Why a limit needs a smaller scale than the others; "" if it does not."""
        scale = self.scale_for(limit_s, phase)
        if scale == self.scale:
            return ""
        work_s, at = self.phases[phase], f"at x{plain(scale)}" if scale > 1 else "in real time"
        return (
            f"at x{plain(self.scale)} its limit of {plain(limit_s)} s would be "
            f"{plain(limit_s / self.scale)} s, and the real work of phase {phase} takes up to "
            f"{plain(round(work_s, 3))} s here: {at} that is a quarter at most"
        )


async def find_fair(
    controls: Callable[[int, float], Awaitable[Sequence[Work]]],
    *,
    scale: float,
    processors: int,
    tell: Callable[[str], None] = lambda _: None,
) -> Fair:
    """The largest number of runs at once, at the largest scale up to `scale`, that is fair.

    `controls` makes so many control runs at once at a scale. Where the app works in one run alone,
    but not in several, so many are not fair. The first run of all counts for nothing: it may
    compile the app's bytecode. What is not fair is tried once more, as the machine may have been
    busy for a moment. `tell` gets why another number or scale is tried. DoesNotWorkError if the app
    does not work without a fault, CapabilityError if no scale that was tried is fair.
    """
    await controls(1, scale)
    for _ in range(ROUNDS):
        tried_scale = scale
        found, most = None, PER_PROCESSOR * processors
        tried = [*range(STEP, most + 1, STEP)]
        while tried:
            at_once = tried.pop(0)
            made = await controls(at_once, scale)
            if any(each.is_unfair(scale) for each in made):
                tell(
                    f"{_unfair(made, scale)}; once more, in case the machine was busy for a moment"
                )
                made = await controls(at_once, scale)
            if at_once == 1:
                _require_working(made[0])
            says_nothing = any(each.fair is None for each in made)
            if says_nothing and not any(each.wrong for each in made):
                return _fair(made, min(at_once, processors), scale)
            if all(each.is_fair(scale) for each in made):
                found = _fair(made, at_once, scale)
            else:  # between this number and the last
                tried = [at_once - 1] if at_once % STEP == 0 else []
                if tried:
                    tell(f"{_unfair(made, scale)}; next, one less at once")
        if found is not None:
            return found
        share = max(each.share for each in made)
        smaller = math.floor(scale * MAX_WORK_OF_LIMIT / share) if share else 1
        scale = float(max(1, min(smaller, math.ceil(scale) - 1)))
        tell(f"{_unfair(made, tried_scale)}; the largest scale this leaves is x{plain(scale)}")
    slower = "in real time: --real-time"
    if scale > 1:
        slower = f"at the scale that the last control run left: --time-scale {plain(scale)} (with "
        slower += "--artifacts, name a new folder); or in real time: --real-time"
    raise CapabilityError(
        f"no time scale down to {plain(tried_scale)} is fair on this machine: {made[0].says}",
        hint=f"end what else runs here, or compare {slower}",
    )


def _unfair(made: Sequence[Work], scale: float) -> str:
    """Why control runs do not show that so many at once are fair."""
    worst = max(made, key=lambda each: (bool(each.wrong), not each.is_fair(scale), each.share))
    return f"not fair: {worst.wrong or worst.says}"


def _require_working(made: Work) -> None:
    if made.wrong:
        raise DoesNotWorkError(
            f"without a fault, the app does not work: {made.wrong}",
            hint="see the traces of the controls in the artifacts folder",
        )


def _fair(made: Sequence[Work], at_once: int, scale: float) -> Fair:
    slowest: dict[str, float] = {}
    for each in made:
        for phase, work_s in each.phases.items():
            slowest[phase] = max(work_s, slowest.get(phase, 0.0))
    worst = max(made, key=lambda each: each.share)
    return Fair(at_once=at_once, scale=scale, says=worst.says, phases=slowest)
