"""The files that have apps' entries, and the search for the nearest one."""

from __future__ import annotations

import contextlib
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crashloop.apps.lines import lines_of
from crashloop.apps.source import Source
from crashloop.apps.text import read_text
from crashloop.errors import OutageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.model import AppUnderTest

OURS = "crashloop.toml"
PYPROJECT = "pyproject.toml"
TABLES = {OURS: "apps", PYPROJECT: "tool.crashloop.apps"}
"""The files that are looked for, and the table of each that has the apps."""


def nearest_file(folder: Path) -> Path:
    """The file with apps that is nearest, in `folder` or above it.

    UsageError if there is none, or if one folder has two.
    """
    for each in (folder, *folder.parents):
        found = [path for name in TABLES if (path := each / name).is_file() and read_apps(path)[1]]
        if len(found) > 1:
            places = " and ".join(str(table_of(read_apps(path)[0])) for path in found)
            raise UsageError(
                f"two files of one folder have apps: {places}",
                hint="keep the entries in one of them, or name one: --config FILE",
            )
        if found:
            return found[0]
    raise UsageError(
        f"no app of your own is described in {folder} or above it",
        hint=f"`crashloop init` writes one; or write [apps.NAME] in {OURS}, or "
        f"[{TABLES[PYPROJECT]}.NAME] in {PYPROJECT}, by hand: see docs/your-app.md; the name "
        "`sample` needs no entry",
    )


def read_apps(path: Path) -> tuple[Source, dict[str, Any]]:
    """The file's text, and its apps by name, each as it was parsed.

    UsageError, with file and line, for a file that cannot be read, and for tables of ours with an
    unknown name.
    """
    source, data = read_toml(path)
    return source, _apps(data, source)


def read_toml(path: Path) -> tuple[Source, dict[str, Any]]:
    """The file's text, and its values.

    UsageError, with file and line where there is one, for a file that cannot be read.
    """
    try:
        text = read_text(path)
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))  # else it is at the end
        line = found[1] if found else len(text.splitlines())
        raise UsageError(f"{path}:{line}: {error}") from None
    except RecursionError:
        raise UsageError(f"{path} cannot be read: it is nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits
        raise UsageError(f"{path} cannot be read: {error}") from None
    return Source(path=path, lines=lines_of(text)), data


def table_of(source: Source) -> Source:
    """The place of the table that has the apps."""
    return _place(source, TABLES[PYPROJECT if source.path.name == PYPROJECT else OURS])


@contextlib.contextmanager
def about_entry(app: AppUnderTest, field: str = "") -> Iterator[None]:
    """Begin the message of a UsageError with the place of a field in the app's entry, if any.

    Without a field, or where it is missing, that is the place of the entry.
    """
    try:
        yield
    except UsageError as error:
        if not app.source or isinstance(error, OutageError):
            raise
        place = _place_of(app, field) if field else app.source
        raise UsageError(f"{place}: {error.message}", hint=error.hint) from None


def _place_of(app: AppUnderTest, field: str) -> str:
    try:
        source, _ = read_apps(Path(app.source.rpartition(":")[0]))
    except UsageError:  # it has been changed or removed since it was read
        return app.source
    return str(table_of(source).at(app.name, field))


def _apps(data: dict[str, Any], source: Source) -> dict[str, Any]:
    prefix = ""
    if source.path.name == PYPROJECT:
        tool, prefix = data.get("tool"), "tool.crashloop."
        data = tool.get("crashloop", {}) if isinstance(tool, dict) else {}
        _require_table(data, source, prefix.rstrip("."))
    for name in data:
        if name != "apps":
            raise _place(source, f"{prefix}{name}").error(
                f"unknown table `{prefix}{name}`", hint=f"write [{prefix}apps.NAME]"
            )
    apps: dict[str, Any] = data.get("apps", {})
    _require_table(apps, source, f"{prefix}apps")
    return apps


def _require_table(found: object, source: Source, name: str) -> None:
    if not isinstance(found, dict):
        raise _place(source, name).error(f"`{name}` must be a table")


def _place(source: Source, table: str) -> Source:
    """The place of a table by its dotted name."""
    return source.at(*table.split("."))
