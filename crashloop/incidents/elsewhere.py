"""Incidents from outside of this package: of one folder, and of installed packages.

In a folder, each file has one, as `INCIDENT`. A package names each of its incidents as an entry
point of the group `crashloop.incidents`. One that cannot be used is left out, and the others count.
"""

from __future__ import annotations

import functools
import stat
import sys
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.incidents.candidate import Candidate, LeftOut, tried
from crashloop.incidents.packages import of_packages

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from crashloop.incidents.incident import Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Incidents by name, and those that cannot be used."""

    incidents: Mapping[str, Incident] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


class Elsewhere:
    """The incidents of a folder, if there is one, and of installed packages.

    None takes the name of another: those in `own` come first, then the folder's.
    """

    def __init__(self, own: Mapping[str, Incident]) -> None:
        self._own = own
        self.folder: Path | None = None
        self.in_folder = Found()

    def use(self, folder: Path | None) -> None:
        """Take the incidents of this folder and of no other; UsageError if it has no file.

        Each file is run, those whose name begins with _ excepted.
        """
        self.folder, self.in_folder = folder, Found()
        if folder is not None:
            self.in_folder = _sorted_out(_files(folder), self._own)

    def folder_of(self, name: str) -> Path | None:
        """The folder in use, if it has the incident."""
        return self.folder if name in self.in_folder.incidents else None

    def find(self, name: str) -> Incident | None:
        """The incident by name; None if it is unknown. UsageError if it cannot be used."""
        return _named(name, self.in_folder) or _named(name, self._installed(name))

    def all(self) -> Found:
        """Every incident, those of installed packages included."""
        here, installed = self.in_folder, self._installed()
        return Found(
            incidents={**here.incidents, **installed.incidents},
            left_out=(*here.left_out, *installed.left_out),
        )

    def _installed(self, name: str = "") -> Found:
        """The incident of this name, or all, of installed packages."""
        wanted = [each for each in of_packages() if name in {"", each.name}]
        return _sorted_out(wanted, {*self._own, *self.in_folder.incidents})


def _named(name: str, found: Found) -> Incident | None:
    if name in found.incidents:
        return found.incidents[name]
    for each in found.left_out:
        if each.name == name:
            raise UsageError(f"{name} cannot be used: {each.place}: {each.why}", hint=each.hint)
    return None


def _sorted_out(candidates: Iterable[Candidate], taken: Collection[str]) -> Found:
    """What can be used; of two with one name, the first."""
    incidents: dict[str, Incident] = {}
    left_out: list[LeftOut] = []
    for each in candidates:
        made = tried(each)
        if not isinstance(made, LeftOut) and made.name in {*taken, *incidents}:
            why = f"there is another incident called {made.name}"
            made = LeftOut(name=each.name, place=each.place, why=why, hint="rename one of the two")
        if isinstance(made, LeftOut):
            left_out.append(made)
        else:
            incidents[made.name] = made
    return Found(incidents=incidents, left_out=tuple(left_out))


def _files(folder: Path) -> list[Candidate]:
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is not a folder",
            hint="name the folder with your incidents; `crashloop new-incident NAME` makes one",
        )
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}") from None
    files = [each for each in found if each.suffix == ".py" and not each.name.startswith("_")]
    if not files:
        raise UsageError(
            f"{folder} has no incident",
            hint=f"write one: crashloop new-incident NAME --incidents {folder}",
        )
    return [
        Candidate(
            name=file.stem.replace("_", "-"),
            place=str(file),
            load=functools.partial(_of_file, file),
            file=str(file.absolute()),
        )
        for file in files
    ]


def _of_file(file: Path) -> object:
    """Run the file; its INCIDENT."""
    if not stat.S_ISREG(file.absolute().stat().st_mode):
        raise UsageError("it is no regular file", hint="name what is no incident _NAME.py")
    name = f"crashloop_incident_{file.stem}"
    spec = spec_from_file_location(name, file.absolute())
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # where a dataclass looks for the module that it is in
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    if not hasattr(module, "INCIDENT"):
        raise UsageError(
            "it has no INCIDENT",
            hint="`crashloop new-incident NAME` shows one; name a file that is none _NAME.py",
        )
    return module.INCIDENT
