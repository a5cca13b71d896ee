"""What installed packages name as incidents: entry points of the group `crashloop.incidents`."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from crashloop.errors import UsageError
from crashloop.incidents.candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "crashloop.incidents"


@functools.cache
def of_packages() -> tuple[Candidate, ...]:
    """What installed packages name as incidents, by name."""
    from importlib.metadata import entry_points  # noqa: PLC0415  slow, and seldom asked for

    try:
        found = [*map(_of_package, entry_points(group=GROUP))]
    except Exception:  # noqa: BLE001  the file of one package fails those of all
        found = [*_one_by_one()]
    return tuple(sorted(found, key=lambda each: each.name))


def _one_by_one() -> Iterator[Candidate]:
    """What each package names; for one whose file cannot be read, that."""
    from importlib.metadata import distributions  # noqa: PLC0415  likewise

    packages = {_name_of(each): each for each in reversed([*distributions()])}  # the first counts
    for name, each in packages.items():
        try:
            yield from map(_of_package, each.entry_points.select(group=GROUP))
        except Exception as error:  # noqa: BLE001  it is a file from anywhere
            why = f"it cannot be read: {type(error).__name__}: {error}"
            wrong = functools.partial(_refuse, why)
            yield Candidate(name=name, place=f"entry_points.txt of {name}", load=wrong)


def _refuse(why: str) -> object:
    raise UsageError(why, hint="install the package again, or uninstall it")


def _of_package(point: Any) -> Candidate:
    package = _name_of(point.dist)
    return Candidate(
        name=point.name,
        place=f"{point.value} of {package}",
        load=functools.partial(_of_entry_point, point),
    )


def _of_entry_point(point: Any) -> object:
    if point.pattern.match(point.value) is None:
        raise UsageError(
            f"its entry point is {point.value!r}, which is not MODULE:NAME",
            hint="write it as in our_outages:INCIDENT",
        )
    made = point.load()
    if getattr(made, "name", point.name) != point.name:
        raise UsageError(
            f"its entry point is called {point.name}, and the incident {made.name}",
            hint="give both the same name",
        )
    return made


def _name_of(package: Any) -> str:
    with contextlib.suppress(Exception):  # its file may have no name, or may not be there
        return str(package.name)
    return "an installed package"
