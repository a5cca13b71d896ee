"""`crashloop proxy` as its users start it: signals, pipes, taken ports, bad files."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = (sys.executable, "-P", "-m", "crashloop", "proxy")
ANY_PORT = ("--api", "127.0.0.1:0")
DEADLINE_S = 20.0
TIDY_WITHIN_S = 2.0
SPARE_S = 3.0
"""Long enough for a busy machine."""


class Proxy:
    """The process, and its API."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+), seed (\d+)$", self.line)
        assert found, (self.line, process.stderr and process.stderr.read())
        self.port, self.seed = int(found[1]), int(found[2])

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """One answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        read = answer.read()
        connection.close()
        return answer.status, read

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; the exit status, and the seconds until then."""
        before_s = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(DEADLINE_S)
        return status, time.monotonic() - before_s


@contextmanager
def running(*words: str, **how: Any) -> Iterator[Proxy]:
    """A proxy process; killed afterwards if it is still there."""
    process = begun(*words, **how)
    try:
        yield Proxy(process)
    finally:
        process.kill()
        process.communicate(timeout=DEADLINE_S)


def begun(*words: str, **how: Any) -> subprocess.Popen[str]:
    """Start the command, at any port where the words name none."""
    pipes: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    api = () if "--api" in words else ANY_PORT
    return subprocess.Popen([*COMMAND, *api, *words], text=True, **(pipes | how))


def refused(*words: str) -> str:
    """What the command says when it ends at once with status 2."""
    process = begun(*words)
    _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 2, said
    return said


@contextmanager
def server() -> Iterator[int]:
    """A port on which connections are accepted, by the kernel."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def test_the_first_line_has_the_address_of_the_api_and_the_seed() -> None:
    with running("--seed", "7") as proxy:
        assert proxy.line.startswith("crashloop proxy: API on http://127.0.0.1:")
        assert proxy.seed == 7
        assert proxy.ask("GET", "/proxies") == (200, b"{}")
        assert proxy.end()[0] == 0
        assert proxy.process.stderr is not None
        assert proxy.process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_with_open_links_and_readers(number: int) -> None:
    with running() as proxy, server() as upstream:
        body = {"name": "db", "upstream": f"127.0.0.1:{upstream}"}
        _, answer = proxy.ask("POST", "/proxies", body)
        host, port = json.loads(answer)["listen"].split(":")
        with (
            socket.create_connection((host, int(port)), DEADLINE_S) as link,
            socket.create_connection(("127.0.0.1", proxy.port), DEADLINE_S) as reader,
            socket.create_connection(("127.0.0.1", proxy.port), DEADLINE_S) as silent,
        ):
            reader.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            told = b""
            while b"link.connected" not in told:
                told += reader.recv(65536)
            status, took_s = proxy.end(number)
            assert status == 0
            assert took_s < TIDY_WITHIN_S + SPARE_S
            for one in (link, silent):
                assert ended(one)
            while data := reader.recv(65536):
                told += data
            assert b'"kind":"link.closed"' in told
            assert b'"kind":"proxy.removed"' in told
            assert told.endswith(b"0\r\n\r\n")
        assert proxy.process.stderr is not None
        assert proxy.process.stderr.read() == ""


def ended(connection: socket.socket) -> bool:
    """Whether the peer has closed or reset."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_the_end_of_standard_input_ends_it() -> None:
    with running("--until-stdin-closes", stdin=subprocess.PIPE) as proxy:
        assert proxy.process.stdin is not None
        proxy.process.stdin.write("ignored\n")
        proxy.process.stdin.flush()
        assert proxy.ask("GET", "/version")[0] == 200
        proxy.process.stdin.close()
        assert proxy.process.wait(DEADLINE_S) == 0
        proxy.process.stdin = None


def test_it_ends_when_its_parent_is_killed() -> None:
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode(), end='', flush=True)\n"
        "child.wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, *COMMAND, *ANY_PORT, "--until-stdin-closes"],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline().rpartition(":")[2].partition(",")[0])
        with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as connection:
            parent.kill()
            assert ended(connection)


def test_a_taken_port_exits_with_status_2() -> None:
    with server() as port:
        said = refused("--api", f"127.0.0.1:{port}")
    assert f"the API cannot listen on 127.0.0.1:{port}: address already in use" in said
    assert "--api 127.0.0.1:0 takes a free port" in said


