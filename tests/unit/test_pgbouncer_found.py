"""PgBouncer is found, or what is missing is said before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crashloop.engines import pgbouncer
from crashloop.engines.docker import capability
from crashloop.engines.possible import require_possible
from crashloop.errors import CapabilityError, UsageError
from crashloop.incidents import incident

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of one folder, and no other place to look."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pgbouncer, "SYSTEM_PROGRAMS", "")
    return tmp_path


def program(path: Path, says: str) -> None:
    file = path / pgbouncer.PROGRAM
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(0o755)


def test_a_machine_without_it_is_told_how_to_install_it(path: Path) -> None:
    del path
    with pytest.raises(CapabilityError, match="has none") as raised:
        require_possible(incident("fault:hold").scenario(pooler="transaction"))
    assert "apt-get install pgbouncer" in str(raised.value.hint)


@pytest.mark.parametrize("says", ["PgBouncer 1.17.0", "bouncer", ""])
def test_one_that_is_too_old_or_another_program_is_refused(path: Path, says: str) -> None:
    program(path, says)
    with pytest.raises(CapabilityError, match=r"1\.18 is needed"):
        pgbouncer.find_pgbouncer()


@pytest.mark.parametrize("says", ["PgBouncer 1.18.0", "PgBouncer 1.25.1", "PgBouncer 2.0.0"])
def test_a_later_one_is_taken(path: Path, says: str) -> None:
    program(path, says)
    assert pgbouncer.find_pgbouncer() == path / pgbouncer.PROGRAM


def test_docker_needs_none_of_this_machine(path: Path) -> None:
    del path
    capability.require_possible(incident("fault:lock_orphaned").scenario())


def test_an_unknown_pool_mode_is_refused() -> None:
    with pytest.raises(UsageError, match="pooler=statement is not possible"):
        incident("fault:hold").scenario(pooler="statement")


@pytest.mark.parametrize("mode", ["", "session"])
def test_an_orphaned_lock_needs_a_pooler_that_keeps_sessions(mode: str) -> None:
    with pytest.raises(UsageError, match="is not possible") as raised:
        incident("fault:lock_orphaned").scenario(pooler=mode)
    assert "transaction" in str(raised.value.hint)
