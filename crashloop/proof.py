"""The proof of an incident: four runs with one seed, and how each of them must end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from crashloop.checks.exits import no_death
from crashloop.checks.journey import journey_passed
from crashloop.checks.readiness import recovered
from crashloop.errors import HarnessError
from crashloop.judge import judge
from crashloop.model import Outcome, Role, Verdict
from crashloop.preflight import require_runnable
from crashloop.report.document import document_text
from crashloop.run import artifacts_folder, write_whole
from crashloop.slower import run_fairly
from crashloop.trace.event import CONTROL_FAILED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from crashloop.checks.result import Result
    from crashloop.incidents.incident import Incident
    from crashloop.model import AppUnderTest, Judgement, Signature
    from crashloop.options import RunOptions
    from crashloop.run import Run

PROOF_FILE = "proof.json"

EXPECTED: dict[Role, Verdict] = {
    Role.CONTROL: Verdict.NOT_REPRODUCED,
    Role.REPRODUCTION: Verdict.REPRODUCED,
    Role.REMEDY: Verdict.NOT_REPRODUCED,
    Role.UNPLUGGED: Verdict.INCONCLUSIVE,
}
"""The verdict that each run must end with; `shortfall` names what else it must show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One run of the proof; `shortfall` is empty if it ended as it had to."""

    role: Role
    run: Run
    shortfall: str
    healthy: Judgement | None = None

    @property
    def ok(self) -> bool:
        """Whether it ended as it had to."""
        return not self.shortfall


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Four runs; the incident counts as reproduced when all ended as they had to."""

    incident: str
    seed: int
    steps: tuple[Step, ...]
    artifacts: Path

    @property
    def proven(self) -> bool:
        """Whether all four runs ended as they had to."""
        return len(self.steps) == len(EXPECTED) and all(step.ok for step in self.steps)

    @property
    def verdict(self) -> Verdict:
        """REPRODUCED when proven; HARNESS_ERROR if the harness broke.

        Else NOT_REPRODUCED if the reproduction ended so, and INCONCLUSIVE.
        """
        if self.proven:
            return Verdict.REPRODUCED
        verdicts = {step.run.verdict for step in self.steps if not step.ok}
        if Verdict.HARNESS_ERROR in verdicts:
            return Verdict.HARNESS_ERROR
        reproduction = [s for s in self.steps if s.role is Role.REPRODUCTION and not s.ok]
        if reproduction and reproduction[0].run.verdict is Verdict.NOT_REPRODUCED:
            return Verdict.NOT_REPRODUCED
        return Verdict.INCONCLUSIVE

    @property
    def remedied(self) -> str:
        """How the remedy helped the user's own app; "" if it did not, or for the sample app."""
        for step in self.steps:
            if step.role is Role.REMEDY and step.ok and step.run.fate is not None:
                outcome = str(step.run.fate.outcome).lower()
                return f"the remedy {step.run.scenario.remedy} ends it: with it, the app {outcome}"
        return ""

    def to_json(self) -> dict[str, Any]:
        """The content of `proof.json`."""
        return {
            "incident": self.incident,
            "seed": self.seed,
            "proven": self.proven,
            "verdict": str(self.verdict),
            "runs": [
                {
                    "role": str(step.role),
                    "verdict": str(step.run.verdict),
                    "expected": str(EXPECTED[step.role]),
                    "remedy": step.run.scenario.remedy,
                    "outcome": str(step.run.fate.outcome) if step.run.fate else None,
                    "ok": step.ok,
                    "shortfall": step.shortfall,
                    "reason": step.run.judgement.reason,
                    "trace": str(step.run.trace_path.relative_to(self.artifacts)),
                }
                for step in self.steps
            ],
        }


