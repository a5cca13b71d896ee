"""`crashloop init` on whole repositories: the entry that it writes, as it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import repositories

from crashloop.apps import load_entry
from crashloop.repository import entry_text, find, read_tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model import AppUnderTest

ALL = {
    "asyncpg": repositories.FASTAPI_ASYNCPG,
    "sqlalchemy": repositories.SQLALCHEMY_SRC,
    "compose": repositories.COMPOSE,
    "flask": repositories.FLASK_HEROKU,
    "django": repositories.DJANGO,
    "node": repositories.NODE,
    "go": repositories.NOT_UNDERSTOOD,
}


def written(files: Mapping[str, str], folder: Path, name: str = "") -> tuple[AppUnderTest, str]:
    """The app as its entry is loaded, and the entry's text."""
    repositories.write(files, folder)
    findings = find(read_tree(folder), name)
    path = folder / "crashloop.toml"
    path.write_text(entry_text(findings), encoding="utf-8")
    return load_entry(path, findings.name), path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ALL)
def test_an_entry_can_be_loaded_and_has_few_lines_besides_comments(
    tmp_path: Path, kind: str
) -> None:
    _, text = written(ALL[kind], tmp_path)

    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 13  # five parts of an address and five of a cache are ten lines alone
    assert max(len(line) for line in lines) <= 110


def test_a_plain_driver_gets_a_plain_url(tmp_path: Path) -> None:
    app, text = written(repositories.FASTAPI_ASYNCPG, tmp_path)

    assert app.command == ("uvicorn", "main:app", "--host", "{host}", "--port", "{port}")
    assert app.env == {"DATABASE_URL": "{postgres.url}"}
    assert app.ready.path == "/health"
    assert "# main.py:6" in text
    assert '# request = "POST /orders"' in text
    assert "DB_TIMEOUT_S looks like a time" in text


def test_sqlalchemy_gets_the_driver_of_its_engine_and_migrations_are_the_setup(
    tmp_path: Path,
) -> None:
    app, text = written(repositories.SQLALCHEMY_SRC, tmp_path)

    assert app.name == "Stock-Keeper"
    assert app.command == (
        "uvicorn",
        "stock.main:app",
        "--host",
        "{host}",
        "--port",
        "{port}",
        "--workers",
        "2",
    )
    assert app.setup == ("alembic", "upgrade", "head")
    assert Path(app.cwd) == tmp_path / "src"
    assert Path(app.venv) == tmp_path / ".venv"
    assert app.env == {"STOCK_DB": "{postgres.url+asyncpg}", "STOCK_LOG_LEVEL": "info"}
    assert app.ready.path == "/internal/readyz"
    assert app.inherit_env == ("PATH", "HOME", "LANG", "STOCK_API_KEY")
    assert app.masked_env == ("STOCK_API_KEY",)
    assert "Dockerfile:12" in text


def test_files_that_the_app_does_not_import_say_nothing_about_it(tmp_path: Path) -> None:
    _, text = written(repositories.SQLALCHEMY_SRC, tmp_path)

    assert "BACKFILL_BUCKET" not in text
    assert "NOT_OURS" not in text


def test_no_secret_of_a_compose_file_or_an_env_file_is_copied(tmp_path: Path) -> None:
    app, text = written(repositories.COMPOSE, tmp_path)

    assert "hunter2" not in text
    assert app.masked_env == ("STRIPE_API_KEY", "SESSION_SECRET")
    assert app.env == {
        "DATABASE_URL": "{postgres.url+psycopg}",
        "CELERY_BROKER_URL": "{redis.url}",
        "LOG_LEVEL": "debug",
        "CATALOG": "{services.catalog.url}",
    }


def test_what_a_compose_file_has_beyond_an_entry_is_named_as_ignored(tmp_path: Path) -> None:
    app, text = written(repositories.COMPOSE, tmp_path)

    assert app.name == "web"
    assert app.command[:4] == ("granian", "--interface", "asgi", "api.server:app")
    assert Path(app.cwd) == tmp_path / "backend"
    assert "ignored keys of the service web: restart, logging, depends_on, ports" in text
    assert "the service catalog of the compose file must run" in text
    assert "other services: worker" in text
    assert "WORKER_ONLY" not in text


def test_a_named_service_of_a_compose_file_is_read(tmp_path: Path) -> None:
    repositories.write(repositories.COMPOSE, tmp_path)

    findings = find(read_tree(tmp_path), "catalog")

    assert findings.name == "catalog"


def test_a_procfile_gives_the_command_and_its_release_the_setup(tmp_path: Path) -> None:
    app, text = written(repositories.FLASK_HEROKU, tmp_path)

    assert app.command == (
        *("gunicorn", "shop:create_app()", "--workers", "1", "--bind", "{host}:{port}"),
    )
    assert app.setup == ("flask", "--app", "shop", "db", "upgrade")
    assert app.env["SQLALCHEMY_DATABASE_URI"] == "{postgres.url}"  # SQLite was for development
    assert "MAIL_FROM must have a value" in text


