"""One client's connection to the API: requests in, answers out, everything limited in time."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from crashloop.proxy.api.error import ApiError
from crashloop.proxy.api.message import Request, Response, error_response

if TYPE_CHECKING:
    from crashloop.proxy.api.routes import Routes

MAX_BODY_BYTES = 1024 * 1024
MAX_HEADER_BYTES = 64 * 1024

_READ_BYTES = 64 * 1024
_CONTINUE = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Wall seconds: for the next request, to take an answer, after the last one."""

    request_s: float = 60
    answer_s: float = 30
    linger_s: float = 5


class Connection:
    """Speaks HTTP/1.1, and 1.0, with one client, by h11."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        routes: Routes,
        limits: Limits,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._routes = routes
        self._limits = limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_BYTES)
        self._is_answering = False
        self._leaving = False

    async def run(self) -> None:
        """Answer requests to the last one; raises OSError when the client disconnects."""
        while not self._leaving:
            try:
                async with asyncio.timeout(self._limits.request_s):
                    request = await self._request()
            except TimeoutError:
                if self._http.their_state is not h11.IDLE or self._http.trailing_data[0]:
                    late = f"the request did not arrive within {self._limits.request_s:g} s"
                    await self.turn_away(late, 408)
                return
            except h11.RemoteProtocolError as error:
                await self.turn_away(str(error), error.error_status_hint)
                return
            except ApiError as error:
                await self.turn_away(error.message, error.status)
                return
            if request is None:
                return
            self._is_answering = True
            await self._send(await self._routes.answer(request), with_body=request.method != "HEAD")
            self._is_answering = False
            if h11.MUST_CLOSE in {self._http.our_state, self._http.their_state}:
                return
            self._http.start_next_cycle()

    def finish(self) -> bool:
        """Take no more requests; return whether no answer is being sent."""
        self._leaving = True
        return not self._is_answering

    def abort(self) -> None:
        """Cut the connection."""
        self._writer.transport.abort()

    async def turn_away(self, why: str, status: int) -> None:
        """Answer with an error before the request is complete, so that the client can read it."""
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        self._leaving = True
        await self._send(error_response(ApiError(why, status)), with_body=True)
        if self._writer.can_write_eof():
            self._writer.write_eof()
        # Closing with something unread would reset the connection, and the answer with it.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.linger_s):
                while await self._reader.read(_READ_BYTES):
                    pass

    async def _request(self) -> Request | None:
        """The next request; None at the end. ApiError for a body that is too large."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._write(_CONTINUE)
                self._http.receive_data(await self._reader.read(_READ_BYTES))
            elif isinstance(event, h11.Request):
                head = event
                _require_size(int(dict(event.headers).get(b"content-length", 0)))
            elif isinstance(event, h11.Data):
                body += event.data
                _require_size(len(body))
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                return _as_request(head, bytes(body))
            else:
                return None

    async def _send(self, response: Response, *, with_body: bool) -> None:
        if response.stream is not None:
            self._leaving = True
            await self._send_parts(response)
            return
        self._write(self._head(response))
        if with_body and response.body:
            self._write(h11.Data(data=response.body))
        self._write(h11.EndOfMessage())
        try:
            async with asyncio.timeout(self._limits.answer_s):
                await self._writer.drain()
        except TimeoutError:
            self.abort()

    async def _send_parts(self, response: Response) -> None:
        """Send a stream until it ends or the client disconnects; it is the last answer."""
        self._write(self._head(response))
        sending = asyncio.create_task(self._stream(response))
        disconnected = asyncio.create_task(self._reader.read(1))
        try:
            await asyncio.wait({sending, disconnected}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, disconnected):
                task.cancel()
            await asyncio.gather(sending, disconnected, return_exceptions=True)

    async def _stream(self, response: Response) -> None:
        assert response.stream is not None
        async with aclosing(response.stream) as parts:
            async for part in parts:
                self._write(h11.Data(data=part))
                await self._writer.drain()
        self._write(h11.EndOfMessage())
        await self._writer.drain()

    def _head(self, response: Response) -> h11.Response:
        headers = [*response.headers, *self._routes.headers()]
        headers.append(("Date", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())))
        if response.content_type:
            headers.append(("Content-Type", response.content_type))
        if response.stream is None and response.status != HTTPStatus.NO_CONTENT:
            headers.append(("Content-Length", str(len(response.body))))
        if self._leaving:
            headers.append(("Connection", "close"))
        reason = HTTPStatus(response.status).phrase
        return h11.Response(status_code=response.status, headers=headers, reason=reason)

    def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)


def _require_size(body_bytes: int) -> None:
    if body_bytes > MAX_BODY_BYTES:
        raise ApiError(f"bad request body: larger than {MAX_BODY_BYTES} bytes", 413)


def _as_request(head: h11.Request, body: bytes) -> Request:
    path, _, query = head.target.decode("ascii").partition("?")
    return Request(
        method=head.method.decode("ascii"),
        path=path,
        query=query,
        headers={name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
        body=body,
    )
