"""What a comparison of remedies found: criteria, and for each arm its rates and its results."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_REMEDY = "none"
"""The arm that changes nothing; it must show the outage."""

Op = Literal[">", ">=", "<", "<="]


class Met(StrEnum):
    """Whether a criterion holds for an arm, as far as its trials show."""

    MET = "met"
    NOT_MET = "not_met"
    NOT_ENOUGH_TRIALS = "not_enough_trials"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A statement about a rate: `success > 0.95`. `value` lies between 0 and 1."""

    name: str
    op: Op
    value: float

    def __str__(self) -> str:
        return f"{self.name}{self.op}{self.value}"

    @property
    def wants_more(self) -> bool:
        """Whether the rate has to lie above the value."""
        return self.op.startswith(">")


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionResult:
    """What an arm's trials say about the criterion of this name; results are in its order.

    `trials_needed` is how many trials would decide it at the rate that was observed: None if it is
    decided, or if no number would.
    """

    name: str
    result: Met
    trials_needed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`k` of `n`, and the interval from `low` to `high` around it; all three None if `n` is 0."""

    k: int
    n: int
    rate: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Seconds of the incident from the heal until a replica was ready; None: later than the end."""

    median: float | None = None
    p90: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCounted:
    """A trial that is listed and not counted: its number, why, and the command to run it again."""

    trial: int
    why: str
    command: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """How many counted trials of an arm without a remedy show the outage, and how many do not.

    `shown` were REPRODUCED. `loop_only` had a restart loop, but not all that the signature asks;
    `absent` had none. `why` is the verdict's reason of `trial`, the first that does not show it.
    """

    shown: int
    loop_only: int
    absent: int
    trial: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One remedy behind one connector profile, and what its trials showed.

    `trials` are those that ended; `inconclusive` of them, and those `near_limit`, are not counted.
    `success` is lives that became ready over lives started, `phase_failure` failed over entered,
    `loops` trials with a restart loop over trials, `golden_path` replicas whose journey passed over
    replicas. `connections_peak` is None where the database did not say. `reproduced` is about an
    arm without a remedy: whether most of its trials were REPRODUCED; None in other arms, as
    `outage`, which counts them.
    """

    remedy: str
    connector: str
    trials: int
    inconclusive: int
    success: Rate
    phase_failure: Rate
    loops: Rate
    golden_path: Rate
    recovery: Recovery
    connections_peak: int | None
    criteria: tuple[CriterionResult, ...]
    time_scale: float
    scale_note: str = ""
    near_limit: tuple[NotCounted, ...] = ()
    reproduced: Met | None = None
    outage: Outage | None = None

    @property
    def has_remedy(self) -> bool:
        """Whether anything is changed in this arm."""
        return self.remedy != NO_REMEDY

    @property
    def counted(self) -> int:
        """How many trials count."""
        return self.trials - self.inconclusive - len(self.near_limit)

    @property
    def result(self) -> Met:
        """`met` if every criterion is, `not_met` if one is not."""
        return together([each.result for each in self.criteria])

    def to_json(self) -> dict[str, Any]:
        """The arm's object in the document."""
        data = asdict(self)
        data["recovery_s"] = data.pop("recovery")
        data["connections"] = {"peak": data.pop("connections_peak")}
        data["criteria"] = [{**asdict(c), "result": str(c.result)} for c in self.criteria]
        data["near_limit"] = [asdict(each) for each in self.near_limit]
        data["reproduced"] = None if self.reproduced is None else str(self.reproduced)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Arm:
        """Read what `to_json` wrote; KeyError, TypeError or ValueError if it is something else."""
        known = {name: data[name] for name in _PLAIN} | {n: Rate(**data[n]) for n in _RATES}
        shown, outage = data.get("reproduced"), data.get("outage")
        return cls(
            **known,
            recovery=Recovery(**data["recovery_s"]),
            connections_peak=data["connections"]["peak"],
            criteria=tuple(
                CriterionResult(**{**each, "result": Met(each["result"])})
                for each in data["criteria"]
            ),
            near_limit=tuple(NotCounted(**each) for each in data["near_limit"]),
            reproduced=None if shown is None else Met(shown),
            outage=None if outage is None else Outage(**outage),
        )


_RATES = ("success", "phase_failure", "loops", "golden_path")
_PLAIN = ("remedy", "connector", "trials", "inconclusive", "time_scale", "scale_note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A whole comparison: what was compared, by which criteria, and the arms in their order.

    `time_scale` is that of the fastest arm; an arm says why its own is smaller.
    """

    incident: str
    platform: str
    seed: int
    time_scale: float
    criteria: tuple[Criterion, ...]
    arms: tuple[Arm, ...]
    trials_per_minute: float
    wall_s: float

    @property
    def with_outage(self) -> set[str]:
        """The connectors behind which the arm without a remedy shows the outage."""
        return {
            each.connector
            for each in self.arms
            if not each.has_remedy and each.reproduced is Met.MET and each.result is not Met.MET
        }

    def to_json(self) -> dict[str, Any]:
        """The document that `--json` prints; `from_json` reads it back."""
        data = {each.name: getattr(self, each.name) for each in fields(self)}
        data["criteria"] = [asdict(each) for each in self.criteria]
        data["arms"] = [each.to_json() for each in self.arms]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Comparison:
        """Read what `to_json` wrote; KeyError, TypeError or ValueError if it is something else."""
        found = {each.name: data[each.name] for each in fields(cls)}
        found["criteria"] = tuple(Criterion(**each) for each in data["criteria"])
        found["arms"] = tuple(Arm.from_json(each) for each in data["arms"])
        return cls(**found)


def together(results: list[Met]) -> Met:
    """`not_met` if one is; `met` if all are, and there are some."""
    if Met.NOT_MET in results:
        return Met.NOT_MET
    return Met.MET if results and set(results) == {Met.MET} else Met.NOT_ENOUGH_TRIALS
