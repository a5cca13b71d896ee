"""Finds profiles: TOML files that come with crashloop, or files of one's own."""

from __future__ import annotations

from pathlib import Path

from crashloop.apps.file import read_toml
from crashloop.apps.table import Table, known_names
from crashloop.errors import UsageError
from crashloop.profiles.figure import Known, read_figures
from crashloop.profiles.profile import CONNECTION, EACH_OTHER, SETTLED, THROUGHPUT, Profile
from crashloop.profiles.sidecar import LISTENS, Sidecar
from crashloop.profiles.tier import CUSTOM, MAX_CONNECTIONS, MEMORY, RESERVED, Tier

FOLDER = Path(__file__).parent
TIERS_FOLDER = FOLDER / "tiers"
SIDECARS_FOLDER = FOLDER / "sidecars"
SUFFIX = ".toml"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}")))
"""The connector profiles that come with crashloop."""
SIDECAR_NAMES = tuple(sorted(path.stem for path in SIDECARS_FOLDER.glob(f"*{SUFFIX}")))
"""The side-car profiles that come with crashloop."""

_NO_FAULT = "nothing would be slow"
CONNECTORS = Known(
    of="a connector profile",
    units={
        CONNECTION: ("s",),
        SETTLED: ("s",),
        EACH_OTHER: ("s",),
        THROUGHPUT: ("Mbps", "Gbps"),
    },
    needed=(CONNECTION, SETTLED),
    of_zero=dict.fromkeys((CONNECTION, SETTLED, THROUGHPUT), _NO_FAULT),
)
TIERS = Known(
    of="a database tier",
    units={MAX_CONNECTIONS: ("connections",), RESERVED: ("connections",), MEMORY: ("GB",)},
    needed=(MAX_CONNECTIONS, RESERVED),
    of_zero={MAX_CONNECTIONS: "nobody could connect", MEMORY: "nothing could run"},
)


SIDECARS = Known(
    of="a side-car profile",
    units={LISTENS: ("s",)},
    needed=(LISTENS,),
    of_zero={LISTENS: "it would listen before the app asks"},
)


def load(name_or_path: str) -> Profile:
    """The connector profile of this name, or of a file whose path ends in .toml.

    UsageError, with file and line where there is one, for what is not a profile.
    """
    path = _place(name_or_path, FOLDER, NAMES, "connector profile", "connector")
    top = _top(path, (*_FIELDS, "each_instance"), CONNECTORS)
    return Profile(
        name=name_or_path,
        title=top.text("title") or path.stem,
        each_instance=top.flag("each_instance"),
        figures=read_figures(top, CONNECTORS),
    )


def load_tier(name_or_path: str) -> Tier:
    """The database tier of this name, or of a file whose path ends in .toml.

    Any `db-custom-CPUS-MB` is a name: it has the connections of the largest tier that comes with
    crashloop and has no more memory. UsageError, with file and line where there is one, for what is
    not a tier.
    """
    custom = CUSTOM.fullmatch(name_or_path)
    if custom and name_or_path not in TIER_NAMES:
        return _by_memory(name_or_path, int(custom["mb"]) / 1024)
    path = _place(name_or_path, TIERS_FOLDER, TIER_NAMES, "database tier", "tier")
    top = _top(path, _FIELDS, TIERS)
    figures = read_figures(top, TIERS)
    tier = Tier(name=name_or_path, title=top.text("title") or path.stem, figures=figures)
    for name in (MAX_CONNECTIONS, RESERVED):
        one = figures[name]
        if one.low != one.high or not one.low.is_integer():
            raise top.at("figures", name).error(
                f"{name} is {one.low:g} to {one.high:g}", hint="give one whole number as both"
            )
    if tier.for_apps < 1:
        raise top.at("figures", RESERVED).error(
            f"{RESERVED} leaves none of {tier.max_connections} connections to an app"
        )
    return tier


def load_sidecar(name_or_path: str) -> Sidecar:
    """The side-car profile of this name, or of a file whose path ends in .toml.

    UsageError, with file and line where there is one, for what is not a profile.
    """
    path = _place(name_or_path, SIDECARS_FOLDER, SIDECAR_NAMES, "side-car profile", "sidecar")
    top = _top(path, _FIELDS, SIDECARS)
    figures = read_figures(top, SIDECARS)
    return Sidecar(name=name_or_path, title=top.text("title") or path.stem, figures=figures)


_FIELDS = ("title", "figures")


def _place(name: str, folder: Path, names: tuple[str, ...], of: str, parameter: str) -> Path:
    """The file of a profile."""
    if name.endswith(SUFFIX):
        return Path(name)
    if name not in names:
        raise UsageError(
            f"there is no {of} {name!r}",
            hint=f"{known_names(name, names)}; or give a file: {parameter}=FILE.toml",
        )
    return folder / f"{name}{SUFFIX}"


def _top(path: Path, fields: tuple[str, ...], known: Known) -> Table:
    if path.is_fifo():
        raise UsageError(
            f"{path} cannot be read: it is a pipe",
            hint="a profile is read again and again: save it as a file",
        )
    source, values = read_toml(path)
    top = Table(values=values, source=source)
    top.require_fields(fields, of=known.of)
    return top


def _by_memory(name: str, memory_gb: float) -> Tier:
    sizes = [tier for each in TIER_NAMES if (tier := load_tier(each)).is_custom]
    fitting = [tier for tier in sizes if tier.figures[MEMORY].low <= memory_gb]
    if not fitting:
        least = min(tier.figures[MEMORY].low for tier in sizes)
        raise UsageError(
            f"the database tier {name!r} has {memory_gb:g} GB of memory",
            hint=f"a custom machine has at least {least * 1024:g} MB: db-custom-CPUS-MB",
        )
    largest = max(fitting, key=lambda tier: tier.figures[MEMORY].low)
    return Tier(
        name=name, title=f"{largest.title}; {name} has {memory_gb:g} GB", figures=largest.figures
    )


def _tier_names() -> tuple[str, ...]:
    """The names by their sizes, not by their letters."""

    def size(name: str) -> tuple[bool, int]:
        custom = CUSTOM.fullmatch(name)
        return custom is not None, int(custom["mb"]) if custom else 0

    return tuple(sorted(sorted(path.stem for path in TIERS_FOLDER.glob(f"*{SUFFIX}")), key=size))


TIER_NAMES = _tier_names()
"""The database tiers that come with crashloop."""
