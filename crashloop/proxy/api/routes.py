"""Which path and method does what."""

from __future__ import annotations

import itertools
import os
import traceback
from contextlib import aclosing
from typing import TYPE_CHECKING
from urllib.parse import unquote

from crashloop.proxy.api.body import Members, parse, typed
from crashloop.proxy.api.error import ApiError
from crashloop.proxy.api.message import (
    LINES,
    Response,
    error_response,
    json_response,
    plain_error,
)
from crashloop.proxy.api.metrics import CONTENT_TYPE, exposition

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from crashloop.proxy.api.collection import Collection
    from crashloop.proxy.api.journal import Journal
    from crashloop.proxy.api.message import Request

    Handler = Callable[..., Awaitable[Response]]

TOXIPROXY_VERSION = "2.12.0"
"""The version of Toxiproxy's API; clients ask for 2.x."""

MAX_EVENT_READERS = 64
MAX_PIDS = 4096

_MAX_PID = 2**22
_MAX_DIGITS = 19
_ANY = "*"


class Routes:
    """Answers requests; never raises, except when it is cancelled.

    `watched` holds the processes to look for behind SYNs.
    """

    def __init__(
        self, *, collection: Collection, journal: Journal, report: Callable[[str], None]
    ) -> None:
        self.watched: tuple[int, ...] = ()
        self._collection = collection
        self._journal = journal
        self._report = report
        self._readers = 0
        self._prefix = os.urandom(6).hex()
        self._numbers = itertools.count(1)
        self._routes: dict[tuple[str, ...], dict[str, Handler]] = {
            ("proxies",): {"GET": self._index, "POST": self._create},
            ("proxies", _ANY): {
                "GET": self._show,
                "POST": self._update,
                "PATCH": self._update,
                "DELETE": self._delete,
            },
            ("proxies", _ANY, "toxics"): {"GET": self._toxics, "POST": self._add_toxic},
            ("proxies", _ANY, "toxics", _ANY): {
                "GET": self._toxic,
                "POST": self._change_toxic,
                "PATCH": self._change_toxic,
                "DELETE": self._remove_toxic,
            },
            ("proxies", _ANY, "links"): {"GET": self._links},
            ("populate",): {"POST": self._populate},
            ("reset",): {"POST": self._reset},
            ("version",): {"GET": self._version},
            ("metrics",): {"GET": self._metrics, "HEAD": self._metrics},
            ("events",): {"GET": self._events},
            ("watch",): {"POST": self._watch},
        }

    async def answer(self, request: Request) -> Response:
        """The answer to one request."""
        handlers, names = self._matching(request.path)
        if not handlers:
            return plain_error("404 page not found", status=404)
        handler = handlers.get(request.method)
        if handler is None:
            return Response(status=405, headers=(("Allow", ", ".join(handlers)),))
        # A page in a browser must not be able to reach the loopback.
        if request.headers.get("user-agent", "").startswith("Mozilla/"):
            return plain_error("User agent not allowed", status=403)
        try:
            return await handler(request, *names)
        except ApiError as error:
            return error_response(error)
        except Exception as error:  # noqa: BLE001  the last frame: a bug is answered and reported
            self._report(traceback.format_exc())
            text = f"internal error: {type(error).__name__}: {error}"
            return error_response(ApiError(text, 500))

    def headers(self) -> tuple[tuple[str, str], ...]:
        """What every response carries: the newest event's number, and an id, as Toxiproxy does."""
        number = f"{self._prefix}{next(self._numbers):08x}"
        return ("X-Crashloop-Seq", str(self._journal.newest)), ("X-Toxiproxy-Request-Id", number)

    def _matching(self, path: str) -> tuple[dict[str, Handler], list[str]]:
        """What each method does at a path, and the names in it; nothing for an unknown path."""
        given = [unquote(one, errors="replace") for one in path.split("/")[1:]]
        for pattern, handlers in self._routes.items():
            if len(pattern) == len(given) and all(given):
                pairs = list(zip(pattern, given, strict=True))
                if all(want in (have, _ANY) for want, have in pairs):
                    return handlers, [have for want, have in pairs if want == _ANY]
        return {}, []

    async def _index(self, _: Request) -> Response:
        return json_response(self._collection.documents())

    async def _create(self, request: Request) -> Response:
        return json_response(await self._collection.create(request.body), status=201)

    async def _show(self, _: Request, name: str) -> Response:
        return json_response(self._collection.get(name).document())

    async def _update(self, request: Request, name: str) -> Response:
        return json_response(await self._collection.update(name, request.body))

    async def _delete(self, _: Request, name: str) -> Response:
        await self._collection.remove(name)
        return Response(status=204)

    async def _toxics(self, _: Request, name: str) -> Response:
        return json_response([one.document() for one in self._collection.get(name).in_order()])

    async def _add_toxic(self, request: Request, name: str) -> Response:
        return json_response(await self._collection.add_toxic(name, request.body))

    async def _toxic(self, _: Request, name: str, toxic: str) -> Response:
        return json_response(self._collection.get(name).toxic(toxic).document())

    async def _change_toxic(self, request: Request, name: str, toxic: str) -> Response:
        return json_response(await self._collection.change_toxic(name, toxic, request.body))

    async def _remove_toxic(self, _: Request, name: str, toxic: str) -> Response:
        await self._collection.remove_toxic(name, toxic)
        return Response(status=204)

    async def _links(self, _: Request, name: str) -> Response:
        plane = self._collection.get(name).plane
        return json_response([] if plane is None else plane.snapshot())

    async def _populate(self, request: Request) -> Response:
        proxies, error = await self._collection.populate(request.body)
        if error is None:
            return json_response(proxies, status=201)
        return json_response({**error.document(), **proxies}, status=error.status)

    async def _reset(self, _: Request) -> Response:
        await self._collection.reset()
        return Response(status=204)

    async def _version(self, _: Request) -> Response:
        text = f'{{"version": "{TOXIPROXY_VERSION}"}}\n'
        return Response(body=text.encode(), content_type="application/json;charset=utf-8")

    async def _metrics(self, _: Request) -> Response:
        text = exposition(self._collection.entries.values(), self._journal)
        return Response(body=text.encode(), content_type=CONTENT_TYPE)

    async def _events(self, request: Request) -> Response:
        newest = self._journal.newest
        since = request.argument("since") or "0"
        until = request.argument("until")
        if not (since.isascii() and since.isdigit() and len(since) <= _MAX_DIGITS):
            raise ApiError(f"since={since} is not the number of an event")
        if int(since) > newest:
            raise ApiError(
                f"since={since} is not there yet: the newest event is {newest}; "
                "was the proxy restarted?"
            )
        if until not in {None, "now"}:
            raise ApiError(f"until={until} is not possible: only until=now")
        if self._readers >= MAX_EVENT_READERS:
            raise ApiError(f"{MAX_EVENT_READERS} readers are reading events already", 503)
        lines = self._journal.read(since=int(since), until=None if until is None else newest)
        return Response(content_type=LINES, stream=self._counted(lines))

    async def _counted(self, lines: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        self._readers += 1
        try:
            async with aclosing(lines):
                async for line in lines:
                    yield line
        finally:
            self._readers -= 1

    async def _watch(self, request: Request) -> Response:
        members = Members(parse(request.body), "the body", [])
        given = members.take("pids", list, None)
        if given is None:
            raise ApiError("missing required field: pids")
        if len(given) > MAX_PIDS:
            raise ApiError(f"pids has {MAX_PIDS} entries at most")
        self.watched = tuple(dict.fromkeys(_pid(one) for one in given))
        return json_response({"pids": list(self.watched)})


def _pid(value: object) -> int:
    pid = typed(value, int, "one of pids")
    if not 1 <= pid <= _MAX_PID:
        raise ApiError(f"{pid} in pids is not the number of a process")
    return pid
