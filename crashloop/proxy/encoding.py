"""A fault's form in the API: its attributes by the API's names, in the API's units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.proxy.faults import attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.proxy.attribute import Scalar
    from crashloop.proxy.faults import Fault


def encode(fault: Fault) -> dict[str, Scalar]:
    """The attributes of a fault in the API's names and units; one that is None is left out."""
    values = {
        attribute: getattr(fault, name) for name, attribute in attributes(type(fault)).items()
    }
    return {one.name: one.encode(value) for one, value in values.items() if value is not None}


def decode(kind: type[Fault], values: Mapping[str, Scalar], **others: Any) -> Fault:
    """The fault of this kind with attributes in the API's names and units.

    `others` are fields that are not attributes there: toxicity and direction. Raises UsageError.
    """
    given = {
        name: one.decode(values[one.name])
        for name, one in attributes(kind).items()
        if one.name in values
    }
    return kind(**given, **others)
