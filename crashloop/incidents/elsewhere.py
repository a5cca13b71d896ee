"""Incidents from outside of this package: of one folder, and of installed packages.

In a folder, each file has one, as `INCIDENT`. A package names each of its incidents as an entry
point of the group `crashloop.incidents`. One that cannot be used is left out, and the others count.
"""

from __future__ import annotations

import contextlib
import functools
import stat
import sys
import traceback
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any

from crashloop.errors import CrashloopError, UsageError
from crashloop.incidents.contained import Contained, TookTooLong
from crashloop.incidents.soundness import require_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from crashloop.incidents.incident import Incident

GROUP = "crashloop.incidents"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An incident that cannot be used: its likely name, where it is, why, and what to do."""

    name: str
    place: str
    why: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Incidents by name, and those that cannot be used."""

    incidents: Mapping[str, Incident] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Candidate:
    """What may be an incident; `file` is its absolute path, "" for a package's."""

    name: str
    place: str
    load: Callable[[], object]
    file: str = ""


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
        wanted = [each for each in _of_packages() if name in {"", each.name}]
        return _sorted_out(wanted, {*self._own, *self.in_folder.incidents})


def _named(name: str, found: Found) -> Incident | None:
    if name in found.incidents:
        return found.incidents[name]
    for each in found.left_out:
        if each.name == name:
            raise UsageError(f"{name} cannot be used: {each.place}: {each.why}", hint=each.hint)
    return None


def _sorted_out(candidates: Iterable[_Candidate], taken: Collection[str]) -> Found:
    """What can be used; of two with one name, the first."""
    incidents: dict[str, Incident] = {}
    left_out: list[LeftOut] = []
    for each in candidates:
        made = _tried(each)
        if not isinstance(made, LeftOut) and made.name in {*taken, *incidents}:
            why = f"there is another incident called {made.name}"
            made = LeftOut(name=each.name, place=each.place, why=why, hint="rename one of the two")
        if isinstance(made, LeftOut):
            left_out.append(made)
        else:
            incidents[made.name] = made
    return Found(incidents=incidents, left_out=tuple(left_out))


@functools.lru_cache(maxsize=256)
def _tried(candidate: _Candidate) -> Incident | LeftOut:
    """The incident, or why it cannot be used; its code is run once.

    KeyboardInterrupt if the user interrupts it: any other is the code's own.
    """
    code = Contained()
    try:
        with code:
            return require_sound(candidate.load())
    except BaseException as error:  # noqa: BLE001  it is code from anywhere
        if code.is_interrupted:
            raise KeyboardInterrupt(f"while {candidate.place} was loaded") from None
        why, hint = _reason(error, candidate.file)
        return LeftOut(name=candidate.name, place=candidate.place, why=why, hint=hint)


def _reason(error: BaseException, file: str) -> tuple[str, str]:
    """What happened, with the last line of the file that was run, and what to do next."""
    if isinstance(error, CrashloopError):
        return error.message, error.hint
    if isinstance(error, OSError) and error.filename == file:
        return f"it cannot be read: {error.strerror}", ""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    line = next((frame.lineno for frame in frames if frame.filename == file), None)
    where = f"line {line}: " if line else ""
    if isinstance(error, TookTooLong):
        return f"{where}{error}", "let it do less while it is imported"
    says = ""
    with contextlib.suppress(Exception):  # its text is made by code from anywhere, too
        says = f": {error}"
    return f"{where}{type(error).__name__}{says}", ""


def _files(folder: Path) -> list[_Candidate]:
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
        _Candidate(
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


@functools.cache
def _of_packages() -> tuple[_Candidate, ...]:
    """What installed packages name as incidents, by name."""
    from importlib.metadata import entry_points  # noqa: PLC0415  slow, and seldom asked for

    try:
        found = [*map(_of_package, entry_points(group=GROUP))]
    except Exception:  # noqa: BLE001  the file of one package fails those of all
        found = [*_one_by_one()]
    return tuple(sorted(found, key=lambda each: each.name))


def _one_by_one() -> Iterator[_Candidate]:
    """What each package names; for one whose file cannot be read, that."""
    from importlib.metadata import distributions  # noqa: PLC0415  likewise

    packages = {_name_of(each): each for each in reversed([*distributions()])}  # the first counts
    for name, each in packages.items():
        try:
            yield from map(_of_package, each.entry_points.select(group=GROUP))
        except Exception as error:  # noqa: BLE001  it is a file from anywhere
            why = f"it cannot be read: {type(error).__name__}: {error}"
            wrong = functools.partial(_refuse, why)
            yield _Candidate(name=name, place=f"entry_points.txt of {name}", load=wrong)


def _refuse(why: str) -> object:
    raise UsageError(why, hint="install the package again, or uninstall it")


def _of_package(point: Any) -> _Candidate:
    package = _name_of(point.dist)
    return _Candidate(
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
