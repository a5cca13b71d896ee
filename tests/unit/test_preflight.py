"""What cannot run is refused before anything starts."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from crashloop.clock import TimeScale
from crashloop.errors import CapabilityError, UsageError
from crashloop.incidents import incident
from crashloop.model import AppUnderTest, Scenario
from crashloop.preflight import require_runnable

if TYPE_CHECKING:
    from pathlib import Path


def running(app: AppUnderTest) -> Scenario:
    return replace(incident("issue-1278").scenario(), app=app)


def test_the_sample_app_is_runnable() -> None:
    require_runnable(incident("issue-1278").scenario(), TimeScale(), on_this_machine=True)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    scenario = running(AppUnderTest(target="shop:app", folder=str(tmp_path / "none")))

    with pytest.raises(UsageError, match="folder does not exist"):
        require_runnable(scenario, TimeScale(), on_this_machine=False)


@pytest.mark.parametrize("target", ["shop.main:app", "shop:app", "nowhere_at_all:app"])
def test_a_missing_module_is_named(tmp_path: Path, target: str) -> None:
    (tmp_path / "other.py").write_text("raise SystemExit('imported')")

    with pytest.raises(UsageError, match=f"no module {target.partition(':')[0]} in .*{tmp_path}"):
        require_runnable(
            running(AppUnderTest(target=target, folder=str(tmp_path))),
            TimeScale(),
            on_this_machine=True,
        )


@pytest.mark.parametrize("target", ["shop", "shop:", ":app"])
def test_a_target_that_names_no_app_is_refused(target: str) -> None:
    with pytest.raises(UsageError, match="is not MODULE:NAME"):
        require_runnable(running(AppUnderTest(target=target)), TimeScale(), on_this_machine=True)


def test_an_environment_that_cannot_start_an_app_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    scenario = running(AppUnderTest(target="shop:app", folder=str(tmp_path)))

    with pytest.raises(CapabilityError, match="uvicorn, which starts the app"):
        require_runnable(scenario, TimeScale(), on_this_machine=True)


@pytest.mark.parametrize("target", ["shop.web.main:app", "alone:app"])
def test_a_users_own_module_is_found_without_importing_it(tmp_path: Path, target: str) -> None:
    web = tmp_path / "shop" / "web"  # a namespace package and a regular one
    web.mkdir(parents=True)
    for path in (web / "__init__.py", web / "main.py", tmp_path / "alone.py"):
        path.write_text("raise SystemExit('imported')\napp = None")

    require_runnable(
        running(AppUnderTest(target=target, folder=str(tmp_path))),
        TimeScale(),
        on_this_machine=True,
    )


@pytest.mark.parametrize(
    "source",
    ["app = make()", "def app(): ...", "from shop import app", "from shop import *",
     "globals()['app'] = 1", "def __getattr__(name): ..."],
)  # fmt: skip
def test_an_app_that_the_module_may_define_is_runnable(tmp_path: Path, source: str) -> None:
    (tmp_path / "main_of_shop.py").write_text(source)
    scenario = running(AppUnderTest(target="main_of_shop:app", folder=str(tmp_path)))

    require_runnable(scenario, TimeScale(), on_this_machine=True)


@pytest.mark.parametrize(
    ("source", "says"),
    [("application = 1", "has no app: .*main_of_shop.py"), ("app = (", "main_of_shop.py:1: ")],
)
def test_a_module_that_cannot_give_the_app_is_named(tmp_path: Path, source: str, says: str) -> None:
    (tmp_path / "main_of_shop.py").write_text(source)
    scenario = running(AppUnderTest(target="main_of_shop:app", folder=str(tmp_path)))

    with pytest.raises(UsageError, match=says):
        require_runnable(scenario, TimeScale(), on_this_machine=True)


def test_packages_that_the_sample_app_misses_are_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needed = ["asyncpg>=0.30", "no-web>=1; extra == 'sample'", 'no_db[x]>=2; extra == "sample"',
              "h11>=0.14; extra == 'sample'", "no-docker; extra == 'docker'"]  # fmt: skip
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: needed)
    scenario = incident("issue-1278").scenario()

    with pytest.raises(CapabilityError) as refused:
        require_runnable(scenario, TimeScale(), on_this_machine=True)

    assert refused.value.message == "the sample app needs no-web, no_db"
    assert refused.value.hint == "pip install 'crashloop[sample]'"
    require_runnable(scenario, TimeScale(), on_this_machine=False)
