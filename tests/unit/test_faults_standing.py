"""What a fault is on each engine: the engine is asked, for every fault."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest
from command_line import command_line

from crashloop.commands.standing import MODELLED, NOT_HERE, REAL, in_general, standing
from crashloop.engines.catalogue import DOCKER, DOCKER_PACKAGES, ENGINES, LOCAL
from crashloop.engines.docker import capability
from crashloop.faults import KINDS
from crashloop.faults.base import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OF_INCIDENTS = [name for name, kind in KINDS.items() if kind.alone is None]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the faults are those of Linux")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", KINDS)
def test_a_fault_that_is_no_real_one_says_why(name: str, engine: str) -> None:
    word, why = in_general(KINDS[name], engine)
    assert word in {REAL, MODELLED, NOT_HERE}
    assert why or word == REAL
    assert (word == MODELLED) is (engine in KINDS[name].modelled and word != NOT_HERE)


def test_only_linux_lacks_nothing_of_the_local_engine() -> None:
    assert {in_general(kind, LOCAL)[0] for kind in KINDS.values()} == {REAL, MODELLED}


@pytest.mark.parametrize("name", OF_INCIDENTS)
def test_a_fault_that_is_part_of_incidents_is_asked_for_as_the_others_are(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks: Mapping[str, str] = {**capability.LACKS, name: "nobody has made it"}
    monkeypatch.setattr(capability, "LACKS", lacks)
    word, why = standing(KINDS[name], DOCKER)
    assert word == NOT_HERE
    assert "nobody has made it" in why


def test_a_fault_of_a_path_says_to_what_it_is_made() -> None:
    assert in_general(KINDS["latency"], DOCKER) == (REAL, "")
    assert in_general(KINDS["hold"], DOCKER) == (
        REAL,
        "on paths to postgres over unix and to redis over tcp, and on none to postgres over tcp",
    )
    word, why = in_general(KINDS["reset_peer"], DOCKER)
    assert word == NOT_HERE
    assert why.endswith("; it is made on paths to postgres over unix and to redis over tcp")


def test_a_fault_says_what_it_needs_of_a_machine() -> None:
    assert in_general(KINDS["disk_full"], LOCAL)[1] == "where this user may make a mount namespace"
    assert in_general(KINDS["lock_orphaned"], LOCAL)[1] == "where PgBouncer is installed"
    assert "::1" in in_general(KINDS["ipv6_first"], LOCAL)[1]


@pytest.mark.parametrize(
    ("program", "word", "says"),
    [
        ("", MODELLED, "fakeredis answers so, as no redis-server is installed"),
        ("echo 'Redis server v=6.2.7 sha=0'", NOT_HERE, "redis-server 6.2.7 cannot be held"),
        ("echo 'Redis server v=7.0.15 sha=0'", REAL, ""),
        ("exit 1", REAL, ""),
    ],
)
def test_a_cache_that_loads_is_as_real_as_the_redis_server_on_path(
    program: str, word: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if program:
        (tmp_path / "redis-server").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "redis-server").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found, why = standing(KINDS["loading"], LOCAL)
    assert found == word
    assert why.startswith(says)


def test_the_catalogue_is_the_same_without_the_packages_of_docker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, before, _ = command_line("faults")
    monkeypatch.setattr("crashloop.commands.standing.find_spec", lambda _: None)
    for package in DOCKER_PACKAGES:
        monkeypatch.setitem(sys.modules, package, None)

    status, after, _ = command_line("faults")

    missing = f"docker: {' and '.join(DOCKER_PACKAGES)} must be installed first"
    assert status == 0
    assert after.count(missing) == 1
    kept = [each for each in before.splitlines() if "installed" not in each]
    assert [each for each in kept if each not in after] == []


def test_every_parameter_of_a_fault_says_what_it_takes() -> None:
    for kind in KINDS.values():
        assert issubclass(kind, Fault)
        assert all("takes" in one.metadata for one in fields(kind))
