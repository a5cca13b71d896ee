"""Where the entry of a user's own app is found, and what is said if it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crashloop.apps import find_entry
from crashloop.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

OURS = '[apps.shop]\ncommand = "ours"\n'
PYPROJECT = '[project]\nname = "shop"\n\n[tool.crashloop.apps.shop]\ncommand = "{word}"\n'


def written(folder: Path, **texts: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


def found(folder: Path, name: str = "shop", file: Path | None = None) -> tuple[str, ...]:
    return find_entry(name, folder=folder, file=file).command


def refusal(folder: Path, name: str = "shop", file: Path | None = None) -> str:
    with pytest.raises(UsageError) as refused:
        find_entry(name, folder=folder, file=file)
    return str(refused.value)


def test_an_app_is_found_in_either_file(tmp_path: Path) -> None:
    ours = written(tmp_path / "a", crashloop=OURS)
    theirs = written(tmp_path / "b", pyproject=PYPROJECT.format(word="theirs"))
    assert found(ours) == ("ours",)
    assert found(theirs) == ("theirs",)
    assert find_entry("shop", folder=theirs).cwd == str(theirs)


def test_the_nearest_folder_upwards_that_has_an_app_is_taken(tmp_path: Path) -> None:
    written(tmp_path, crashloop=OURS)
    near = written(tmp_path / "near", pyproject=PYPROJECT.format(word="near"))
    below = written(near / "src", pyproject="[project]\nname = 'other'\n", crashloop="# empty\n")
    assert found(below) == ("near",)
    assert found(tmp_path) == ("ours",)


def test_a_named_file_is_taken_instead(tmp_path: Path) -> None:
    written(tmp_path, crashloop=OURS)
    file = written(tmp_path / "other", services=OURS.replace("ours", "named")) / "services.toml"
    assert found(tmp_path, file=file) == ("named",)
    pyproject = written(tmp_path / "p", pyproject=PYPROJECT.format(word="p")) / "pyproject.toml"
    assert found(tmp_path, file=pyproject) == ("p",)


def test_apps_in_both_files_of_a_folder_are_refused_with_both_lines(tmp_path: Path) -> None:
    written(tmp_path, crashloop=OURS, pyproject=PYPROJECT.format(word="x"))
    says = refusal(tmp_path)
    assert f"{tmp_path}/crashloop.toml:1 and {tmp_path}/pyproject.toml:4" in says
    assert "--config FILE" in says


def test_where_there_is_no_app_the_message_says_what_to_write(tmp_path: Path) -> None:
    says = refusal(written(tmp_path, pyproject="[project]\nname = 'x'\n", crashloop=""))
    assert f"no app of your own is described in {tmp_path} or above it" in says
    assert "[apps.NAME] in crashloop.toml" in says
    assert "[tool.crashloop.apps.NAME] in pyproject.toml" in says


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    written(tmp_path, crashloop=f"{OURS}\n[apps.stock]\ncommand = 'x'\n")
    says = refusal(tmp_path, "shopp")
    assert says.startswith(f"{tmp_path}/crashloop.toml:1: there is no app 'shopp'")
    assert "known: shop, stock" in says


def test_a_named_file_without_apps_or_that_is_not_there_is_named(tmp_path: Path) -> None:
    empty = written(tmp_path, empty="") / "empty.toml"
    assert refusal(tmp_path, file=empty).startswith(f"{empty}: there is no app 'shop'")
    assert "none.toml cannot be read" in refusal(tmp_path, file=tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("name", "text", "line", "says"),
    [
        ("crashloop", '[app.shop]\ncommand = "x"', 1, "unknown table `app`\n  write [apps.NAME]"),
        ("crashloop", "\napps = 1", 2, "`apps` must be a table"),
        ("crashloop", "[apps.shop]\ncommand = ", 2, "Invalid value"),
        (
            "pyproject",
            '[tool.crashloop.app.shop]\ncommand = "x"',
            1,
            "unknown table `tool.crashloop.app`\n  write [tool.crashloop.apps.NAME]",
        ),
        (
            "pyproject",
            "[project]\n[tool.crashloop]\napps = 1",
            3,
            "`tool.crashloop.apps` must be a table",
        ),
        ("pyproject", "[project]\n[tool]\ncrashloop = 1", 3, "`tool.crashloop` must be"),
        (
            "pyproject",
            "[tool.x.shop]\ncommnd = 1\n[tool.crashloop.apps.shop]\ncommand = 'x'\ncomand = 'x'",
            5,
            "has no field 'comand'",
        ),
    ],
)
def test_a_mistake_in_a_found_file_is_one_message_with_file_and_line(
    tmp_path: Path, name: str, text: str, line: int, says: str
) -> None:
    written(tmp_path, **{name: text})
    refused = refusal(tmp_path)
    assert refused.startswith(f"{tmp_path}/{name}.toml:{line}: ")
    assert says in refused
