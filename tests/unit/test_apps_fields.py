"""Every field of an entry: what it becomes, and where a mistake in it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from crashloop.apps import load_entry
from crashloop.apps.entry import FIELDS
from crashloop.errors import UsageError
from crashloop.model import Journey, OwnRemedy, Ready, RequestStep

FULL = """\
[apps.shop]
command = "uvicorn {target} --port {port}"
wrap = "main:app"
setup = "alembic -x url={postgres.url} upgrade head"
services = {stock = {upstream = "127.0.0.1:9000"}, mail = {upstream = "[::1]:25"}}
transport = "unix"
ready = "log:listening on \\\\d+"
ready_every_s = 1
start_within_s = 90
journey = [{request = "POST /orders/{number}", status = 201, within_s = 2.5}]
exit_codes = [1, 3]
port_before_ready = "forbid"
platform = "docker:on-failure:6"
recover_within_s = 45

[apps.shop.env]
STOCK = "{services.stock.url} {services.mail.host}:{services.mail.port}"
LIMIT = "{limit_ms/2}"
CACHE = "{redis.host}:{redis.port}/{redis.database}"
DSN = "{postgres.host}:{postgres.port} {postgres.user}:{postgres.password}@{postgres.database}"

[[apps.shop.before]]
request = "GET /orders/{key}"

[apps.shop.remedies.patient]
env = {LIMIT = "60", TOKEN = "{limit_s}"}
command = "uvicorn {target} --port {port} --workers 2"
platform = "kubernetes"

[apps.other]
image = "shop:1"

