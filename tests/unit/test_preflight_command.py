"""A command that cannot run is refused before anything starts."""

from __future__ import annotations

import importlib.metadata
import sys
import sysconfig
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from crashloop.apps import sample_app
from crashloop.errors import CapabilityError, UsageError
from crashloop.model import AppUnderTest
from crashloop.preflight.command import require_command, require_program

if TYPE_CHECKING:
    from pathlib import Path


def shop(target: str, folder: Path | str = "", *options: str) -> AppUnderTest:
    """An app that uvicorn starts from a folder."""
    command = ("{python}", "-P", "-m", "uvicorn", target, "--port", "{port}", *options)
    return AppUnderTest(name="shop", command=command, cwd=str(folder))


def test_the_sample_app_can_run() -> None:
    require_command(sample_app())


@pytest.mark.parametrize("target", ["shop.main:app", "shop:app", "nowhere_at_all:app"])
def test_a_missing_module_is_named(tmp_path: Path, target: str) -> None:
    (tmp_path / "other.py").write_text("raise SystemExit('imported')")

    with pytest.raises(UsageError, match=f"no module {target.partition(':')[0]} in .*{tmp_path}"):
        require_command(shop(target, tmp_path))


@pytest.mark.parametrize("target", ["shop", "shop:", ":app"])
def test_a_target_that_names_no_app_is_refused(target: str) -> None:
    with pytest.raises(UsageError, match="is not MODULE:NAME"):
        require_command(shop(target))


def test_an_environment_that_cannot_start_an_app_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    with pytest.raises(CapabilityError, match="uvicorn, which starts the app"):
        require_command(shop("shop:app", tmp_path))


@pytest.mark.parametrize("target", ["shop.web.main:app", "alone:app"])
def test_a_users_own_module_is_found_without_importing_it(tmp_path: Path, target: str) -> None:
    web = tmp_path / "shop" / "web"  # a namespace package and a regular one
    web.mkdir(parents=True)
    for path in (web / "__init__.py", web / "main.py", tmp_path / "alone.py"):
        path.write_text("raise SystemExit('imported')\napp = None")

    require_command(shop(target, tmp_path))


def test_the_folder_of_uvicorns_own_option_is_relative_to_the_apps(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "alone.py").write_text("app = 1")

    require_command(shop("alone:app", tmp_path, "--app-dir", "src"))
    with pytest.raises(UsageError, match="no module alone"):
        require_command(shop("alone:app", tmp_path))


@pytest.mark.parametrize(
    "source",
    ["app = make()", "def app(): ...", "from shop import app", "from shop import *",
     "globals()['app'] = 1", "def __getattr__(name): ..."],
)  # fmt: skip
def test_an_app_that_the_module_may_define_can_run(tmp_path: Path, source: str) -> None:
    (tmp_path / "main_of_shop.py").write_text(source)

    require_command(shop("main_of_shop:app", tmp_path))


@pytest.mark.parametrize(
    ("source", "says"),
    [("application = 1", "has no app: .*main_of_shop.py"), ("app = (", "main_of_shop.py:1: ")],
)
def test_a_module_that_cannot_give_the_app_is_named(tmp_path: Path, source: str, says: str) -> None:
    (tmp_path / "main_of_shop.py").write_text(source)

    with pytest.raises(UsageError, match=says):
        require_command(shop("main_of_shop:app", tmp_path))


def test_packages_that_the_sample_app_misses_are_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needed = ["asyncpg>=0.30", "no-web>=1; extra == 'sample'", 'no_db[x]>=2; extra == "sample"',
              "h11>=0.14; extra == 'sample'", "no-docker; extra == 'docker'"]  # fmt: skip
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: needed)

    with pytest.raises(CapabilityError) as refused:
        require_command(sample_app())

    assert refused.value.message == "the sample app needs no-web, no_db"
    assert "pip install '.[sample,campaign]'" in refused.value.hint


@pytest.mark.parametrize("program", ["no-such-program", "./serve", "bin/serve"])
def test_a_program_that_does_not_exist_is_named(tmp_path: Path, program: str) -> None:
    with pytest.raises(UsageError, match=f"command of app shop starts {program}, and there is no"):
        require_command(AppUnderTest(name="shop", command=(program,), cwd=str(tmp_path)))


def test_a_program_is_found_on_path_or_in_the_apps_folder(tmp_path: Path) -> None:
    serve = tmp_path / "serve"
    serve.write_text("#!/bin/sh\n")
    serve.chmod(0o755)

    for program in ("sh", "./serve", str(serve), "{python}"):
        require_program(program, str(tmp_path), whose="it")


def test_a_program_of_the_apps_own_environment_comes_first(tmp_path: Path) -> None:
    program = tmp_path / ".venv" / "bin" / "serve"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    app = AppUnderTest(name="shop", command=("serve",), venv=str(tmp_path / ".venv"))

    require_command(app)
    with pytest.raises(UsageError, match="no such program on PATH"):
        require_command(replace(app, venv=""))


def test_a_program_on_a_path_that_the_app_does_not_inherit_is_not_there() -> None:
    app = AppUnderTest(name="shop", command=("crashloop",))
    require_program("crashloop", "", whose="it", path=sysconfig.get_path("scripts"))
    with pytest.raises(UsageError, match="no such program on PATH"):
        require_command(replace(app, inherit_env=()))


def test_modules_of_the_apps_own_environment_are_not_looked_for_in_ours(tmp_path: Path) -> None:
    require_command(replace(shop("nowhere_at_all:app"), venv=str(tmp_path)))


def test_a_wrapped_app_is_looked_for_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "alone.py").write_text("app = 1")

    require_command(replace(shop("{target}", tmp_path), wrap="alone:app"))
    with pytest.raises(UsageError, match="no module missing"):
        require_command(replace(shop("{target}", tmp_path), wrap="missing:app"))


@pytest.mark.parametrize(
    "command",
    [("{python}", "-m", "gunicorn", "nowhere:app"), ("{python}", "serve.py"),
     ("{python}", "-m", "uvicorn", "--port", "{port}", "nowhere:app"), ("{python}", "-m")],
)  # fmt: skip
def test_a_command_of_another_form_is_left_to_run(command: tuple[str, ...]) -> None:
    require_command(AppUnderTest(name="shop", command=command))
