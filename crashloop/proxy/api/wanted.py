"""Proxies as a client describes them, read and checked before anything is touched."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crashloop.proxy.api.decode import (
    Members,
    flag,
    items,
    members,
    mismatch,
    read_members,
)
from crashloop.proxy.api.decode import text as string
from crashloop.proxy.api.entry import Settings
from crashloop.proxy.api.error import ApiError, missing
from crashloop.proxy.api.wire import Draft

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from crashloop.proxy.api.decode import Reader
    from crashloop.proxy.api.wire import Toxic

MAX_NAME_CHARS = 2000

_CONFLICT = 409
_TYPE = "toxiproxy.Proxy"
_ITEM_TYPE = r'struct { toxiproxy.Proxy; Enabled *bool "json:\"enabled\"" }'


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A proxy as a client describes it; `toxics` None where nothing was said about them."""

    name: str
    settings: Settings
    toxics: tuple[Toxic, ...] | None


def new_proxy(value: Any) -> Wanted:
    """The proxy that a client wants; ApiError 400."""
    return _checked(_fields(value, "Proxy", _TYPE))


def changes(value: Any) -> dict[str, Any]:
    """The settings that a client wants to change: listen, upstream, enabled; ApiError 400."""
    found = _fields(value, "Proxy", _TYPE, with_toxics=False)
    return {key: found[key] for key in ("listen", "upstream", "enabled") if key in found}


def new_proxies(value: Any) -> list[Wanted]:
    """The proxies of a list, all checked; ApiError 400 with the place in the list."""
    if value is None:
        return []
    if isinstance(value, Members) or not isinstance(value, list):
        mismatch(value, "value", f"[]{_ITEM_TYPE}")
    found: list[dict[str, Any]] = []
    wanted: list[Wanted] = []
    for at, one in enumerate(value, start=1):
        with _about(at):
            found.append(_fields(one, ".Proxy", _ITEM_TYPE, enabled=".enabled"))
    for at, fields in enumerate(found, start=1):
        with _about(at):
            wanted.append(_checked(fields, suffix=f" at proxy {at}"))
    return wanted


def new_toxic(value: Any) -> Draft:
    """The toxic that a client wants, its attributes not yet read; ApiError 400."""
    draft = Draft.read(value)
    _check_name(draft.name, "toxic")
    return draft


@contextmanager
def _about(entry: int) -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        error.entry = entry
        raise


def _fields(
    value: Any, struct: str, go_type: str, *, with_toxics: bool = True, enabled: str = ""
) -> dict[str, Any]:
    readers: dict[str, Reader] = {
        "name": string,
        "listen": string,
        "upstream": string,
        "enabled": flag,
        "Logger": members("zerolog.Logger"),
    }
    if with_toxics:
        readers["toxics"] = items("[]toxics.Toxic")
    if enabled:  # a field of the list's own type: Go names it differently
        readers["enabled"] = lambda value, _: flag(value, f"struct field {enabled}")
    return read_members(value, readers, struct=struct, go_type=go_type)


def _checked(found: Mapping[str, Any], suffix: str = "") -> Wanted:
    name = found.get("name", "")
    if not name:
        raise missing(f"name{suffix}")
    if not found.get("upstream"):
        raise missing(f"upstream{suffix}")
    _check_name(name, "proxy")
    settings = Settings(
        listen=found.get("listen", ""),
        upstream=found["upstream"],
        enabled=found.get("enabled", True),
    )
    return Wanted(name=name, settings=settings, toxics=_toxics(found.get("toxics"), suffix))


def _toxics(values: list[Any] | None, suffix: str) -> tuple[Toxic, ...] | None:
    if values is None:
        return None
    toxics: dict[str, Toxic] = {}
    for at, value in enumerate(values, start=1):
        try:
            toxic = _toxic(value, toxics)
        except ApiError as error:
            raise ApiError(f"{error.message} at toxic {at}{suffix}", error.status) from error
        toxics[toxic.name] = toxic
    return tuple(toxics.values())


def _toxic(value: Any, before: Container[str]) -> Toxic:
    draft = new_toxic(value)
    if draft.name in before:
        raise ApiError("toxic already exists", _CONFLICT)
    return draft.toxic()


def _check_name(name: str, what: str) -> None:
    if len(name) > MAX_NAME_CHARS:
        raise ApiError(f"the name of a {what} has {MAX_NAME_CHARS} characters at most")
