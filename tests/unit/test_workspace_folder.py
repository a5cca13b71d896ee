from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from crashloop.engines.workspace import MAX_SOCKET_PATH_BYTES, workspace
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_workspace_is_private_short_and_gone_afterwards() -> None:
    with workspace() as ws:
        assert len(f"{ws.path}/s/.s.PGSQL.65535.lock") <= MAX_SOCKET_PATH_BYTES
        assert ws.path.stat().st_mode & 0o777 == (0o711 if os.geteuid() == 0 else 0o700)
        part = ws.part("part", account=ws.account)
        assert part.stat().st_mode & 0o777 == 0o700
        assert part.stat().st_uid == (ws.account.uid if ws.account else os.geteuid())
    assert not ws.path.exists()


def test_two_workspaces_at_once_have_two_names(tmp_path: Path) -> None:
    with workspace(parent=tmp_path) as one, workspace(parent=tmp_path) as two:
        assert one.run_id != two.run_id
        assert one.path != two.path
    assert list(tmp_path.iterdir()) == []


def test_a_workspace_is_removed_when_the_run_fails(tmp_path: Path) -> None:
    def run() -> None:
        with workspace(parent=tmp_path) as ws:
            (ws.part("part") / "file").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert list(tmp_path.iterdir()) == []


def test_a_parent_that_does_not_exist_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    refused = workspace(parent=missing)
    with pytest.raises(HarnessError, match="No such file") as failure, refused:
        pytest.fail("a workspace came out of it")
    assert str(missing) in failure.value.hint


def test_a_part_is_made_once(tmp_path: Path) -> None:
    with workspace(parent=tmp_path) as ws:
        ws.part("s")
        with pytest.raises(HarnessError, match="File exists"):
            ws.part("s")
