from __future__ import annotations

import ast
from pathlib import Path

import pytest
from pydantic import ValidationError

import app_under_test
from app_under_test.phases import DEFAULT_PHASES
from app_under_test.settings import Settings, SettingsError, load, timers

URL = "postgresql+asyncpg://app:hidden@127.0.0.1:6432/app"
FOLDER = Path(app_under_test.__file__).parent
WAITS = {"sleep", "timeout", "wait_for", "wait", "timeout_at", "call_later"}


def settings(**fields: object) -> Settings:
    return Settings.model_validate({"database_url": URL, **fields})


def test_every_time_is_a_timer_in_seconds_and_every_timer_a_time() -> None:
    marked = set(timers())
    named = {f"APP_{name.upper()}" for name in Settings.model_fields if name.endswith("_s")}
    floats = {
        f"APP_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if field.annotation is float
    }
    assert marked == named == floats
    assert len(marked) >= 17


def test_every_timer_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_DATABASE_URL", URL)
    values = {variable: number / 8 for number, variable in enumerate(timers(), start=1)}
    values["APP_STARTUP_PROBE_S"] = 1000.0  # every budget must be below it
    for variable, value in values.items():
        monkeypatch.setenv(variable, str(value))
    loaded = load()
    for variable, value in values.items():
        assert getattr(loaded, variable.removeprefix("APP_").lower()) == value


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
def test_no_module_has_a_time_of_its_own(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        times = node.args if name in WAITS else []
        times += [word.value for word in node.keywords if "timeout" in (word.arg or "")]
        assert not any(isinstance(time, ast.Constant) for time in times), ast.unparse(node)


def test_every_phase_has_a_limit_and_the_databases_is_the_audits() -> None:
    limits = {phase.name: settings().phase_limit_s(phase.name) for phase in DEFAULT_PHASES}
    assert len(limits) == 7
    assert limits["database"] == 20.0
    assert (settings().pool_size, settings().max_overflow) == (20, 30)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "APP_DATABASE_URL"),
        ({"APP_DATABASE_URL": ""}, "APP_DATABASE_URL"),
        ({"APP_DATABASE_URL": "postgres://app:hidden@127.0.0.1/app"}, "APP_DATABASE_URL"),
        ({"APP_DATABASE_URL": "postgresql+asyncpg://app:hidden@127.0.0.1"}, "APP_DATABASE_URL"),
        ({"APP_DATABASE_URL": "postgresql+asyncpg://app:hidden@h:port/app"}, "APP_DATABASE_URL"),
        ({"APP_DATABASE_URL": "postgresql+asyncpg://app:hidden@[::1/app"}, "APP_DATABASE_URL"),
        ({"APP_DATABASE_URL": URL, "APP_CACHE_URL": "http://:hidden@c"}, "APP_CACHE_URL"),
        ({"APP_DATABASE_URL": URL, "APP_POOL_SIZE": "hidden"}, "APP_POOL_SIZE"),
        (
            {"APP_DATABASE_URL": URL, "APP_PHASE_DATABASE_LIMIT_S": "nan"},
            "APP_PHASE_DATABASE_LIMIT_S",
        ),
        (
            {"APP_DATABASE_URL": URL, "APP_PHASE_DATABASE_LIMIT_S": "0"},
            "APP_PHASE_DATABASE_LIMIT_S",
        ),
        (
            {"APP_DATABASE_URL": URL, "APP_DATABASE_WARM_CONNECTIONS": "51"},
            "APP_DATABASE_WARM_CONNECTIONS must not exceed APP_POOL_SIZE and APP_MAX_OVERFLOW",
        ),
    ],
)
def test_a_bad_setting_is_named_in_one_line_without_its_value(
    environment: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load()
    text = str(caught.value)
    assert named in text
    assert "hidden" not in text
    assert "\n" not in text
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (URL, "tcp:127.0.0.1:6432"),
        ("postgresql+asyncpg://app:x@db.internal/app", "tcp:db.internal:5432"),
        (
            "postgresql+asyncpg://app:x@/app?host=/cloudsql/p:r:i",
            "unix:/cloudsql/p:r:i/.s.PGSQL.5432",
        ),
        ("postgresql+asyncpg://app:x@/app?host=/run/pg&port=6432", "unix:/run/pg/.s.PGSQL.6432"),
    ],
)
def test_the_databases_address_is_known_without_its_secrets(url: str, address: str) -> None:
    assert settings(database_url=url).database_address == address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (None, None),
        ("redis://:x@127.0.0.1:6390/0", "tcp:127.0.0.1:6390"),
        ("rediss://cache.internal/0", "tcp:cache.internal:6379"),
        ("unix:///run/redis.sock?db=0", "unix:/run/redis.sock"),
    ],
)
def test_the_caches_address_is_known_without_its_secrets(
    url: str | None, address: str | None
) -> None:
    assert settings(cache_url=url).cache_address == address


def test_only_the_phases_that_open_a_dependency_have_an_address() -> None:
    loaded = settings(cache_url="redis://127.0.0.1:6390/0")
    addresses = {phase.name: loaded.address_of(phase.name) for phase in DEFAULT_PHASES}
    assert {name for name, address in addresses.items() if address} == {"database", "cache"}


def test_all_connections_of_the_pool_and_its_overflow_may_be_opened_at_once() -> None:
    assert settings(database_warm_connections=50).database_warm_connections == 50


@pytest.mark.parametrize("name", ["", "Text", "text; drop table messages", "te-xt", "x" * 64])
def test_a_column_has_a_name_that_needs_no_quotes(name: str) -> None:
    with pytest.raises(ValidationError, match="text_column"):
        settings(text_column=name)
