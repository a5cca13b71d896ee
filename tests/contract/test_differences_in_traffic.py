"""What connections see differently, on purpose; each test shows both behaviours."""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from toxiproxy_server import running

from tests.contract.api import LOOPBACK, Api, unique
from tests.contract.wire import ATTEMPTS, GRAIN_S, STREAMS, Wire, least, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toxiproxy_server import Kind

    from tests.contract.api import Proxy
    from tests.contract.wire import Stream

FOR_EVER_MS = 60_000


@pytest.mark.parametrize("stream", STREAMS)
def test_crashloop_passes_an_answer_after_a_half_close(
    kind: Kind, wire: Wire, proxy: Proxy, stream: Stream
) -> None:
    asker, answerer = wire.link(proxy).ends(stream)
    asker.send(b"question")
    asker.end_writing()
    assert answerer.rest() == (b"question", "end")
    with suppress(ConnectionError):
        answerer.send(b"answer")
    answerer.close()
    assert asker.rest() == {"toxiproxy": (b"", "end"), "built-in": (b"answer", "end")}[kind]


@pytest.mark.parametrize("upstream", ["refusing", "no address"])
def test_crashloop_resets_the_first_refused_client(
    kind: Kind, api: Api, wire: Wire, nowhere: str, upstream: str
) -> None:
    proxy = api.create(upstream=nowhere if upstream == "refusing" else upstream)
    assert wire.attempt(proxy) == {"toxiproxy": "end", "built-in": "reset"}[kind]


def test_crashloop_refuses_the_next_clients(kind: Kind, api: Api, wire: Wire, nowhere: str) -> None:
    proxy = api.create(upstream=nowhere)

    def is_refused() -> bool:
        try:
            wire.attempt(proxy)
        except ConnectionRefusedError:
            return True
        return False

    is_refused()
    assert any(is_refused() for _ in range(50)) == {"toxiproxy": False, "built-in": True}[kind]


def test_crashloop_keeps_the_port_of_a_disabled_proxy(kind: Kind, proxy: Proxy) -> None:
    address = proxy.address
    proxy.update(enabled=False)
    with socket.socket() as other:
        taken = True
        with suppress(OSError):
            other.bind(address)
            taken = False
    assert taken == {"toxiproxy": False, "built-in": True}[kind]


def test_crashloop_serves_after_a_failed_update(kind: Kind, wire: Wire, proxy: Proxy) -> None:
    before = proxy.show()
    link = wire.link(proxy)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        assert proxy.api.patch(proxy.path, {"listen": listen}).status == 500
    if kind == "toxiproxy":
        assert proxy.show() == {**before, "listen": listen, "enabled": False}
        assert link.client.ending() == "end"
    else:
        assert proxy.show() == before
        link.server.send(b"another")
        assert link.client.receive(7) == b"another"
        wire.link(proxy)


def test_crashloop_listens_on_loopback_without_a_host(kind: Kind, api: Api) -> None:
    """Shown without opening any: a taken port of another loopback address is in the way."""
    for port in _taken_ports():
        body = {"name": unique(), "listen": f":{port}", "upstream": "127.0.0.1:9"}
        answer = api.post("/proxies", body)
        if kind == "toxiproxy":
            in_use = f"listen tcp :{port}: bind: address already in use"
            assert answer.expect(500) == {"error": in_use, "status": 500}
            return
        if answer.status != 500:  # else somebody has this port on 127.0.0.1, too
            assert answer.expect(201)["listen"] == f"127.0.0.1:{port}"
            return
    pytest.fail("every port was taken on 127.0.0.1, too")


def _taken_ports() -> Iterator[int]:
    """Ports that are taken on 127.0.0.2 while they are used."""
    for _ in range(5):
        with socket.socket() as blocker:
            try:
                blocker.bind(("127.0.0.2", 0))
            except OSError as error:
                pytest.skip(f"127.0.0.2 is no loopback address here: {error}")
            blocker.listen()
            yield int(blocker.getsockname()[1])