@pytest.mark.parametrize(
    ("api", "words"),
    [
        ("", "address is empty"),
        ("127.0.0.1", "missing port in address"),
        ("127.0.0.1:99999", "invalid port"),
        ("unix:/x", "its clients speak TCP only"),
        ("nosuch host:1", "no such host"),
    ],
)
def test_an_invalid_address_exits_with_status_2(api: str, words: str) -> None:
    said = refused("--api", api)
    assert words in said
    assert "Traceback" not in said


def test_a_config_file_of_toxiproxy_is_loaded_with_its_toxics(tmp_path: Path) -> None:
    config = tmp_path / "toxiproxy.json"
    toxics = [{"type": "latency", "attributes": {"latency": 5}}]
    config.write_text(
        json.dumps(
            [
                {"name": "a", "listen": "127.0.0.1:0", "upstream": "x:1", "toxics": toxics},
                {"name": "b", "listen": "127.0.0.1:0", "upstream": "x:1", "enabled": False},
            ]
        )
    )
    with running("--config", str(config)) as proxy:
        proxies = json.loads(proxy.ask("GET", "/proxies")[1])
        assert [one["enabled"] for one in proxies.values()] == [True, False]
        assert proxies["a"]["toxics"][0]["attributes"] == {"latency": 5, "jitter": 0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "toxiproxy.json: bad request body: "),
        ('[{"name":"a","upstream":"x:1"},{"name":"b"}]', "proxy 2 of the list: missing required"),
        ('[{"name":"a","upstream":"x:1"},{"name":5}]', "proxy 2 of the list: bad request body"),
        (
            '[{"name":"a","upstream":"x:1","listen":"127.0.0.1:nosuch\\u001b[31m"}]',
            "proxy 1 of the list: listen tcp: address nosuch",
        ),
        ('[{"name":"a","upstream":"x:1","toxics":[{}]}]', "invalid toxic type"),
    ],
)
def test_an_error_in_a_config_file_names_the_entry(tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "toxiproxy.json"
    config.write_text(text)
    said = refused("--config", str(config))
    assert words in said.replace("\n", " ")
    assert str(config) in said
    assert "\x1b" not in said


def test_what_is_ignored_of_a_config_file_is_printed_and_an_event(tmp_path: Path) -> None:
    config = tmp_path / "toxiproxy.json"
    toxic = {"type": "latency", "attributes": {"latecy\x1b": 5}}
    proxy = {"name": "a", "listen": "127.0.0.1:0", "upstream": "http://x:1", "toxics": [toxic]}
    config.write_text(json.dumps([proxy]))
    with running("--config", str(config)) as served:
        events = served.ask("GET", "/events?until=now")[1].decode()
        served.end()
        assert served.process.stderr is not None
        printed = served.process.stderr.read()
    for text in (printed, events):
        assert "is a URL and cannot be dialled" in text
        assert "latecy" in text
        assert "\x1b" not in text
    assert printed.count("crashloop proxy: warning: ") == events.count('"proxy.warning"') == 2


def test_a_missing_config_file_is_named(tmp_path: Path) -> None:
    said = refused("--config", str(tmp_path / "nix"))
    assert "cannot be read: No such file" in said


def test_events_go_to_a_file_to_the_last_one(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    with running("--events", str(file)) as proxy:
        proxy.ask("POST", "/proxies", {"name": "db", "upstream": "x:1"})
        assert proxy.end()[0] == 0
    kinds = [json.loads(line)["kind"] for line in file.read_text().splitlines()]
    assert kinds == ["proxy.created", "proxy.removed"]


def test_events_have_standard_output_to_themselves() -> None:
    process = begun("--events", "-")
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stderr.readline())
        assert found
        connection = HTTPConnection("127.0.0.1", int(found[1]), timeout=DEADLINE_S)
        connection.request("POST", "/proxies", '{"name":"db","upstream":"x:1"}')
        assert connection.getresponse().status == 201
        connection.close()
        assert json.loads(process.stdout.readline())["kind"] == "proxy.created"
        process.stdout.close()
        connection.request("DELETE", "/proxies/db")
        assert process.wait(DEADLINE_S) == 12
        assert "events could not be written to -: Broken pipe" in process.stderr.read()
        connection.close()
    finally:
        process.kill()
        process.stdout = None
        process.communicate(timeout=DEADLINE_S)


def test_events_that_cannot_be_written_are_an_error_at_the_start(tmp_path: Path) -> None:
    said = refused("--events", str(tmp_path / "nix" / "events.jsonl"))
    assert "events cannot be written to" in said
    assert "No such file or directory" in said


def test_help_shows_examples() -> None:
    done = subprocess.run(
        [*COMMAND, "--help"], capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    assert "crashloop proxy --api 127.0.0.1:0 --seed 7 --config toxiproxy.json" in done.stdout