async def prove(
    incident: Incident,
    params: dict[str, Any],
    options: RunOptions,
    *,
    app: AppUnderTest | None = None,
    remedy: str = "",
    on_role: Callable[[Role], None] | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Proof:
    """Run control, reproduction, remedy and unplugged, one after the other, with one seed.

    `app` is the one under test; None is the sample app. `remedy` names one of its own, or of the
    incident's `others`. Writes `proof.json` and a folder for each run. Ends early only if the
    harness broke, or if the app is not healthy without a fault; refuses before the first run what
    a later one could not do, for example where there is no remedy.
    """
    scenarios = {role: incident.scenario(role, app, remedy=remedy, **params) for role in EXPECTED}
    for scenario in scenarios.values():
        require_runnable(scenario, options.scale, options.engine)
    artifacts = options.artifacts or artifacts_folder(f"{incident.name}-proof")
    step_of = partial(_step, incident, remedy)
    steps: list[Step] = []
    for role, scenario in scenarios.items():
        if on_role is not None:
            on_role(role)
        one = replace(options, artifacts=artifacts / str(role))
        run = await run_fairly(scenario, one, is_expected=lambda run: step_of(run).ok)
        step = step_of(run)
        steps.append(step)
        if on_step is not None:
            on_step(step)
        if run.verdict is Verdict.HARNESS_ERROR or _control_failed(run) or _is_unhealthy(step):
            break
    proof = Proof(
        incident=incident.name, seed=options.seed, steps=tuple(steps), artifacts=artifacts
    )
    path = artifacts / PROOF_FILE
    try:
        write_whole(path, document_text(proof.to_json()))
    except OSError as error:
        raise HarnessError(
            f"cannot write {path}: {error.strerror}", hint="free some room on that disk"
        ) from None
    return proof


def _step(incident: Incident, remedy: str, run: Run) -> Step:
    healthy = incident.healthy(run.scenario) if run.scenario.role is Role.CONTROL else None
    return assess(run, healthy=healthy, prevents=incident.remedy_named(remedy).prevents)


def _control_failed(run: Run) -> bool:
    finished = run.trace.first("run.finished")
    return finished is not None and finished.data.get("how") == CONTROL_FAILED


def _is_unhealthy(step: Step) -> bool:
    """Whether it is a control run which shows that the app is not healthy without a fault."""
    is_refuted = step.healthy is not None and step.healthy.verdict is Verdict.NOT_REPRODUCED
    return step.role is Role.CONTROL and (is_refuted or no_death(step.run.trace).holds is False)


def assess(run: Run, *, healthy: Signature | None = None, prevents: bool = True) -> Step:
    """Whether one run ended as its role must; `healthy` is the control run's own signature.

    `prevents`: with the remedy, no life may die; else the app must be back after the heal.
    """
    role = run.scenario.role
    wanted = EXPECTED[role]
    if run.verdict is not wanted:
        why, alive = run.judgement.reason, no_death(run.trace)
        if role is Role.CONTROL and alive.holds is False:
            why = f"without a fault, {alive.says}; {why}"
        return Step(role=role, run=run, shortfall=f"ended {run.verdict}, not {wanted}: {why}")
    if role is Role.CONTROL:
        judgement = judge(run.trace, healthy)
        shortfall = "" if judgement.verdict is Verdict.REPRODUCED else judgement.reason
        return Step(role=role, run=run, shortfall=shortfall, healthy=judgement)
    shortfall = _shortfall(run, prevents=prevents or role is not Role.REMEDY)
    return Step(role=role, run=run, shortfall=shortfall)


def _shortfall(run: Run, *, prevents: bool) -> str:
    """What a run with the right verdict still fails to show; the signature says what it must."""
    signature = run.scenario.signature
    specs = [*signature.require, *signature.expect]
    found = list(zip(specs, run.judgement.findings, strict=True))
    match run.scenario.role:
        case Role.REMEDY:
            needed = [finding for spec, finding in found if spec.with_remedy]
            if not needed:
                return "its signature asks for nothing that a run with the remedy must show"
            if run.fate is not None:  # a remedy may also let the user's own app survive
                if run.fate.outcome not in {Outcome.SURVIVED, Outcome.RECOVERED}:
                    return run.fate.why
                needed = [finding for finding in needed if finding.role == "require"]
        case Role.UNPLUGGED:
            needed = [f for spec, f in found if f.role == "require" and not spec.needs_fault]
            if all(finding.holds is not None for spec, finding in found if spec.needs_fault):
                return "it is inconclusive for another reason than the missing receipt"
        case _:
            return ""
    unmet = next((finding.says for finding in needed if not finding.holds), "")
    well = _well(run, prevents=prevents)
    return unmet or next((each.says for each in well if not each.holds), "")


def _well(run: Run, *, prevents: bool) -> Sequence[Result]:
    """What shows that the app is well, besides the signature."""
    if prevents:
        return (no_death(run.trace, but_signalled=True),)
    if run.fate is not None:  # the outcome of the user's own app says it
        return ()
    return recovered(run.trace, phase=run.scenario.phase), journey_passed(run.trace)
