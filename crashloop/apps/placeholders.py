"""The placeholders that a template may have, and where each one is known."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from crashloop.apps.table import known_names
from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

PLACES = ("host", "port", "python", "seed", "replica", "attempt", "replicas")
PARTS = {
    "postgres": ("url", "host", "port", "user", "password", "database"),
    "redis": ("url", "host", "port", "database"),
}
SERVICE_PARTS = ("url", "host", "port")
LIMIT = ("limit_s", "limit_ms")
TARGET = "target"
STEP = ("key", "number")
"""Known in the texts of a step, and nowhere else."""

OF_APP = (*PLACES, *(f"{name}.{part}" for name, parts in PARTS.items() for part in parts))
"""Known in the command and the environment, besides those of knobs and of services."""

_PORTS = {"postgresql": "5432", "redis": "6379"}
_WHERE = {
    STEP: "the steps of `journey` and `before`",
    (*OF_APP, *LIMIT): "`command`, `setup` and `env`",
    (TARGET,): "`command`, and only with `wrap`",
}


def service(name: str) -> str:
    """What the placeholders of a service begin with: `services.NAME`."""
    return f"services.{name}"


def base_of(name: str) -> str:
    """The name of a placeholder without its driver or divisor."""
    return name.partition("/")[0].partition("+")[0]


def of_app(services: Iterable[str]) -> tuple[str, ...]:
    """The placeholders of an app with these services, knobs excepted."""
    return (*OF_APP, *(f"{service(name)}.{part}" for name in services for part in SERVICE_PARTS))


def url_values(name: str, url: str) -> dict[str, str]:
    """The placeholders of a dependency from its URL: `NAME.url`, `NAME.host` and the others.

    The host of a Unix socket is its folder for Postgres; Redis has only a URL then.
    """
    parts = urlsplit(url)
    values = {f"{name}.url": url}
    if parts.scheme == "unix":
        return values
    query = parse_qs(parts.query)
    host = query.get("host", [parts.hostname or ""])[0]
    port = query.get("port", [str(parts.port or _PORTS[parts.scheme])])[0]
    values |= {f"{name}.host": host, f"{name}.port": port}
    if parts.scheme in _PORTS:
        values[f"{name}.database"] = unquote(parts.path.strip("/"))
    if parts.scheme == "postgresql":
        values[f"{name}.user"] = unquote(parts.username or "")
        values[f"{name}.password"] = unquote(parts.password or "")
    return values


def service_values(name: str, host: str, port: int) -> dict[str, str]:
    """The placeholders of a service that the app reaches there; its URL is one of HTTP."""
    return url_values(service(name), f"http://{host}:{port}")


def unknown(name: str, text: str, known: Collection[str], *, where: str) -> UsageError:
    """The error about a placeholder that is not among those known here."""
    base = base_of(name)
    if "/" in name and base in known:
        return UsageError(
            f"{where}: {{{name}}} in {text!r} is no time divided by a number",
            hint="a time can be divided by a number above 0, as in {limit_s/5}",
        )
    braced = [f"{{{each}}}" for each in known]
    for names, elsewhere in _WHERE.items():
        is_service = base.startswith(service("")) and "host" in names
        if (base in names or is_service) and not any(each in known for each in names):
            return UsageError(
                f"{where}: {{{name}}} in {text!r} is known only in {elsewhere}",
                hint=f"known here: {', '.join(braced)}",
            )
    return UsageError(
        f"{where}: unknown placeholder {{{name}}} in {text!r}",
        hint=f"{known_names(f'{{{name}}}', braced)}; a knob must be in `knobs`; "
        "{{ and }} are literal braces",
    )
