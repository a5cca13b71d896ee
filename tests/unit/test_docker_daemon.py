"""Which Docker daemon answers, whether a run is possible on it, and its errors in words."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import pytest
import requests

from crashloop.engines.docker.daemon import (
    Daemon,
    Facts,
    connect,
    facts_of,
    hint_for,
    require_usable,
    sdk_errors,
    unreachable,
)
from crashloop.errors import CapabilityError, HarnessError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = {
    "Version": "28.2.2",
    "ApiVersion": "1.50",
    "Components": [{"Name": "Engine", "Version": "28.2.2"}, {"Name": "containerd"}],
}
INFO = {"OperatingSystem": "Debian GNU/Linux 12", "SecurityOptions": ["name=seccomp"]}
PODMAN = {"Version": "5.4.0", "Components": [{"Name": "Podman Engine"}]}
ROOTLESS = {**INFO, "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address of this machine at which nobody listens, and nobody can meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"tcp://127.0.0.1:{held.getsockname()[1]}"


class Client:
    """An SDK's client of a daemon that says what it is given."""

    def __init__(self, version: dict[str, Any], info: dict[str, Any]) -> None:
        self.closed = 0
        self.api = SimpleNamespace()
        self._answers = version, info

    def version(self) -> dict[str, Any]:
        return self._answers[0]

    def info(self) -> dict[str, Any]:
        return self._answers[1]

    def close(self) -> None:
        self.closed += 1


def answering(monkeypatch: pytest.MonkeyPatch, client: Client) -> Client:
    monkeypatch.setattr(docker, "from_env", lambda **_: client)
    return client


# What it is


def test_the_facts_are_read_from_the_daemons_answers() -> None:
    assert facts_of(VERSION, INFO) == Facts(
        name="Engine",
        version="28.2.2",
        api_version="1.50",
        system="Debian GNU/Linux 12",
        rootless=False,
    )


def test_facts_that_a_daemon_does_not_report_are_unknown() -> None:
    facts = facts_of({"Components": None}, {"SecurityOptions": None})

    assert (facts.name, facts.version, facts.api_version, facts.system) == ("Engine", "?", "?", "?")
    assert facts.rootless is False


def test_a_rootless_daemon_is_known_by_its_security_options() -> None:
    assert facts_of(VERSION, ROOTLESS).rootless is True


def test_dockers_own_daemon_is_usable() -> None:
    require_usable(facts_of(VERSION, INFO))


def test_docker_desktop_is_refused_because_its_containers_cannot_be_reached() -> None:
    with pytest.raises(CapabilityError, match="they run in its virtual machine"):
        require_usable(facts_of(VERSION, {**INFO, "OperatingSystem": "Docker Desktop"}))


def test_podman_is_refused_because_it_restarts_by_other_rules() -> None:
    with pytest.raises(CapabilityError, match=r"Podman Engine 5\.4\.0 .* by its own rules") as no:
        require_usable(facts_of(PODMAN, INFO))

    assert "DOCKER_HOST" in no.value.hint


def test_a_rootless_daemon_is_refused_because_its_containers_cannot_be_reached() -> None:
    with pytest.raises(CapabilityError, match="is rootless: the addresses of its containers") as no:
        require_usable(facts_of(VERSION, ROOTLESS))

    assert "not rootless" in no.value.hint


def test_a_daemon_on_another_machine_is_named_with_its_system_and_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://far:2375")
    facts = facts_of(VERSION, {**INFO, "OperatingSystem": "Docker Desktop"})

    error = unreachable(facts, "no answer")

    assert isinstance(error, CapabilityError)
    assert "at tcp://far:2375 (Docker Desktop) cannot be reached" in error.message
    assert error.message.endswith(": no answer")


# Connecting


def test_a_daemon_that_is_usable_is_given_with_its_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    client = answering(monkeypatch, Client(VERSION, INFO))

    daemon = connect()

    assert (daemon.client, daemon.api, client.closed) == (client, client.api, 0)
    assert daemon.facts == facts_of(VERSION, INFO)


@pytest.mark.parametrize(
    ("version", "info"),
    [pytest.param(PODMAN, INFO, id="podman"), pytest.param(VERSION, ROOTLESS, id="rootless")],
)
def test_the_connection_to_a_refused_daemon_is_closed(
    monkeypatch: pytest.MonkeyPatch, version: dict[str, Any], info: dict[str, Any]
) -> None:
    client = answering(monkeypatch, Client(version, info))

    with pytest.raises(CapabilityError):
        connect()

    assert client.closed == 1


