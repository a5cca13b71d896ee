"""The files of a repository, each read on its own."""

from __future__ import annotations

import pytest

from crashloop.repository.command import listening
from crashloop.repository.compose import read_compose
from crashloop.repository.dockerfile import read_dockerfile
from crashloop.repository.node_source import read_node
from crashloop.repository.packages import read_package_json, read_pyproject, read_requirements
from crashloop.repository.placeholder import is_secret, placeholder
from crashloop.repository.procfile import read_procfile
from crashloop.repository.python_source import PythonSource, read_python
from crashloop.repository.shell import quoted, read_line


def python(text: str) -> PythonSource:
    found = read_python(text, "main.py")
    assert found is not None
    return found


def names(text: str) -> list[str]:
    return [each.name for each in python(text).variables]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("uvicorn main:app --port 80", "uvicorn main:app --port 80"),
        ("exec uvicorn main:app --port $PORT", "uvicorn main:app --port {port}"),
        ("uvicorn main:app --port ${PORT:-80}", "uvicorn main:app --port {port}"),
        ("set -e; cd /app && uvicorn main:app", "uvicorn main:app"),
        ("A=1 B='2 3' node server.js", "node server.js"),
        ('sh -c "exec node server.js"', "node server.js"),
        ("tini -g -- node server.js", "node server.js"),
        ("node server.js --workers ${WORKERS:-2}", "node server.js --workers 2"),
        ("node server.js '{\"a\": 1}'", "node server.js '{{\"a\": 1}}'"),
    ],
)
def test_a_shells_line_becomes_the_words_of_its_last_command(line: str, words: str) -> None:
    assert quoted(read_line(line, {}).words) == words


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("uvicorn main:app | tee log", "it uses |"),
        ("uvicorn main:app &", "it uses &"),
        ("uvicorn $APP", "$APP is not known"),
        ("uvicorn $(cat app)", "it runs a command inside of a command"),
        ("if true; then uvicorn main:app; fi", "it uses if"),
        ("uvicorn 'main:app", "No closing quotation"),
        ("", "it has no command"),
    ],
)
def test_what_only_a_shell_can_do_is_said_and_not_guessed(line: str, reason: str) -> None:
    read = read_line(line, {})

    assert (read.words, read.unclear) == ((), reason)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("uvicorn main:app --host 0.0.0.0 --port 80 --reload", "--host {host} --port {port}"),
        ("python -m uvicorn main:app --port=80", "--port {port} --host {host}"),
        ("gunicorn main:app -b :80 -b [::]:80 --daemon", "-b {host}:{port}"),
        ("hypercorn main:app", "--bind {host}:{port}"),
        ("granian --interface asgi main:app --port 80", "--port {port} --host {host}"),
        ("daphne -u /tmp/socket main:app", "--bind {host} --port {port}"),
        ("fastapi run main.py --port 80", "--port {port} --host {host}"),
        ("flask --app shop run -h 0.0.0.0 -p 80", "-h {host} -p {port}"),
        ("waitress-serve --listen=*:80 main:app", "--host {host} --port {port}"),
    ],
)
def test_a_servers_address_is_crashloops(line: str, expected: str) -> None:
    command = quoted(listening(tuple(line.split()), has_venv=False).words)

    for option in ("--reload", "--daemon", "80", "/tmp/socket"):  # noqa: S108  not opened
        assert option not in command
    for name, value in zip(*[iter(expected.split())] * 2, strict=True):
        assert f"{name} {value}" in command


def test_django_serves_without_its_reloader() -> None:
    command = listening(("python", "manage.py", "runserver", "0.0.0.0:80"), has_venv=False)

    assert command.words == ("python", "manage.py", "runserver", "{host}:{port}", "--noreload")


def test_a_launcher_is_not_needed_where_the_virtual_environment_is_known() -> None:
    words = ("uv", "run", "--frozen", "uvicorn", "main:app")

    assert listening(words, has_venv=True).words[0] == "uvicorn"
    assert listening(words, has_venv=False).words[:2] == ("uv", "run")


def test_docker_joins_entrypoint_and_cmd() -> None:
    text = 'FROM x\nENTRYPOINT ["gunicorn"]\nCMD ["main:app", "-w", "2"]\n'

    assert read_dockerfile(text, "Dockerfile").command.words == ("gunicorn", "main:app", "-w", "2")


