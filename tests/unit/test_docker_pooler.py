"""PgBouncer's container: what it is given, when it is up, and what is said when it is not."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker_cases import recorder

from crashloop.engines.docker import pooler as module
from crashloop.engines.docker.interference import Interference
from crashloop.engines.docker.pooler import CONFIGURATION, USERS, Pooler
from crashloop.engines.pgbouncer import configuration, users_file
from crashloop.errors import CapabilityError, HarnessError
from crashloop.proxy.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crashloop.engines.docker.project import Project

IMAGE, PASSWORD = "pooler:1", "secret"
UP = "LOG process up: PgBouncer {}, libevent 2.1.12-stable (epoll)"


class OnePgBouncer:
    """A daemon on which a container prints `lines` and ends, but for one that is up."""

    def __init__(self, *lines: str, stays: bool = False) -> None:
        self.recorder = recorder()
        self.interference = Interference()
        self.daemon = SimpleNamespace(api=self)
        self.copied: dict[str, tuple[str, int]] = {}
        self.options: dict[str, Any] = {}
        self.refuses = ""
        self._lines = lines
        self._stays = stays
        self.ends = threading.Event()

    def name(self, role: str) -> str:
        return f"crashloop-r1-{role}"

    def container(self, role: str, image: str, **options: Any) -> OnePgBouncer:
        self.options = {"role": role, "image": image, **options}
        return self

    def with_copy_into_container(self, content: bytes, destination: str, mode: int) -> None:
        self.copied[destination] = content.decode(), mode

    def start(self, container: object, network: object) -> str:
        assert (container, network) == (self, "back")
        if self.refuses:
            raise HarnessError(self.refuses)
        return "172.19.0.7"

    def get_container_id(self) -> str:
        return "c1"

    def logs(self, container: str, **_: Any) -> Iterator[bytes]:
        assert container == "c1"
        for line in self._lines:
            yield f"2026-01-01T12:00:00.000001Z {line}\n".encode()
        if self._stays:
            self.ends.wait(10)

    def inspect_container(self, container: str) -> dict[str, Any]:
        assert container == "c1"
        return {"State": {"ExitCode": 1}}

    def made(self, mode: str = "transaction") -> Pooler:
        project = cast("Project", self)
        return Pooler(project, IMAGE, mode=mode, password=PASSWORD, recorder=self.recorder)


def words(*lines: str) -> str:
    return "\n".join(f"    {line}" for line in lines)


def has_all(text: str, parts: Iterable[str]) -> bool:
    return all(part in text for part in parts)


async def test_it_gets_the_local_engines_configuration_with_the_addresses_of_its_network() -> None:
    daemon = OnePgBouncer(UP.format("1.18.0"))
    pooler = daemon.made()

    await pooler.start("back")

    text = configuration(
        listen=Address(host="0.0.0.0", port=5432),  # noqa: S104  its own network
        postgres=Address(host="crashloop-r1-postgres", port=5432),
        users=USERS,
        mode="transaction",
    )
    everybody_reads = 0o444
    assert daemon.copied == {
        CONFIGURATION: (text, everybody_reads),
        USERS: (users_file(PASSWORD), everybody_reads),
    }
    assert daemon.options["entrypoint"] == ["pgbouncer"]
    assert daemon.options["command"] == [CONFIGURATION]
    assert pooler.address == "172.19.0.7"


@pytest.mark.parametrize("version", ["1.18.0", "1.26.1", "2.0.0"])
async def test_it_is_up_once_it_says_so_with_its_version(version: str) -> None:
    daemon = OnePgBouncer("LOG listening on 0.0.0.0:5432", UP.format(version), stays=True)

    await daemon.made("session").start("back")

    daemon.ends.set()
    (started,) = daemon.recorder.events
    assert (started.source, started.kind, started.target) == (
        "pooler",
        "pooler.started",
        "postgres",
    )
    assert started.data["mode"] == "session"
    assert started.data["version"] == f"PgBouncer {version.rpartition('.')[0]}"


@pytest.mark.parametrize("version", ["1.17.0", "0.9", "of somebody"])
async def test_one_that_is_too_old_is_named_with_its_image_and_its_last_lines(version: str) -> None:
    daemon = OnePgBouncer("LOG first", UP.format(version))

    with pytest.raises(CapabilityError) as refused:
        await daemon.made().start("back")

    said = (IMAGE, version, "PgBouncer 1.18 is needed", words("LOG first", UP.format(version)))
    assert has_all(refused.value.message, said), refused.value.message
    assert "CRASHLOOP_DOCKER_POOLER_IMAGE" in refused.value.hint
    assert daemon.recorder.events == []


async def test_one_that_refuses_its_configuration_is_shown_with_its_last_lines() -> None:
    lines = ("ERROR unknown parameter: pgbouncer/pool_moode", "FATAL cannot load config file")
    daemon = OnePgBouncer(*lines)

    with pytest.raises(HarnessError) as broken:
        await daemon.made().start("back")

    assert not isinstance(broken.value, CapabilityError)
    said = (IMAGE, "ended with 1 before it listened", words(*lines))
    assert has_all(broken.value.message, said), broken.value.message
    assert has_all(broken.value.hint, ("pgbouncer.log", "CRASHLOOP_DOCKER_POOLER_IMAGE"))


async def test_one_that_never_says_that_it_is_up_is_not_awaited_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "START_BOUND_S", 0.01)
    daemon = OnePgBouncer(stays=True)

    with pytest.raises(HarnessError, match=r"did not listen within 0\.01 s") as broken:
        await daemon.made().start("back")

    daemon.ends.set()
    assert "(it printed nothing)" in broken.value.message


async def test_an_image_without_the_program_is_told_from_a_daemon_that_fails() -> None:
    daemon = OnePgBouncer()
    daemon.refuses = 'could not be started: exec: "pgbouncer": executable file not found in $PATH'
    with pytest.raises(CapabilityError, match="has no pgbouncer on its PATH") as refused:
        await daemon.made().start("back")
    assert "CRASHLOOP_DOCKER_POOLER_IMAGE" in refused.value.hint

    daemon.refuses = "could not be started: no space left on device"
    with pytest.raises(HarnessError, match="no space left"):
        await daemon.made().start("back")
