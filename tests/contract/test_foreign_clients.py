"""Published clients of other authors, unchanged, against both proxies."""

from __future__ import annotations

import json
import os
import re
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from node_client import node_client_or_skip
from terminal import on_a_terminal
from toxiproxy_server import running, toxiproxy_or_skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toxiproxy_server import Kind, ProxyServer

LIMIT_S = 60.0
SCRIPTS = Path(__file__).parents[2] / "fixtures" / "foreign_clients"
UP = ["db", "LISTEN", "UPSTREAM", True]
DOWN = ["db", "LISTEN", "UPSTREAM", False]
LOOPBACK_ONLY = ("http_proxy", "https_proxy", "all_proxy")


# Node.js and the command are processes of their own, for each test.
pytestmark = pytest.mark.slow


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(1000):
                self.request.sendall(data)
        except OSError:
            return  # reset, as toxics do


class _EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def upstream() -> Iterator[str]:
    """The address of a server that sends back what it gets."""
    with _EchoServer(("127.0.0.1", 0), _Echo) as echo:
        thread = threading.Thread(target=echo.serve_forever, args=[0.02], daemon=True)
        thread.start()
        yield f"127.0.0.1:{echo.server_address[1]}"
        echo.shutdown()
        thread.join(LIMIT_S)


@pytest.fixture
def server(kind: Kind, tmp_path: Path) -> Iterator[ProxyServer]:
    """A server of its own: these clients list, reset and delete whatever there is."""
    with running(kind, tmp_path) as server:
        yield server


def _environment(**more: str) -> dict[str, str]:
    """Ours, without a proxy: not all of these clients go straight to the loopback."""
    kept = {name: value for name, value in os.environ.items() if name.lower() not in LOOPBACK_ONLY}
    return {**kept, **more}


def _observed(command: list[str | Path], upstream: str, **environment: str) -> dict[str, Any]:
    """What a client printed, with the addresses by their roles."""
    done = subprocess.run(
        command,
        env=_environment(**environment),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(_by_role(done.stdout, upstream)))


def _by_role(text: str, upstream: str) -> str:
    """The text with its addresses by their roles, and without what an error adds to its kind."""
    text = re.sub(r"127\.0\.0\.1:[1-9]\d*", "LISTEN", text.replace(upstream, "UPSTREAM"))
    return re.sub(r'(invalid toxic type|bad request body): [^"\\\n]*', r"\1", text)


def _told(error: str, status: int) -> str:
    return json.dumps({"error": error, "status": status}, separators=(",", ":")) + "\n"


def test_toxiproxy_python_sees_the_same(server: ProxyServer, upstream: str) -> None:
    host, _, port = server.url.removeprefix("http://").partition(":")
    script = SCRIPTS / "python_client.py"
    seen = _observed([sys.executable, "-I", script, host, port, upstream], upstream)
    no_toxic, no_proxy = (_told(f"{each} not found", 404) for each in ("toxic", "proxy"))
    no_stream = "stream was invalid, can be either upstream or downstream"
    assert seen == {
        "running": True,
        "version": True,
        "nothing yet": {},
        "create": UP,
        "traffic": "hello",
        "create again": ["ProxyExists", "This proxy already exists."],
        "get": UP,
        "get unknown": None,
        # It takes an answer of 500 for a proxy: the key that it misses is its own complaint.
        "create on a taken port": ["KeyError", "name"],
        "create on no port": ["KeyError", "name"],
        "add": None,
        "slow traffic": ["hello", True],
        "get toxic": [
            "latency_downstream",
            "latency",
            "downstream",
            1,
            {"latency": 150, "jitter": 0},
        ],
        "get unknown toxic": None,
        "add again": ["ProxyExists", _told("toxic already exists", 409)],
        "add of no type": ["InvalidToxic", _told("invalid toxic type", 400)],
        "add of no stream": ["InvalidToxic", _told(no_stream, 400)],
        "add with a wrong value": ["InvalidToxic", _told("bad request body", 400)],
        "remove": True,
        "remove again": ["NotFound", no_toxic],
        "traffic without it": "hello",
        "limit": None,
        "cut traffic": "hel",
        "add bandwidth": None,
        "add slow_close": None,
        "add timeout": None,
        "add slicer": None,
        "add reset_peer": None,
        "all toxics": [
            ["bandwidth_upstream", "bandwidth", "upstream", 0, {"rate": 0}],
            ["slow_close_upstream", "slow_close", "upstream", 0.25, {"delay": 0}],
            ["timeout_upstream", "timeout", "upstream", 0.5, {"timeout": 0}],
            [
                "slicer_upstream",
                "slicer",
                "upstream",
                0.75,
                {"average_size": 64, "size_variation": 0, "delay": 0},
            ],
            ["reset_peer_upstream", "reset_peer", "upstream", 1, {"timeout": 0}],
            ["cut", "limit_data", "downstream", 1, {"bytes": 3}],
        ],
        "reset": True,
        "no toxics": {},
        "down": "ConnectionRefusedError",
        "down is seen": DOWN,
        "up again": "hello",
        "reset enables": True,
        "enabled": UP,
        "populate": [["cache", *UP[1:]]],
        "all": [["cache", *UP[1:]], UP],
        "traffic of the new one": "hello",
        "destroy": True,
        "destroyed traffic": True,
        "destroy again": ["NotFound", no_proxy],
        "add to nobody": ["NotFound", no_proxy],
        "destroy all": None,
        "nothing left": {},
    }


