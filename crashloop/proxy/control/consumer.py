"""toxiproxy-python's API consumer, repaired; the only module that imports that package.

As published (0.1.1) every instance shares one address, which is a class attribute, calls have no
time limit and obey HTTP_PROXY, server errors pass as answers, and nothing can be updated. This
subclass has all of that of its own and never touches the class it comes from, so another user of
the package in the same process goes on undisturbed.
"""

from __future__ import annotations

import json as json_text
import re
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

from requests import ConnectTimeout, Request, RequestException
from toxiproxy.api import APIConsumer, validate_response
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists
from urllib3.exceptions import HTTPError

from crashloop.errors import CapabilityError, HarnessError, UsageError
from crashloop.proxy.control.bounded import BoundedAdapter, TooLongError
from crashloop.proxy.control.records import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests import Response
    from urllib3 import HTTPResponse

    from crashloop.proxy.control.limits import Limits

SEQ_HEADER = "X-Crashloop-Seq"
_SEQ = re.compile("[0-9]{1,19}")
_USER_AGENT = "crashloop"
_CHUNK_BYTES = 64 * 1024


class Consumer(APIConsumer):  # type: ignore[misc]  # toxiproxy-python has no types
    """Calls to one server; `host` and `port` are this instance's own. Safe in several threads.

    Each call is one connection, and raises UsageError for an answer of 4xx, with the server's
    own words and toxiproxy-python's exception as its cause; HarnessError when the server cannot
    be reached, is silent or slow beyond the limits, or answers anything else but 2xx.
    """

    def __init__(self, *, host: str, port: int, limits: Limits) -> None:
        self.host = host
        self.port = port
        self._limits = limits
        self._seen = threading.Lock()
        self._last_seq: int | None = None
        self._is_built_in: bool | None = None

    @property
    def base_url(self) -> str:
        """Where the server is, as a URL without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def last_seq(self) -> int | None:
        """The highest event number that an answer has told so far."""
        return self._last_seq

    @property
    def is_built_in(self) -> bool | None:
        """Whether the last answer was the built-in proxy's; None before the first."""
        return self._is_built_in

    def get(self, url: str, params: Any = None, **kwargs: Any) -> Response:
        """GET a path of the API."""
        return self._call(Request("GET", self.base_url + url, params=params, **kwargs))

    def post(self, url: str, data: Any = None, json: Any = None, **kwargs: Any) -> Response:
        """POST a JSON-able body to a path of the API."""
        return self._send("POST", url, data=data, json=json, **kwargs)

    def patch(self, url: str, data: Any = None, json: Any = None, **kwargs: Any) -> Response:
        """PATCH what a path of the API shows; the package knows no updates."""
        return self._send("PATCH", url, data=data, json=json, **kwargs)

    def delete(self, url: str, **kwargs: Any) -> Response:
        """DELETE what a path of the API shows."""
        return self._call(Request("DELETE", self.base_url + url, **kwargs))

    def stream(
        self, url: str, params: Mapping[str, Any], *, within_s: float | None, quiet: bool
    ) -> Lines:
        """GET an answer that goes on, line by line; `quiet`: it may be silent meanwhile."""
        adapter = BoundedAdapter(
            host=self.host,
            port=self.port,
            within_s=within_s,
            silence_s=None if quiet else self._limits.silence_s,
            size_bytes=None,
        )
        request = Request("GET", self.base_url + url, params=params)
        try:
            response = self._answer(request, adapter)
        except BaseException:
            adapter.close()
            raise
        if response.status_code != 200:  # noqa: PLR2004  the one status of a stream
            adapter.close()
            raise HarnessError(f"{self._told(request)} answered {response.status_code}.")
        return Lines(self, request, adapter, response, self._limits)

    def _send(self, method: str, url: str, *, data: Any, json: Any, **kwargs: Any) -> Response:
        if json is not None:
            try:
                data = json_text.dumps(json, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise UsageError(
                    f"{method} {url} cannot send {shown(json)}: {error}.",
                    hint="Give what JSON can hold: finite numbers, text, lists and mappings.",
                ) from error
            kwargs.setdefault("headers", {})["Content-Type"] = "application/json"
        return self._call(Request(method, self.base_url + url, data=data, **kwargs))

    def _call(self, request: Request) -> Response:
        limits = self._limits
        adapter = BoundedAdapter(
            host=self.host,
            port=self.port,
            within_s=limits.total_s,
            silence_s=limits.silence_s,
            size_bytes=limits.reply_bytes,
        )
        with closing(adapter):
            response = self._answer(request, adapter)
            try:
                response.content  # noqa: B018  reads it, within the limits
            except (RequestException, HTTPError, OSError) as error:
                raise self.broken(request, adapter, error) from error
        self._require_success(request, response)
        return response

    def _answer(self, request: Request, adapter: BoundedAdapter) -> Response:
        request.headers = {
            "User-Agent": _USER_AGENT,
            "Connection": "close",
            **(request.headers or {}),
        }
        limits = self._limits
        try:
            response = adapter.send(
                request.prepare(), stream=True, timeout=(limits.connect_s, limits.silence_s)
            )
        except (RequestException, HTTPError, OSError) as error:
            raise self.broken(request, adapter, error) from error
        if "Content-Encoding" in response.headers:
            raise HarnessError(f"{self._told(request)} answered in an encoding nobody asked for.")
        self._note(response.headers.get(SEQ_HEADER))
        return response

    def _note(self, seq: str | None) -> None:
        if seq is not None and not _SEQ.fullmatch(seq):
            raise HarnessError(f"{self.base_url} told {SEQ_HEADER}: {shown(seq)}, not a number.")
        with self._seen:
            self._is_built_in = seq is not None
            if seq is not None:
                self._last_seq = max(self._last_seq or 0, int(seq))

    def _require_success(self, request: Request, response: Response) -> None:
        status = response.status_code
        if 200 <= status < 300:  # noqa: PLR2004  the successes
            return
        sent = f" to {shown(request.data)}" if request.data else ""
        problem = f"{self._told(request)} answered {status}{sent}: {_words(response)}."
        try:
            validate_response(response)
        except (ProxyExists, NotFound, InvalidToxic) as error:
            raise UsageError(problem) from error
        if 400 <= status < 500:  # noqa: PLR2004  the caller's mistakes
            raise UsageError(problem)
        if status == 501:  # noqa: PLR2004  what this server or machine cannot do
            raise CapabilityError(problem)
        raise HarnessError(problem, hint="The server's own log may say more.")

    def _told(self, request: Request) -> str:
        path = str(request.url).removeprefix(self.base_url)
        return f"The fault proxy at {self.base_url}, asked for {request.method} {path},"

    def broken(self, request: Request, adapter: BoundedAdapter, error: Exception) -> HarnessError:
        """What to say when no whole answer came."""
        limits = self._limits
        told, hint = self._told(request), "Is it running, and is this its address?"
        if isinstance(error, ConnectTimeout):
            return HarnessError(f"{told} took no connection for {limits.connect_s:g} s.", hint=hint)
        origin = _origin(error)
        if adapter.late:
            return HarnessError(f"{told} did not finish its answer in time.", hint=hint)
        if isinstance(origin, TimeoutError):
            return HarnessError(f"{told} was silent for {limits.silence_s:g} s.", hint=hint)
        if isinstance(origin, TooLongError):
            most = f"{limits.reply_bytes} bytes"
            return HarnessError(f"{told} answered with more than {most}.", hint=hint)
        reason = shown(f"{type(origin).__name__}: {origin}")
        return HarnessError(f"{told} cannot be reached or broke off: {reason}.", hint=hint)


class Lines:
    """The lines of an answer that goes on: an iterable of bytes, read once."""

    def __init__(
        self,
        consumer: Consumer,
        request: Request,
        adapter: BoundedAdapter,
        response: Response,
        limits: Limits,
    ) -> None:
        self._consumer = consumer
        self._request = request
        self._adapter = adapter
        self._raw: HTTPResponse = response.raw
        self._limits = limits
        self._interrupted = False

    def interrupt(self) -> None:
        """End the iteration, from any thread, in the middle of a read as well."""
        self._interrupted = True
        self._adapter.interrupt()

    def close(self) -> None:
        """Give the connection up, when nobody reads."""
        self._adapter.close()

    def __iter__(self) -> Iterator[bytes]:
        pending = b""
        for piece in self._pieces():
            *lines, pending = (pending + piece).split(b"\n")
            yield from lines
            if len(pending) > self._limits.reply_bytes:
                raise HarnessError(
                    f"{self._consumer.base_url} sent a line longer than "
                    f"{self._limits.reply_bytes} bytes."
                )
        if pending and not self._interrupted:
            raise HarnessError(f"{self._consumer.base_url} broke off within {shown(pending)}.")

    def _pieces(self) -> Iterator[bytes]:
        try:
            yield from self._raw.stream(_CHUNK_BYTES, decode_content=False)
        except (HTTPError, OSError) as error:
            if not self._interrupted:
                raise self._consumer.broken(self._request, self._adapter, error) from error


def _words(response: Response) -> str:
    """The error of the API's JSON, else the text as it is."""
    try:
        return shown(str(response.json()["error"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return shown(response.content)


def _origin(error: BaseException) -> BaseException:
    """The innermost reason, such as ConnectionRefusedError; requests and urllib3 wrap it."""
    while True:
        wrapped = next((each for each in error.args if isinstance(each, BaseException)), None)
        inner = error.__cause__ or getattr(error, "reason", None) or wrapped
        if not isinstance(inner, BaseException):
            return error
        error = inner
