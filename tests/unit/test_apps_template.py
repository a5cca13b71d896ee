"""Templates of an app: what a placeholder becomes, and what is said about one that has no value."""

from __future__ import annotations

import pytest

from crashloop.apps import is_scalable, render, sample_app, url_values, with_knobs
from crashloop.clock import TimeScale
from crashloop.errors import UsageError
from crashloop.model import AppUnderTest, Value

POSTGRES = "postgresql://app:p%2Fw@/shop?host=/run/db"
VALUES = {"host": "127.0.0.1", "port": "8080", **url_values("postgres", POSTGRES)}
SCALE = TimeScale(factor=20.0)


def app(**fields: object) -> AppUnderTest:
    given: dict[str, object] = {"name": "shop", "command": ("serve",), **fields}
    return AppUnderTest(**given)  # type: ignore[arg-type]  # each test names what it needs


def value_of(text: str, **knobs: Value) -> str:
    _, env = render(app(env={"X": text}, knobs=knobs), VALUES, SCALE)
    return env["X"]


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("http://{host}:{port}/", "http://127.0.0.1:8080/"),
        ("{postgres.url}", POSTGRES),
        ("{postgres.url+asyncpg}", "postgresql+asyncpg://app:p%2Fw@/shop?host=/run/db"),
        ("{postgres.host} {postgres.port}", "/run/db 5432"),
        ("{postgres.user}:{postgres.password}@{postgres.database}", "app:p/w@shop"),
        ('{{"port": {port}}}', '{"port": 8080}'),
    ],
)
def test_a_placeholder_becomes_its_value_and_a_double_brace_a_brace(
    text: str, rendered: str
) -> None:
    assert value_of(text) == rendered


def test_the_values_of_a_url_over_tcp_have_its_host_and_port() -> None:
    values = url_values("postgres", "postgresql://app:x@127.0.0.1:6432/app")
    assert (values["postgres.host"], values["postgres.port"]) == ("127.0.0.1", "6432")
    assert url_values("redis", "redis://127.0.0.1:77/0") == {
        "redis.url": "redis://127.0.0.1:77/0",
        "redis.host": "127.0.0.1",
        "redis.port": "77",
        "redis.database": "0",
    }


def test_a_redis_on_a_unix_socket_has_only_a_url() -> None:
    url = "unix:///run/redis.sock?db=0"
    assert url_values("redis", url) == {"redis.url": url}


def test_seconds_are_divided_by_the_scale_and_nothing_else_is() -> None:
    entry = app(
        command=("serve", "--limit", "{limit_s}", "--pool", "{pool}", "{careful}"),
        env={"WAIT_S": "30", "OTHER": "30"},
        timers=("WAIT_S",),
        knobs={"limit_s": 25, "pool": 20, "careful": True},
    )

    command, env = render(entry, VALUES, SCALE)

    assert command == ["serve", "--limit", "1.250000", "--pool", "20", "true"]
    assert env == {"WAIT_S": "1.500000", "OTHER": "30"}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("{limit_s/5}", "0.250000"),
        ("{limit_s/2.5}", "0.500000"),
        ("{limit_ms}", "1250"),
        ("{limit_ms/4}", "312"),
        ("{short_ms}", "1"),
        ("{none_ms}", "0"),
    ],
)
def test_a_time_may_be_in_whole_milliseconds_and_divided(text: str, rendered: str) -> None:
    assert value_of(text, limit_s=25, short_s=0.001, none_s=0) == rendered


@pytest.mark.parametrize("name", ["limit_s/0", "limit_s/", "limit_s/x", "pool/2"])
def test_what_cannot_be_divided_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(UsageError, match="is no time divided by a number") as refused:
        value_of(f"{{{name}}}", limit_s=25, pool=20)
    assert "{limit_s/5}" in refused.value.hint


def test_a_knob_that_is_no_time_is_not_known_in_milliseconds() -> None:
    with pytest.raises(UsageError, match="unknown placeholder"):
        value_of("{pool_ms}", limit_s=25, pool=20)


def test_an_app_can_be_scaled_if_it_takes_a_time_from_crashloop() -> None:
    knobs: dict[str, Value] = {"limit_s": 20, "pool": 5}
    assert is_scalable(app(env={"LIMIT": "{limit_s}"}, knobs=knobs))
    assert is_scalable(app(command=("serve", "{limit_ms/5}"), knobs=knobs))
    assert is_scalable(app(env={"WAIT_S": "3"}, timers=("WAIT_S",)))
    assert not is_scalable(app(env={"POOL": "{pool}", "X": "{{limit_s}}"}, knobs=knobs))


def test_real_time_leaves_seconds_as_they_are() -> None:
    _, env = render(app(env={"WAIT_S": "30"}, timers=("WAIT_S",)), VALUES, TimeScale(factor=1.0))
    assert float(env["WAIT_S"]) == 30.0


@pytest.mark.parametrize(
    "name", ["portt", "", "Port", "postgres.url+", "port+asyncpg", "redis.url", "pool", "0"]
)
def test_a_placeholder_without_a_value_is_named_with_its_place_and_what_is_known(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        value_of(f"a {{{name}}}", limit_s=1.0)

    assert f"X of app shop: unknown placeholder {{{name}}}" in refused.value.message
    assert "{port}" in refused.value.hint
    assert "{limit_s}" in refused.value.hint


@pytest.mark.parametrize("text", ["{port", "port}", "{", "{a{port}"])
def test_a_single_brace_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match=r"single|literal brace"):
        value_of(text)


@pytest.mark.parametrize("text", ["soon", "{port}", "-1", "inf", "nan"])
def test_a_timer_that_is_no_number_of_seconds_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="WAIT_S of app shop is a timer"):
        render(app(env={"WAIT_S": text}, timers=("WAIT_S",)), VALUES, SCALE)


def test_a_knob_that_an_app_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(UsageError, match=r"no knob 'limit'\n.*limit_s, "):
        with_knobs(sample_app(), {"limit": 3})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit_s", "long"),
        ("limit_s", True),
        ("limit_s", -1.0),
        ("pool_size", 2.5),
        ("pool_size", "2"),
        ("pool_size", True),
        ("degraded_start", "false"),
        ("degraded_start", 0),
    ],
)
def test_a_knob_keeps_the_type_of_its_default(name: str, value: Value) -> None:
    with pytest.raises(UsageError, match=f"the knob {name} of app sample is .*, not {value!r}"):
        with_knobs(sample_app(), {name: value})


def test_a_changed_knob_is_rendered_and_the_others_keep_their_defaults() -> None:
    values = VALUES | {"python": "py", "seed": "7", "replica": "2", "attempt": "3", "replicas": "3"}
    values |= url_values("redis", "redis://127.0.0.1:77/0")

    _, env = render(with_knobs(sample_app(), {"limit_s": 8}), values, SCALE)

    assert env["APP_PHASE_DATABASE_LIMIT_S"] == "0.400000"
    assert env["APP_DATABASE_CONNECT_TIMEOUT_S"] == "3.000000"
    assert env["APP_DATABASE_URL"].startswith("postgresql+asyncpg://")
    assert env["APP_APPLICATION_NAME"] == "app-2-3"
