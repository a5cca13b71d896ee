"""Whether a record that was written by hand has in each field what the field is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields

from crashloop.errors import UsageError
from crashloop.incidents.compared import Compared
from crashloop.incidents.incident import Incident, LookAlike
from crashloop.incidents.parameter import Parameter
from crashloop.incidents.remedy import Remedy

_RECORDS = {each.__name__: each for each in (Incident, LookAlike, Parameter, Remedy, Compared)}
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "float": (float, int),
    "bool": (bool,),
    **{name: (record,) for name, record in _RECORDS.items()},
}
_SEVERAL = re.compile(r"(tuple|Mapping)\[(?:str, )?(\w+)(?:, \.\.\.)?\]")


def require_types(value: object, wanted: str, where: str) -> None:
    """UsageError for a value, or for a part of it, that is of another type than is `wanted`.

    A subclass is another type: it may give something else each time it is asked. What `wanted` is
    not known here, a scenario shows.
    """
    if wanted in _TYPES and type(value) not in _TYPES[wanted]:
        raise UsageError(
            f"{where} is of the type {type(value).__name__}", hint=f"it must be {_said(wanted)}"
        )
    if wanted in _RECORDS:
        for each in fields(value):  # type: ignore[arg-type]
            require_types(getattr(value, each.name), str(each.type), _part(where, each.name))
    elif several := _SEVERAL.fullmatch(wanted):
        container, inner = several.groups()
        if not isinstance(value, Mapping if container == "Mapping" else tuple | list):
            raise UsageError(f"{where} is no {container}", hint=f"it must be {wanted}")
        for one in value.values() if isinstance(value, Mapping) else value:
            require_types(one, inner, f"one of {where}")


def _said(wanted: str) -> str:
    record = _RECORDS.get(wanted)
    return f"a {record.__module__}.{wanted}" if record else {"str": "text"}.get(wanted, wanted)


def _part(where: str, name: str) -> str:
    return f"its {name}" if where == "its INCIDENT" else f"the {name} of {where}"
