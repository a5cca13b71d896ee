"""How faults change the app's own processes, on the local engine."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from local_runs import REDIS, opened

from crashloop.ending import first_failure
from crashloop.engines.mounts import require_namespace
from crashloop.errors import CapabilityError, HarnessError
from crashloop.faults.process.proc import read_only_mounts
from crashloop.model import AppUnderTest, Launch, Life, Replicas

if TYPE_CHECKING:
    from local_runs import Opened

BOUND_S = 5.0
SAYS = AppUnderTest(
    name="says",
    command=("/bin/sh", "-c", "echo {host} {port} $WORD $$; exec sleep 60"),
    env={"WORD": "usual"},
)
"""Prints where it is told to listen, its variable WORD, and its process id."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def has_namespaces() -> bool:
    try:
        require_namespace("any")
    except CapabilityError:
        return False
    return True


async def said(tmp_path: Path, *changes: Launch, app: AppUnderTest = SAYS) -> tuple[str, ...]:
    """What the first life says that is started with these changes, and where it is asked."""
    async with opened(tmp_path, app, REDIS) as run, contextlib.AsyncExitStack() as stack:
        for change in changes:
            await stack.enter_async_context(run.engine.ports.lives().launched(change))
        async with run.replicas():
            (line,) = await run.until("app.output")
            asked = run.lives[0].address
    assert asked is not None
    return (*str(line.data["text"]).split(), str(asked[1]))


async def test_a_life_without_a_change_is_told_where_it_is_asked(tmp_path: Path) -> None:
    host, port, word, _, asked = await said(tmp_path)
    assert (host, port, word) == ("127.0.0.1", asked, "usual")


async def test_changes_are_applied_in_their_order(tmp_path: Path) -> None:
    _, _, word, _, _ = await said(
        tmp_path, Launch(unset=("WORD",)), Launch(set_env={"WORD": "another"})
    )
    assert word == "another"


async def test_a_variable_that_the_app_inherits_can_be_unset_too(tmp_path: Path) -> None:
    app = replace(SAYS, command=("/bin/sh", "-c", "echo a b ${{HOME:-none}} c; exec sleep 60"))
    _, _, word, _, _ = await said(tmp_path, Launch(unset=("HOME",)), app=app)
    assert word == "none"


async def test_it_can_be_told_another_address_and_another_port(tmp_path: Path) -> None:
    host, port, _, _, asked = await said(tmp_path, Launch(host="127.0.0.2", other_port=True))
    assert host == "127.0.0.2"
    assert port != asked


async def test_it_can_be_asked_at_the_other_port(tmp_path: Path) -> None:
    change = Launch(other_port=True, asked_there=True)
    async with opened(tmp_path, SAYS, REDIS) as run:
        async with run.engine.ports.lives().launched(change), run.replicas():
            (line,) = await run.until("app.output")
            asked = run.lives[0].address
        (ready,) = run.of("lab.ready")
    assert asked is not None
    host, port = asked
    assert str(line.data["text"]).split()[:2] == [host, str(port)]
    assert ready.data["app_addresses"]["1"] != f"{host}:{port}"


async def test_somebody_else_answers_at_a_port_that_is_taken(tmp_path: Path) -> None:
    async with opened(tmp_path, SAYS, REDIS) as run:
        async with run.engine.ports.lives().launched(Launch(port_taken=True)), run.replicas():
            await run.until("app.output")
            address = run.lives[0].address
            assert address is not None
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b""
            writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)


async def test_a_life_is_given_as_soon_as_it_is_the_app(tmp_path: Path) -> None:
    """Neither the shell that waits for its release nor the words before its command are."""
    async with opened(tmp_path, SAYS, REDIS) as run:
        lives = run.engine.ports.lives()
        wait = ("/bin/sh", "-c", 'cat /dev/null; exec "$@"', "wait")
        async with lives.launched(Launch(prefix=wait)), run.replicas():
            life, pid = await first(run)
            words = command_of(pid)
            assert life == Life(1, 1)
            assert words[0] in {b"/bin/sh", b"sleep"}
            assert b"wait" not in words


