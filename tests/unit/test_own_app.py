"""An incident with an app of the user's own: its knobs, its time scale, its trace."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_engine import FakeEngine

from crashloop.apps import find_entry
from crashloop.clock import TimeScale
from crashloop.errors import CapabilityError, UsageError
from crashloop.incidents import incident
from crashloop.lab import run_scenario
from crashloop.model import CheckSpec, OwnRemedy, Role, Signature
from crashloop.options import RunOptions, rerun_command
from crashloop.preflight import require_runnable
from crashloop.testing import Lab
from crashloop.testing.lab import Settings

if TYPE_CHECKING:
    from crashloop.model import AppUnderTest, Scenario

FOLDER = Path(__file__).parents[2] / "fixtures" / "own_app"
ISSUE = incident("issue-1278")
EASY = Signature(name="easy", require=(), expect=(CheckSpec(check="evidence_complete"),))


def shop(**changes: Any) -> AppUnderTest:
    return replace(find_entry("shop", folder=FOLDER), **changes)


def scenario(app: AppUnderTest, role: Role = Role.REPRODUCTION, **params: Any) -> Scenario:
    return ISSUE.scenario(role, app, **params)


def test_the_incidents_knobs_are_turned_in_the_app() -> None:
    made = scenario(shop(), limit_s=25)
    assert (made.app.name, made.app.knobs["limit_s"]) == ("shop", 25.0)
    require_runnable(made, TimeScale(), FakeEngine)


@pytest.mark.parametrize("page", ["README.md", "docs/your-app.md"])
def test_the_entry_in_the_documentation_can_reproduce_the_incident(
    tmp_path: Path, page: str
) -> None:
    text = (FOLDER.parents[1] / page).read_text()
    entry = text.split("```toml\n")[1].split("```")[0]
    (tmp_path / "crashloop.toml").write_text(entry)
    app = find_entry("shop", folder=tmp_path)
    require_runnable(scenario(replace(app, venv=sys.prefix)), TimeScale(), FakeEngine)


def test_a_knob_that_the_app_does_not_have_keeps_its_own_value() -> None:
    made = scenario(shop(knobs={"limit_s": 20.0}), limit_s=8)
    assert made.app.knobs == {"limit_s": 8.0}


def test_a_remedy_whose_switch_the_app_does_not_have_asks_for_one_of_its_own() -> None:
    with pytest.raises(UsageError) as refused:
        scenario(shop(), Role.REMEDY)
    assert refused.value.message.startswith(f"{FOLDER}/crashloop.toml:1: issue-1278 is ended by")
    assert "has no degraded_start among its `knobs`" in refused.value.message
    assert "[apps.shop.remedies.mine]" in refused.value.hint


def test_a_value_that_the_app_would_not_notice_is_refused() -> None:
    scenario(shop(), warm_connections=1)
    with pytest.raises(UsageError, match="app shop would not notice") as refused:
        scenario(shop(), warm_connections=5)
    assert refused.value.hint == "use {warm_connections} in its `env` or `command`"


def test_an_app_that_takes_no_time_from_crashloop_runs_in_real_time_only() -> None:
    app = shop(env={"DATABASE_URL": "{postgres.url}"})
    made = scenario(app)
    assert ISSUE.ordinary_scale(app) == 1.0
    require_runnable(made, TimeScale(factor=1.0), FakeEngine)
    with pytest.raises(CapabilityError, match="takes no time from crashloop"):
        require_runnable(made, TimeScale(factor=2.0), FakeEngine)


def test_timers_make_an_app_scalable() -> None:
    app = shop(env={"WAIT_S": "5"}, timers=("WAIT_S",))
    assert scenario(app).real_time_only == ""
    assert ISSUE.ordinary_scale(app) == ISSUE.ordinary_scale() == 20.0


def test_an_app_that_logs_no_phases_is_asked_about_its_whole_lives() -> None:
    made = scenario(shop(phases=()))
    require_runnable(made, TimeScale(), FakeEngine)
    assert made.phase == ""
    assert made.not_asked["last_phase"] == "it logs no phases"


def test_the_command_that_runs_it_again_names_the_app_and_its_file_where_given() -> None:
    made = scenario(shop())
    options = RunOptions(seed=7, app="shop")
    assert rerun_command(made, options) == "crashloop reproduce issue-1278 --app shop --seed 7"
    other = scenario(shop(), transport="unix")
    assert rerun_command(other, options).endswith("-p transport=unix")
    there = replace(options, config=Path("my.toml"))
    assert "--app shop --config my.toml" in rerun_command(made, there)


def test_the_command_that_runs_it_again_names_a_remedy_of_the_app_s_own() -> None:
    app = shop(remedies={"patient": OwnRemedy(env={"LIMIT_MS": "1"})})
    made = ISSUE.scenario(Role.REMEDY, app, remedy="patient")
    again = rerun_command(made, RunOptions(seed=7, app="shop"))
    assert again.endswith("--seed 7 --role remedy --remedy patient")
    with pytest.raises(UsageError, match=r"no remedy 'other' for app shop\n  known: patient,"):
        ISSUE.scenario(Role.REMEDY, app, remedy="other")


def test_real_time_is_not_repeated_in_the_command_of_an_app_that_knows_no_other() -> None:
    made = scenario(shop(env={}))
    real = RunOptions(seed=7, app="shop", scale=TimeScale(factor=1.0))
    assert "--real-time" not in rerun_command(made, real)
    assert "--real-time" in rerun_command(scenario(shop()), real)


async def test_the_trace_names_the_app_and_shows_none_of_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT", "from-the-shell")
    secrets = {"PIN": "123", "API_KEY": "not-for-a-trace", "WEBHOOK": "see not-for-a-trace"}
    app = shop(
        env={**shop().env, **secrets},
        inherit_env=("VAULT",),
        masked_env=("VAULT", "PIN"),
        command=("{python}", "from-the-shell"),
    )
    made = replace(scenario(app), signature=EASY)
    run = await run_scenario(made, RunOptions(artifacts=tmp_path / "run", engine=FakeEngine))

    header = run.trace.header["scenario"]["app"]
    assert header["name"] == "shop"
    assert header["env"]["PIN"] == header["env"]["API_KEY"] == "***"
    assert header["env"]["WEBHOOK"] == "see ***"
    assert header["masked_env"] == ["VAULT", "PIN"]
    written = run.trace_path.read_text()
    assert "not-for-a-trace" not in written
    assert "from-the-shell" not in written


def lab_in(folder: Path, tmp_path: Path, *, scale: float | None = None) -> Lab:
    settings = Settings(
        engine="local",
        scale=scale,
        seed=7,
        artifacts=None,
        postgres_bin=None,
        folder=folder,
        config=None,
    )
    return Lab(settings, artifacts=tmp_path / "kept", again="pytest x", on_run=lambda _: None)


async def test_the_lab_runs_an_app_by_name_and_the_test_is_what_runs_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crashloop.engines.catalogue.engine_named", lambda _: FakeEngine)
    run = await lab_in(FOLDER, tmp_path).run("issue-1278", app="shop", limit_s=8)
    assert run.scenario.app.name == "shop"
    assert run.command == "pytest x"


async def test_the_lab_names_the_known_apps_and_takes_none_beside_a_scenario(
    tmp_path: Path,
) -> None:
    lab = lab_in(FOLDER, tmp_path)
    with pytest.raises(UsageError, match=r"no app 'shopp'\n  did you mean shop\? known: shop"):
        await lab.run("issue-1278", app="shopp")
    with pytest.raises(UsageError, match=r"known: shop"):
        await lab.prove("issue-1278", app="shopp")
    with pytest.raises(UsageError, match="a Scenario and also app"):
        await lab.run(ISSUE.scenario(), app="shop")
