"""Any sequence of API calls and traffic conserves bytes in order, ends, and leaves both answering.

Drawn by hypothesis, on real sockets, against one `crashloop proxy` process.
"""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from toxiproxy_server import running_built_in

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER_S = 2
ARRIVAL_S = 20
STREAMS = st.sampled_from(["upstream", "downstream"])
KEEPING = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("latency"),
            "attributes": st.fixed_dictionaries(
                {"latency": st.integers(0, 20), "jitter": st.integers(0, 10)}
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("bandwidth"),
            "attributes": st.fixed_dictionaries({"rate": st.integers(2000, 100_000)}),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("slicer"),
            "attributes": st.fixed_dictionaries(
                {
                    "average_size": st.integers(500, 5000),
                    "size_variation": st.integers(0, 400),
                    "delay": st.integers(0, 50),
                }
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("slow_close"),
            "attributes": st.fixed_dictionaries({"delay": st.integers(0, 50)}),
        }
    ),
)
CUTTING = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["timeout", "reset_peer"]),
            "attributes": st.fixed_dictionaries({"timeout": st.integers(0, 20)}),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("limit_data"),
            "attributes": st.fixed_dictionaries({"bytes": st.integers(0, 20_000)}),
        }
    ),
)


class Way:
    """One direction of a connection: what was sent into it, and how much of it has come out."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.sent = bytearray()
        self.received = 0
        self.open = True

    def send(self, data: bytes) -> None:
        if not self.open:
            return
        try:
            done = self.source.send(data)
        except BlockingIOError:
            return
        except OSError:
            self.open = False
            return
        self.sent += data[:done]

    def receive(self) -> bool:
        """Take what is there; says whether something was, or may still come."""
        try:
            data = self.sink.recv(1 << 16)
        except BlockingIOError:
            return True
        except OSError:
            return False
        expected = self.sent[self.received : self.received + len(data)]
        assert data == expected, "what arrives is what was sent, in order"
        self.received += len(data)
        return bool(data)


class Link:
    """A connection through the proxy; `whole` while nothing was done that may cut it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        for end in (client, server):
            end.setblocking(False)
        self.ends = (client, server)
        self.up = Way(client, server)
        self.down = Way(server, client)
        self.whole = True