async def test_a_signal_ends_a_life_and_its_status_is_the_systems(tmp_path: Path) -> None:
    async with opened(tmp_path, SAYS, REDIS) as run, run.replicas():
        lives = run.engine.ports.lives()
        life, _ = await first(run)
        assert await lives.signal(life, signal.SIGKILL)
        async with asyncio.timeout(BOUND_S):
            assert await lives.status(life) == -signal.SIGKILL
        assert not await lives.signal(life, signal.SIGKILL)


async def test_the_old_revision_is_started_as_always(tmp_path: Path) -> None:
    overlap = Replicas(count=1, overlap=1)
    another = Launch(set_env={"WORD": "another"})
    async with (
        opened(tmp_path, SAYS, REDIS, replicas=overlap) as run,
        run.engine.ports.lives().launched(another),
    ):
        started = await run.engine._start_life(SAYS, Life(2, 1))
        (line,) = await run.until("app.output")
        await started.stop()
    assert "usual" in str(line.data["text"])


def command_of(pid: int) -> list[bytes]:
    """The words of its command, which is empty for a moment within exec."""
    until_s = time.monotonic() + BOUND_S
    while not (text := Path(f"/proc/{pid}/cmdline").read_bytes()) and time.monotonic() < until_s:
        pass
    return text.split(b"\0")


async def first(run: Opened) -> tuple[Life, int]:
    """The first life that is given."""
    async with (
        asyncio.timeout(BOUND_S),
        contextlib.aclosing(run.engine.ports.lives().started()) as started,
    ):
        async for life, pid in started:
            return life, pid
    raise AssertionError("it never ends")


@pytest.mark.skipif(not has_namespaces(), reason="needs a mount namespace")
async def test_its_folder_can_be_read_only_for_it_alone(tmp_path: Path) -> None:
    command = ("/bin/sh", "-c", "touch here 2>&- && echo written || echo refused; exec sleep 60")
    app = AppUnderTest(name="writes", command=command, cwd=str(tmp_path))
    async with opened(tmp_path, app, REDIS) as run:
        async with run.engine.ports.lives().launched(Launch(read_only=".")), run.replicas():
            _, pid = await first(run)
            (said,) = await run.until("app.output")
            assert read_only_mounts(pid) == [str(tmp_path)]
        (tmp_path / "outside").touch()
    assert said.data["text"] == "refused"
    assert not (tmp_path / "here").exists()


EXITS_125 = AppUnderTest(name="exits", command=("/bin/sh", "-c", "exit 125"))


@pytest.mark.skipif(not has_namespaces(), reason="needs a mount namespace")
async def test_a_mount_that_fails_ends_the_run_and_is_no_exit_of_the_app(tmp_path: Path) -> None:
    async with opened(tmp_path, EXITS_125, REDIS) as run:
        async with run.engine.ports.lives().launched(Launch(read_only="nonexistent")):
            with pytest.raises(ExceptionGroup) as raised:
                async with asyncio.timeout(BOUND_S):
                    await run.run_replicas()
        assert not run.of("process.exited")
    error = first_failure(raised.value)
    assert isinstance(error, HarnessError)
    assert "could not be started in a mount namespace of its own (exit 125)" in error.message
    assert "nonexistent" in error.message


@pytest.mark.skipif(not has_namespaces(), reason="needs a mount namespace")
@pytest.mark.parametrize("folder", [".", "/dev/shm", "/tmp"])  # noqa: S108  where a run's files are
async def test_an_app_that_exits_as_a_failed_mount_does_is_an_exit_of_the_app(
    folder: str, tmp_path: Path
) -> None:
    async with (
        opened(tmp_path, EXITS_125, REDIS) as run,
        run.engine.ports.lives().launched(Launch(read_only=folder)),
        run.replicas(),
    ):
        (ended, *_) = await run.until("process.exited")
    assert ended.data["exit_code"] == 125