def _failed(status: int) -> list[str]:
    return ["ToxiproxyError", f"Request failed with status code {status}"]


def _toxic(name: str, attributes: dict[str, int], **more: object) -> dict[str, Any]:
    usual = {"type": "latency", "stream": "downstream", "toxicity": 1}
    return {"name": name, **usual, "attributes": attributes, **more}


def test_toxiproxy_node_client_sees_the_same(server: ProxyServer, upstream: str) -> None:
    client = node_client_or_skip()
    command: list[str | Path] = [client.node, SCRIPTS / "node_client.js", server.url, upstream]
    seen = _observed(command, upstream, NODE_PATH=str(client.modules))
    assert seen == {
        "version": True,
        "nothing yet": {},
        "create": UP,
        "traffic": "hello",
        "create again": _failed(409),
        "create without an upstream": _failed(400),
        "create on a taken port": _failed(500),
        "get": UP,
        "get unknown": _failed(404),
        "add": _toxic("slow", {"latency": 150, "jitter": 0}),
        "slow traffic": ["hello", True],
        "get toxic": _toxic("slow", {"latency": 150, "jitter": 0}),
        "get unknown toxic": _failed(404),
        "update": _toxic("slow", {"latency": 1, "jitter": 0}, toxicity=0.5),
        "updated": _toxic("slow", {"latency": 1, "jitter": 0}, toxicity=0.5),
        "traffic with less of it": "hello",
        "add again": _failed(409),
        "add of no type": _failed(400),
        "add without a name": _toxic(
            "latency_upstream", {"latency": 1, "jitter": 0}, stream="upstream"
        ),
        "remove": None,
        "remove again": _failed(404),
        "update removed": _failed(404),
        "limit": _toxic("limit_data_downstream", {"bytes": 3}, type="limit_data"),
        "cut traffic": "hel",
        "disable": DOWN,
        "down": "ECONNREFUSED",
        "reset": None,
        "enabled without toxics": UP,
        "no toxics": _failed(404),
        "up again": "hello",
        "update to no address": _failed(500),
        "populate": [UP, ["cache", "127.0.0.1:0", "UPSTREAM", False]],
        "populate without a name": _failed(400),
        "all": [["cache", "127.0.0.1:0", "UPSTREAM", False], UP],
        "traffic of the new one": "hello",
        "traffic of a disabled one": "ECONNREFUSED",
        "remove db": None,
        "remove cache": None,
        "remove proxy again": _failed(404),
        "nothing left": {},
    }


Cli = Callable[..., tuple[str, int]]


@pytest.fixture
def cli(server: ProxyServer, upstream: str) -> Cli:
    """Runs toxiproxy-cli; gives what it printed, addresses by their roles, and how it exited."""

    def run(*arguments: str) -> tuple[str, int]:
        text, status = _cli(server, *arguments)
        return _by_role(text, upstream), status

    return run


