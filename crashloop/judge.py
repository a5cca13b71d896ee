"""From a signature and a trace to a verdict with its evidence. Pure: no I/O, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks import CHECKS
from crashloop.checks.ends import somebody_elses_kill
from crashloop.checks.lives import observed
from crashloop.checks.result import UNREADABLE, Result
from crashloop.checks.scale import ordinary_scale, unfair_scale
from crashloop.errors import UsageError
from crashloop.model import CheckSpec, Finding, Judgement, Signature, Verdict
from crashloop.trace.event import ENDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.trace.event import Trace

DEATHS = {
    "database.died": "Postgres",
    "pooler.died": "PgBouncer",
    "cache.died": "the cache",
    "proxy.died": "the fault proxy",
}


def recorded_signature(trace: Trace) -> Signature:
    """The signature that the trace's header carries, the one the run was made for.

    Raises UsageError if there is none, or if it was changed after the run.
    """
    data = trace.header.get("signature")
    try:
        signature = Signature.from_json(data or {})
        digest = signature.digest()
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(
            "the trace's header has no readable signature, so there is nothing to judge by",
            hint="judge a trace.jsonl that crashloop wrote; its first line holds the signature",
        ) from None
    if trace.header.get("signature_sha256") != digest:
        raise UsageError(
            "the signature in the trace's header was changed after the run: its digest differs",
            hint="judge the trace as the run wrote it, or by today's signature: --current",
        )
    return signature


def judge(trace: Trace, signature: Signature | None = None) -> Judgement:
    """Judge `trace` by `signature`, by default by the one in its own header.

    HARNESS_ERROR: the harness broke. INCONCLUSIVE: some requirement is not met, a check saw
    nothing, somebody else than the platform killed the app, or the time scale is larger than the
    scenario's own and too large for this machine. NOT_REPRODUCED: a fair test, and some
    expectation is refuted. Else REPRODUCED.
    """
    signature = signature or recorded_signature(trace)
    findings = tuple(
        [_find(trace, spec, "require") for spec in signature.require]
        + [_find(trace, spec, "expect") for spec in signature.expect]
    )
    verdict, reason = _decide(trace, findings)
    if verdict is Verdict.NOT_REPRODUCED and (disturbed := somebody_elses_kill(trace)):
        verdict, reason = Verdict.INCONCLUSIVE, f"{disturbed}; besides, {reason}"
    unfair = "" if verdict in (Verdict.REPRODUCED, Verdict.HARNESS_ERROR) else unfair_scale(trace)
    if unfair and verdict is Verdict.NOT_REPRODUCED and trace.scale > ordinary_scale(trace):
        verdict = Verdict.INCONCLUSIVE
    return Judgement(
        verdict=verdict,
        reason=f"{reason}; {unfair}" if unfair else reason,
        findings=findings,
        signature=signature.name,
        digest=signature.digest(),
    )


def _decide(trace: Trace, findings: Sequence[Finding]) -> tuple[Verdict, str]:
    if ended := ended_early(trace):
        return ended
    required = [f for f in findings if f.role == "require"]
    expected = [f for f in findings if f.role == "expect"]
    refuted = [f for f in expected if f.holds is False]
    unmet = next((f for f in required if not f.holds), None)
    if unmet is not None:
        also = f"; besides, {refuted[0].says}" if refuted else ""
        return Verdict.INCONCLUSIVE, f"{unmet.says} ({unmet.check}){also}"
    if trace.first("run.finished") is None:
        return Verdict.INCONCLUSIVE, "the trace has no end: the run did not finish"
    if refuted:
        return Verdict.NOT_REPRODUCED, f"{refuted[0].says} ({refuted[0].check})"
    blind = next((f for f in expected if f.holds is None), None)
    if blind is not None or not expected:
        why = f"{blind.says} ({blind.check})" if blind else "the signature expects nothing"
        return Verdict.INCONCLUSIVE, why
    return Verdict.REPRODUCED, "; ".join(f.says for f in expected)


def ended_early(trace: Trace) -> tuple[Verdict, str] | None:
    """The verdict on a run that did not end as runs do, whatever its events show; else None."""
    # The app can log these kinds too
    if broke := observed(trace, "harness.failed"):
        return Verdict.HARNESS_ERROR, f"the harness broke: {broke[0].data.get('message')}"
    if died := observed(trace, *DEATHS):
        return Verdict.HARNESS_ERROR, f"{DEATHS[died[0].kind]} died during the run"
    if refused := observed(trace, "run.refused"):
        return Verdict.INCONCLUSIVE, f"the run was refused: {refused[0].data.get('message')}"
    if observed(trace, "run.interrupted"):
        return Verdict.INCONCLUSIVE, "the run was interrupted before it could end"
    finished = trace.first("run.finished")
    if finished and finished.data.get("how") not in ENDS:
        how = finished.data.get("how")
        return Verdict.HARNESS_ERROR, f"the harness broke: the run's end is {how!r}"
    return None


def _find(trace: Trace, spec: CheckSpec, role: str) -> Finding:
    check = CHECKS.get(str(spec.check))
    if check is None:
        raise UsageError(
            f"the signature names a check that this version does not know: {spec.check!r}",
            hint="judge the trace with the crashloop version in its header, or newer",
        )
    try:
        result = check(trace, **spec.params)
    except UNREADABLE as error:
        result = Result(
            holds=None,
            says=f"{spec.check} could not read its evidence ({type(error).__name__}: {error})",
        )
    return Finding(
        check=spec.check, role=role, holds=result.holds, says=result.says, evidence=result.evidence
    )
