"""Which arms a comparison has, and what each of their trials is."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from crashloop import __version__
from crashloop.incidents import ELSEWHERE
from crashloop.model import Role
from crashloop.options import MAX_SEED
from crashloop.remedies import NONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.incidents.incident import Incident
    from crashloop.model import AppUnderTest, Scenario, Value

HEAL = "heal_s"
CONNECTOR = "connector"
CONTROL = "control"
SHORTEST_HEAL_S = 0.1
"""A heal that is drawn is no earlier: `heal_s=0` would let the app's exits end the outage."""
_NOT_IN_A_FOLDER = re.compile(r"[^A-Za-z0-9.=+-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run for a worker: the arguments of `crashloop reproduce`, and where the evidence goes.

    `digest` is that of its scenario, which a worker makes again from these arguments: a file that
    has changed meanwhile is noticed. `incidents` is the folder with the incident, if it has one.
    """

    incident: str
    role: str
    params: Mapping[str, Value]
    seed: int
    scale: float
    digest: str
    remedy: str = ""
    app: str = ""
    config: str = ""
    incidents: str = ""
    folder: str = ""

    def in_folder(self, folder: str) -> Job:
        """The same run with its evidence in `folder`."""
        return replace(self, folder=folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedArm:
    """One remedy, or `none`, on one connector; `name` is what it is called, once in a comparison.

    `scale_note` says why its scale is not the usual.
    """

    remedy: str
    name: str = ""
    connector: str = ""
    scale: float = 1.0
    scale_note: str = ""

    @property
    def folder(self) -> str:
        """The name of the folder with its trials."""
        return _NOT_IN_A_FOLDER.sub("-", self.name).strip("-.") or "arm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A comparison of `arms` in one incident: what makes each trial the run that it is.

    `params` are those of every trial. `heal_s` is the range from which a trial on a connector, or
    on none (""), draws when the faults are healed, in seconds of the incident. `app` is the user's
    own, None the sample app; `config` is the file of its entry, if that was given.
    """

    incident: Incident
    arms: tuple[PlannedArm, ...]
    seed: int
    heal_s: Mapping[str, tuple[float, float]]
    params: Mapping[str, Value] = field(default_factory=dict)
    app: AppUnderTest | None = None
    config: str = ""

    @property
    def platform(self) -> str:
        """The platform of the arm without a remedy, by name."""
        return self.scenario(self.arms[0]).platform.name

    def with_arms(self, arms: Sequence[PlannedArm], *, scale: float) -> Campaign:
        """The same campaign with these arms by name, all of them at one scale."""
        several = len({each.connector for each in arms}) > 1
        named = [
            replace(
                each,
                name=f"{each.remedy} on {each.connector}" if several else each.remedy,
                scale=scale,
            )
            for each in arms
        ]
        return replace(self, arms=tuple(named))

    def job(self, arm: PlannedArm, number: int) -> Job:
        """Trial `number` (1, 2, ...) of an arm: the same seed and heal in every arm."""
        role = Role.REPRODUCTION if arm.remedy == NONE else Role.REMEDY
        return self._job(arm, number, role)

    def control(self, arm: PlannedArm, number: int) -> Job:
        """Control run `number`: no fault and no remedy, at the arm's scale."""
        return self._job(replace(arm, remedy=NONE), number, Role.CONTROL)

    def digest(self, **more: Any) -> str:
        """What makes two comparisons the same: each arm's first trial in full, and `more`."""
        facts = [__version__, self.seed, {n: [*r] for n, r in self.heal_s.items()}, more]
        facts += [[arm.name, arm.scale, self.job(arm, 1).digest] for arm in self.arms]
        return sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

    def facts(self, connectors: Mapping[str, object]) -> dict[str, str]:
        """Digests of what the same command may read differently later, by their names.

        `connectors` are the profiles by name, as they were read.
        """
        of: dict[str, object] = {f"connector {name}": one for name, one in connectors.items()}
        if self.app:
            of["the app's entry"] = self.app
        digests = {name: sha256(repr(one).encode()).hexdigest() for name, one in of.items()}
        return {"the version of crashloop": __version__, **digests}

    def scenario(self, arm: PlannedArm) -> Scenario:
        """The scenario of an arm's first trial; UsageError for a remedy that does not fit."""
        return _scenario(self.incident, self.app, self.job(arm, 1))

    def _job(self, arm: PlannedArm, number: int, role: Role) -> Job:
        seed = random.Random(f"{self.seed}:{number}").randint(0, MAX_SEED)  # noqa: S311  likewise
        drawn: dict[str, Value] = {CONNECTOR: arm.connector} if arm.connector else {}
        if HEAL in self.incident.parameters:
            heal = random.Random(f"{seed}:heal")  # noqa: S311  replayed from the seed
            low_s, high_s = self.heal_s[arm.connector]
            at_s = round(heal.uniform(low_s, high_s), 1)
            drawn[HEAL] = low_s if low_s == high_s else max(at_s, SHORTEST_HEAL_S)
        job = Job(
            incident=self.incident.name,
            role=str(role),
            params={**self.params, **drawn},
            seed=seed,
            scale=arm.scale,
            digest="",
            remedy="" if arm.remedy == NONE else arm.remedy,
            app=self.app.name if self.app else "",
            config=self.config,
            incidents=str(ELSEWHERE.folder_of(self.incident.name) or ""),
        )
        return replace(job, digest=digest_of(_scenario(self.incident, self.app, job)))


def digest_of(scenario: Scenario) -> str:
    """What makes two scenarios the same: all that is in them."""
    return sha256(json.dumps(scenario.to_json(), sort_keys=True).encode()).hexdigest()


def _scenario(incident: Incident, app: AppUnderTest | None, job: Job) -> Scenario:
    return incident.scenario(Role(job.role), app, remedy=job.remedy, **job.params)
