"""How the app's container starts: every life has a number of its own."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from crashloop.clock import TimeScale
from crashloop.engines.docker.app_container import app_container
from crashloop.errors import UsageError
from crashloop.model import AppUnderTest
from crashloop.trace.redact import MASK, Redactor

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.engines.docker.project import Project

URL = "postgresql://app:secret@/app?host=/cloudsql/x"


class Created:
    """A project that keeps what a container is created from."""

    def __init__(self, app: AppUnderTest, **values: str) -> None:
        self.redactor = Redactor()
        self.made: dict[str, Any] = {}
        self.archives: list[str] = []
        containers = SimpleNamespace(create=self._create)
        api = SimpleNamespace(put_archive=lambda _, folder, __: self.archives.append(folder))
        daemon = SimpleNamespace(client=SimpleNamespace(containers=containers), api=api)
        project = SimpleNamespace(daemon=daemon, name=lambda role: role, labels=lambda _: {})
        app_container(
            cast("Project", project),
            "image",
            app,
            role="app-2",
            values={"postgres.url": URL, "replica": "2", **values},
            scale=TimeScale(factor=2),
            redactor=self.redactor,
            network=SimpleNamespace(name="front"),
            volumes={},
            restart_policy={"Name": "no"},
        )

    def _create(self, image: str, **options: Any) -> SimpleNamespace:
        self.made = {"image": image, **options}
        return SimpleNamespace(id="c0ffee")

    def start(self, folder: Path) -> subprocess.CompletedProcess[str]:
        """Start the app as Docker does, each time with the same command and environment."""
        return subprocess.run(
            [*self.made["entrypoint"], *self.made["command"]],
            env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder), **self.made["environment"]},
            capture_output=True,
            text=True,
            check=False,
        )


def app(*command: str, cwd: str = "", **env: str) -> AppUnderTest:
    return AppUnderTest(name="own", command=command, env=env, cwd=cwd, knobs={"limit_s": 20.0})


def test_every_life_has_its_number_in_its_command_and_its_variables(tmp_path: Path) -> None:
    made = Created(
        app("sh", "-c", 'echo "$NAME, $1"', "sh", "it's {attempt} of {replica}", NAME="a-{attempt}")
    )

    lives = [made.start(tmp_path).stdout for _ in range(3)]

    assert lives == [f"a-{n}, it's {n} of 2\n" for n in (1, 2, 3)]


def test_the_app_gets_its_paths_and_its_scaled_knobs_and_listens_on_its_network() -> None:
    made = Created(app("run", "{host}:{port}", LIMIT="{limit_s}", URL="{postgres.url+asyncpg}"))

    environment = made.made["environment"]
    assert environment == {"LIMIT": "10.000000", "URL": URL.replace("ql:", "ql+asyncpg:")}
    assert made.made["command"][0].endswith("exec run 0.0.0.0:8080\n")


def test_a_secret_is_masked_around_the_number_of_the_life(tmp_path: Path) -> None:
    made = Created(app("sh", "-c", 'echo "$API_KEY"', API_KEY="hunter2-{attempt}-swordfish"))

    said = made.start(tmp_path).stdout

    assert said == "hunter2-1-swordfish\n"
    assert made.redactor.text(said) == f"{MASK}1{MASK}\n"


@pytest.mark.parametrize("code", [0, 3])
def test_the_apps_exit_code_is_the_containers(tmp_path: Path, code: int) -> None:
    assert Created(app("sh", "-c", f"exit {code}")).start(tmp_path).returncode == code


def test_an_app_whose_lives_cannot_be_counted_does_not_start(tmp_path: Path) -> None:
    done = Created(app("echo", "started")).start(tmp_path / "missing")

    assert (done.returncode != 0, done.stdout) == (True, "")


def test_the_apps_working_folder_is_copied_and_its_modules_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("app = None\n")

    made = Created(app("python", "-m", "main", cwd=str(tmp_path)))

    assert made.archives == ["/srv"]
    assert made.made["working_dir"] == "/srv/under-test"
    assert made.made["environment"]["PYTHONSAFEPATH"] == ""


def test_an_empty_working_folder_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no files"):
        Created(app("run", cwd=str(tmp_path)))


def test_a_wrapped_app_finds_the_wrapper_before_what_its_image_has_on_its_path(
    tmp_path: Path,
) -> None:
    made = Created(replace(app("sh", "-c", 'echo "$CRASHLOOP_WRAP $PYTHONPATH"'), wrap="main:app"))

    assert made.archives == ["/"]
    assert made.start(tmp_path).stdout == "main:app /crashloop-wrap\n"
    made.made["environment"]["PYTHONPATH"] = "/srv"
    assert made.start(tmp_path).stdout == "main:app /crashloop-wrap:/srv\n"


def test_an_image_that_needs_no_command_starts_as_it_says_where_it_says() -> None:
    made = Created(replace(app(), image="shop:1", cwd="/srv/shop")).made
    assert "command" not in made
    assert "entrypoint" not in made
    assert made["working_dir"] == "/srv/shop"


def test_a_life_cannot_have_a_number_of_its_own_without_a_command() -> None:
    with pytest.raises(UsageError, match="has no `command`, so NAME cannot be set for each"):
        Created(replace(app(NAME="{attempt}"), image="shop:1"))
