"""Every test here runs against the real Toxiproxy and against the built-in proxy."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

import pytest
from toxiproxy_server import running

from tests.contract.api import Api, Proxy
from tests.contract.wire import Wire, unused_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toxiproxy_server import Kind, ProxyServer

TEST_BOUND_S = 90


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The bound is for a test alone: the first one may have to wait for Toxiproxy to be built."""
    for item in items:
        if "contract" in item.path.parts:
            item.add_marker(pytest.mark.timeout(TEST_BOUND_S, func_only=True))


@pytest.fixture(scope="session")
def server_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Kind], ProxyServer]]:
    """Gives the session's server of a kind; it starts with the first test that asks."""
    servers: dict[Kind, ProxyServer] = {}
    with ExitStack() as stack:

        def server_of(kind: Kind) -> ProxyServer:
            if kind not in servers:
                folder = tmp_path_factory.mktemp("proxy")
                servers[kind] = stack.enter_context(running(kind, folder))
            return servers[kind]

        yield server_of


@pytest.fixture(params=["toxiproxy", "built-in"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Which of the two the test runs against."""
    return cast("Kind", request.param)


@pytest.fixture
def server(kind: Kind, server_of: Callable[[Kind], ProxyServer]) -> ProxyServer:
    return server_of(kind)


@pytest.fixture
def api(server: ProxyServer) -> Iterator[Api]:
    with Api(server.url) as client:
        yield client


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire


@pytest.fixture
def proxy(api: Api, wire: Wire) -> Proxy:
    """A proxy without toxics to the wire's upstream."""
    return api.create(upstream=wire.upstream)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An upstream that refuses."""
    for port in unused_port():
        yield f"127.0.0.1:{port}"
