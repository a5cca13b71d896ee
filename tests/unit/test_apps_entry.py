"""Entries of apps in TOML: what they say, and where a mistake in one is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from crashloop.apps import load_entry, sample_app
from crashloop.errors import CapabilityError, UsageError
from crashloop.model import RequestStep, SqlStep, WebSocketStep

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = """\
# a shop
[apps.other]
command = "other"

[apps.shop]
command = "{python} -m 'my shop' --port {port}"
timers = ["SHOP_WAIT_S"]
ready = {request = "GET /ready", json = {db = true}}
phases = ["one", "two"]

[apps.shop.knobs]
limit_s = 5

[apps.shop.env]
SHOP_DB = "{postgres.url+psycopg}"
SHOP_WAIT_S = "30"
SHOP_LIMIT = "{limit_s}"

[[apps.shop.journey]]
request = "POST /orders"
json = {key = "{key}"}
status = 201
contains = "{key}"

[[apps.shop.journey]]
websocket = "/ws"
send = "{key}"
expect = {key = "{key}"}

[[apps.shop.journey]]
sql = "select count(*) from orders where key = '{key}'"
equals = 1
"""


def written(folder: Path, text: str = ENTRY) -> Path:
    path = folder / "crashloop.toml"
    path.write_text(text)
    return path


def test_an_entry_is_read_with_its_journey_in_order(tmp_path: Path) -> None:
    app = load_entry(written(tmp_path), "shop")

    assert app.command == ("{python}", "-m", "my shop", "--port", "{port}")
    assert (app.timers, app.phases) == (("SHOP_WAIT_S",), ("one", "two"))
    assert app.knobs == {"limit_s": 5}
    assert (app.ready.path, app.ready.json) == ("/ready", {"db": True})
    assert app.journey.steps == (
        RequestStep(
            method="POST", path="/orders", json={"key": "{key}"}, status=201, contains="{key}"
        ),
        WebSocketStep(path="/ws", send="{key}", expect={"key": "{key}"}),
        SqlStep(sql="select count(*) from orders where key = '{key}'", equals=1),
    )


def test_an_app_is_ready_with_its_port_and_runs_in_its_files_folder_by_default(
    tmp_path: Path,
) -> None:
    app = load_entry(written(tmp_path), "other")
    assert (app.ready.path, app.journey.steps, app.cwd) == ("", (), str(tmp_path))


@pytest.mark.parametrize(("cwd", "folder"), [("", ""), ("web", "web")])
def test_an_empty_folder_is_a_new_one_and_another_is_relative_to_the_file(
    tmp_path: Path, cwd: str, folder: str
) -> None:
    path = written(tmp_path, f'[apps.a]\ncommand = "x"\ncwd = "{cwd}"')
    assert load_entry(path, "a").cwd == (str(tmp_path / folder) if folder else "")


def test_an_own_environment_is_relative_to_the_file_and_what_is_inherited_can_be_chosen(
    tmp_path: Path,
) -> None:
    text = """[apps.a]
