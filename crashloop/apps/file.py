"""The files that have apps' entries, and the search for the nearest one."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from crashloop.apps.source import Source
from crashloop.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

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
            places = " and ".join(str(table_of(path, read_apps(path)[0])) for path in found)
            raise UsageError(
                f"two files of one folder have apps: {places}",
                hint="keep the entries in one of them, or name one: --config FILE",
            )
        if found:
            return found[0]
    raise UsageError(
        f"no app of your own is described in {folder} or above it",
        hint=f"write [apps.NAME] in {OURS}, or [{TABLES[PYPROJECT]}.NAME] in {PYPROJECT}; "
        "see docs/your-app.md",
    )


def read_apps(path: Path) -> tuple[Source, dict[str, Any]]:
    """The file's text, and its apps by name, each as it was parsed.

    UsageError, with file and line, for a file that cannot be read, and for tables of ours with an
    unknown name.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise UsageError(f"{path}{f':{line[1]}' if line else ''}: {error}") from None
    source = Source(path=path, text=text)
    return source, _apps(data, source)


def table_of(path: Path, source: Source) -> Source:
    """The place of the table that has the apps."""
    table = TABLES[PYPROJECT] if path.name == PYPROJECT else TABLES[OURS]
    return source.at(table)


def _apps(data: dict[str, Any], source: Source) -> dict[str, Any]:
    prefix = ""
    if source.path.name == PYPROJECT:
        data, prefix = data.get("tool", {}).get("crashloop", {}), "tool.crashloop."
    for name in data:
        if name != "apps":
            raise source.at(f"{prefix}{name}").error(
                f"unknown table `{prefix}{name}`", hint=f"write [{prefix}apps.NAME]"
            )
    apps = data.get("apps", {})
    if not isinstance(apps, dict):
        raise source.at(f"{prefix}apps").error(
            "`apps` must be a table", hint=f"write [{prefix}apps.NAME]"
        )
    return apps
