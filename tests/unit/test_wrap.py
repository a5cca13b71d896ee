"""The wrapper around an ASGI app: its lines, under every Python found and under uvicorn."""

from __future__ import annotations

import ast
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crashloop.apps import wrapping
from crashloop.apps.wrap import FILE, FOLDER
from crashloop.model import AppUnderTest

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST = (3, 9)
APPS = """
class PostgresError(Exception):
    sqlstate = "57P03"

async def healthy(scope, receive, send):
    if scope["type"] != "lifespan":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})
        return
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["opened"] = True
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    await send({"type": "lifespan.shutdown.complete"})

class Failing:
    async def __call__(self, scope, receive, send):
        await receive()
        try:
            try:
                raise ConnectionRefusedError(111, "no one at postgresql://app:hidden@db/shop")
            except OSError as refused:
                raise PostgresError("away") from refused
        except PostgresError:
            await send({"type": "lifespan.startup.failed", "message": "Traceback\\nlast line"})
            raise

failing = Failing()

async def giving_up(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "first\\nno postgresql://a:hidden@db"})

async def raising(scope, receive, send):
    await receive()
    raise TimeoutError("too slow")

async def without(scope, receive, send):
    assert scope["type"] == "http", "no lifespan here"

def factory():
    return healthy
"""
DRIVER = """
import asyncio, json, sys
import crashloop_wrap

async def lifespan(app):
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    scope = {"type": "lifespan", "state": {}}
    async def receive():
        return messages.pop(0)
    async def send(message):
        print(json.dumps({"sent": message["type"]}), flush=True)
    try:
        await app(scope, receive, send)
    except BaseException as error:
        print(json.dumps({"raised": type(error).__name__}), flush=True)
    print(json.dumps({"state": scope["state"]}), flush=True)

app = crashloop_wrap.app
asyncio.run(lifespan(app() if "factory" in sys.argv else app))
"""


def pythons() -> list[str]:
    """Each Python of this machine that the wrapper must run on, one of each version."""
    folders = sorted(Path.home().glob(".pyenv/versions/3.*"))
    named = {folder.name.rpartition(".")[0]: str(folder / "bin" / "python") for folder in folders}
    for minor in range(OLDEST[1], 20):
        if (found := shutil.which(f"python3.{minor}")) and "shims" not in found:
            named.setdefault(f"3.{minor}", found)
    others = [path for name, path in named.items() if tuple(map(int, name.split("."))) >= OLDEST]
    return [sys.executable, *others]


def environment(target: str) -> dict[str, str]:
    app = AppUnderTest(name="shop", command=("{target}",), wrap=target)
    return {"PATH": os.environ["PATH"], **wrapping(app, {})}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APPS)
    (tmp_path / "drive.py").write_text(DRIVER)
    return tmp_path