command = "x"
venv = ".venv"
inherit_env = ["PATH", "AWS_*"]
secrets = ["AWS_REGION", "DSN"]
env = {DSN = "x"}
"""
    app = load_entry(written(tmp_path, text), "a")
    assert app.venv == str(tmp_path / ".venv")
    assert app.inherit_env == ("PATH", "AWS_*")
    assert app.masked_env == ("AWS_REGION", "DSN")
    assert app.source == f"{tmp_path}/crashloop.toml:1"


def test_without_them_an_app_shares_our_environment_and_inherits_three_variables(
    tmp_path: Path,
) -> None:
    app = load_entry(written(tmp_path), "other")
    assert (app.venv, app.inherit_env, app.masked_env) == ("", ("PATH", "HOME", "LANG"), ())


def test_a_path_alone_is_a_ready_request(tmp_path: Path) -> None:
    path = written(tmp_path, '[apps.a]\ncommand = "x"\nready = "GET /up"')
    assert load_entry(path, "a").ready.path == "/up"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('command = "{python}', 'comand = "{python}', 6, "no field 'comand'\n  did you mean comm"),
        ("timers =", "secrets = ['SHOP_DSN']\ntimers =", 7, "SHOP_DSN is neither in `env` nor"),
        ("timers =", "inherit_env = 'PATH'\ntimers =", 7, "list of texts"),
        ("timers =", "venv = 1\ntimers =", 7, "must be a text"),
        ("limit_s = 5", "limit_ms = 5", 12, "give the knob limit_s; {limit_ms} is"),
        ("{limit_s}", "{limit_s/0}", 17, "{limit_s/0}' is no time divided"),
        ("{port}", "{prot}", 6, "unknown placeholder {prot}"),
        ("'my shop'", "'my shop", 6, "No closing quotation"),
        ("command = \"{python} -m 'my shop' --port {port}\"", 'command = ""', 6, "needs a"),
        ('"SHOP_WAIT_S"]', '"SHOP_WAIT"]', 7, "the timer SHOP_WAIT is not in `env`"),
        ("GET /ready", "POST /ready", 8, "asks by GET, not by POST"),
        ("GET /ready", "GET ready", 8, '"METHOD /path"'),
        ("json = {db = true}", "jsn = {db = true}", 8, "`ready` has no field 'jsn'"),
        ('["one", "two"]', '"one"', 9, "list of texts"),
        ("limit_s = 5", "limit_s = 'x'", 12, "not a number of seconds"),
        ("limit_s = 5", "limit_s = [5]", 12, "the knob limit_s must be"),
        ("limit_s = 5", "port = 5", 12, "'port' cannot be the name of a knob"),
        ("url+psycopg", "uri", 15, "unknown placeholder {postgres.uri}"),
        ('WAIT_S = "30"', 'WAIT_S = "{limit_s}"', 16, "SHOP_WAIT_S is a timer"),
        ('WAIT_S = "30"', "WAIT_S = 30", 16, "must be a text"),
        ("POST /orders", "/orders", 20, '"METHOD /path"'),
        ("status = 201", "staus = 201", 22, "no field 'staus'"),
        ("status = 201", "status = 'ok'", 22, "a status of HTTP"),
        ('contains = "{key}"', 'contains = "{kay}"', 23, "unknown placeholder {kay}"),
        ('send = "{key}"', "", 25, "needs a `send`"),
        ("equals = 1", "", 30, "needs `equals`"),
        ('websocket = "/ws"', 'websocket = "/ws"\nsql = "select 1"', 25, "has one of"),
        ("[apps.shop.env]", "[apps.shop.env", 14, "Expected"),
        ("SHOP_DB =", "'A=B' = 'x'\nSHOP_DB =", 15, "'A=B' cannot be a variable"),
        ("SHOP_DB =", "'' = 'x'\nSHOP_DB =", 15, "'' cannot be a variable"),
        ("+psycopg}", "}\\u0000", 15, "'SHOP_DB' cannot be a variable"),
        ("--port {port}", "--port \\u0000", 6, "`command` has a NUL"),
        ('json = {key = "{key}"}', "json = {day = 2026-01-01}", 21, "cannot be sent as JSON"),
        ('send = "{key}"', "send = inf", 27, "cannot be sent as JSON"),
        (
            "phases =", "before = [{request = 'POST /a'}]\nphases =", 9,
            "no step of `before` reads",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_message_with_file_and_line(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    assert old in ENTRY
    path = written(tmp_path, ENTRY.replace(old, new))

    with pytest.raises(UsageError) as refused:
        load_entry(path, "shop")

    assert refused.value.message.startswith(f"{path}:{line}: ")
    assert says in str(refused.value)


@pytest.mark.parametrize("name", ["", "../x", "-h", "a b", "a\\u001b"])
def test_a_name_that_is_no_file_name_or_argument_is_refused(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, f'[apps."{name}"]\ncommand = "x"')
    with pytest.raises(UsageError, match="cannot be the name of an app"):
        load_entry(path, name.replace("\\u001b", "\x1b"))


def test_a_number_that_python_does_not_read_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, f"a = {'9' * 5000}")
    with pytest.raises(UsageError, match=r"crashloop\.toml cannot be read: .*digits"):
        load_entry(path, "shop")


def test_an_app_that_is_no_table_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "[apps]\nshop = 1")
    with pytest.raises(UsageError, match=r"toml:2: `shop` must be a table"):
        load_entry(path, "shop")


def test_a_file_that_is_nested_too_deeply_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a = " + "[" * 100_000)
    with pytest.raises(UsageError, match="nested too deeply"):
        load_entry(path, "shop")


def test_an_app_that_the_file_does_not_have_is_named_with_those_that_it_has(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"crashloop\.toml:2: there is no app 'shopp'\n.*known: other, shop"
    ):
        load_entry(written(tmp_path), "shopp")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml cannot be read"):
        load_entry(tmp_path / "none.toml", "shop")


def test_the_sample_apps_entry_is_found_without_importing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "app_under_test"]:
        monkeypatch.delitem(sys.modules, name)

    app = sample_app()

    assert "app_under_test.main:app" in app.command
    assert app.phases[2] == "database"
    assert len(app.journey.steps) == 3
    assert "app_under_test" not in sys.modules


def test_a_missing_sample_app_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(CapabilityError, match=r"not installed(?s:.)*\.\[sample"):
        sample_app()
