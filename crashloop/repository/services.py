"""The TCP services, besides Postgres and Redis, that an app's variables name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.apps.placeholders import PARTS
from crashloop.repository.placeholder import is_secret

if TYPE_CHECKING:
    from collections.abc import Collection

    from crashloop.repository.place import Place
    from crashloop.repository.variable import Variable

_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]{0,30})://(?P<host>[\w.-]{1,100}|\[::1\]):(?P<port>\d{1,5})"
    r"(?P<path>(?:/[\w.~/-]{0,200})?)"
)
_LOOPBACK = re.compile(r"localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\]")
_NOT_A_SERVICE = re.compile(r"(?:postgres|redis|valkey).*")
_ENDING = re.compile(r"(?:_(?:SERVICE|BASE|API|SERVER|URL|URI|ENDPOINT|ADDR|ADDRESS|HOST))+")
# Variables that hold the address of the app itself, of its pages, or of a collector of telemetry.
_OF_THE_APP = re.compile(
    r"(?:BASE|PUBLIC|SITE|APP|SELF|ROOT|API|SERVER|SERVICE|HOST|EXTERNAL|FRONT_?END|CLIENT|WEB)?"
    r"_?(?:URL|URI|ENDPOINT|ADDR|ADDRESS|HOST)?"
    r"|.*(?:ORIGINS?|CORS|REDIRECT|CALLBACK|RETURN|FRONT_?END|PUBLIC)(?:_.*)?|OTEL_.*"
)
_TAKEN = (*PARTS, "replicas")
_PORTS = range(1, 2**16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that the user runs; `place` is where a variable first names it.

    `container` is its name in the compose file; "" where it is named by this machine's address.
    """

    name: str
    upstream: str
    place: Place
    container: str = ""


@dataclass(slots=True, kw_only=True)
class Services:
    """The services that were found, each once; `containers` are the names of a compose file."""

    containers: Collection[str] = ()
    found: dict[str, Service] = field(default_factory=dict)

    def template(self, variable: Variable, value: str | None) -> str:
        """The template of a variable with this value; "" where it names no such service.

        A URL with a user, a password or a query is none: it could hold a secret.
        """
        url = _URL.fullmatch(value or "")
        upper = variable.name.upper()
        if url is None or _NOT_A_SERVICE.match(url["scheme"]) or _OF_THE_APP.fullmatch(upper):
            return ""
        path = url["path"].rstrip("/")
        is_known = _LOOPBACK.fullmatch(url["host"]) or url["host"] in self.containers
        if not is_known or int(url["port"]) not in _PORTS or (path and is_secret(upper)):
            return ""
        name = self._name(variable, url)
        if url["scheme"] == "http":
            return f"{{services.{name}.url}}{path}"
        return f"{url['scheme']}://{{services.{name}.host}}:{{services.{name}.port}}{path}"

    def _name(self, variable: Variable, url: re.Match[str]) -> str:
        container = url["host"] if url["host"] in self.containers else ""
        host = "[::1]" if url["host"] == "[::1]" else "127.0.0.1"
        upstream = f"{host}:{int(url['port'])}"
        for each in self.found.values():
            if (each.upstream, each.container) == (upstream, container):
                return each.name
        wanted = container or _ENDING.sub("", variable.name.upper()).lower()
        wanted = re.sub(r"[^A-Za-z0-9_-]", "-", wanted)
        if wanted in _TAKEN or not re.match(r"[A-Za-z_]", wanted):
            wanted = f"service-{wanted}"
        names = (wanted, *(f"{wanted}-{n}" for n in range(2, len(self.found) + 3)))
        name = next(each for each in names if each not in self.found)
        self.found[name] = Service(
            name=name, upstream=upstream, place=variable.place, container=container
        )
        return name