def test_without_a_daemon_the_error_names_where_it_was_looked_for(
    monkeypatch: pytest.MonkeyPatch, nobody: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", nobody)
    monkeypatch.setenv("no_proxy", "*")

    with pytest.raises(CapabilityError) as missing:
        connect()

    assert missing.value.message == f"no Docker daemon answers at {nobody}: Connection refused"
    assert "name its socket with DOCKER_HOST" in missing.value.hint
    assert "--engine local" in missing.value.hint


def test_the_connection_to_a_daemon_that_answers_with_an_error_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken(Client):
        def info(self) -> dict[str, Any]:
            raise docker.errors.APIError("500", explanation="the daemon is shutting down")

    client = answering(monkeypatch, Broken(VERSION, INFO))

    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with pytest.raises(CapabilityError, match="its default socket: the daemon is shutting down"):
        connect()
    assert client.closed == 1


def test_a_docker_host_that_is_not_an_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "rubbish://x")

    with pytest.raises(CapabilityError, match="answers at rubbish://x: Invalid bind address"):
        connect()


@pytest.mark.parametrize(
    "words",
    [
        ["reproduce", "issue-1278", "--engine", "docker"],
        pytest.param(["sweep"], marks=pytest.mark.slow),
    ],
)
def test_without_the_docker_package_the_reason_is_given_with_status_11(
    words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "docker.py").write_text("raise ModuleNotFoundError(name='docker')")

    done = subprocess.run(
        [sys.executable, "-P", "-m", "crashloop", *words],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (11, "")
    assert done.stderr.startswith("error: the Docker engine needs the package docker\n")
    assert "pip install '.[docker]'" in done.stderr
    assert not (tmp_path / "crashloop-artifacts").exists()


# Errors in words


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (docker.errors.APIError("x", explanation="no such image"), "no such image"),
        (docker.errors.APIError("x", explanation=b"bytes \xff\n"), "bytes \ufffd"),
        (docker.errors.DockerException("odd"), "odd"),
        (requests.ConnectionError("gone"), "gone"),
        (requests.ReadTimeout("read timed out"), "read timed out"),
        (FileNotFoundError(2, "No such file or directory"), "No such file or directory"),
        (TimeoutError(), "TimeoutError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_sdks_errors_become_a_sentence_with_the_daemons_words(
    error: Exception, why: str
) -> None:
    with pytest.raises(HarnessError) as failed, sdk_errors("the lamp could not be lit"):
        raise error

    assert failed.value.message == f"the lamp could not be lit: {why}"
    assert failed.value.hint
    assert failed.value.__cause__ is error


def test_the_innermost_error_is_the_one_that_is_reported() -> None:
    error = requests.ConnectionError("('Connection aborted.', ...)")
    error.__cause__ = PermissionError(13, "Permission denied")

    with (
        pytest.raises(HarnessError, match=r"^it failed: Permission denied"),
        sdk_errors("it failed"),
    ):
        raise error


def test_a_command_that_ends_while_it_is_given_up_has_taken_too_long() -> None:
    class Api:
        def start(self, container: str) -> None:
            del container

        def wait(self, container: str, *, timeout: float) -> dict[str, int]:
            raise requests.exceptions.ReadTimeout(f"{container} {timeout}")

        def kill(self, container: str) -> None:
            raise docker.errors.APIError(f"{container} is not running")

        def logs(self, container: str, *, tail: int, **_: bool) -> bytes:
            return f"{container} {tail}".encode()

    daemon = Daemon(SimpleNamespace(api=Api()), facts_of(VERSION, INFO))
    assert daemon.run("migrate", within_s=1.0, lines=9) == (None, "migrate 9")


@pytest.mark.parametrize("error", [UsageError("u"), CapabilityError("c"), HarnessError("h")])
def test_an_error_of_ours_passes_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as passed, sdk_errors("the lamp could not be lit"):
        raise error

    assert passed.value is error


def test_a_programmers_mistake_passes_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), sdk_errors("the lamp could not be lit"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("why", "what_to_do"),
    [
        ("write /x: no space left on device", "docker system df"),
        ("could not find an available, non-overlapping IPv4 address pool", "crashloop sweep"),
        ("all predefined address pools have been fully subnetted", "docker network prune"),
        ("Permission denied", "does not allow it"),
        ("Operation not permitted", "does not allow it"),
        ("something else", "the daemon's own"),
    ],
)
def test_the_hint_is_chosen_by_the_daemons_message(why: str, what_to_do: str) -> None:
    assert what_to_do in hint_for(why)