def test_django_gets_the_parts_of_its_address(tmp_path: Path) -> None:
    app, _ = written(repositories.DJANGO, tmp_path)

    assert app.command == ("gunicorn", "site1.wsgi:application", "--bind", "{host}:{port}")
    assert app.setup == ("python", "manage.py", "migrate", "--noinput")
    assert app.env == {
        "DB_NAME": "{postgres.database}",
        "DB_USER": "{postgres.user}",
        "DB_PASS": "{postgres.password}",
        "DB_HOST": "{postgres.host}",
        "DB_PORT": "{postgres.port}",
    }
    assert app.masked_env == ("DJANGO_SECRET_KEY",)


def test_node_gets_what_its_start_script_runs_and_all_that_its_client_reads(
    tmp_path: Path,
) -> None:
    app, text = written(repositories.NODE, tmp_path)

    assert app.name == "acme-links"
    assert app.command == ("node", "src/server.js")
    assert app.env["PORT"] == "{port}"
    assert {name for name in app.env if name.startswith("PG")} == {
        *("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"),
    }
    assert app.env["REDIS_HOST"] == "{redis.host}"
    assert "OLD_NAME" not in text
    assert "no virtual environment" not in text


def test_a_command_that_is_not_understood_is_built_on_docker_and_says_why(
    tmp_path: Path,
) -> None:
    app, text = written(repositories.NOT_UNDERSTOOD, tmp_path)

    assert Path(app.build) == tmp_path
    assert "Dockerfile:2: the command is not understood: it uses |" in text


def test_gunicorn_without_a_route_for_readiness_is_told_to_name_one(tmp_path: Path) -> None:
    files = {
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
        "requirements.txt": "flask\ngunicorn\n",
    }

    _, text = written(files, tmp_path)

    assert "gunicorn opens its port before a worker has started" in text


def test_a_prefix_that_another_file_may_add_leaves_the_ready_path_to_the_user(
    tmp_path: Path,
) -> None:
    files = {
        "main.py": "from fastapi import FastAPI\nfrom routes import router\napp = FastAPI()\n"
        'app.include_router(router, prefix="/api")\n',
        "routes.py": "from fastapi import APIRouter\nrouter = APIRouter()\n"
        '@router.get("/health")\ndef health(): ...\n',
    }

    app, text = written(files, tmp_path)

    assert app.ready.path == ""
    assert 'a prefix may come before the path: ready = "GET /health"' in text


def test_an_app_that_uses_only_redis_depends_on_redis_only(tmp_path: Path) -> None:
    files = {
        "main.py": "import os, redis\nfrom starlette.applications import Starlette\n"
        'client = redis.from_url(os.environ["REDIS_URL"])\napp = Starlette()\n'
    }

    app, _ = written(files, tmp_path)

    assert app.dependencies == ("redis",)


def test_a_client_without_a_variable_for_its_address_is_named(tmp_path: Path) -> None:
    files = {
        "main.py": "import asyncpg\nfrom fastapi import FastAPI\napp = FastAPI()\n",
    }

    _, text = written(files, tmp_path)

    assert "main.py:1: a client of Postgres is used, and no variable has its address" in text


def test_the_database_of_another_vendor_is_not_called_postgres(tmp_path: Path) -> None:
    files = {
        "requirements.txt": "fastapi\npymysql\n",
        "main.py": "import os\nfrom fastapi import FastAPI\napp = FastAPI()\n"
        'host = os.environ["DB_HOST"]\n',
    }

    app, text = written(files, tmp_path)

    assert app.env == {}
    assert "DB_HOST must have a value" in text


def test_the_working_folder_of_the_container_chooses_between_two_modules(tmp_path: Path) -> None:
    app = "from fastapi import FastAPI\napp = FastAPI()\n"
    files = {
        "services/billing/main.py": app,
        "services/orders/main.py": app,
        "compose.yaml": "services:\n  web:\n    build: .\n    working_dir: /srv/orders\n"
        "    command: uvicorn main:app\n",
    }

    found, _ = written(files, tmp_path)

    assert Path(found.cwd) == tmp_path / "services" / "orders"


