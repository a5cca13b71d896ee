"""A client of one `crashloop proxy`."""

from __future__ import annotations

import json
import ssl
import threading
import warnings
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import httpx

from crashloop.errors import CapabilityError, CrashloopError, HarnessError, UsageError
from crashloop.proxy.address import Address
from crashloop.proxy.encoding import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from crashloop.proxy.faults import Fault

DEFAULT_URL = "http://127.0.0.1:8474"
SEQ_HEADER = "X-Crashloop-Seq"
CONNECT_LIMIT_S = 2.0
LIMIT_S = 30.0

_SHOWN_CHARS = 500
# The API is plain HTTP, and loading the authorities that the default trusts takes 20 ms.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Control:
    """Calls to the proxy at `url`, from any thread; each is a connection of its own.

    Blocking: a coroutine calls it through `asyncio.to_thread`. Every call raises UsageError for
    what the proxy rejects, with its own words; CapabilityError for what its machine cannot do;
    HarnessError when it cannot be reached, does not answer within `limit_s`, or answers badly.
    What the proxy ignored of a request is a Python warning.
    """

    def __init__(self, url: str = DEFAULT_URL, *, limit_s: float = LIMIT_S) -> None:
        self.url = url
        self.last_seq = 0
        """The newest event in an answer; the events up to it have all that calls did."""
        self._seen = threading.Lock()
        try:
            self._http = httpx.Client(
                base_url=url,
                headers={"User-Agent": "crashloop"},
                timeout=httpx.Timeout(limit_s, connect=min(CONNECT_LIMIT_S, limit_s)),
                limits=httpx.Limits(max_keepalive_connections=0),
                trust_env=False,
                verify=_NO_TLS,
            )
        except httpx.InvalidURL as error:
            raise UsageError(
                f"{url!r} is not the address of a fault proxy: {error}",
                hint=f"give http://HOST:PORT, for example {DEFAULT_URL}",
            ) from error

    def create(self, name: str, *, upstream: str, listen: str = "127.0.0.1:0") -> Address:
        """Make a proxy; return the address that a client on its machine connects to.

        Both addresses are `host:port` or `unix:/path`; port 0 is a free one.
        """
        proxy = {"name": name, "listen": listen, "upstream": upstream}
        real = self._call("POST", "/proxies", proxy)["listen"]
        return Address.parse(real if real.startswith("unix:") else f"tcp:{real}").dialable()

    def remove(self, name: str) -> None:
        """Stop a proxy and forget it."""
        self._call("DELETE", f"/proxies/{_quoted(name)}")

    def inject(self, proxy: str, fault_id: str, fault: Fault) -> None:
        """Turn a fault on; it acts when this returns."""
        toxic = {
            "name": fault_id,
            "type": fault.kind,
            "stream": getattr(fault, "direction", "downstream"),
            "toxicity": getattr(fault, "toxicity", 1),
            "attributes": encode(fault),
        }
        self._call("POST", f"/proxies/{_quoted(proxy)}/toxics", toxic)

    def heal(self, proxy: str, fault_id: str) -> None:
        """Turn a fault off; what it held is released when this returns."""
        self._call("DELETE", f"/proxies/{_quoted(proxy)}/toxics/{_quoted(fault_id)}")

    def watch(self, pids: Iterable[int]) -> None:
        """Set the processes to look for among waiting connects."""
        self._call("POST", "/watch", {"pids": list(pids)})

    def settle(self) -> int:
        """The number of the newest event."""
        self._call("GET", "/version")
        return self.last_seq

    def links(self, proxy: str) -> list[dict[str, Any]]:
        """The connections that are open now, with their bytes so far."""
        found: list[dict[str, Any]] = self._call("GET", f"/proxies/{_quoted(proxy)}/links")
        return found

    def events(
        self, *, since: int = 0, until: Literal["now"] | None = "now"
    ) -> Iterator[dict[str, Any]]:
        """The events after number `since`, oldest first, up to the newest; with None, without end.

        Each has `seq, mono_ns, at, kind, proxy, data`; one of the kind `events.missed` stands for
        `data["count"]` events that the proxy no longer has.
        """
        params = {"since": str(since), **({"until": until} if until else {})}
        timeout = self._http.timeout if until else httpx.Timeout(None, connect=CONNECT_LIMIT_S)
        asked = f"GET /events?since={since}"
        try:
            with self._http.stream("GET", "/events", params=params, timeout=timeout) as response:
                if response.is_error:
                    response.read()
                    raise self._rejected(asked, response)
                for line in response.iter_lines():
                    yield self._read(asked, line)
        except httpx.TransportError as error:
            raise self._unreachable(asked, error) from error

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        asked = f"{method} {path}"
        try:
            response = self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            raise self._unreachable(asked, error) from error
        seq = response.headers.get(SEQ_HEADER, "")
        if seq.isdecimal():
            with self._seen:
                self.last_seq = max(self.last_seq, int(seq))
        if not response.is_success:
            raise self._rejected(asked, response)
        if not seq.isdecimal():
            raise HarnessError(
                f"what answers at {self.url} is not a crashloop proxy",
                hint="give the address that crashloop proxy prints",
            )
        answer = self._read(asked, response.text) if response.content else None
        if isinstance(answer, dict):
            for text in answer.get("warnings", ()):
                warnings.warn(f"the fault proxy at {self.url}: {text}", stacklevel=3)
        return answer

    def _read(self, asked: str, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise HarnessError(
                f"the fault proxy at {self.url} answered {asked} with {text[:_SHOWN_CHARS]!r}",
                hint="is this the address of a crashloop proxy?",
            ) from error

    def _rejected(self, asked: str, response: httpx.Response) -> CrashloopError:
        try:
            words = str(response.json()["error"])
        except (ValueError, KeyError, TypeError):
            words = repr(response.text[:_SHOWN_CHARS])
        status = response.status_code
        text = f"the fault proxy at {self.url} answered {asked} with {status}: {words}"
        if status == httpx.codes.NOT_IMPLEMENTED:
            return CapabilityError(text)
        return UsageError(text) if response.is_client_error else HarnessError(text)

    def _unreachable(self, asked: str, error: httpx.TransportError) -> HarnessError:
        reason = str(error) or type(error).__name__
        return HarnessError(
            f"the fault proxy at {self.url} did not answer {asked}: {reason}",
            hint="is it running, and is this its address?",
        )


def _quoted(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")