def test_crashloop_applies_a_second_latency_in_full(kind: Kind, wire: Wire, proxy: Proxy) -> None:
    """A is sent at 0 ms, B at 90: Toxiproxy has B at 300, 210 after it left."""
    proxy.add("latency", name="first", latency=120)
    proxy.add("latency", name="second", latency=120)
    link = wire.link(proxy)

    def b_took_s() -> float:
        link.server.send(b"A")
        time.sleep(0.090)
        start = time.perf_counter()
        link.server.send(b"B")
        return link.client.arrivals(2)[-1][0] - start

    if kind == "toxiproxy":
        assert least(b_took_s, below=0.230) < 0.230
    else:
        assert b_took_s() >= 0.240 - GRAIN_S


def test_crashloop_keeps_what_another_toxic_holds(kind: Kind, wire: Wire, proxy: Proxy) -> None:
    proxy.add("latency", latency=FOR_EVER_MS)
    link = wire.link(proxy)
    link.server.send(b"held")
    assert link.client.is_quiet()

    def released() -> bool:
        proxy.add("limit_data", bytes=1 << 40).remove()
        return not link.client.is_quiet(0.05)

    if kind == "toxiproxy":
        until(released, "the chunk, as another toxic came or went")
    else:
        assert not any(released() for _ in range(3))


def test_crashloop_resets_a_connection_that_was_open(kind: Kind, wire: Wire, proxy: Proxy) -> None:
    link = wire.link(proxy)
    link.server.send(b"before")
    assert link.client.receive(6) == b"before"
    proxy.add("reset_peer", timeout=0)
    link.server.send(b"x")
    assert link.client.ending() == {"toxiproxy": "end", "built-in": "reset"}[kind]


def test_crashloop_removes_a_waiting_reset_peer_at_once(
    kind: Kind, wire: Wire, proxy: Proxy
) -> None:
    wait_ms = {"toxiproxy": 800, "built-in": FOR_EVER_MS}[kind]

    def removal_s() -> float:
        toxic = proxy.add("reset_peer", timeout=wait_ms)
        wire.link(proxy).server.send(b"x")
        time.sleep(0.1)
        start = time.perf_counter()
        toxic.remove()
        return time.perf_counter() - start

    if kind == "toxiproxy":
        assert any(removal_s() > 0.3 for _ in range(ATTEMPTS))
    else:
        assert removal_s() < FOR_EVER_MS / 2000


def test_crashloop_survives_a_negative_rate(kind: Kind, wire: Wire, tmp_path: Path) -> None:
    """On a server of its own, as Toxiproxy's does not outlive it."""
    with running(kind, tmp_path) as server, httpx.Client(base_url=server.url) as http:
        body = {"name": "db", "listen": LOOPBACK, "upstream": wire.upstream}
        made = http.post("/proxies", json=body).raise_for_status().json()
        toxic = {"type": "bandwidth", "attributes": {"rate": -1}}
        answer = http.post("/proxies/db/toxics", json=toxic)
        assert answer.status_code == {"toxiproxy": 200, "built-in": 400}[kind]
        host, _, port = made["listen"].rpartition(":")
        client = wire.keep(socket.create_connection((host, int(port))))
        wire.accept().send(b"data")
        if kind == "toxiproxy":
            client.rest()
            with pytest.raises(httpx.TransportError):
                http.get("/version")
            assert "panic: runtime error: slice bounds out of range" in server.log.read_text()
        else:
            assert client.receive(4) == b"data"


