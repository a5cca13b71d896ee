"""What can go wrong on Docker: one clear message, the right exit status, and nothing left."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest
from fake_daemon import DESKTOP, LINUX, PODMAN, ROOTLESS, fake_daemon
from tiny_disk import tiny_disk_at

from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.owner import OWNER_LABEL, owner_label
from crashloop.engines.docker.removal import ROLE_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

COMMAND = (sys.executable, "-P", "-m", "crashloop", "reproduce", "issue-1278", "--engine", "docker")
DEADLINE_S = 150.0
LOOK_EVERY_S = 0.02
ROLES = {"app", "postgres", "redis", "sidecar", "toxiproxy"}
NAMES = {"sidecar": "side"}  # where the proxy inside is missed first, the side-car's
FAKE_SOCKET = "d.sock"


def crashloop(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end, its evidence in `run`."""
    return subprocess.run(
        [*COMMAND, "--artifacts", "run", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def events(folder: Path) -> list[dict[str, Any]]:
    try:
        lines = (folder / "run" / "trace.jsonl").read_text().split("\n")[1:-1]
    except OSError:
        return []
    return [json.loads(one) for one in lines]


def verdict(folder: Path) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((folder / "run" / "verdict.json").read_text())
    return written


def assert_one_message(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    """Its status, and standard error ends with one message and what to do next."""
    said, *messages = f"\n{done.stderr}".split("\nerror: ")
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert len(messages) == 1, said
    assert messages[0].splitlines()[-1].startswith("  "), "what to do next"
    for word in words:
        assert word in messages[0]
    assert "Traceback" not in done.stderr


def test_a_missing_daemon_is_reported_with_its_address_and_what_to_do(tmp_path: Path) -> None:
    nobody = f"unix://{tmp_path}/nobody.sock"
    done = crashloop(folder=tmp_path, DOCKER_HOST=nobody)

    why = f"no Docker daemon answers at {nobody}: No such file or directory"
    assert_one_message(done, 11, why, "start Docker, or name its socket", "--engine local")


def test_with_json_a_missing_daemon_is_one_document(tmp_path: Path) -> None:
    nobody = f"unix://{tmp_path}/nobody.sock"
    done = crashloop("--json", folder=tmp_path, DOCKER_HOST=nobody)

    document = json.loads(done.stdout)
    assert done.returncode == document["exit_status"] == 11
    assert nobody in document["error"]
    assert "start Docker" in document["hint"]


@pytest.mark.usefixtures("docker_engine")
def test_an_image_that_cannot_be_pulled_is_named_with_its_variable(tmp_path: Path) -> None:
    done = crashloop(folder=tmp_path, CRASHLOOP_DOCKER_CACHE_IMAGE="no-such-image:1")

    why = "the image no-such-image:1 is not here and cannot be pulled: "
    assert_one_message(done, 11, why, "CRASHLOOP_DOCKER_CACHE_IMAGE")
    assert "pulling no-such-image:1" in done.stderr


def test_an_image_that_cannot_be_built_is_reported_in_the_builds_own_words(
    docker_engine: object, tmp_path: Path
) -> None:
    del docker_engine
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "useless-1.0-py3-none-any.whl").write_bytes(b"no wheel")

    done = crashloop(folder=tmp_path, CRASHLOOP_DOCKER_WHEELS=str(wheels))

    with contextlib.closing(connect()) as daemon:
        for layer in re.findall("^ +---> ([0-9a-f]{12})$", done.stderr, re.MULTILINE):
            with contextlib.suppress(docker.errors.APIError):  # another image is built on it
                daemon.api.remove_image(layer)
    why = ("the image crashloop/app:", "could not be built", "No matching distribution found")
    assert_one_message(done, 11, *why, f"CRASHLOOP_DOCKER_WHEELS={wheels}")


class Meddler:
    """Somebody else on the daemon: starts a run, and does something to one of its containers."""

    def __init__(self, client: Any, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self.left: list[Any] = []

    def meddle(self, role: str, how: Callable[[Any], None]) -> subprocess.CompletedProcess[str]:
        """Do it while the first attempt waits for the database; gives how the run ended.

        The run may take the container away while the daemon is still at it.
        """

        def then(mine: str) -> None:
            self._await("link.held")
            filters = {"label": [mine, f"{ROLE_LABEL}={role}"]}
            (container,) = self._client.containers.list(filters=filters)
            with contextlib.suppress(docker.errors.APIError):
                how(container)

        return self.run(then)

    def run(self, then: Callable[[str], None]) -> subprocess.CompletedProcess[str]:
        """Start a run, do `then` with the label of its things, and see what is left at its end."""
        with subprocess.Popen(
            [*COMMAND, "--artifacts", "run", "--time-scale", "2"],  # lives of 10 s
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            mine = f"{OWNER_LABEL}={owner_label(process.pid)}"
            try:
                then(mine)
                out, err = process.communicate(timeout=DEADLINE_S)
            finally:
                process.terminate()
        api, filters = self._client.api, {"label": mine}
        self.left = [*api.containers(all=True, filters=filters), *api.networks(filters=filters)]
        self.left += api.volumes(filters=filters)["Volumes"] or []
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def _await(self, kind: str) -> None:
        until_s = time.monotonic() + DEADLINE_S
        while not any(event["kind"] == kind for event in events(self._folder)):
            assert time.monotonic() < until_s, events(self._folder)[-1:]
            time.sleep(LOOK_EVERY_S)


@pytest.fixture
def somebody(docker_engine: object, tmp_path: Path) -> Iterator[Meddler]:
    del docker_engine
    with contextlib.closing(connect()) as daemon:
        yield Meddler(daemon.client, tmp_path)


def assert_broken(somebody: Meddler, done: Any, folder: Path, *words: str, gone: str = "") -> None:
    """The harness broke: it says so, its evidence is kept, and nothing is left."""
    assert done.returncode == 12, done.stdout
    assert verdict(folder)["verdict"] == "HARNESS_ERROR"
    for word in words:
        assert word in verdict(folder)["reason"]
        assert word in " ".join(done.stdout.split())
    assert "what to do:" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert somebody.left == []
    files = {path.name for path in (folder / "run").iterdir()}
    assert {"attempt-1.log", "containers.json"} <= files
    kept = ROLES - {gone}
    assert kept <= set(json.loads((folder / "run" / "containers.json").read_text()))
    assert {f"{role}.log" for role in kept} <= files


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_container_that_somebody_removes_is_named(
    role: str, somebody: Meddler, tmp_path: Path
) -> None:
    done = somebody.meddle(role, lambda container: container.remove(force=True))

    words = (NAMES.get(role, role), "during the run")
    assert_broken(somebody, done, tmp_path, *words, gone=role)


# Docker restarts nothing that `docker kill` or `docker stop` has ended, whatever its policy.
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(lambda container: container.kill(), id="kill"),
        pytest.param(lambda container: container.pause(), id="pause"),
        pytest.param(lambda container: container.restart(timeout=0), id="restart"),
        pytest.param(lambda container: container.stop(timeout=0), id="stop"),
    ],
)
def test_an_app_that_somebody_kills_or_pauses_is_not_an_outage(
    how: Callable[[Any], None], somebody: Meddler, tmp_path: Path
) -> None:
    done = somebody.meddle("app", how)

    assert_broken(somebody, done, tmp_path, "the container app", "by somebody else")


@pytest.mark.parametrize(
    ("version", "info", "words"),
    [
        pytest.param(
            PODMAN, LINUX, "Podman Engine 4.3.1 answers at {where}: it restarts containers by its "
            "own rules", id="podman",
        ),
        pytest.param(None, ROOTLESS, "the Docker daemon at {where} is rootless", id="rootless"),
        pytest.param(None, DESKTOP, "(Docker Desktop) cannot be reached from here", id="desktop"),
    ],
)  # fmt: skip
def test_a_daemon_on_which_no_run_is_possible_is_reported_in_a_sentence(
    version: dict[str, Any] | None, info: dict[str, Any], words: str, tmp_path: Path
) -> None:
    where = f"unix://{tmp_path}/{FAKE_SOCKET}"
    answers = {} if version is None else {"version": version}
    with fake_daemon(tmp_path / FAKE_SOCKET, info=info, **answers) as daemon:
        done = crashloop(folder=tmp_path, DOCKER_HOST=where)

    assert_one_message(done, 11, words.format(where=where), "--engine local")
    assert not [question for question in daemon.asked if question.startswith("POST")]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("operation not permitted: authorization denied by plugin", "this daemon does not allow"),
        (
            "could not find an available, non-overlapping IPv4 address pool",
            "too many Docker networks",
        ),
    ],
)
def test_a_daemon_that_creates_no_networks_is_reported_in_its_own_words(
    words: str, hint: str, tmp_path: Path
) -> None:
    refusal = {"POST /networks/create": (403, {"message": words})}
    with fake_daemon(tmp_path / FAKE_SOCKET, answers=refusal) as daemon:
        done = crashloop(folder=tmp_path, DOCKER_HOST=f"unix://{tmp_path}/{FAKE_SOCKET}")

    assert done.returncode == 12, done.stdout + done.stderr
    page = " ".join(done.stdout.split())
    assert f"the network back could not be created: {words}" in page
    assert f"what to do: {hint}" in page
    assert "Traceback" not in done.stdout + done.stderr
    assert verdict(tmp_path)["verdict"] == "HARNESS_ERROR"
    assert "POST /containers/create" not in daemon.asked


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    with tiny_disk_at(tmp_path / "tiny") as disk:
        yield disk


def test_a_full_disk_is_reported_in_words_and_leaves_nothing(
    tiny_disk: Path, somebody: Meddler, tmp_path: Path
) -> None:
    (tmp_path / "run").symlink_to(tiny_disk)

    done = somebody.run(lambda _: None)

    assert done.returncode == 12
    assert "error: " in done.stderr
    assert "disk" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert somebody.left == []
