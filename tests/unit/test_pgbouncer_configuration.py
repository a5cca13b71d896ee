"""PgBouncer's configuration: one text for both engines, and for every version that is taken."""

from __future__ import annotations

from configparser import ConfigParser

import pytest

from crashloop.engines.pgbouncer import configuration, users_file
from crashloop.proxy.address import Address

LISTEN, POSTGRES = Address(host="127.0.0.1", port=7001), Address(host="db", port=7002)
# Every setting that is used, each as old as PgBouncer 1.18 or older: it refuses what it does not
# know. In transaction mode it knows prepared statements since 1.21, whose setting is
# max_prepared_statements, so no client of ours may rely on them.
OF_1_18 = {
    "listen_addr",
    "listen_port",
    "unix_socket_dir",
    "auth_type",
    "auth_file",
    "pool_mode",
    "max_client_conn",
    "default_pool_size",
    "ignore_startup_parameters",
    "server_check_delay",
    "server_idle_timeout",
}


def parsed(mode: str = "transaction") -> ConfigParser:
    found = ConfigParser(delimiters="=", interpolation=None)
    text = configuration(listen=LISTEN, postgres=POSTGRES, users="/run/users", mode=mode)
    found.read_string(text)
    return found


def test_a_pgbouncer_without_prepared_statements_knows_every_setting() -> None:
    assert set(parsed()["pgbouncer"]) == OF_1_18


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_it_listens_at_one_address_leads_to_postgres_and_has_the_pool_mode(mode: str) -> None:
    found = parsed(mode)
    own = found["pgbouncer"]
    assert (own["listen_addr"], own["listen_port"], own["unix_socket_dir"]) == (
        "127.0.0.1",
        "7001",
        "",
    )
    assert (own["pool_mode"], own["auth_file"]) == (mode, "/run/users")
    assert dict(found["databases"]) == {"app": "host=db port=7002 dbname=app"}


def test_the_apps_role_alone_may_connect() -> None:
    assert users_file("secret") == '"app" "secret"\n'