def test_crashloop_has_unix_sockets(kind: Kind, api: Api, short_folder: Path) -> None:
    path = short_folder / "proxy"
    with socket.socket(socket.AF_UNIX) as upstream:
        upstream.bind(str(short_folder / "up"))
        upstream.listen()
        upstream.settimeout(10)
        to = f"unix:{short_folder / 'up'}"
        body = {"name": unique(), "listen": f"unix:{path}", "upstream": to}
        answer = api.post("/proxies", body)
        if kind == "toxiproxy":
            answer.expect(500)
            return
        made = answer.expect(201)
        assert (made["listen"], made["upstream"]) == (f"unix:{path}", to)
        with Wire() as wire, socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"over a file")
            assert wire.keep(upstream.accept()[0]).receive(11) == b"over a file"


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for Unix sockets, whose paths have 107 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="wire"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "kind_of_toxic", ["hold", "accept_close", "refuse", "black_hole", "connect_delay"]
)
def test_crashloop_has_toxics_that_act_on_connect(
    kind: Kind, proxy: Proxy, kind_of_toxic: str
) -> None:
    answer = proxy.api.post(f"{proxy.path}/toxics", {"type": kind_of_toxic})
    if kind == "toxiproxy":
        assert answer.expect(400) == {"error": "invalid toxic type", "status": 400}
    elif answer.status == 501:
        pytest.skip(f"not on this machine: {answer.json['error']}")
    else:
        assert answer.expect(200)["type"] == kind_of_toxic
        assert [toxic["type"] for toxic in proxy.show()["toxics"]] == [kind_of_toxic]


def test_crashloop_holds_a_connection(kind: Kind, wire: Wire, proxy: Proxy) -> None:
    if kind == "toxiproxy":
        body = {"type": "hold", "attributes": {"delay": 0}}
        assert proxy.api.post(f"{proxy.path}/toxics", body).status == 400
        return
    toxic = proxy.add("hold")
    client = wire.connect(proxy)
    client.send(b"waits")
    assert client.is_quiet()
    toxic.remove()
    assert wire.accept().receive(5) == b"waits"


def test_crashloop_draws_how_long_connections_take(kind: Kind, wire: Wire, proxy: Proxy) -> None:
    attributes = {"low": 50, "high": 100, "slot": 10_000, "each_other": 20, "each_client": True}
    body = {"type": "slow_connect", "attributes": attributes}
    answer = proxy.api.post(f"{proxy.path}/toxics", body)
    if kind == "toxiproxy":
        assert answer.status == 400
        return
    assert answer.expect(200)["attributes"] == attributes
    client = wire.connect(proxy)
    begun_s = time.monotonic()
    client.send(b"waits")
    assert wire.accept().receive(5) == b"waits"
    assert time.monotonic() - begun_s >= 0.045


def test_crashloop_affects_the_first_connections(kind: Kind, wire: Wire, proxy: Proxy) -> None:
    proxy.add("limit_data", "upstream", bytes=0, connections=2)
    passed = []
    for _ in range(4):
        link = wire.link(proxy)
        link.client.send(b"x")
        link.client.end_writing()
        passed.append(link.server.rest()[0] == b"x")
    assert passed == {"toxiproxy": [False] * 4, "built-in": [False, False, True, True]}[kind]


def test_crashloop_repeats_its_draws_by_a_seed(kind: Kind, tmp_path: Path) -> None:
    """Of 30 connections each, all draws alike by chance: once in a billion runs."""
    option = {"toxiproxy": ["-seed", "7"], "built-in": []}[kind]

    def draws(wire: Wire) -> list[bool]:
        with running(kind, tmp_path, *option) as server, Api(server.url) as api:
            body = {"name": "drawn", "listen": LOOPBACK, "upstream": wire.upstream}
            api.post("/proxies", body).expect(201)
            proxy = api.proxy("drawn")
            proxy.add("limit_data", "upstream", toxicity=0.5, bytes=0)
            taken = []
            for _ in range(30):
                link = wire.link(proxy)
                link.client.send(b"x")
                link.client.end_writing()
                taken.append(link.server.rest()[0] == b"")
            return taken

    with Wire() as wire:
        first, second = draws(wire), draws(wire)
    assert set(first) == {True, False}
    assert (first == second) == {"toxiproxy": False, "built-in": True}[kind]
