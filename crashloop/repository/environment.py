"""The environment that an app's entry gives it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crashloop.repository.note import Note
from crashloop.repository.placeholder import is_secret, placeholder
from crashloop.repository.services import Services
from crashloop.repository.shell import literal
from crashloop.repository.start import service_dockerfile
from crashloop.repository.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.repository.compose import Compose, ComposeService
    from crashloop.repository.place import Place
    from crashloop.repository.services import Service
    from crashloop.repository.sources import Sources

_MACHINE = {
    *("PATH", "HOME", "LANG", "PWD", "USER", "SHELL", "TERM", "TZ", "TMPDIR", "HOSTNAME", "CI"),
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "NODE_PATH"),
}
_HARMLESS = re.compile(r"-?\d{1,9}(?:\.\d{1,6})?|[A-Za-z][A-Za-z_-]{0,15}")
_TIME = re.compile(r".*(?:TIMEOUT|DEADLINE|_LIMIT_S|_SECONDS|_S)(?:_SECONDS|_SECS|_SEC|_S)?")
_NUMBER = re.compile(r"\d{1,6}(?:\.\d{1,6})?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_ENV_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w{0,127})\s*=")
_MAX_VARIABLES = 60
_LIBPQ = {
    "PGHOST": "host",
    "PGPORT": "port",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGDATABASE": "database",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A variable of the entry: its template, and where its name was found."""

    name: str
    template: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """`settings` are written; `inherited` are names whose values only the user's shell has.

    `services` are those that the settings name, besides Postgres and Redis.
    """

    settings: tuple[Setting, ...] = ()
    services: tuple[Service, ...] = ()
    inherited: tuple[Variable, ...] = ()
    notes: tuple[Note, ...] = ()

    def uses(self, dependency: str) -> bool:
        """Whether a template has a placeholder of the dependency."""
        return any(f"{{{dependency}." in each.template for each in self.settings)


def find_environment(
    sources: Sources, service: ComposeService | None, compose: Compose | None
) -> Environment:
    """The variables that the code reads or the compose file gives.

    A value is copied only where it is a number or one plain word, and its name is not a secret's.
    """
    values = _values(sources, service)
    known = _merged([*sources.variables, *_given(service), *_of_files(sources, service)])
    driver = _driver(sources)
    others = [each.name for each in compose.services if each is not service] if compose else []
    services = Services(containers=others)
    settings: list[Setting] = []
    inherited: list[Variable] = []
    notes: list[Note] = []
    for variable in known[:_MAX_VARIABLES]:
        value = values.get(variable.name)
        asked = variable.default if value is None else value
        template = placeholder(variable.name, value=asked, type_=variable.type, driver=driver)
        if not _is_used(template, sources, asked):
            template = ""
        template = template or services.template(variable, asked)
        if not template and value is not None and not is_secret(variable.name, variable.type):
            template = literal(value) if _HARMLESS.fullmatch(value) else ""
        if template:
            settings.append(Setting(name=variable.name, template=template, place=variable.place))
        elif is_secret(variable.name, variable.type) and variable.is_required:
            inherited.append(variable)
        else:
            notes += _note(variable, value, compose)
    settings += _others_of_libpq(settings)
    if len(known) > _MAX_VARIABLES:
        notes.append(Note(says=f"only the first {_MAX_VARIABLES} of {len(known)} variables"))
    notes += _to_start(services)
    return Environment(
        settings=tuple(settings),
        services=tuple(services.found.values()),
        inherited=tuple(inherited),
        notes=tuple(notes),
    )


def _to_start(services: Services) -> Iterator[Note]:
    """What the user must do about the services that the app's variables name."""
    for each in services.found.values():
        known = f"the service {each.container} of the compose file" if each.container else each.name
        yield Note(
            says=f"{known} must run while crashloop does, at {each.upstream}: correct "
            f"services.{each.name} if it listens elsewhere",
            place=each.place,
        )


def _others_of_libpq(settings: list[Setting]) -> Iterator[Setting]:
    """The variables that clients of Postgres read on their own, where the app sets one of them."""
    given = [each for each in settings if each.name in _LIBPQ]
    names = {each.name for each in given}
    for name, part in _LIBPQ.items():
        if given and name not in names:
            yield Setting(name=name, template=f"{{postgres.{part}}}", place=given[0].place)


