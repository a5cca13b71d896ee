"""One request and its answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from crashloop.proxy.api.error import ApiError

JSON = "application/json"
PLAIN = "text/plain; charset=utf-8"
LINES = "application/x-ndjson"

_dumps = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A whole request. `path` is still percent-encoded; names of headers are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def argument(self, name: str) -> str | None:
        """The last value of this name in the query; None if it is not there."""
        found = parse_qs(self.query, keep_blank_values=True).get(name)
        return found[-1] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer with a whole body, or with a `stream` of parts that are sent as they come."""

    status: int = 200
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    stream: AsyncGenerator[bytes] | None = None


def json_response(document: object, *, status: int = 200) -> Response:
    """A document as Toxiproxy sends it."""
    return Response(status=status, body=_dumps(document).encode(), content_type=JSON)


def plain_error(text: str, *, status: int) -> Response:
    """A line of text, as Go's http.Error sends it."""
    return Response(status=status, body=text.encode() + b"\n", content_type=PLAIN)


def error_response(error: ApiError) -> Response:
    """An error as Toxiproxy sends it: JSON as a line of text."""
    return plain_error(_dumps(error.document()), status=error.status)
