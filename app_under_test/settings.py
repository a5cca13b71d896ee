"""Every setting of the app and of its drivers, taken from `APP_*` variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from app_under_test.remedy_settings import PREFIX, RemedySettings, timer

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORT = 5432
DEFAULT_CACHE_PORT = 6379


class SettingsError(Exception):
    """A setting is missing or wrong. Its text names the variable and never holds the value."""


class Settings(RemedySettings):
    """The settings, validated. Times are seconds (`_s`), counts and sizes are integers.

    "Audit" in a description is the audit of issue 1278 (2025-09-15).
    """

    application_name: str = Field("app_under_test", min_length=1, max_length=63)
    database_url: SecretStr = Field(
        description="postgresql+asyncpg://user:password@host:port/name, or "
        "...@/name?host=/folder for a Unix socket in that folder",
    )
    database_user: str = Field(
        "", max_length=63, description="the role to log in as, or nothing: the one in the URL"
    )
    text_column: str = Field(
        "text",
        pattern="^[a-z_][a-z0-9_]*$",
        max_length=63,
        description="the column of a message's text, as this release of the app names it",
    )
    scratch_folder: str = Field(
        "",
        description="a folder that phase init writes in, or nothing: it writes no file",
    )
    startup_memory_mib: int = Field(
        0, ge=0, le=65536, description="memory that phase dependencies takes and keeps; 0: none"
    )
    cache_url: SecretStr | None = Field(None, description="redis://..., or nothing: no cache")

    phase_init_limit_s: float = timer(10.0, "limit of phase init")
    phase_dependencies_limit_s: float = timer(
        60.0, "limit of phase dependencies; above the 31.115 s that the audit saw it survive"
    )
    phase_database_limit_s: float = timer(
        20.0, "limit of phase database; audit: raised 8.0 -> 20.0 -> 25.0 s, 20.0 at the failure"
    )
    phase_cache_limit_s: float = timer(10.0, "limit of phase cache")
    phase_services_limit_s: float = timer(10.0, "limit of phase services")
    phase_websocket_limit_s: float = timer(10.0, "limit of phase websocket")
    phase_finalize_limit_s: float = timer(10.0, "limit of phase finalize")
    dependencies_replay_s: float = timer(
        0.0,
        "extra time spent in phase dependencies, to replay the audit's 31.115 s; 0: none",
        zero_allowed=True,
    )

    pool_size: int = Field(20, ge=1, le=1000, description="audit: 20 per instance")
    max_overflow: int = Field(30, ge=0, le=1000, description="audit: 30 per instance")
    database_warm_connections: int = Field(
        1,
        ge=1,
        description="connections opened at once in phase database; at most the pool and its "
        "overflow",
    )
    database_migration_lock: int = Field(
        0,
        ge=-(2**63),
        lt=2**63,
        description="key of the session-level advisory lock around creating the tables; 0: none",
    )
    database_look_first: bool = Field(
        default=False,
        description="create no tables, and take no lock for it, where they are there already",
    )
    database_startup_table: str = Field(
        "",
        pattern=r"^([a-z_][a-z0-9_]*)?$",
        max_length=63,
        description="a table of keys and values that phase database makes if it is missing, and "
        "reads; or nothing",
    )
    database_prepared_statements: bool = Field(
        True, description="false: none is kept, as a pooler in transaction mode needs it"
    )
    database_pool_timeout_s: float = timer(30.0, "wait for a free connection; SQLAlchemy's own")
    database_pool_recycle_s: float = timer(1800.0, "age at which a connection is replaced")
    database_connect_timeout_s: float = timer(60.0, "one connect; asyncpg's own default")
    database_command_timeout_s: float = timer(60.0, "one statement")
    database_close_timeout_s: float = timer(
        2.0, "an orderly close before the socket is cut; SQLAlchemy's own figure"
    )

    cache_connect_timeout_s: float = timer(5.0, "redis socket_connect_timeout")
    cache_socket_timeout_s: float = timer(5.0, "redis socket_timeout")

    cache_critical: bool = Field(default=False, description="whether phase cache must pass")
    listen_first: bool = Field(
        default=False,
        description="open the port before the phases; one that fails then ends the process with 1",
    )

    websocket_idle_s: float = timer(300.0, "a chat without a message is closed after this")
    websocket_limit: int = Field(1000, ge=1, description="open chats at once")

    @field_validator("database_url")
    @classmethod
    def _database_url_is_asyncpg(cls, value: SecretStr) -> SecretStr:
        parts = _split(value)
        if parts.scheme != "postgresql+asyncpg":
            raise ValueError("must begin with postgresql+asyncpg://")
        if not parts.path.strip("/"):
            raise ValueError("must name a database after the host, as in .../app")
        return value

    @field_validator("cache_url")
    @classmethod
    def _cache_url_is_redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and _split(value).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return value

    @model_validator(mode="after")
    def _warm_connections_fit_the_pool(self) -> Self:
        room = self.pool_size + self.max_overflow
        if self.database_warm_connections > room:
            raise ValueError(
                f"{PREFIX}DATABASE_WARM_CONNECTIONS must not exceed {PREFIX}POOL_SIZE and "
                f"{PREFIX}MAX_OVERFLOW ({self.database_warm_connections} > {room})"
            )
        return self

    def phase_limit_s(self, phase: str) -> float:
        """The time limit of the named phase, in seconds."""
        limit: float = getattr(self, f"phase_{phase}_limit_s")
        return limit

    @property
    def also_critical(self) -> frozenset[str]:
        """The phases that settings make critical."""
        return frozenset({"cache"} if self.cache_critical else ())

    @property
    def database_address(self) -> str:
        """Where the database is, without secrets: `unix:/folder/.s.PGSQL.5432` or `tcp:host:port`."""  # noqa: E501  two literal forms
        parts = _split(self.database_url)
        query = parse_qs(parts.query)
        host = query.get("host", [parts.hostname or "localhost"])[0]
        port = query.get("port", [str(parts.port or DEFAULT_PORT)])[0]
        return f"unix:{host}/.s.PGSQL.{port}" if host.startswith("/") else f"tcp:{host}:{port}"

    @property
    def cache_address(self) -> str | None:
        """Where the cache is, as `unix:/path` or `tcp:host:port`; None if there is none."""
        if self.cache_url is None:
            return None
        parts = _split(self.cache_url)
        if parts.scheme == "unix":
            return f"unix:{parts.path}"
        return f"tcp:{parts.hostname or 'localhost'}:{parts.port or DEFAULT_CACHE_PORT}"

    def address_of(self, phase: str) -> str | None:
        """The address of the dependency that the phase opens; None if it opens none."""
        return {"database": self.database_address, "cache": self.cache_address}.get(phase)


def timers() -> Mapping[str, float]:
    """Map the variable of every timer to its default, in seconds."""
    return {
        f"{PREFIX}{name.upper()}": field.default
        for name, field in Settings.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("timer")
    }


def load() -> Settings:
    """Read the environment.

    Raises SettingsError, in one line, naming each variable that is missing or wrong.
    """
    complaint: str
    try:
        return Settings.model_validate({})
    except ValidationError as error:
        complaint = "; ".join(
            f"{PREFIX}{str(entry['loc'][0]).upper()}: {entry['msg']}"
            if entry["loc"]
            else entry["msg"]
            for entry in error.errors(include_url=False, include_context=False, include_input=False)
        )
    # Raised here, outside the handler: the driver's own error quotes the values it was given.
    raise SettingsError(f"Bad setting: {complaint}. Correct the environment and start again.")


def _split(secret: SecretStr) -> SplitResult:
    """Split a URL. Raises ValueError without quoting it."""
    try:
        parts = urlsplit(secret.get_secret_value())
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL: check the host in brackets and the port") from None
    return parts
