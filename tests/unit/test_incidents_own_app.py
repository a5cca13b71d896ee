"""Incidents that are adapted to the user's own app: triggers, checks, dependencies, remedies."""

from dataclasses import replace
from typing import Any

import pytest
from crashloop_own_apps import SHOP, WITHOUT_JOURNEY

from crashloop.errors import UsageError
from crashloop.faults import KINDS, REPLICAS
from crashloop.incidents import INCIDENTS, incident
from crashloop.incidents.own_app import LIFESPAN, NotApplicableError
from crashloop.model import (
    AppUnderTest,
    Dependency,
    Journey,
    Moment,
    OwnRemedy,
    Ready,
    Role,
    Scenario,
    Transport,
)

ISSUE = incident("issue-1278")
PROBE = incident("retry-longer-than-the-probe")
CACHE = incident("cache-still-loading")
SLOTS = incident("slots-exhausted-at-scale-out")
PORT = incident("listens-on-another-port-than-probed")
MEMORY = incident("oom-killed-while-starting")
COMMENT = incident("env-file-comment-became-the-value")

WITH_REDIS = replace(SHOP, dependencies=("postgres", "redis"))
WRAPPED = replace(SHOP, wrap="shop:app", phases=(LIFESPAN,))
PHASED = replace(WITH_REDIS, phases=("database", "cache"))
EVERY = {
    "phases": PHASED,
    "no phases": WITH_REDIS,
    "wrapper": replace(WRAPPED, dependencies=WITH_REDIS.dependencies),
}


def checks(made: Scenario) -> dict[str, dict[str, Any]]:
    """What the scenario's own signature expects, by check."""
    return {spec.check: dict(spec.params) for spec in made.signature.expect}


