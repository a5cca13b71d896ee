"""What an app depends on, as its entry says: Postgres, Redis, and other TCP services."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from crashloop.apps.placeholders import PARTS
from crashloop.apps.table import known_names
from crashloop.faults import REPLICAS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.apps.table import Table

TRANSPORTS = ("tcp", "unix", "")
"""How an app reaches Postgres; empty: as the incident says."""

_TAKEN = (*PARTS, REPLICAS)
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_UPSTREAM = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})")
_PORTS = range(1, 2**16)


def read_dependencies(entry: Table, named: Mapping[str, str]) -> tuple[str, ...]:
    """The kinds of `dependencies`; by default Postgres, and Redis if a template names it.

    `named` are the placeholders that the entry uses, each with where it stands first.
    """
    used: dict[str, str] = {}
    for name, where in named.items():
        used.setdefault(name.partition(".")[0], where)
    if "dependencies" not in entry:
        return ("postgres", *(kind for kind in PARTS if kind != "postgres" and kind in used))
    kinds = entry.texts("dependencies")
    for kind in kinds:
        if kind not in PARTS:
            raise entry.at("dependencies").error(
                f"{kind!r} cannot be among the `dependencies`",
                hint=f"{known_names(kind, PARTS)}; any other is one of `services`",
            )
    for kind in PARTS:
        if kind in used and kind not in kinds:
            raise entry.at("dependencies").error(
                f"{used[kind]} names {kind}, which is not among the `dependencies`",
                hint=f"dependencies = {json.dumps([*kinds, kind])}",
            )
    return tuple(dict.fromkeys(kinds))


def read_services(entry: Table) -> dict[str, str]:
    """The `host:port` of each of `services` by name."""
    return {name: _upstream(name, table) for name, table in entry.tables("services").items()}


def _upstream(name: str, service: Table) -> str:
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise service.source.error(f"{name!r} cannot be the name of a service")
    service.require_fields(("upstream",), of=f"the service {name}")
    text = service.text("upstream")
    found = _UPSTREAM.fullmatch(text)
    if found is None or int(found[1]) not in _PORTS:
        raise service.at("upstream").error(
            f"the `upstream` of service {name} must be host:port, not {text!r}",
            hint=f'services.{name} = {{upstream = "127.0.0.1:9000"}}',
        )
    return text