def _note(variable: Variable, value: str | None, compose: Compose | None) -> Iterator[Note]:
    """What the user must do about a variable that was not written."""
    others = [each.name for each in compose.services] if compose else []
    host = re.search(r"(?:://|^)([\w-]+)(?::\d+)?(?:/|$)", value or "")
    if host and host[1] in others:
        yield Note(
            says=f"{variable.name} names the service {host[1]}: start it yourself, then write "
            f'services.{host[1]} = {{upstream = "127.0.0.1:PORT"}} and use '
            f"{{services.{host[1]}.url}}",
            place=variable.place,
        )
    elif variable.is_required:
        yield Note(
            says=f"{variable.name} must have a value: add it to env, or to inherit_env",
            place=variable.place,
        )
    elif _TIME.fullmatch(variable.name.upper()) and _NUMBER.fullmatch(variable.default or ""):
        yield Note(
            says=f'{variable.name} looks like a time: env.{variable.name} = "{variable.default}" '
            f'and timers = ["{variable.name}"] let a run be faster than real time',
            place=variable.place,
        )


def _values(sources: Sources, service: ComposeService | None) -> dict[str, str]:
    """What Dockerfile and compose file give, as far as the value is in them."""
    read = {each.name for each in sources.variables}
    path = service_dockerfile(sources, service)
    env = sources.dockerfiles[path].env if path else {}
    values = {name: value for name, (value, _) in env.items() if name in read}
    if service is not None:
        values |= {name: value for name, value in service.environment.items() if value is not None}
    return {name: value for name, value in values.items() if "${" not in value}


def _given(service: ComposeService | None) -> Iterator[Variable]:
    if service is not None:
        for name in service.environment:
            yield Variable(name=name, place=service.at("environment"), is_required=True)


def _of_files(sources: Sources, service: ComposeService | None) -> Iterator[Variable]:
    """The names in the env files of the service, and never a value."""
    if service is None:
        return
    folder = service.place.file.rpartition("/")[0]
    for file in service.env_files:
        path = f"{folder}/{file}".lstrip("/").removeprefix("./")
        text = sources.tree.texts.get(path, "")
        for line in text.splitlines():
            if match := _ENV_LINE.match(line):
                yield Variable(name=match[1], place=service.at("env_file"), is_required=True)


def _merged(variables: list[Variable]) -> list[Variable]:
    """One variable for each name: where it is first read, required if it is anywhere."""
    found: dict[str, Variable] = {}
    for each in variables:
        if each.name in _MACHINE or not _NAME.fullmatch(each.name):
            continue
        first = found.setdefault(each.name, each)
        found[each.name] = replace(
            first,
            default=each.default if first.default is None else first.default,
            is_required=first.is_required or each.is_required,
            type=first.type or each.type,
        )
    return list(found.values())


def _driver(sources: Sources) -> str:
    """The driver that SQLAlchemy needs in the URL; "" without SQLAlchemy or for its default."""
    if not sources.has("sqlalchemy", "sqlmodel"):
        return ""
    if any(each.rewrites_url for each in sources.python.values()):
        return ""
    is_async = any("create_async_engine" in each.calls for each in sources.python.values())
    if is_async and sources.has("asyncpg"):
        return "asyncpg"
    has_newer = sources.has("psycopg") and not sources.has("psycopg2", "psycopg2-binary")
    return "psycopg" if has_newer else ""


def _is_used(template: str, sources: Sources, value: str | None) -> bool:
    """Whether the server of the template can be meant: its driver is here, or no other one's."""
    server = template.strip("{").partition(".")[0]
    if server not in _DRIVERS or (value or "").startswith(server) or not sources.packages:
        return True
    is_other = sources.has(*_OTHER_DRIVERS) or (value or "").startswith("sqlite")
    if server == "postgres" and not is_other:
        return True
    return sources.has(*_DRIVERS[server]) is not None


_REDIS_DRIVERS = ("redis", "aioredis", "coredis", "ioredis", "celery", "rq", "arq", "aiocache")
_POSTGRES_DRIVERS = (
    *("asyncpg", "psycopg", "psycopg2", "psycopg2-binary", "pg8000", "aiopg", "pg", "postgres"),
    *("pg-promise", "psycopg-pool", "psycopg-binary"),
)
_OTHER_DRIVERS = (
    *("pymysql", "mysqlclient", "aiomysql", "mysql-connector-python", "MySQLdb", "mysql", "mysql2"),
    *("motor", "pymongo", "mongodb", "mongoose", "aiosqlite", "cx-oracle", "oracledb"),
)
_DRIVERS = {"postgres": _POSTGRES_DRIVERS, "redis": _REDIS_DRIVERS}
