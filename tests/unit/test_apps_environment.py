"""What an app gets of the environment, and what of it never reaches a trace."""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import replace

import pytest

from crashloop.apps import inherited, python_of, secret_values, without_secrets
from crashloop.model import AppUnderTest

SHOP = AppUnderTest(name="shop", command=("serve",))
OURS = sysconfig.get_path("scripts")
GIVEN = {
    "PATH": os.pathsep.join(["/opt/bin", OURS, "/usr/bin"]),
    "HOME": "/home/me",
    "LANG": "C",
    "PGHOST": "elsewhere",
    "AWS_REGION": "north",
    "AWS_PROFILE": "me",
}


def test_path_home_and_lang_are_inherited_by_default() -> None:
    assert set(inherited(SHOP, GIVEN)) == {"PATH", "HOME", "LANG"}


def test_what_is_inherited_may_be_a_pattern() -> None:
    app = replace(SHOP, inherit_env=("AWS_*", "MISSING"))
    assert inherited(app, GIVEN) == {"AWS_REGION": "north", "AWS_PROFILE": "me"}


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="needs a virtual environment")
def test_its_own_environment_comes_first_on_path_and_ours_is_taken_off() -> None:
    app = replace(SHOP, venv="/srv/shop/.venv")
    path = inherited(app, GIVEN)["PATH"].split(os.pathsep)
    assert path == ["/srv/shop/.venv/bin", "/opt/bin", "/usr/bin"]
    assert OURS in inherited(SHOP, GIVEN)["PATH"]


def test_programs_of_the_system_stay_on_path_where_crashloop_is_one_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    path = inherited(replace(SHOP, venv="/srv/shop/.venv"), GIVEN)["PATH"].split(os.pathsep)
    assert path == ["/srv/shop/.venv/bin", "/opt/bin", OURS, "/usr/bin"]


def test_the_apps_python_is_that_of_its_environment() -> None:
    assert python_of(replace(SHOP, venv="/srv/shop/.venv")) == "/srv/shop/.venv/bin/python"
    assert python_of(SHOP) == sys.executable


@pytest.mark.parametrize("name", ["API_KEY", "token", "MY_SECRETS", "PASSWORD", "DSN"])
def test_a_secret_is_named_as_one_or_named_in_the_entry(name: str) -> None:
    app = replace(SHOP, env={name: "abc", "HOST": "{host}"}, masked_env=("DSN",))
    assert set(secret_values(app, {name: "abc", "HOST": "h"})) == {"abc"}
    assert without_secrets(app).env == {name: "***", "HOST": "{host}"}


def test_each_line_of_a_secret_is_one() -> None:
    key = "-----BEGIN-----\nMIIEv\n-----END-----"
    assert {"MIIEv", key} <= set(secret_values(SHOP, {"TLS_KEY": key}))


def test_a_value_that_crashloop_gives_is_no_secret_unless_the_app_adds_to_it() -> None:
    app = replace(SHOP, env={"KEY_LIMIT_S": "{limit_s}", "KEY": "mine-{replica}"})
    assert set(secret_values(app, {"KEY_LIMIT_S": "1.000000", "KEY": "mine-1"})) == {"mine-1"}
