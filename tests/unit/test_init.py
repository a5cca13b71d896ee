"""`crashloop init`, as it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import repositories

from crashloop.apps import find_entry
from crashloop.commands.init import init
from crashloop.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return repositories.write(repositories.FASTAPI_ASYNCPG, folder)


def test_it_writes_the_entry_and_says_where_each_part_was_found(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(None, dry_run=False) == 0

    assert find_entry("shop", folder=shop).env == {"DATABASE_URL": "{postgres.url}"}
    shown = capsys.readouterr().out
    assert "uvicorn main:app --host {host} --port {port}  main.py:14" in shown
    assert "DATABASE_URL = {postgres.url}  main.py:6" in shown
    assert "no virtual environment was found" in shown
    assert shown.splitlines()[-2:] == [
        "Next     write the journey at the end of crashloop.toml, then type",
        "         crashloop check shop",
    ]


def test_a_dry_run_prints_the_entry_and_writes_nothing(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(shop.iterdir())

    assert init("till", dry_run=True) == 0

    assert sorted(shop.iterdir()) == before
    assert "[apps.till]" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "[apps.till]\ncommand = 'x'\n"])
def test_a_file_that_exists_is_never_overwritten(shop: Path, content: str) -> None:
    (shop / "crashloop.toml").write_text(content)

    with pytest.raises(UsageError, match="exists already") as raised:
        init(None, dry_run=False)

    assert "--dry-run" in raised.value.hint
    assert (shop / "crashloop.toml").read_text() == content


def test_a_link_to_nowhere_is_not_written_through(shop: Path) -> None:
    (shop / "crashloop.toml").symlink_to(shop.parent / "elsewhere")

    with pytest.raises(UsageError, match="exists already"):
        init(None, dry_run=False)

    assert not (shop.parent / "elsewhere").exists()


def test_a_pyproject_that_has_apps_keeps_them_in_one_file(shop: Path) -> None:
    (shop / "pyproject.toml").write_text("[tool.crashloop.apps.till]\ncommand = 'x'\n")

    with pytest.raises(UsageError, match=r"pyproject\.toml has apps already: till"):
        init(None, dry_run=False)

    assert not (shop / "crashloop.toml").exists()


def test_a_folder_without_an_app_gets_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repositories.write(repositories.NOTHING, tmp_path))

    with pytest.raises(UsageError, match="says how an app is started"):
        init(None, dry_run=False)

    assert not (tmp_path / "crashloop.toml").exists()


def test_a_name_that_no_entry_can_have_is_refused(shop: Path) -> None:
    with pytest.raises(UsageError, match="cannot be the name of an app"):
        init("-shop", dry_run=False)

    assert not (shop / "crashloop.toml").exists()


def test_a_name_that_toml_would_have_to_quote_is_refused(shop: Path) -> None:
    with pytest.raises(UsageError, match="cannot be the name of an app"):
        init("a b", dry_run=False)

    assert not (shop / "crashloop.toml").exists()