[apps.built]
build = "web"
cwd = "/srv"
dependencies = []
"""


def written(folder: Path, text: str = FULL) -> Path:
    path = folder / "crashloop.toml"
    path.write_text(text)
    return path


def test_every_field_reaches_the_app(tmp_path: Path) -> None:
    app = load_entry(written(tmp_path), "shop")

    assert (app.wrap, app.phases) == ("main:app", ("lifespan",))
    assert app.setup == ("alembic", "-x", "url={postgres.url}", "upgrade", "head")
    assert app.services == {"stock": "127.0.0.1:9000", "mail": "[::1]:25"}
    assert (app.dependencies, app.transport) == (("postgres", "redis"), "unix")
    assert app.ready == Ready(log=r"listening on \d+", every_s=1, within_s=90)
    step = RequestStep(method="POST", path="/orders/{number}", status=201, within_s=2.5)
    assert app.journey == Journey(steps=(step,))
    assert app.before == (RequestStep(method="GET", path="/orders/{key}"),)
    assert (app.exit_codes, app.port_before_ready) == ((1, 3), "forbid")
    assert (app.platform, app.recover_within_s) == ("docker:on-failure:6", 45)
    assert app.remedies == {
        "patient": OwnRemedy(
            env={"LIMIT": "60", "TOKEN": "{limit_s}"},
            command=("uvicorn", "{target}", "--port", "{port}", "--workers", "2"),
            platform="kubernetes",
        )
    }


def test_a_limit_that_is_used_and_not_given_is_that_of_issue_1278(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert load_entry(path, "shop").knobs == {"limit_s": 20.0}
    assert load_entry(path, "other").knobs == {}


def test_an_image_needs_no_command_and_runs_in_a_folder_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path)
    other, built = load_entry(path, "other"), load_entry(path, "built")
    assert (other.image, other.command, other.cwd) == ("shop:1", (), "")
    assert (built.build, built.command, built.cwd) == (str(tmp_path / "web"), (), "/srv")


def test_an_app_depends_on_postgres_and_on_redis_where_a_template_names_it(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert load_entry(path, "other").dependencies == ("postgres",)
    assert load_entry(path, "built").dependencies == ()


def test_every_field_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "your-app.md").read_text()
    assert [field for field in FIELDS if f"| `{field}`" not in page] == []


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('setup = "', 'set_up = "', 4, "no field 'set_up'\n  did you mean setup?"),
        ("9000", "900000", 5, "the `upstream` of service stock must be host:port"),
        ('upstream = "[', 'uptsream = "[', 5, "mail has no field 'uptsream'\n  did you"),
        ("{stock =", "{redis =", 5, "'redis' cannot be the name of a service"),
        ("{stock =", "{'a b' =", 5, "'a b' cannot be the name of a service"),
        ('"unix"', '"pipe"', 6, "`transport` cannot be 'pipe'\n  possible: tcp, unix"),
        ("log:listening on", "log:(", 7, "`ready` is no regular expression after `log:`"),
        ("log:listening on \\\\d+", "log:", 7, "needs a regular expression"),
        ("log:listening on \\\\d+", "GET /{port}", 7, "`ready` takes no placeholder"),
        ("ready_every_s = 1", "ready_every_s = 0", 8, "number of seconds above 0, not 0"),
        ("start_within_s = 90", "start_within_s = true", 9, "number of seconds above 0"),
        (
            "{number}",
            "{postgres.url}",
            10,
            "{postgres.url} in 'POST /orders/{postgres.url}' is known only in `com",
        ),
        ("{number}", "{limit_s}", 10, "known only in `command`, `setup` and `env`"),
        ("{number}", "{services.stock.url}", 10, "known only in `command`, `setup` and `env`"),
        ("within_s = 2.5", "within_s = '2'", 10, "`within_s` must be a number of seconds"),
        ("[1, 3]", "[1, 256]", 11, "whole numbers from 0 to 255"),
        ("[1, 3]", "3", 11, "must be a list of whole numbers"),
        ('"forbid"', '"never"', 12, "possible: report, allow, forbid"),
        ("docker:on", "docker:in", 13, "platform docker cannot be written 'docker:in-failure:6'"),
        ("recover_within_s = 45", "recover_within_s = -1", 14, "number of seconds above 0"),
        ("recover_within_s = 45", "recover_within_s = 0", 14, "number of seconds above 0"),
        (
            "{services.stock.url}",
            "{services.stok.url}",
            17,
            "unknown placeholder {services.stok.url}",
        ),
        ("{services.stock.url}", "{services.stok.url}", 17, "did you mean {services.stock.url}?"),
        ("{services.stock.url}", "{services.stock.url+x}", 17, "unknown placeholder"),
        (
            "{services.stock.url}",
            "{key}",
            17,
            "is known only in the steps of `journey` and `before`",
        ),
        ("{services.stock.url}", "{target}", 17, "known only in `command`, and only with `wrap`"),
        ("{limit_ms/2}", "{pool_size}", 18, "a knob must be in `knobs`"),
        ("GET /orders/{key}", "GET /orders/{port}", 23, "`before`: {port} in"),
        ("[[apps.shop.before]]", "[apps.shop.before]", 22, "`before` must be a list of steps"),
        ('TOKEN = "{limit_s}"', "TOKEN = 1", 26, "must be a text"),
        ("{limit_s}", "{number}", 26, "TOKEN: {number} in '{number}' is known only in"),
        ("{port} --workers", "{prot} --workers", 27, "did you mean {port}?"),
        ('"kubernetes"', '"cubernetes"', 28, "unknown platform 'cubernetes'"),
        (
            "[apps.shop.remedies.patient]",
            "[apps.shop.remedies.none]\n[apps.shop.remedies.p]",
            25,
            "the remedy none changes nothing",
        ),
        (
            "[apps.shop.remedies.patient]",
            "[apps.shop.remedies.p]\nenf = 1",
            26,
            "remedy p has no field 'enf'",
        ),
        ('wrap = "main:app"', 'wrap = "main"', 3, "`wrap` must be \"module:name\", not 'main'"),
        ('wrap = "main:app"', "", 2, "{target} in '{target}' is known only in `command`, and only"),
        (
            '{target} --port {port}"\nwrap',
            'main:app"\nwrap',
            3,
            "write {target} for main:app in `command`",
        ),
        ('transport = "unix"', "phases = ['one']", 3, "`wrap` and `phases` exclude each other"),
        ('transport = "unix"', "venv = '.venv'\nimage = 'x:1'", 6, "`venv` and `image` exclude"),
        ('transport = "unix"', "image = 'x:1'\nbuild = '.'", 6, "`image` and `build` exclude each"),
        ('transport = "unix"', "cwd = '{host}'", 6, "`cwd` takes no placeholder"),
        ('transport = "unix"', "timers = ['LIMIT']", 18, "such as {limit_s} is scaled already"),
        (
            'transport = "unix"',
            "dependencies = ['postgres']",
            6,
            "CACHE names redis, which is not among the `dependencies`\n  dependencies = [",
        ),
        ('transport = "unix"', "dependencies = ['rabbit']", 6, "any other is one of `services`"),
        ('transport = "unix"', "patient_journey = 1", 6, "must be true or false"),
    ],
)
def test_a_mistake_in_any_field_is_one_message_with_file_and_line(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    assert old in FULL
    path = written(tmp_path, FULL.replace(old, new, 1))

    with pytest.raises(UsageError) as refused:
        load_entry(path, "shop")

    assert says in str(refused.value)
    assert refused.value.message.startswith(f"{path}:{line}: ")
