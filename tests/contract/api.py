"""The HTTP API of a proxy server, as a test speaks it: one request, one answer in full."""

from __future__ import annotations

import itertools
import json
import os
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

LIMIT_S = 30.0
LOOPBACK = "127.0.0.1:0"

# Reading the authorities that the default trusts takes longer than most tests.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_numbers = itertools.count(1)


def unique(name: str = "proxy") -> str:
    """A name that no other test of this process has."""
    return f"{name}-{os.getpid()}-{next(_numbers)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, headers (names in lower case) and body of a response."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def content_type(self) -> str | None:
        return self.headers.get("content-type")

    def expect(self, status: int) -> Any:
        """The body, if the status is that; the body as text is in the complaint if not."""
        assert self.status == status, self.text
        return self.json if self.text else None


class Api:
    """A client of one server. On leaving it removes the proxies made since it began.

    Toxiproxy never finds a proxy with a slash in its name again, so such a one stays.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=LIMIT_S, trust_env=False, verify=_NO_TLS)
        self._before: set[str] = set()

    def __enter__(self) -> Self:
        self._before = set(self.get("/proxies").expect(200))
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        try:
            for name in set(self.get("/proxies").expect(200)) - self._before:
                status = self.delete(path_of(name)).status
                assert status == 204 or "/" in name, f"{name} was not removed: {status}"
        finally:
            self._client.close()

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        text: str | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send `body` as JSON, or `text` as it stands; redirects are not followed."""
        content = json.dumps(body) if body is not None else text
        response = self._client.request(method, path, content=content, headers=headers)
        return Answer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            text=response.text,
        )

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def post(self, path: str, body: object = None) -> Answer:
        return self.request("POST", path, body)

    def patch(self, path: str, body: object) -> Answer:
        return self.request("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        return self.request("DELETE", path)

    def create(self, **fields: object) -> Proxy:
        """A proxy at a free loopback port, unless the fields say otherwise."""
        body = {"name": unique(), "listen": LOOPBACK, **fields}
        return self.proxy(str(self.post("/proxies", body).expect(201)["name"]))

    def proxy(self, name: str) -> Proxy:
        """The proxy of that name, whether it is there or not."""
        return Proxy(self, name)


def path_of(proxy: str) -> str:
    return f"/proxies/{quote(proxy, safe='')}"


class Proxy:
    """One proxy of a server, by its name."""

    def __init__(self, api: Api, name: str) -> None:
        self.api = api
        self.name = name
        self.path = path_of(name)

    def show(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.api.get(self.path).expect(200)
        return shown

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens: host without brackets, port."""
        host, _, port = str(self.show()["listen"]).rpartition(":")
        return host.strip("[]"), int(port)

    def update(self, **fields: object) -> dict[str, Any]:
        updated: dict[str, Any] = self.api.patch(self.path, fields).expect(200)
        return updated

    def add(
        self,
        kind: str,
        stream: str = "downstream",
        *,
        name: str | None = None,
        toxicity: float = 1,
        **attributes: object,
    ) -> Toxic:
        body = {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        if name is not None:
            body["name"] = name
        made = self.api.post(f"{self.path}/toxics", body).expect(200)
        return Toxic(self, str(made["name"]))


def counted_bytes(proxy: Proxy, counter: str, direction: str) -> float | None:
    """What /metrics says of a proxy; `counter` is received or sent. None if it says nothing."""
    shown = proxy.show()
    labels = f'direction="{direction}",listener="{shown["listen"]}",proxy="{proxy.name}"'
    start = f'toxiproxy_proxy_{counter}_bytes_total{{{labels},upstream="{shown["upstream"]}"}} '
    text = proxy.api.get("/metrics").text
    lines = [line for line in text.splitlines() if line.startswith(start)]
    assert len(lines) <= 1
    return float(lines[0].removeprefix(start)) if lines else None


class Toxic:
    """One toxic of a proxy, by its name."""

    def __init__(self, proxy: Proxy, name: str) -> None:
        self.proxy = proxy
        self.name = name
        self.path = f"{proxy.path}/toxics/{quote(name, safe='')}"

    def show(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.proxy.api.get(self.path).expect(200)
        return shown

    def update(self, **attributes: object) -> dict[str, Any]:
        body = {"attributes": attributes}
        updated: dict[str, Any] = self.proxy.api.patch(self.path, body).expect(200)
        return updated

    def remove(self) -> None:
        self.proxy.api.delete(self.path).expect(204)
