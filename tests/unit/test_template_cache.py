from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crashloop.engines.template import cache_folder
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_cache_is_where_xdg_says_and_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache_folder(None)
    assert folder == tmp_path / "crashloop"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_cache_that_others_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(HarnessError, match="may be written by other users"):
        cache_folder(None, tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(HarnessError, match="is not a folder"):
        cache_folder(None, tmp_path / "link")


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HarnessError, match="Not a directory") as failure:
        cache_folder(None, tmp_path / "file" / "cache")
    assert "XDG_CACHE_HOME" in failure.value.hint
