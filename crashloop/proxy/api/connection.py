"""One client's connection to the API: requests in, answers out, everything limited in time."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import h11

from crashloop.proxy.api.error import ApiError
from crashloop.proxy.api.message import Request, Response, error_response, refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_BODY_BYTES = 1024 * 1024
MAX_HEADER_BYTES = 64 * 1024
MAX_AHEAD_BYTES = 64 * 1024
"""What a client may send before the answer to what it sent."""

_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_CONTINUE = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Wall seconds: to send a request, between requests, to take an answer, after the last one."""

    request_s: float = 15
    idle_s: float = 60
    answer_s: float = 30
    linger_s: float = 5


class Connection(asyncio.Protocol):
    """Speaks HTTP/1.1, and 1.0, with one client.

    `answer` gives the response to a request and never raises; `sequenced` a header for every
    response. `on_open` says whether there is room; `on_close` is called once, last, if there was.
    """

    def __init__(
        self,
        *,
        answer: Callable[[Request], Awaitable[Response]],
        sequenced: Callable[[], tuple[str, str]],
        on_open: Callable[[Connection], bool],
        on_close: Callable[[Connection], None],
        limits: Limits,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer = answer
        self._sequenced = sequenced
        self._on_open = on_open
        self._on_close = on_close
        self._limits = limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_BYTES)
        self._transport: asyncio.Transport
        self._counted = False
        self._request: Request | None = None
        self._body = bytearray()
        self._answering: asyncio.Task[None] | None = None
        self._streaming = False
        self._is_idle = False
        self._is_head = False
        self._in_first_line = True
        self._ended = False
        self._leaving = False
        self._finishing = False
        self._timer: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def abort(self) -> None:
        """Cut the connection now."""
        self._transport.abort()

    def finish(self) -> None:
        """Close the connection when the answer on its way has been sent, or now."""
        self._leaving = self._finishing = True
        if self._answering is None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or turn the client away."""
        self._transport = cast("asyncio.Transport", transport)
        self._counted = self._on_open(self)
        if self._counted:
            self._limit(self._limits.request_s, self._on_late_request)
        else:
            self._turn_away(error_response(ApiError("too many connections to the API", 503)))

    def connection_lost(self, exc: Exception | None) -> None:
        """End; a change that was begun goes on without its client."""
        del exc
        self._leaving = True
        self._limit(None)
        self._writable.set()
        if self._answering is not None:
            self._answering.cancel()
        if self._counted:
            self._on_close(self)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._leaving:
            return
        if self._is_idle:
            self._is_idle = False
            self._limit(self._limits.request_s, self._on_late_request)
        self._http.receive_data(self._in_ascii(data))
        if self._answering is None:
            self._advance()
        elif len(self._http.trailing_data[0]) > MAX_AHEAD_BYTES:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The client sends no more: it may still read an answer, but not an endless one."""
        self._ended = True
        if self._leaving or self._streaming:
            return False
        if self._answering is None:
            self._http.receive_data(b"")
            self._advance()
        return True

    def pause_writing(self) -> None:
        """The client is slow."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writable.set()

    def _advance(self) -> None:
        """Take what has come, up to the end of one request."""
        while self._answering is None and not self._leaving:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self._turn_away(refusal(error.error_status_hint))
                return
            match event:
                case h11.Request():
                    self._begin(event)
                case h11.Data():
                    self._body += event.data
                    if len(self._body) > MAX_BODY_BYTES:
                        self._turn_away_too_large()
                case h11.EndOfMessage():
                    assert self._request is not None
                    self._limit(None)
                    request = replace(self._request, body=bytes(self._body))
                    self._request, self._body = None, bytearray()
                    self._answering = self._loop.create_task(self._respond(request))
                case h11.ConnectionClosed():
                    self._transport.close()
                    return
                case _:
                    if self._http.they_are_waiting_for_100_continue:
                        self._write(_CONTINUE)
                    return

    def _begin(self, event: h11.Request) -> None:
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
        self._request = Request.to(
            event.target.decode("ascii"), method=event.method.decode("ascii"), headers=headers
        )
        self._is_head = event.method == b"HEAD"
        # h11 has checked that it is a number
        if int(headers.get("content-length", "0")) > MAX_BODY_BYTES:
            self._turn_away_too_large()

    async def _respond(self, request: Request) -> None:
        try:
            response = await self._answer(request)
            await self._send(response)
        except asyncio.CancelledError:
            self._transport.abort()
            raise
        finally:
            self._answering = None
            self._streaming = False
        self._go_on()

    async def _send(self, response: Response) -> None:
        self._write(self._head(response))
        if response.stream is None:
            if response.body and not self._is_head:
                self._write(h11.Data(data=response.body))
            self._limit(self._limits.answer_s, self.abort)
            await self._writable.wait()
        else:
            self._streaming = True
            if self._ended:
                return
            async with aclosing(response.stream) as parts:
                async for part in parts:
                    if part:
                        self._write(h11.Data(data=part))
                    await self._writable.wait()
        if not self._transport.is_closing():
            self._write(h11.EndOfMessage())

    def _go_on(self) -> None:
        """After an answer: the next request, or the end."""
        self._limit(None)
        finished = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if self._leaving or self._ended or not finished:
            self._close()
            return
        self._http.start_next_cycle()
        self._is_idle = self._in_first_line = not self._http.trailing_data[0]
        if self._is_idle:
            self._limit(self._limits.idle_s, self._transport.close)
        else:
            self._limit(self._limits.request_s, self._on_late_request)
        self._transport.resume_reading()
        self._advance()

    def _turn_away_too_large(self) -> None:
        told = f"bad request body: larger than {MAX_BODY_BYTES} bytes"
        self._turn_away(error_response(ApiError(told, 413)))

    def _on_late_request(self) -> None:
        if self._request is None and not self._http.trailing_data[0]:
            self._transport.close()
            return
        told = f"the request did not come within {self._limits.request_s:g} s"
        self._turn_away(error_response(ApiError(told, 408)))

    def _turn_away(self, response: Response) -> None:
        """Answer at once, whatever else is still to come, and leave."""
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._write(self._head(response, last=True))
            self._write(h11.Data(data=response.body))
            self._write(h11.EndOfMessage())
        self._leaving = True
        self._close()

    def _close(self) -> None:
        """Close so that the client can read the answer: what it still sends is dropped a while."""
        self._leaving = True
        if self._transport.is_closing():
            return
        if self._ended or self._finishing:
            self._transport.close()
        elif self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
        self._limit(self._limits.linger_s, self.abort)

    def _head(self, response: Response, *, last: bool = False) -> h11.Response:
        now = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        headers = [*response.headers, self._sequenced(), ("Date", now)]
        if response.content_type:
            headers.insert(0, ("Content-Type", response.content_type))
        if response.stream is None and response.status != HTTPStatus.NO_CONTENT:
            headers.append(("Content-Length", str(len(response.body))))
        if last:
            headers.append(("Connection", "close"))
        reason = HTTPStatus(response.status).phrase.encode()
        return h11.Response(status_code=response.status, headers=headers, reason=reason)

    def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def _in_ascii(self, data: bytes) -> bytes:
        """Percent-encode what a request line has outside ASCII: Go takes it, h11 does not."""
        if not self._in_first_line:
            return data
        line, newline, rest = data.partition(b"\n")
        self._in_first_line = not newline
        return _NOT_ASCII.sub(lambda found: b"%%%02X" % found.group()[0], line) + newline + rest

    def _limit(self, delay_s: float | None, then: Callable[[], None] | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if delay_s is not None and then is not None:
            self._timer = self._loop.call_later(delay_s, then)