class Traffic(RuleBasedStateMachine):
    """Calls and traffic in any order, on one proxy that is made for each sequence."""

    url: ClassVar[str]
    count: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.http = httpx.Client(base_url=self.url, timeout=ANSWER_S, trust_env=False)
        self.upstream = socket.create_server(("127.0.0.1", 0))
        self.upstream.settimeout(ARRIVAL_S)
        self.links: list[Link] = []
        self.toxics: dict[str, dict[str, Any]] = {}
        self.enabled = True
        Traffic.count += 1
        self.path = f"/proxies/p{Traffic.count}"

    def call(self, method: str, path: str, **body: Any) -> httpx.Response:
        """Every call answers in time, and never with a fault of the server's own."""
        answer = self.http.request(method, path, json=body or None)
        assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, answer.text
        return answer

    @initialize()
    def make(self) -> None:
        port = self.upstream.getsockname()[1]
        made = self.call(
            "POST", "/proxies", name=self.path.rpartition("/")[2], listen="127.0.0.1:0",
            upstream=f"127.0.0.1:{port}",
        )  # fmt: skip
        self.address = made.json()["listen"].rpartition(":")[2]

    @precondition(lambda self: self.enabled and len(self.links) < 6)
    @rule()
    def connect(self) -> None:
        client = socket.create_connection(("127.0.0.1", int(self.address)), ARRIVAL_S)
        self.links.append(Link(client, self.upstream.accept()[0]))
        if any(toxic["cuts"] for toxic in self.toxics.values()):
            self.links[-1].whole = False

    @precondition(lambda self: self.links)
    @rule(data=st.data(), size=st.sampled_from([1, 100, 5000, 70_000]), up=st.booleans())
    def send(self, data: st.DataObject, size: int, *, up: bool) -> None:
        link = data.draw(st.sampled_from(self.links))
        way = link.up if up else link.down
        way.send(bytes(number % 251 for number in range(len(way.sent), len(way.sent) + size)))

    @rule()
    def receive(self) -> None:
        for link in self.links:
            link.up.receive()
            link.down.receive()

    @precondition(lambda self: self.links)
    @rule(data=st.data(), up=st.booleans())
    def finish_one_way(self, data: st.DataObject, *, up: bool) -> None:
        link = data.draw(st.sampled_from(self.links))
        way = link.up if up else link.down
        if way.open:
            way.open = False
            with suppress(OSError):
                way.source.shutdown(socket.SHUT_WR)

    @precondition(lambda self: len(self.toxics) < 5)
    @rule(toxic=KEEPING, stream=STREAMS, toxicity=st.sampled_from([1.0, 0.5]))
    def add_toxic(self, toxic: dict[str, Any], stream: str, toxicity: float) -> None:
        self._add({**toxic, "stream": stream, "toxicity": toxicity}, cuts=False)

    @precondition(lambda self: len(self.toxics) < 5)
    @rule(toxic=CUTTING, stream=STREAMS)
    def add_toxic_that_cuts(self, toxic: dict[str, Any], stream: str) -> None:
        self._cut()
        self._add({**toxic, "stream": stream}, cuts=True)

    @precondition(lambda self: self.toxics)
    @rule(data=st.data())
    def change_toxic(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.toxics)))
        attributes = self.toxics[name]["attributes"]
        self.call("PATCH", f"{self.path}/toxics/{name}", attributes=attributes)

    @precondition(lambda self: self.toxics)
    @rule(data=st.data())
    def remove_toxic(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.toxics)))
        del self.toxics[name]
        self.call("DELETE", f"{self.path}/toxics/{name}")

    @rule(on=st.booleans())
    def turn(self, *, on: bool) -> None:
        if self.enabled and not on:
            self._cut()
        self.enabled = on
        self.call("POST", self.path, enabled=on)

    @invariant()
    def answers(self) -> None:
        shown = self.call("GET", self.path).json()
        assert shown["enabled"] == self.enabled
        assert {toxic["name"] for toxic in shown["toxics"]} == set(self.toxics)

    def teardown(self) -> None:
        """Without toxics everything arrives that may, and everything ends."""
        for name in self.toxics:
            self.call("DELETE", f"{self.path}/toxics/{name}")
        for link in self.links:
            for way in (link.up, link.down):
                self._await(way, whole=link.whole)
            for end in link.ends:
                end.close()
        self.upstream.close()
        self.call("DELETE", self.path)
        told = self.http.get("/events", params={"until": "now"}).text
        assert "proxy.error" not in told
        self.http.close()

    def _await(self, way: Way, *, whole: bool) -> None:
        if not whole:
            way.receive()
            return
        deadline_s = time.monotonic() + ARRIVAL_S
        while way.received < len(way.sent):
            assert way.receive(), "the end came before the last byte"
            assert time.monotonic() < deadline_s, f"{way.received} of {len(way.sent)} bytes came"
            select.select([way.sink], [], [], 0.1)

    def _add(self, toxic: dict[str, Any], *, cuts: bool) -> None:
        added = self.call("POST", f"{self.path}/toxics", **toxic)
        if added.status_code == httpx.codes.OK:
            self.toxics[added.json()["name"]] = {**toxic, "cuts": cuts}
        else:
            assert added.status_code == httpx.codes.CONFLICT, added.text

    def _cut(self) -> None:
        for link in self.links:
            link.whole = False


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_built_in(tmp_path_factory.mktemp("proxy")) as server:
        yield server.url


def run(url: str, *, examples: int, steps: int) -> None:
    Traffic.url = url
    run_state_machine_as_test(
        Traffic,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_sequence_of_calls_and_traffic_conserves_bytes_and_ends(url: str) -> None:
    run(url, examples=30, steps=30)


@pytest.mark.slow
def test_any_long_sequence_of_calls_and_traffic_conserves_bytes_and_ends(url: str) -> None:
    run(url, examples=150, steps=50)