def required(made: Scenario) -> dict[str, dict[str, Any]]:
    return {spec.check: dict(spec.params) for spec in made.signature.require}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("app", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize("name", INCIDENTS)
def test_every_incident_makes_every_run_of_every_kind_of_app(
    name: str, app: AppUnderTest, role: Role
) -> None:
    with_remedy = replace(app, remedies={"mine": OwnRemedy(env={"DB_OPTIONAL": "1"})})
    made = INCIDENTS[name].scenario(role, with_remedy)
    assert made.is_own_app
    assert made.advice == INCIDENTS[name].remedy.says
    for phase in {spec["phase"] for spec in checks(made).values() if "phase" in spec}:
        assert phase in {"", LIFESPAN, *app.phases}
    if role is Role.CONTROL:
        assert INCIDENTS[name].healthy(made).expect


def test_the_sample_app_is_no_app_of_the_users_own() -> None:
    made = ISSUE.scenario()
    assert not made.is_own_app
    assert not made.not_asked
    assert "control_passed" not in required(made)


# Triggers


def test_without_phases_an_incident_counts_from_the_start_of_the_process() -> None:
    fault = ISSUE.scenario(Role.REPRODUCTION, SHOP).faults[0]
    (latest,) = (one for one in fault.heal.moments() if one.after_s)
    assert (latest.on, latest.where, latest.after_s) == ("process.started", {}, 90.0)
    assert {one.on for one in fault.inject.moments()} == {"baseline.passed"}


def test_the_replica_of_a_moment_stays() -> None:
    fault = SLOTS.scenario(Role.REPRODUCTION, SHOP).faults[0]
    (latest,) = (one for one in fault.heal.moments() if one.after_s)
    assert (latest.on, latest.where) == ("process.started", {"replica": 1})


def test_with_the_wrapper_a_moment_is_one_of_the_life_as_the_app_may_die_at_import() -> None:
    fault = ISSUE.scenario(Role.REPRODUCTION, WRAPPED).faults[0]
    assert {one.on for one in fault.heal.moments()} == {"process.started", "process.exited"}


def test_an_app_that_logs_the_incidents_phase_keeps_its_moments() -> None:
    fault = ISSUE.scenario(Role.REPRODUCTION, PHASED).faults[0]
    (latest,) = (one for one in fault.heal.moments() if one.after_s)
    assert (latest.on, latest.where) == ("phase.started", {"phase": "database"})


def test_readiness_stands_for_a_step_of_a_journey_that_is_tried_again_and_again() -> None:
    heal = PROBE.scenario(Role.REPRODUCTION, SHOP).faults[0].heal
    (served,) = (one for one in heal.moments() if one.on == "ready.answered")
    assert served.where == {"ready": True}
    patient = replace(SHOP, journey=Journey(steps=SHOP.journey.steps, patient=True))
    heal = PROBE.scenario(Role.REPRODUCTION, patient).faults[0].heal
    assert any(one.on == "journey.step" for one in heal.moments())


# Checks


def test_what_only_lines_could_show_is_not_asked_of_an_app_that_logs_none() -> None:
    made = ISSUE.scenario(Role.REPRODUCTION, SHOP)
    assert made.phase == ""
    of_phases = ("not_let_through", "connected_before", "last_phase", "a_life_got_through")
    assert made.not_asked == {
        **dict.fromkeys(of_phases, "it logs no phases"),
        "no_port_before_ready": "its entry asks for a report only",
    }
    assert set(checks(made)) == {
        *("died_at_own_limit", "died", "restart_loop", "recovered", "journey_passed"),
        "no_connection_left",
    }


def test_receipts_deaths_restarts_and_recovery_are_asked_of_every_app() -> None:
    for app in EVERY.values():
        made = ISSUE.scenario(Role.REPRODUCTION, app)
        assert {"died", "restart_loop", "recovered"} <= set(checks(made))
        assert {"faults_have_receipts", "control_passed", "waits_are_declared"} <= set(
            required(made)
        )


def test_its_own_limit_stands_for_a_phase_that_fails_at_its_limit() -> None:
    made = ISSUE.scenario(Role.REPRODUCTION, SHOP)
    assert checks(made)["died_at_own_limit"] == {"target": "postgres", "times": 3}


def test_a_failure_at_once_cannot_be_told_without_phases() -> None:
    made = CACHE.scenario(Role.REPRODUCTION, WITH_REDIS)
    left_out = {"phase_failed", "fails_at_once", "last_phase"}
    assert left_out <= set(made.not_asked)
    assert not left_out & set(checks(made))


def test_the_exit_code_is_the_apps_own() -> None:
    made = ISSUE.scenario(Role.REPRODUCTION, SHOP)
    assert checks(made)["died"] == {"codes": (), "times": 3}
    strict = ISSUE.scenario(Role.REPRODUCTION, replace(SHOP, exit_codes=(1, 3)))
    assert checks(strict)["died"] == {"codes": (1, 3), "times": 3}


def test_a_kill_by_a_probe_is_a_death_whatever_the_apps_codes() -> None:
    made = PROBE.scenario(Role.REPRODUCTION, replace(SHOP, exit_codes=(3,)))
    assert checks(made)["died"] == {"codes": (), "times": 2}
    assert "killed_by_probe" in checks(made)


def test_where_an_app_listened_is_asked_without_its_lines() -> None:
    assert "listened_elsewhere" in checks(PORT.scenario(Role.REPRODUCTION, SHOP))


def test_which_role_the_server_lacked_is_asked_without_the_apps_lines() -> None:
    made = COMMENT.scenario(Role.REPRODUCTION, SHOP)
    unknown = {"phase": "", "target": "postgres", "unknown": True}
    assert checks(made)["role_was_unknown"] == unknown


def test_a_kill_for_its_memory_is_a_death_whatever_the_apps_codes() -> None:
    made = MEMORY.scenario(Role.REPRODUCTION, replace(SHOP, exit_codes=(3,)))
    assert checks(made)["died"] == {"codes": (), "times": 3}
    assert checks(made)["memory_exceeded"] == {"exceeded": True}
    assert set(made.not_asked) == {"phase_running_at_death", "no_port_before_ready"}


def test_a_limit_of_the_app_is_a_parameter_although_it_has_no_such_knob() -> None:
    (fault,) = MEMORY.scenario(Role.REPRODUCTION, SHOP, limit_mib=128.0).faults
    assert fault.params == {"limit_mib": 128.0}


def test_the_wrapper_tells_that_the_lifespan_failed_and_not_under_which_limit() -> None:
    made = ISSUE.scenario(Role.REPRODUCTION, WRAPPED)
    assert made.phase == LIFESPAN
    failed = checks(made)["phase_failed"]
    assert (failed["phase"], failed["at_limit"]) == (LIFESPAN, False)
    assert checks(made)["died_at_own_limit"] == {"target": "postgres", "times": 3}
    assert "last_phase" in checks(made)
    assert made.not_asked["not_let_through"] == "its wrapper does not know when it connects"
    cache = CACHE.scenario(Role.REPRODUCTION, EVERY["wrapper"])
    assert cache.not_asked["fails_at_once"] == "its wrapper does not know its limits"


def test_the_wrapped_app_may_come_to_its_database_before_its_lifespan() -> None:
    made = ISSUE.scenario(Role.REPRODUCTION, WRAPPED)
    assert required(made)["path_used"] == {"phase": "", "target": "postgres"}
    assert required(made)["faults_have_receipts"] == {"phase": "", "target": "postgres"}
    assert checks(made)["recovered"] == {"phase": ""}


def test_only_phases_of_the_apps_own_say_whether_a_scale_is_fair() -> None:
    for name, app in EVERY.items():
        made = ISSUE.scenario(Role.CONTROL, app)
        healthy = ISSUE.healthy(made)
        asked = {spec.check for spec in (*made.signature.require, *healthy.require)}
        assert ("scale_is_fair" in asked) is (name == "phases"), name


def test_a_healthy_app_with_the_wrapper_completes_its_lifespan() -> None:
    healthy = ISSUE.healthy(ISSUE.scenario(Role.CONTROL, WRAPPED))
    done = {spec.check: spec.params for spec in healthy.expect}
    assert done["all_phases_done"] == {"phases": (LIFESPAN,)}
    plain = ISSUE.healthy(ISSUE.scenario(Role.CONTROL, SHOP))
    assert "all_phases_done" not in {spec.check for spec in plain.expect}


def test_an_app_without_a_journey_is_not_asked_for_one() -> None:
    made = ISSUE.scenario(Role.REPRODUCTION, WITHOUT_JOURNEY)
    assert made.not_asked["journey_passed"] == "its entry has no journey"
    assert "journey_passed" not in checks(made)


@pytest.mark.parametrize(
    ("app", "asked", "why"),
    [
        (SHOP, None, "its entry asks for a report only"),
        (replace(SHOP, port_before_ready="allow"), None, "its entry allows it"),
        (replace(SHOP, port_before_ready="forbid"), {"by_answers": True}, None),
        (replace(PHASED, port_before_ready="forbid"), {"by_answers": False}, None),
        (PHASED, {"by_answers": False}, None),
        (
            replace(SHOP, port_before_ready="forbid", ready=Ready()),
            None,
            "its port is what says that it is ready",
        ),
        (WRAPPED, None, "its entry asks for a report only"),
    ],
)
def test_the_entry_says_what_an_early_port_means(
    app: AppUnderTest, asked: dict[str, bool] | None, why: str | None
) -> None:
    made = ISSUE.scenario(Role.REPRODUCTION, app)
    assert checks(made).get("no_port_before_ready") == asked
    assert made.not_asked.get("no_port_before_ready") == why


def test_an_old_revision_of_the_app_holds_what_its_own_pool_holds() -> None:
    made = SLOTS.scenario(Role.REPRODUCTION, SHOP)
    assert checks(made)["old_revision_held"]["sessions"] == 1
    assert made.replicas.old_knobs == {}
    pooled = replace(SHOP, knobs={"limit_s": 1.0, "pool_size": 5})
    assert set(SLOTS.scenario(Role.REPRODUCTION, pooled).replicas.old_knobs) == {"pool_size"}


# Dependencies


def test_the_run_has_the_dependencies_of_the_app_and_its_services() -> None:
    app = replace(SHOP, services={"billing": "127.0.0.1:9000"})
    made = ISSUE.scenario(Role.REPRODUCTION, app)
    assert [each.name for each in made.dependencies] == ["postgres", "billing"]
    assert made.dependency("billing") == Dependency(
        name="billing", kind="tcp", settings={"upstream": "127.0.0.1:9000"}
    )


def test_the_apps_transport_comes_before_the_incidents_and_after_the_one_that_is_given() -> None:
    def transport(**params: Any) -> Transport:
        return ISSUE.scenario(Role.REPRODUCTION, SHOP, **params).dependency("postgres").transport

    assert transport() is Transport.TCP
    assert transport(transport="unix") is Transport.UNIX


def test_an_incident_of_a_dependency_that_the_app_does_not_use_does_not_apply() -> None:
    why = CACHE.applies(SHOP)
    assert why == "cache-still-loading is about redis, which app shop does not use"
    assert CACHE.applies(WITH_REDIS) == ""
    with pytest.raises(NotApplicableError) as refused:
        CACHE.scenario(Role.REPRODUCTION, SHOP)
    assert refused.value.hint == "if it does, add 'redis' to its `dependencies`"


# Platforms


def test_the_apps_platform_comes_before_the_incidents_and_after_the_one_that_is_given() -> None:
    app = replace(SHOP, platform="kubernetes")
    assert ISSUE.scenario(Role.REPRODUCTION, app).platform.name == "kubernetes"
    given = ISSUE.scenario(Role.REPRODUCTION, app, platform="docker:always")
    assert given.platform.restart.name == "always"
    older = ISSUE.scenario(Role.REPRODUCTION, app, policy="docker:always")
    assert older.platform.restart.name == "always"


def test_a_platform_without_the_probe_that_the_incident_needs_makes_it_inapplicable() -> None:
    app = replace(SHOP, platform="docker:always")
    why = PROBE.applies(app)
    assert "needs a probe, and docker, which restarts app shop, has none" in why
    assert PROBE.applies(SHOP) == ""
    assert PROBE.applies(app, platform="kubernetes") == ""
    assert ISSUE.applies(app) == ""


def test_a_parameter_that_it_cannot_take_is_no_reason_but_an_error() -> None:
    with pytest.raises(UsageError, match="has no parameter 'tries'"):
        ISSUE.applies(SHOP, tries=3)
    with pytest.raises(UsageError, match="out of bounds"):
        ISSUE.applies(SHOP, limit_s=0)


def test_the_run_lasts_until_the_app_had_its_time_to_recover() -> None:
    sample = ISSUE.scenario().deadline_s
    assert ISSUE.scenario(Role.REPRODUCTION, SHOP).deadline_s == sample + 360.0
    app = replace(SHOP, recover_within_s=30.0)
    assert ISSUE.scenario(Role.REPRODUCTION, app).deadline_s == sample + 30.0


# Knobs and remedies


def test_knobs_that_the_app_has_are_turned_and_others_are_its_own_business() -> None:
    made = ISSUE.scenario(Role.REPRODUCTION, SHOP, limit_s=8.0)
    assert made.app.knobs == {"limit_s": 8.0}


def test_a_parameter_that_the_app_would_not_notice_is_refused() -> None:
    plain = replace(SHOP, env={"DATABASE_URL": "{postgres.url}"}, knobs={})
    with pytest.raises(UsageError, match="app shop would not notice") as refused:
        ISSUE.scenario(Role.REPRODUCTION, plain, limit_s=8.0)
    assert "{limit_s}" in refused.value.hint
    assert ISSUE.scenario(Role.REPRODUCTION, plain, connection_s=10.0).app.knobs == {}


def test_an_app_that_takes_no_time_runs_in_real_time_only() -> None:
    plain = replace(SHOP, env={"DATABASE_URL": "{postgres.url}"}, knobs={})
    assert "takes no time from crashloop" in ISSUE.scenario(Role.REPRODUCTION, plain).real_time_only
    assert ISSUE.ordinary_scale(plain) == 1.0
    timed = replace(plain, env={**plain.env, "WAIT_S": "5"}, timers=("WAIT_S",))
    assert ISSUE.ordinary_scale(timed) == ISSUE.ordinary_scale()


MINE = OwnRemedy(env={"DB_OPTIONAL": "1"}, command=("uvicorn", "shop:optional"))
OTHER = OwnRemedy(platform="kubernetes")
REMEDIED = replace(SHOP, remedies={"mine": MINE, "other": OTHER})


def test_a_remedy_of_the_apps_own_changes_its_variables_and_its_command() -> None:
    made = ISSUE.scenario(Role.REMEDY, REMEDIED)
    assert made.remedy == "mine"
    assert made.app.env["DB_OPTIONAL"] == "1"
    assert made.app.env["DATABASE_URL"] == "{postgres.url}"
    assert made.app.command == ("uvicorn", "shop:optional")
    assert made.platform == ISSUE.scenario(Role.REPRODUCTION, REMEDIED).platform


def test_a_remedy_is_chosen_by_name() -> None:
    made = ISSUE.scenario(Role.REMEDY, REMEDIED, remedy="other")
    assert (made.remedy, made.platform.name) == ("other", "kubernetes")
    assert made.app.command == SHOP.command
    with pytest.raises(UsageError, match="no remedy 'others' for") as refused:
        ISSUE.scenario(Role.REMEDY, REMEDIED, remedy="others")
    assert refused.value.hint is not None
    assert refused.value.hint.startswith("did you mean other? known: mine, other, limit=S")


def test_an_app_with_the_incidents_switch_needs_no_remedy_of_its_own() -> None:
    env = {**SHOP.env, "DB_OPTIONAL": "{degraded_start}"}
    switched = replace(SHOP, env=env, knobs={"limit_s": 1.0, "degraded_start": False})
    made = ISSUE.scenario(Role.REMEDY, switched)
    assert (made.remedy, made.app.knobs["degraded_start"]) == ("degraded start", True)


def test_a_switch_that_no_placeholder_names_is_none() -> None:
    unmapped = replace(SHOP, knobs={"limit_s": 1.0, "degraded_start": False})
    with pytest.raises(UsageError, match=r"has no degraded_start .* or no placeholder of it"):
        ISSUE.scenario(Role.REMEDY, unmapped)
    assert ISSUE.scenario(Role.REMEDY, replace(unmapped, remedies={"mine": MINE})).remedy == "mine"


def test_without_a_switch_and_a_remedy_what_would_end_it_is_said() -> None:
    with pytest.raises(UsageError, match="issue-1278 is ended by: serve at once") as refused:
        ISSUE.scenario(Role.REMEDY, SHOP)
    assert "[apps.shop.remedies.mine]" in refused.value.hint


def test_a_remedys_platform_keeps_the_probe_if_it_can_probe_and_has_none_if_it_cannot() -> None:
    platforms = {"same": OwnRemedy(platform="kubernetes"), "none": OwnRemedy(platform="docker")}
    app = replace(SHOP, remedies=platforms)
    probed = PROBE.scenario(Role.REPRODUCTION, app).platform.startup
    assert PROBE.scenario(Role.REMEDY, app, remedy="same").platform.startup == probed
    assert PROBE.scenario(Role.REMEDY, app, remedy="none").platform.startup is None


# Without Postgres

OF_PROCESSES = [
    kind for kind, found in KINDS.items() if found.alone and found.alone.target == REPLICAS
]
BARE = replace(SHOP, command=("serve", "{host}", "{port}"), dependencies=(), env={"WORD": "x"})
STOCK = {"stock": "127.0.0.1:9000"}


@pytest.mark.parametrize("kind", OF_PROCESSES)
@pytest.mark.parametrize(
    ("app", "target"),
    [
        (BARE, ""),
        (replace(BARE, dependencies=("redis",)), "redis"),
        (replace(BARE, services=STOCK), "stock"),
    ],
    ids=["nothing", "a cache", "a service"],
)
def test_a_fault_of_the_processes_happens_to_an_app_with_what_it_has(
    kind: str, app: AppUnderTest, target: str
) -> None:
    made = incident(f"fault:{kind}").scenario(Role.REPRODUCTION, app)
    (fault,) = made.faults
    assert [each.name for each in made.dependencies] == ([target] if target else [])
    before = Moment(on="baseline.passed", where={"target": target})
    begins = [before] if target else [Moment(on="baseline.not_needed")]
    if not fault.each_life:
        assert list(fault.inject.moments()) == begins
    assert required(made).get("baseline_passed") == ({"target": target} if target else None)
    assert "path_used" not in required(made)


@pytest.mark.parametrize(
    "name",
    ["listens-on-another-port-than-probed", "oom-killed-while-starting", "read-only-file-system"],
)
def test_an_outage_of_the_processes_happens_to_an_app_without_a_database(name: str) -> None:
    assert incident(name).applies(BARE) == ""
    healthy = incident(name).healthy(incident(name).scenario(Role.CONTROL, BARE))
    assert {"baseline_passed", "path_used"}.isdisjoint(spec.check for spec in healthy.require)


@pytest.mark.parametrize("name", ["workers-times-pool", "slots-exhausted-at-scale-out"])
def test_an_outage_of_connections_needs_the_database(name: str) -> None:
    assert incident(name).applies(BARE) == f"{name} is about postgres, which app shop does not use"


@pytest.mark.parametrize(("kind", "target"), [("hold", "postgres"), ("loading", "redis")])
def test_a_fault_of_a_server_that_the_app_does_not_use_names_those_that_need_none(
    kind: str, target: str
) -> None:
    with pytest.raises(NotApplicableError) as refused:
        incident(f"fault:{kind}").scenario(Role.REPRODUCTION, BARE)
    assert refused.value.message == (
        f"the fault {kind} acts on {target}, which app shop does not use"
    )
    assert refused.value.hint is not None
    assert all(each in refused.value.hint for each in OF_PROCESSES)


@pytest.mark.parametrize("kind", ["lock_held", "image_older"])
def test_a_fault_that_acts_on_what_the_sample_app_has_must_be_told_what_to_act_on(
    kind: str,
) -> None:
    with pytest.raises(UsageError, match="has to be told what of app shop") as refused:
        incident(f"fault:{kind}").scenario(Role.REPRODUCTION, SHOP)
    assert refused.value.hint is not None
    assert f"--fault {kind}:table=NAME" in refused.value.hint


def test_a_patient_journey_is_tried_again_and_again_where_a_dependency_is_taken_away() -> None:
    patient = replace(SHOP, journey=replace(SHOP.journey, patient=True))
    made = incident("dependency:postgres:refused").scenario(Role.REPRODUCTION, patient)
    assert made.app.journey == SHOP.journey
