"""Broken apps and broken parts of the harness in the real lab: none may pass for the incident.

The runs are the incident's own, made short: a limit of 5 s and one death instead of three. The
last test shows that this shape is reproduced where nothing is broken.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mutant_runs
import pytest
from mutant_runs import caught, healed_when_each_died, reproduced, scenario_with, unmet
from mutants import harness_parts

from crashloop.judge import judge
from crashloop.model import Moment, Scenario, Trigger, Verdict
from crashloop.platforms import parse_platform
from crashloop.trace.reader import parse_trace, read_trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crashloop.engines.local import LocalEngine
    from crashloop.options import RunOptions
    from crashloop.proxy.proxy import FaultProxy


WITHIN_S = 1.0  # some mutants never pass a step of the journey


@pytest.fixture
def options(tmp_path: Path) -> RunOptions:
    return mutant_runs.options(tmp_path)


def incident_with(
    app: str = "", *, deaths: int = 1, transport: str = "unix", replicas: int = 1
) -> Scenario:
    """The incident with so many deaths, its app replaced by a mutant where one is named."""
    scenario = scenario_with(
        app,
        "issue-1278",
        deaths=deaths,
        limit_s=5.0,
        platform=f"docker:on-failure:{deaths}",
        transport=transport,
        replicas=replicas,
    )
    scenario = healed_when_each_died(scenario, deaths)
    journey = replace(scenario.app.journey, within_s=WITHIN_S)
    return replace(scenario, app=replace(scenario.app, journey=journey))


APPS: dict[str, tuple[Verdict, str, tuple[str, ...]]] = {
    "answers_without_storing": (
        Verdict.NOT_REPRODUCED,
        "journey_passed",
        ("the query of postgres: gave 0, not 1",),
    ),
    "connects_at_the_last_moment": (
        Verdict.INCONCLUSIVE,
        "faults_have_receipts",
        ("attempt 1 only", "does not explain what the phase waited for"),
    ),
    "exits_3_at_import": (
        Verdict.INCONCLUSIVE,
        "faults_have_receipts",
        ("nothing shows that it acted on the app",),
    ),
    "exits_with_1": (
        Verdict.NOT_REPRODUCED,
        "exit_code",
        ("attempt 1 ended with exit 1, not exit 3",),
    ),
    "goes_around_the_proxy": (
        Verdict.INCONCLUSIVE,
        "path_used",
        ("attempt 1 reached phase database but never the proxy of postgres in it",),
    ),
    "leaves_a_connection": (
        Verdict.NOT_REPRODUCED,
        "no_connection_left",
        ("attempt 2 left 1 connection in postgres",),
    ),
    "lets_another_process_connect": (
        Verdict.INCONCLUSIVE,
        "faults_have_receipts",
        ("no direct receipt", "nothing shows that it acted on the app"),
    ),
    "lies_about_its_duration": (
        Verdict.NOT_REPRODUCED,
        "phase_failed",
        ("with TimeoutError", "not at its limit of 5 s"),
    ),
    "logs_fake_failures": (
        Verdict.INCONCLUSIVE,
        "faults_have_receipts",
        ("the fault did not touch attempt 1 for the last",),
    ),
    "name_error_in_database": (
        Verdict.NOT_REPRODUCED,
        "phase_failed",
        ("attempt 1 failed with NameError", "none of the expected errors"),
    ),
    "name_error_in_dependencies": (
        Verdict.INCONCLUSIVE,
        "faults_have_receipts",
        ("nothing shows that it acted on the app",),
    ),
    "never_ready": (
        Verdict.NOT_REPRODUCED,
        "recovered",
        ("never ready after the heal: GET /health/ready answered 200",),
    ),
    "opens_its_port_early": (
        Verdict.NOT_REPRODUCED,
        "no_port_before_ready",
        ("attempt 1 opened its port before start-up was complete",),
    ),
    "reuses_its_boot_id": (
        Verdict.INCONCLUSIVE,
        "restart_loop",
        ("attempt 1 and attempt 2 have the same boot id",),
    ),
    "ignores_the_error": (
        Verdict.NOT_REPRODUCED,
        "phase_failed",
        ("phase database never failed; in attempt 1 it completed after",),
    ),
    "waits_without_connecting": (
        Verdict.INCONCLUSIVE,
        "faults_have_receipts",
        ("no direct receipt", "nothing shows that it acted on the app"),
    ),
    "wrong_password": (
        Verdict.NOT_REPRODUCED,
        "phase_failed",
        ("attempt 2 failed with", "[28P01]", "none of the expected errors"),
    ),
}


# What a sceptic would try first runs by default; the rest takes a minute more.
FIRST = {"exits_with_1"}
BROKEN_APPS = [app if app in FIRST else pytest.param(app, marks=pytest.mark.slow) for app in APPS]


@pytest.mark.parametrize("app", BROKEN_APPS)
async def test_a_broken_app_is_caught(app: str, options: RunOptions) -> None:
    verdict, check, words = APPS[app]
    await caught(incident_with(app), options, verdict, check, *words)


@pytest.mark.slow
async def test_an_app_that_hangs_without_a_limit_is_caught(options: RunOptions) -> None:
    scenario = replace(incident_with("hangs_for_ever"), deadline_s=20.0)
    impatient = replace(options, patience_s=1.0)
    await caught(scenario, impatient, Verdict.INCONCLUSIVE, "phase_failed", "phase database")


@pytest.mark.slow
async def test_an_app_that_only_imitates_the_full_incident_is_caught(
    options: RunOptions,
) -> None:
    scenario = incident_with("waits_without_connecting", deaths=3)
    run = await caught(scenario, options, Verdict.INCONCLUSIVE, "faults_have_receipts")
    expected = {spec.check for spec in scenario.signature.expect}
    of_its_path = {"not_let_through", "connected_before"}
    assert unmet(run) & expected == of_its_path, "it has all that an app itself can show"


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["tcp", "unix"])
async def test_the_receipts_of_one_replica_are_not_those_of_another(
    transport: str, options: RunOptions
) -> None:
    scenario = incident_with("waits_without_connecting", transport=transport, replicas=2)
    env = {**scenario.app.env, "MUTANT_REPLICA": "2"}
    scenario = replace(scenario, app=replace(scenario.app, env=env))
    missing = "attempt 1 of replica 2 failed in phase database without any receipt"
    await caught(scenario, options, Verdict.INCONCLUSIVE, "faults_have_receipts", missing)


@pytest.mark.slow
async def test_two_sound_replicas_are_reproduced(options: RunOptions) -> None:
    await reproduced(incident_with(replicas=2), options)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["tcp", "unix"])
async def test_an_app_that_works_in_a_child_process_is_reproduced(
    transport: str, options: RunOptions
) -> None:
    run = await reproduced(incident_with("works_in_a_child", transport=transport), options)
    assert {e.data["client_pid"] for e in run.trace.of("link.opened") if e.attempt}.isdisjoint(
        {e.data["pid"] for e in run.trace.of("process.started")}
    )


@pytest.mark.slow
async def test_over_tcp_too_another_processs_connection_is_not_a_receipt_of_the_app(
    options: RunOptions,
) -> None:
    scenario = incident_with("lets_another_process_connect", transport="tcp")
    missing = "no direct receipt"
    await caught(scenario, options, Verdict.INCONCLUSIVE, "faults_have_receipts", missing)


PROXIES: list[Any] = [
    pytest.param(
        harness_parts.IdleProxy, "", "faults_have_receipts", "no direct receipt", id="idle"
    ),
    pytest.param(
        harness_parts.LyingProxy,
        "",
        "receipts_not_contradicted",
        "the receipt is not true",
        id="lying",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        harness_parts.LyingProxy,
        "waits_after_connecting",
        "receipts_not_contradicted",
        "yet it reached postgres meanwhile",
        id="lying for an app that hangs on its own",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        harness_parts.IdleProxy,
        "waits_after_connecting",
        "faults_have_receipts",
        "no direct receipt",
        id="idle for an app that hangs on its own",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        harness_parts.StuckProxy,
        "",
        "receipts_not_contradicted",
        "still held a connection of attempt 2 after its heal",
        id="stuck",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("proxy", "app", "check", "words"), PROXIES)
async def test_a_broken_proxy_is_caught(
    proxy: type[FaultProxy], app: str, check: str, words: str, options: RunOptions
) -> None:
    broken = replace(options, engine=harness_parts.engine_with(proxy))
    await caught(incident_with(app), broken, Verdict.INCONCLUSIVE, check, words)


ENGINES: list[Any] = [
    pytest.param(
        harness_parts.CredulousEngine,
        "baseline_passed",
        "was not seen in the proxy",
        id="credulous",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        harness_parts.DetourEngine,
        "faults_have_receipts",
        "no direct receipt",
        id="detour",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        harness_parts.ForgetfulEngine,
        "no_connection_left",
        "sessions in postgres were not counted after every exit",
        id="forgetful",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("engine", "check", "words"), ENGINES)
async def test_a_broken_engine_is_caught(
    engine: type[LocalEngine], check: str, words: str, options: RunOptions
) -> None:
    broken = replace(options, engine=engine)
    await caught(incident_with(), broken, Verdict.INCONCLUSIVE, check, words)


@pytest.mark.slow
async def test_a_supervisor_that_does_not_restart_is_caught(options: RunOptions) -> None:
    one_shot = replace(options, engine=harness_parts.engine_under(harness_parts.OneShotLoop))
    nothing = "nothing was started after attempt 1 died"
    await caught(incident_with(), one_shot, Verdict.NOT_REPRODUCED, "restart_loop", nothing)


@pytest.mark.slow
async def test_a_supervisor_that_ignores_its_back_off_is_caught(options: RunOptions) -> None:
    scenario = replace(incident_with(), platform=parse_platform("cloud-run-observed"))
    hasty = replace(options, engine=harness_parts.engine_under(harness_parts.HastyLoop))
    words = ("attempt 2 started", "inside the back-off of 5")
    await caught(scenario, hasty, Verdict.NOT_REPRODUCED, "restart_loop", *words)


@pytest.mark.slow
async def test_a_heal_that_never_comes_is_caught(options: RunOptions) -> None:
    scenario = incident_with()
    heal = Trigger(first_of=(Moment(on="never"),))
    never = tuple(replace(fault, heal=heal) for fault in scenario.faults)
    scenario = replace(scenario, faults=never)
    twice = "phase database failed twice, not once"
    await caught(scenario, options, Verdict.NOT_REPRODUCED, "phase_failed", twice)


async def test_a_sound_run_is_reproduced_and_its_trace_with_lines_cut_out_is_not(
    options: RunOptions,
) -> None:
    run = await reproduced(incident_with(), options)
    assert judge(read_trace(run.trace_path)).verdict is Verdict.REPRODUCED
    lines = run.trace_path.read_bytes().splitlines(keepends=True)
    middle = len(lines) // 2
    cuts: dict[str, Callable[[], list[bytes]]] = {
        "one": lambda: lines[:middle] + lines[middle + 1 :],
        "many": lambda: lines[: middle - 9] + lines[middle + 9 :],
        "the end": lambda: lines[:-1],
        "the second half": lambda: lines[:middle],
    }
    for name, cut in cuts.items():
        judgement = judge(parse_trace(b"".join(cut())))
        assert judgement.verdict is Verdict.INCONCLUSIVE, name
        assert "(evidence_complete)" in judgement.reason, name
        assert " should be" in judgement.reason or "no end" in judgement.reason, name