def test_an_entrypoint_that_is_a_shells_line_ignores_cmd() -> None:
    text = 'FROM x\nENTRYPOINT node server.js\nCMD ["ignored"]\n'

    found = read_dockerfile(text, "Dockerfile")

    assert (found.command.words, str(found.place)) == (("node", "server.js"), "Dockerfile:2")


def test_an_entrypoint_script_runs_what_cmd_says() -> None:
    text = 'FROM x\nENTRYPOINT ["/docker-entrypoint.sh"]\nCMD ["node", "server.js"]\n'

    assert read_dockerfile(text, "Dockerfile").command.words == ("node", "server.js")


def test_a_stage_has_what_the_stage_below_it_has() -> None:
    text = (
        "FROM python AS base\nENV MODULE=main  OTHER='a b'\nENV OLD form of it\nWORKDIR /srv\n"
        "CMD uvicorn $MODULE:app\nFROM node AS build\nCMD npm run build\n"
        "FROM base\nEXPOSE 80/tcp 443\n"
    )

    found = read_dockerfile(text, "Dockerfile")

    assert found.command.words == ("uvicorn", "main:app")
    assert {name: value for name, (value, _) in found.env.items()} == {
        "MODULE": "main",
        "OTHER": "a b",
        "OLD": "form of it",
    }
    assert (found.workdir, found.ports) == ("/srv", ("80", "443"))


def test_a_compose_files_keys_have_their_lines() -> None:
    text = (
        "services:\n  web:\n    image: ghcr.io/acme/web:1\n    environment:\n      A: 1\n"
        "      B: true\n      C:\n    command: node server.js --port $$PORT\n    tty: true\n"
    )

    (web,) = read_compose(text, "compose.yaml").services

    assert web.environment == {"A": "1", "B": "true", "C": None}
    assert web.command.words == ("node", "server.js", "--port", "{port}")
    assert str(web.at("command")) == "compose.yaml:8"
    assert web.ignored == ("tty",)
    assert not web.is_a_server


@pytest.mark.parametrize("text", ["services: [", "a: 2024-99-99", "- 1", "", "services: 7"])
def test_a_compose_file_that_cannot_be_read_is_named(text: str) -> None:
    assert read_compose(text, "compose.yaml").unreadable.startswith("compose.yaml:")


def test_a_procfile_names_its_process_types() -> None:
    found = read_procfile("# x\nweb: node server.js\n\nrelease: npm run migrate\n", "Procfile")

    assert found["web"][0] == "node server.js"
    assert str(found["release"][1]) == "Procfile:4"


@pytest.mark.parametrize(
    "text",
    [
        'import os\nos.environ["X"]',
        'import os as o\no.environ["X"]',
        'from os import environ as e\ne["X"]',
        'from os import getenv\ngetenv("X")',
        'import os\nos.environ.get("X", "1")',
        'from decouple import config\nconfig("X")',
        'from starlette.config import Config\nc = Config()\nc("X", cast=int)',
        'from environs import Env\nenv = Env()\nenv.str("X")',
        "from pydantic_settings import BaseSettings\nclass S(BaseSettings):\n    x: int",
        "import pydantic\nclass B(pydantic.BaseSettings): ...\nclass S(B):\n    x: int = 1",
        "class S(BaseSettings):\n    other: int = Field(1, validation_alias='X')",
        "class S(BaseSettings):\n    class Config:\n        env_prefix = 'x_'\n    y: int = 1",
    ],
)
def test_each_way_to_read_a_variable_is_found(text: str) -> None:
    assert names(text) in (["X"], ["X_Y"])


def test_a_name_that_is_only_written_is_not_read() -> None:
    assert names('import os\nos.environ["X"] = "1"\nother["Y"]') == []


def test_a_prefix_from_another_file_gives_no_wrong_names() -> None:
    text = (
        "from shop import PREFIX\nclass S(BaseSettings):\n"
        "    model_config = SettingsConfigDict(env_prefix=PREFIX)\n    url: str\n"
    )

    assert names(text) == []


