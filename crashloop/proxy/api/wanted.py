"""Proxies as a client describes them, read and checked before anything is touched."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crashloop.proxy.api import endpoint
from crashloop.proxy.api.body import Members, typed
from crashloop.proxy.api.entry import Settings
from crashloop.proxy.api.error import ApiError
from crashloop.proxy.api.toxic import MAX_NAME_CHARS, read_toxic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.proxy.api.toxic import Toxic

_CONFLICT = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A proxy as a client describes it; `toxics` None if it does not mention them."""

    name: str
    settings: Settings
    toxics: tuple[Toxic, ...] | None


def new_proxy(value: Any, warnings: list[str], *, where: str = "") -> Wanted:
    """The proxy that a client wants; ApiError 400 with a message that ends with `where`."""
    members = Members(value, f"the proxy{where}", warnings)
    name = members.take("name", str, "")
    settings = _settings(members, Settings(listen="", upstream=""))
    toxics = members.take("toxics", list, None)
    members.skip("Logger")
    members.end()
    for field, given in (("name", name), ("upstream", settings.upstream)):
        if not given:
            raise ApiError(f"missing required field: {field}{where}")
    if len(name) > MAX_NAME_CHARS:
        raise ApiError(f"the name of a proxy has {MAX_NAME_CHARS} characters at most")
    _warn_of_upstream(settings, warnings)
    found = None if toxics is None else _toxics(toxics, where, warnings)
    return Wanted(name=name, settings=settings, toxics=found)


def changed(now: Settings, value: Any, warnings: list[str]) -> Settings:
    """The settings after an update of listen, upstream and enabled; ApiError 400."""
    members = Members(value, "the proxy", warnings)
    settings = _settings(members, now)
    members.take("name", str, "")
    members.skip("toxics", "Logger")
    members.end()
    if settings.upstream != now.upstream:
        _warn_of_upstream(settings, warnings)
    return settings


def new_proxies(value: Any, warnings: list[str]) -> list[Wanted]:
    """The proxies of a list, all checked; ApiError 400 with the place in the list."""
    wanted: list[Wanted] = []
    for at, one in enumerate([] if value is None else typed(value, list, "the body"), start=1):
        with _about(at):
            wanted.append(new_proxy(one, warnings, where=f" at proxy {at}"))
    return wanted


def _settings(members: Members, now: Settings) -> Settings:
    return replace(
        now,
        listen=members.take("listen", str, now.listen),
        upstream=members.take("upstream", str, now.upstream),
        enabled=members.take("enabled", bool, now.enabled),
    )


def _warn_of_upstream(settings: Settings, warnings: list[str]) -> None:
    _, problem = endpoint.upstream(settings.upstream)
    if problem:
        warnings.append(problem)


def _toxics(values: list[Any], where: str, warnings: list[str]) -> tuple[Toxic, ...]:
    toxics: dict[str, Toxic] = {}
    for at, value in enumerate(values, start=1):
        try:
            toxic = read_toxic(value, warnings)
        except ApiError as error:
            raise ApiError(f"{error.message} at toxic {at}{where}", error.status) from error
        if toxic.name in toxics:
            raise ApiError(f"toxic already exists at toxic {at}{where}", _CONFLICT)
        toxics[toxic.name] = toxic
    return tuple(toxics.values())


@contextmanager
def _about(entry: int) -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        error.entry = entry
        raise
