"""A client of one fault proxy server, Toxiproxy or the built-in proxy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from crashloop.errors import CapabilityError, UsageError
from crashloop.proxy.control.events import EventStream
from crashloop.proxy.control.handle import ProxyControl, answered
from crashloop.proxy.control.limits import Limits
from crashloop.proxy.control.records import (
    ProxyState,
    read_populated,
    read_proxies,
    read_proxy,
    read_version,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_URL = "http://127.0.0.1:8474"
_DEFAULT_PORT = 8474
_HOST = re.compile("[A-Za-z0-9._:-]+")


class Control:
    """Calls to the server at `url`, one after the other or from several threads.

    Blocking: a coroutine calls it through `asyncio.to_thread`. No state is kept but `last_seq`;
    nothing is shared with another client, and no proxy of the environment is used.

    Every call raises UsageError for what the server rejects, in its own words; CapabilityError
    for what only the built-in proxy can, asked of a Toxiproxy; HarnessError when the server
    cannot be reached, is silent or slow beyond the limits, or answers rubbish.
    """

    def __init__(self, url: str = DEFAULT_URL, *, limits: Limits | None = None) -> None:
        # 54 ms of requests, which only those pay who make a client.
        from crashloop.proxy.control.consumer import Consumer  # noqa: PLC0415

        host, port = _server(url)
        self._limits = limits or Limits()
        self._consumer = Consumer(host=host, port=port, limits=self._limits)

    @property
    def url(self) -> str:
        """Where the server is."""
        return self._consumer.base_url

    @property
    def last_seq(self) -> int | None:
        """The number of the newest event that an answer told; None from a Toxiproxy.

        After a call, `events(since=..., until=control.last_seq)` ends with all that the call did.
        """
        return self._consumer.last_seq

    @property
    def is_built_in(self) -> bool:
        """Whether the server is the built-in proxy; asks it where no call has told yet."""
        if self._consumer.is_built_in is None:
            self.version()
        return bool(self._consumer.is_built_in)

    def version(self) -> str:
        """The server's version, such as "2.12.0"."""
        return read_version(answered(self._consumer.get("/version")))

    def proxies(self) -> dict[str, ProxyState]:
        """All proxies with their toxics, by name."""
        return read_proxies(answered(self._consumer.get("/proxies")))

    def proxy(self, name: str) -> ProxyControl:
        """One proxy, to be told and asked; whether it exists shows at the first call."""
        return ProxyControl(self._consumer, name, require_built_in=self._require_built_in)

    def create(self, proxy: ProxyState) -> ProxyState:
        """Make a proxy; gives it as it is then, with the real port.

        With toxics, which only the built-in proxy takes here, both are there at once or neither.
        """
        self._require_toxics_taken([proxy])
        return read_proxy(answered(self._consumer.post("/proxies", json=proxy.to_json())))

    def populate(self, proxies: Iterable[ProxyState]) -> tuple[ProxyState, ...]:
        """Make these proxies; one of a name that exists is replaced where it differs."""
        asked = list(proxies)
        self._require_toxics_taken(asked)
        body = [each.to_json() for each in asked]
        return read_populated(answered(self._consumer.post("/populate", json=body)))

    def reset(self) -> None:
        """Enable every proxy and remove every toxic."""
        self._consumer.post("/reset")

    def watch(self, pids: Iterable[int]) -> None:
        """Say which processes' waiting connects are looked for; built in only."""
        self._require_built_in("watching processes")
        self._consumer.post("/watch", json={"pids": list(pids)})

    def events(
        self,
        *,
        since: int = 0,
        until: int | Literal["now"] | None = "now",
        within_s: float | None = None,
    ) -> EventStream:
        """The events after number `since`; built in only.

        They end with the newest one (`until="now"`), with the one of that number, which is
        awaited, or go on until they are closed (None). `within_s` bounds the whole iteration, in
        wall seconds: the limit of a call where it is not given, and none for an endless one.
        """
        self._require_built_in("the events")
        if isinstance(until, int) and until <= since:
            return EventStream(None, since=since, until=until)
        if within_s is None and until is not None:
            within_s = self._limits.total_s
        params = {"since": str(since), **({"until": "now"} if until == "now" else {})}
        lines = self._consumer.stream("/events", params, within_s=within_s, quiet=until != "now")
        return EventStream(lines, since=since, until=until if isinstance(until, int) else None)

    def _require_toxics_taken(self, proxies: list[ProxyState]) -> None:
        if any(each.toxics for each in proxies):
            self._require_built_in("a proxy with its toxics in one call")

    def _require_built_in(self, what: str) -> None:
        if not self.is_built_in:
            raise CapabilityError(
                f"The fault proxy at {self.url} is a Toxiproxy and does not know {what}.",
                hint="Use the built-in proxy: crashloop proxy.",
            )


def _server(url: str) -> tuple[str, int]:
    """The host and port of `http://host:port` or `host:port`."""
    host, port = None, None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme == "http" and not (parts.username or parts.path.strip("/") or parts.query):
            host, port = parts.hostname, parts.port
    except ValueError:
        pass  # told below
    if not host or not _HOST.fullmatch(host) or port == 0:
        raise UsageError(
            f"{url!r} is not the address of a fault proxy.",
            hint=f"Use http://host:port, for example {DEFAULT_URL}.",
        )
    return host, port or _DEFAULT_PORT