@pytest.mark.parametrize(
    ("text", "name", "interface", "is_factory"),
    [
        ("from fastapi import FastAPI\napp = FastAPI()", "app", "asgi", False),
        ("import fastapi\napi: object = fastapi.FastAPI()", "api", "asgi", False),
        ("from flask import Flask\napp = Flask(__name__)", "app", "wsgi", False),
        ("import falcon.asgi\napp = falcon.asgi.App()", "app", "asgi", False),
        ("async def app(scope, receive, send): ...", "app", "asgi", False),
        ("from flask import Flask\ndef make():\n    return Flask('x')", "make", "wsgi", True),
        (
            "from fastapi import FastAPI\ndef make():\n    it = FastAPI()\n    return it",
            "make",
            "asgi",
            True,
        ),
    ],
)
def test_an_app_is_found_by_what_makes_it(
    text: str, name: str, interface: str, is_factory: bool
) -> None:
    (target,) = python(text).targets

    assert (target.name, target.interface, target.is_factory) == (name, interface, is_factory)


@pytest.mark.parametrize(
    "text", ["app = make()", "def make(x):\n    return FastAPI()", "def f():\n    app = Flask()"]
)
def test_what_is_no_app_is_not_called_one(text: str) -> None:
    assert python(f"from fastapi import FastAPI\nfrom flask import Flask\n{text}").targets == ()


def test_names_in_comments_of_node_are_not_read() -> None:
    text = (
        "const env = process.env;\n// env.OLD\n * process.env.OLDER\n"
        'start(env.NEW || "1", process.env["NEWER"], settings.env.OTHER);\n'
        'if (request.method === "POST" && pathname === "/links") { }\n'
    )

    found = read_node(text, "a.js")

    assert [(each.name, each.default) for each in found.variables] == [
        ("NEW", "1"),
        ("NEWER", None),
    ]
    assert [(each.method, each.path) for each in found.routes] == [("POST", "/links")]


def test_packages_are_read_with_their_extras() -> None:
    text = "# x\n-r other.txt\nFlask_SQLAlchemy==3 ; python_version > '3'\nuvicorn[standard]>=0.3\n"

    found = dict(read_requirements(text, "requirements.txt"))

    assert list(found) == ["flask-sqlalchemy", "uvicorn", "uvicorn[standard]"]
    assert str(found["uvicorn"]) == "requirements.txt:4"


@pytest.mark.parametrize("text", ["=", "[project]\nname = 7\ndependencies = 7\n", ""])
def test_a_pyproject_of_an_unusual_form_names_nothing(text: str) -> None:
    assert read_pyproject(text, "pyproject.toml") == ("", {})


@pytest.mark.parametrize("text", ["[]", "{", '{"scripts": 7, "main": 7, "name": 7}'])
def test_a_package_json_of_an_unusual_form_names_nothing(text: str) -> None:
    assert read_package_json(text, "package.json") == ("", "", {})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DATABASE_URL", None, "{postgres.url+asyncpg}"),
        ("DATABASE_URL", "postgresql://localhost/x", "{postgres.url}"),
        ("DATABASE_URL", "postgresql+psycopg://localhost/x", "{postgres.url+psycopg}"),
        ("DATABASE_URL", "mysql://localhost/x", ""),
        ("SHOP_DB_DSN", None, "{postgres.url+asyncpg}"),
        ("STORE", "postgres://localhost/x", "{postgres.url}"),
        ("POSTGRES_SERVER", None, "{postgres.host}"),
        ("PGUSER", None, "{postgres.user}"),
        ("POSTGRES_DB", None, "{postgres.database}"),
        ("DB_PASSWORD", None, "{postgres.password}"),
        ("TEST_DATABASE_URL", None, ""),
        ("MYSQL_DB_HOST", None, ""),
        ("REDIS_URL", None, "{redis.url}"),
        ("QUEUE", "redis://localhost", "{redis.url}"),
        ("PORT", "8000", "{port}"),
        ("HOST", None, "{host}"),
        ("SMTP_PORT", "25", ""),
        ("DB_POOL_SIZE", "5", ""),
    ],
)
def test_a_variables_name_asks_for_its_placeholder(
    name: str, value: str | None, expected: str
) -> None:
    assert placeholder(name, value=value, type_="", driver="asyncpg") == expected


@pytest.mark.parametrize("name", ["API_KEY", "github_token", "AWS_SECRET", "SENTRY_DSN", "DB_PASS"])
def test_a_secrets_name_tells_it(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["LOG_LEVEL", "AUTHOR", "COMPASS", "MONITOR", "PINGS"])
def test_an_ordinary_name_is_no_secret(name: str) -> None:
    assert not is_secret(name)
