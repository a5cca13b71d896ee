"""A path that an app serves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crashloop.repository.place import Place

# Whether the app can serve comes before whether it runs.
_READY = (
    re.compile(r"ready|readiness"),
    re.compile(r"health|healthz|healthcheck|health[-_]check|_health"),
    re.compile(r"live|livez|liveness|alive|heartbeat|ping|up|status"),
)
_PLAIN = re.compile(r"/[\w./-]*")
_VARIABLE = re.compile(r"\{[^{}/]*\}|<[^<>/]*>|:\w+")  # FastAPI, Flask, Express
_WRITES = ("POST", "PUT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A method and a path; `is_whole` is false where a prefix may come before the path."""

    method: str
    path: str
    place: Place
    is_whole: bool = True


def ready_route(routes: Iterable[Route]) -> Route | None:
    """The route that by its name says best whether the app is ready."""
    ranked = [(rank, route) for route in routes if (rank := _rank(route)) is not None]
    return min(ranked, key=lambda each: each[0], default=(0, None))[1]


def journey_route(routes: Iterable[Route]) -> Route | None:
    """A route that a user may call: one that writes before one that reads."""
    usable = [route for route in routes if _rank(route) is None and request_path(route)]
    writes = [route for method in _WRITES for route in usable if route.method == method]
    reads = [route for route in usable if route.method == "GET"]
    return next(iter(writes or reads), None)


def request_path(route: Route) -> str:
    """The path with `{key}` for each part that varies; "" for a path that is no plain one."""
    plain = _VARIABLE.sub("KEY", route.path)
    return _VARIABLE.sub("{key}", route.path) if _PLAIN.fullmatch(plain) else ""


def _rank(route: Route) -> tuple[bool, int, int] | None:
    if route.method != "GET" or not _PLAIN.fullmatch(route.path):
        return None
    parts = route.path.strip("/").split("/")
    last = parts[-1].removesuffix("z") if parts[-1] == "readyz" else parts[-1]
    for number, names in enumerate(_READY):
        if names.fullmatch(last):
            return not route.is_whole, number, len(parts)
    return None