def test_an_app_that_listens_on_a_fixed_port_is_told_which(tmp_path: Path) -> None:
    files = {
        "Dockerfile": "FROM node\nEXPOSE 8080\nCMD node server.js\n",
        "server.js": "listen(8080);\n",
    }

    _, text = written(files, tmp_path)

    assert "Dockerfile:3: the app must listen on {port}, not on 8080" in text


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--token hunter2hunter2", "--token"),
        ("--admin-password=hunter2hunter2", "--admin-password"),
    ],
)
def test_a_secret_that_stands_in_a_command_is_left_out_and_named(
    tmp_path: Path, option: str, name: str
) -> None:
    files = {
        "main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        "Procfile": f"web: uvicorn main:app {option} --log-level info\n",
    }

    app, text = written(files, tmp_path)

    assert "hunter2" not in text
    assert "--log-level" in app.command
    assert f"the value of {name} was left out" in text


FASTAPI = "from fastapi import FastAPI\nimport os\napp = FastAPI()\n"
NODE = {"package.json": '{"name": "shop", "scripts": {"start": "node server.js"}}'}


@pytest.mark.parametrize(
    ("files", "place"),
    [
        (
            {
                "requirements.txt": "fastapi\nuvicorn\n",
                "main.py": FASTAPI
                + 'PRICING = os.environ.get("PRICING_URL", "http://127.0.0.1:9000")\n',
            },
            "main.py:4",
        ),
        (
            {
                **NODE,
                "server.js": "const url = process.env.PRICING_URL || 'http://127.0.0.1:9000';\n",
            },
            "server.js:1",
        ),
    ],
)
def test_the_url_of_another_service_gets_a_proxied_path(
    tmp_path: Path, files: dict[str, str], place: str
) -> None:
    app, text = written(files, tmp_path)

    assert app.env["PRICING_URL"] == "{services.pricing.url}"
    assert app.services == {"pricing": "127.0.0.1:9000"}
    assert f'services.pricing = {{upstream = "127.0.0.1:9000"}} # {place}' in text
    assert f'PRICING_URL = "{{services.pricing.url}}" # {place}' in text


def python_app(*lines: str) -> dict[str, str]:
    return {
        "requirements.txt": "fastapi\nuvicorn\n",
        "main.py": FASTAPI + "".join(f"os.getenv({line})\n" for line in lines),
    }


@pytest.mark.parametrize(
    ("line", "env", "services"),
    [
        ('"MAIL_SERVICE_URL", "http://localhost:25/v1/"', "{services.mail.url}/v1", "mail"),
        ('"QUEUE_URL", "amqp://localhost:5672"',
         "amqp://{services.queue.host}:{services.queue.port}", "queue"),
        ('"STOCK_BASE_URL", "https://[::1]:8443"',
         "https://{services.stock.host}:{services.stock.port}", "stock"),
    ],
)  # fmt: skip
def test_a_path_and_another_scheme_are_kept(
    tmp_path: Path, line: str, env: str, services: str
) -> None:
    app, _ = written(python_app(line), tmp_path)
    assert ([*app.env.values()], [*app.services]) == ([env], [services])


@pytest.mark.parametrize(
    "line",
    [
        '"PRICING_URL", "http://pricing.example.com:9000"',
        '"PRICING_URL", "http://127.0.0.1"',
        '"PRICING_URL", "http://user:word@127.0.0.1:9000"',
        '"PRICING_URL", "http://127.0.0.1:9000?key=1"',
        '"PRICING_URL", "http://127.0.0.1:90000"',
        '"HOOK_TOKEN_URL", "http://127.0.0.1:9000/very-secret"',
        '"PUBLIC_URL", "http://localhost:8000"',
        '"CORS_ORIGIN", "http://localhost:3000"',
        '"OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318"',
    ],
)
def test_what_is_elsewhere_secret_or_the_app_itself_is_no_service(
    tmp_path: Path, line: str
) -> None:
    app, text = written(python_app(line), tmp_path)
    assert app.services == {}
    assert "word" not in text
    assert "very-secret" not in text


def test_two_variables_with_one_address_name_one_service(tmp_path: Path) -> None:
    lines = ('"PRICING_URL", "http://127.0.0.1:9000"', '"PRICES_URL", "http://localhost:9000"')
    app, _ = written(python_app(*lines, '"REDIS_API_URL", "http://localhost:9001"'), tmp_path)
    assert app.services == {"pricing": "127.0.0.1:9000", "service-redis": "127.0.0.1:9001"}
    assert app.env["PRICES_URL"] == "{services.pricing.url}"


def test_a_service_of_the_compose_file_is_named_by_it_and_must_be_started(tmp_path: Path) -> None:
    compose = """
services:
  web:
    build: .
    command: uvicorn main:app
    environment:
      RATES: http://pricing:9000
      OWN: http://web:8000
  pricing:
    image: pricing
"""
    app, text = written({**python_app('"RATES"', '"OWN"'), "compose.yaml": compose}, tmp_path)
    assert app.env == {"RATES": "{services.pricing.url}"}
    assert app.services == {"pricing": "127.0.0.1:9000"}
    said = " ".join(text.replace("#", " ").split())
    assert "the service pricing of the compose file must run while crashloop does" in said