def said(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def drive(
    folder: Path, name: str, *arguments: str, python: str = sys.executable
) -> list[dict[str, Any]]:
    """What the wrapper and the driver say, in order; the driver is a server's part."""
    run = subprocess.run(
        [python, "drive.py", *arguments],
        cwd=folder,
        env=environment(f"shop:{name}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not run.stderr or "Error" in run.stderr, run.stderr
    return said(run.stdout)


def kinds(lines: list[dict[str, Any]]) -> list[str]:
    return [str(each.get("event") or each.get("sent") or each.get("raised")) for each in lines]


@pytest.mark.parametrize("python", pythons())
def test_a_lifespan_is_a_phase_between_start_and_shutdown(folder: Path, python: str) -> None:
    lines = drive(folder, "healthy", python=python)

    assert kinds(lines) == [
        "startup.started",
        "phase.started",
        "phase.completed",
        "startup.completed",
        "lifespan.startup.complete",
        "shutdown.started",
        "shutdown.completed",
        "lifespan.shutdown.complete",
        "None",
    ]
    assert lines[-1] == {"state": {"opened": True}}
    ours = [each for each in lines if "event" in each]
    assert len({each["boot_id"] for each in ours}) == 1
    assert all(isinstance(each["mono_ns"], int) for each in ours)
    assert lines[1]["phase"] == lines[2]["phase"] == "lifespan"
    assert lines[2]["limit_s"] is None
    assert lines[2]["duration_s"] >= 0
    assert (lines[0]["app"], lines[0]["server"]) == ("shop:healthy", "unknown")


@pytest.mark.parametrize("python", pythons())
def test_a_failure_is_told_with_its_chain_and_raised_as_it_was(folder: Path, python: str) -> None:
    lines = drive(folder, "failing", python=python)

    assert kinds(lines)[2:6] == [
        "phase.failed",
        "startup.failed",
        "lifespan.startup.failed",
        "PostgresError",
    ]
    assert lines[2]["error"] == [
        {"type": "shop.PostgresError", "sqlstate": "57P03", "errno": None, "message": "away"},
        {
            "type": "ConnectionRefusedError",
            "sqlstate": None,
            "errno": 111,
            "message": "[Errno 111] no one at postgresql://app:***@db/shop",
        },
    ]
    assert lines[2]["message"] == "The lifespan failed: shop.PostgresError: away"
    assert "hidden" not in json.dumps(lines)


def test_a_failure_without_an_exception_is_told_by_the_last_line_of_its_text(folder: Path) -> None:
    lines = drive(folder, "giving_up")
    assert (lines[2]["event"], lines[2]["error"]) == ("phase.failed", [])
    assert lines[2]["message"] == "The lifespan failed: no postgresql://a:***@db"


def test_an_exception_that_the_server_is_not_told_of_is_a_failed_phase_alone(folder: Path) -> None:
    lines = drive(folder, "raising")
    assert kinds(lines)[2:4] == ["phase.failed", "TimeoutError"]
    assert lines[2]["error"][0]["message"] == "too slow"


def test_an_app_without_a_lifespan_has_no_phase(folder: Path) -> None:
    lines = drive(folder, "without")
    assert kinds(lines)[:3] == ["startup.started", "startup.completed", "AssertionError"]
    assert lines[1]["lifespan"] is False


def test_a_factory_of_apps_is_one_still(folder: Path) -> None:
    assert kinds(drive(folder, "factory", "factory"))[1:3] == ["phase.started", "phase.completed"]


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise TimeoutError('no database')", "TimeoutError"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("raise TimeoutError", "TimeoutError"),
        ("", "AttributeError"),
    ],
)
def test_an_app_that_cannot_be_imported_says_why(folder: Path, source: str, error: str) -> None:
    (folder / "shop.py").write_text(source)
    lines = drive(folder, "app")
    assert kinds(lines) == ["startup.started", "startup.failed"]
    assert lines[1]["error"][0]["type"] == error
    message = lines[1]["error"][0]["message"]
    why = f"{error}: {message}" if message else error
    assert lines[1]["message"] == f"The app cannot be imported: {why}"


def test_an_app_whose_output_is_closed_goes_on(folder: Path) -> None:
    (folder / "quiet.py").write_text("import os\nos.close(1)\nimport crashloop_wrap\n")
    run = subprocess.run(
        [sys.executable, "quiet.py"], cwd=folder, env=environment("shop:healthy"), check=False
    )
    assert run.returncode == 0


def test_the_wrapper_imports_the_standard_library_alone() -> None:
    imports = [n for n in ast.walk(ast.parse(FILE.read_text())) if isinstance(n, ast.Import)]
    names = {each.name for node in imports for each in node.names}
    assert names <= sys.stdlib_module_names
    assert "asyncio" not in names  # a server may bring a loop of another kind


def test_what_the_app_has_on_its_path_comes_after_the_wrapper() -> None:
    app = AppUnderTest(name="shop", command=("{target}",), wrap="shop:app")
    assert wrapping(app, {"PYTHONPATH": "src"}) == {
        "CRASHLOOP_WRAP": "shop:app",
        "PYTHONPATH": f"{FOLDER}{os.pathsep}src",
    }
    assert wrapping(AppUnderTest(name="shop", command=("x",)), {}) == {}


@contextlib.contextmanager
def served(folder: Path, name: str, *options: str) -> Iterator[tuple[int, list[str]]]:
    """The port on which uvicorn serves the wrapped app, and its lines; it is stopped at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "crashloop_wrap:app", "--port", "0", *options],
        cwd=folder,
        env=environment(f"shop:{name}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        assert server.stdout
        lines: list[str] = []
        try:
            for line in server.stdout:
                lines.append(line)
                if running := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                    yield int(running[1]), lines
                    break
        finally:
            server.send_signal(signal.SIGTERM)
            lines += server.stdout.readlines()


def answer(port: int) -> bytes:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as client:
        client.request("GET", "/")
        return client.getresponse().read()


@pytest.mark.parametrize(
    ("name", "options"), [("healthy", ()), ("factory", ()), ("factory", ("--factory",))]
)
def test_uvicorn_serves_a_wrapped_app_and_stops_it(
    folder: Path, name: str, options: tuple[str, ...]
) -> None:
    with served(folder, name, *options) as (port, lines):
        assert answer(port) == b"served"
    events = [each["event"] for each in said("".join(lines))]
    assert events[-2:] == ["shutdown.started", "shutdown.completed"]
    assert "uvicorn" in said(lines[0])[0]["server"]


def test_uvicorn_serves_a_wrapped_app_without_a_lifespan(folder: Path) -> None:
    (folder / "shop.py").write_text(APPS.replace('== "http", "no lifespan here"', '== "http"'))
    with served(folder, "without") as (_, lines):
        text = "".join(lines)
    assert "ASGI 'lifespan' protocol appears unsupported" in text
    assert "phase." not in text


@pytest.mark.parametrize(
    "target",
    [
        "shop:failing",
        "broken:app",
        *(
            pytest.param(target, marks=pytest.mark.slow)
            for target in ("shop:giving_up", "shop:missing", "none:app", "leaving:app")
        ),
    ],
)
def test_uvicorn_exits_as_it_does_without_the_wrapper(folder: Path, target: str) -> None:
    (folder / "broken.py").write_text("import no_such_module")
    (folder / "leaving.py").write_text("raise SystemExit(7)")
    command = [sys.executable, "-m", "uvicorn", "--port", "0", "--lifespan", "on"]
    servers = [
        subprocess.Popen(
            [*command, each],
            cwd=folder,
            env=environment(target),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for each in ("crashloop_wrap:app", target)
    ]
    wrapped, alone = (each.wait() for each in servers)
    assert wrapped == alone != 0


def test_a_lifespan_of_fastapi_is_told_with_the_error_that_ended_it(folder: Path) -> None:
    (folder / "shop.py").write_text("""
from contextlib import asynccontextmanager
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    raise ConnectionRefusedError(111, "no database")
    yield

app = FastAPI(lifespan=lifespan)
""")
    run = subprocess.run(
        [sys.executable, "-m", "uvicorn", "crashloop_wrap:app", "--port", "0"],
        cwd=folder,
        env=environment("shop:app"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 3
    failed = [each for each in said(run.stdout) if each["event"] == "phase.failed"]
    assert [each["errno"] for each in failed[0]["error"]] == [111]
    assert "Application startup failed. Exiting." in run.stderr
