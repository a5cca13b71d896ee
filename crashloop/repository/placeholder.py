"""The placeholder that a variable's name asks for."""

from __future__ import annotations

import re

from crashloop.repository.shell import HOST_VARIABLES, PORT_VARIABLES

_DATABASE = r"(?:DATABASE|POSTGRES(?:QL)?|PSQL|PG|DB|SQLALCHEMY(?:_DATABASE)?)"
_POSTGRES = {
    "url": re.compile(
        rf"(?:.*_)?{_DATABASE}_?(?:URL|URI|DSN|CONNECTION|CONN(?:ECTION)?_STR(?:ING)?)"
    ),
    "host": re.compile(rf"(?:.*_)?{_DATABASE}_?(?:HOST|HOSTNAME|SERVER|ADDR|ADDRESS)"),
    "port": re.compile(rf"(?:.*_)?{_DATABASE}_?PORT"),
    "user": re.compile(rf"(?:.*_)?{_DATABASE}_?(?:USER|USERNAME)"),
    "password": re.compile(rf"(?:.*_)?{_DATABASE}_?(?:PASSWORD|PASS|PASSWD|PWD)"),
    "database": re.compile(rf"(?:.*_)?{_DATABASE}_?(?:DB|NAME|DATABASE|DBNAME)"),
}
_REDIS = {
    "url": re.compile(r"(?:.*_)?(?:REDIS|VALKEY|CACHE|BROKER)_?(?:URL|URI|DSN)"),
    "host": re.compile(r"(?:.*_)?(?:REDIS|VALKEY)_?(?:HOST|HOSTNAME|SERVER)"),
    "port": re.compile(r"(?:.*_)?(?:REDIS|VALKEY)_?PORT"),
}
_TYPES = {"PostgresDsn": ("postgres", "url"), "RedisDsn": ("redis", "url")}
_ADDRESS = dict.fromkeys(HOST_VARIABLES, "{host}") | dict.fromkeys(PORT_VARIABLES, "{port}")
_OTHER = re.compile(r"(?:.*_)?(?:TEST|TESTS|TESTING|MYSQL|MONGO|MONGODB|SQLITE|MSSQL|ORACLE)_.*")
_SCHEME = re.compile(r"(postgres(?:ql)?|rediss?|valkey)(?:\+(\w{1,30}))?://")
_OTHER_SCHEME = re.compile(r"(?!sqlite)[a-z][a-z0-9+.-]*:")  # SQLite is often a default only
_SECRET = re.compile(
    r"KEY|TOKEN|SECRET|PASSW|(?:^|_)(?:PASS|PWD|SALT|AUTH|DSN|JWT|PRIVATE|CERT|PIN|SIGNATURE)(?:_|$)"
    r"|CREDENTIAL|WEBHOOK"
)


def placeholder(name: str, *, value: str | None, type_: str, driver: str) -> str:
    """The template of the variable; "" where its name and value ask for none.

    `value` is what the project gives it, of which only the scheme and the driver of a URL count.
    `driver` is that of SQLAlchemy where it is used and there is no value.
    """
    scheme = _SCHEME.match(value or "")
    if scheme:
        is_redis = scheme[1].startswith(("redis", "valkey"))
        return "{redis.url}" if is_redis else _postgres("url", scheme[2] or "")
    upper = name.upper()
    if type_ in _TYPES:
        found: tuple[str, str] | None = _TYPES[type_]
    else:
        found = None if _OTHER.fullmatch(upper) else _part(upper)
    if found is None or (found[1] == "url" and _OTHER_SCHEME.match(value or "")):
        return _ADDRESS.get(upper, "")
    server, part = found
    return _postgres(part, driver) if server == "postgres" else f"{{{server}.{part}}}"


def is_secret(name: str, type_: str = "") -> bool:
    """Whether the value must not be copied."""
    return type_.startswith("Secret") or bool(_SECRET.search(name.upper()))


def _part(name: str) -> tuple[str, str] | None:
    for server, parts in (("redis", _REDIS), ("postgres", _POSTGRES)):
        for part, names in parts.items():
            if names.fullmatch(name):
                return server, part
    return None


def _postgres(part: str, driver: str) -> str:
    with_driver = part == "url" and driver
    return f"{{postgres.url+{driver}}}" if with_driver else f"{{postgres.{part}}}"