def _cli(server: ProxyServer, *arguments: str) -> tuple[str, int]:
    done = subprocess.run(
        [toxiproxy_or_skip().cli, "-h", server.url, *arguments],
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.stdout.rstrip("\n"), done.returncode


@pytest.fixture
def db(server: ProxyServer, upstream: str) -> tuple[str, int]:
    """The address of the proxy db, which toxiproxy-cli has made."""
    made = _cli(server, "create", "--listen", "127.0.0.1:0", "--upstream", upstream, "db")
    assert made == ("Created new proxy db", 0)
    host, _, port = _cli(server, "list")[0].split("\t")[1].partition(":")
    return host, int(port)


def _traffic(address: tuple[str, int]) -> bytes | str:
    try:
        with socket.create_connection(address, timeout=LIMIT_S) as client:
            client.sendall(b"hello")
            answer = b""
            while len(answer) < len(b"hello") and (more := client.recv(100)):
                answer += more
            return answer
    except ConnectionRefusedError:
        return "refused"


def test_toxiproxy_cli_creates_toggles_and_deletes_a_proxy(cli: Cli, db: tuple[str, int]) -> None:
    assert cli("list") == ("db\tLISTEN\tUPSTREAM\tenabled\t0", 0)
    assert cli("inspect", "db") == ("", 0)
    assert _traffic(db) == b"hello"
    assert cli("toggle", "db") == ("Proxy db is now disabled", 0)
    assert cli("list") == ("db\tLISTEN\tUPSTREAM\tdisabled\t0", 0)
    assert _traffic(db) == "refused"
    assert cli("toggle", "db") == ("Proxy db is now enabled", 0)
    assert _traffic(db) == b"hello"
    assert cli("delete", "db") == ("Deleted proxy db", 0)
    assert _traffic(db) != b"hello"
    assert cli("list") == ("", 0)


def test_toxiproxy_cli_adds_updates_and_removes_toxics(cli: Cli, db: tuple[str, int]) -> None:
    added = "Added {} toxic '{}' on proxy 'db'"
    assert cli("toxic", "add", "-t", "limit_data", "-a", "bytes=2", "db") == (
        added.format("downstream limit_data", "limit_data_downstream"),
        0,
    )
    thin = ["-n", "thin", "-t", "bandwidth", "-a", "rate=100", "--upstream", "--tox", "0.5"]
    assert cli("toxic", "add", *thin, "db") == (added.format("upstream bandwidth", "thin"), 0)
    first = "thin\ttype=bandwidth\tstream=upstream\ttoxicity=0.50\tattributes=[\trate=100\t]"
    second = (
        "limit_data_downstream\ttype=limit_data\tstream=downstream\ttoxicity=1.00\t"
        "attributes=[\tbytes=2\t]"
    )
    assert cli("inspect", "db") == (f"{first}\n{second}", 0)
    assert cli("list") == ("db\tLISTEN\tUPSTREAM\tenabled\t2", 0)
    assert _traffic(db) == b"he"
    updated = cli("toxic", "update", "-n", "limit_data_downstream", "-a", "bytes=4", "db")
    assert updated == ("Updated toxic 'limit_data_downstream' on proxy 'db'", 0)
    assert _traffic(db) == b"hell"
    for name in ("limit_data_downstream", "thin"):
        removed = cli("toxic", "remove", "-n", name, "db")
        assert removed == (f"Removed toxic '{name}' on proxy 'db'", 0)
    assert cli("inspect", "db") == ("", 0)
    assert _traffic(db) == b"hello"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            "create -l 127.0.0.1:0 -u 127.0.0.1:1 db",
            "Failed to create proxy: Create: HTTP 409: proxy already exists",
        ),
        (
            "create -l 127.0.0.1:99999 -u 127.0.0.1:1 other",
            "Failed to create proxy: Create: HTTP 500: listen tcp: address 99999: invalid port",
        ),
        ("inspect nobody", "Failed to retrieve proxy nobody: HTTP 404: proxy not found"),
        ("toggle nobody", "Failed to retrieve proxy nobody: HTTP 404: proxy not found"),
        ("delete nobody", "Failed to retrieve proxy nobody: HTTP 404: proxy not found"),
        (
            "toxic add -t latency nobody",
            (
                "Failed to add toxic: failed to retrieve proxy with name `nobody`: "
                "HTTP 404: proxy not found"
            ),
        ),
        (
            "toxic add -t sleepy db",
            (
                "Failed to add toxic: failed to add toxic to proxy db: AddToxic: "
                "HTTP 400: invalid toxic type"
            ),
        ),
        (
            "toxic add -t latency -a latency=long db",
            (
                "Failed to add toxic: failed to add toxic to proxy db: AddToxic: HTTP 400: "
                "bad request body"
            ),
        ),
        (
            "toxic update -n nobody -a rate=1 db",
            (
                "Failed to update toxic: failed to update toxic 'nobody' of proxy 'db': "
                "HTTP 404: toxic not found"
            ),
        ),
        (
            "toxic remove -n nobody db",
            (
                "Failed to remove toxic: failed to remove toxic 'nobody' from proxy 'db': "
                "HTTP 404: toxic not found"
            ),
        ),
    ],
)
@pytest.mark.usefixtures("db")
def test_toxiproxy_cli_shows_the_same_errors(arguments: str, told: str, cli: Cli) -> None:
    assert cli(*arguments.split()) == (told, 1)


def test_toxiproxy_cli_prints_the_same_tables_in_a_terminal(
    cli: Cli, db: tuple[str, int], server: ProxyServer, upstream: str
) -> None:
    assert cli("toxic", "add", "-t", "latency", "-a", "latency=1", "db")[1] == 0
    program = toxiproxy_or_skip().cli
    shown = f"{db[0]}:{db[1]}"

    status, text = on_a_terminal([str(program), "-h", server.url, "inspect", "db"], limit_s=LIMIT_S)

    assert status == 0
    assert text.replace("\r\n", "\n") == (
        f"\x1b[35mName: \x1b[0mdb\t\x1b[34mListen: \x1b[0m{shown}\t"
        f"\x1b[33mUpstream: \x1b[0m{upstream}\n"
        f"\x1b[0m{'=' * 70}\n"
        "\x1b[32mUpstream toxics:\n"
        "\x1b[0m\x1b[31mProxy has no Upstream toxics enabled.\n"
        "\x1b[0m\n"
        "\x1b[32mDownstream toxics:\n"
        "\x1b[0m\x1b[34mlatency_downstream:\x1b[0m\ttype=latency\tstream=downstream\t"
        "toxicity=1.00\tattributes=[\tjitter=0\tlatency=1\t]\n"
        "\n\x1b[0mHint: add a toxic with `toxiproxy-cli toxic add`\n"
    )
