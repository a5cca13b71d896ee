"""Toxics as the API reads and shows them: a name, a stream and a fault."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crashloop.errors import UsageError
from crashloop.proxy.api.body import Members, shown
from crashloop.proxy.api.error import ApiError, bad_body, of_data_plane
from crashloop.proxy.encoding import decode, encode
from crashloop.proxy.faults import (
    KINDS,
    ConnectionFault,
    Fault,
    LinkFault,
    attributes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.proxy.attribute import Attribute, Scalar
    from crashloop.proxy.faults import Direction

MAX_NAME_CHARS = 2000
MAX_NUMBER = 2**63 - 1

_DIRECTIONS: dict[str, Direction] = {"upstream": "upstream", "downstream": "downstream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Noop(LinkFault):
    """Nothing happens; the data plane never sees it."""

    kind = "noop"
    says = "Nothing."


TYPES: Mapping[str, type[Fault]] = {**KINDS, Noop.kind: Noop}


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """One toxic of a proxy; `stream` is kept as the client wrote it."""

    name: str
    stream: str
    fault: Fault

    @property
    def is_upstream(self) -> bool:
        """Whether it belongs to the upstream toxics."""
        return self.stream.lower() == "upstream"

    def document(self) -> dict[str, object]:
        """Toxiproxy's JSON, in its order."""
        toxicity = getattr(self.fault, "toxicity", 1)
        return {
            "attributes": encode(self.fault),
            "name": self.name,
            "type": self.fault.kind,
            "stream": self.stream,
            "toxicity": int(toxicity) if toxicity in {0, 1} else toxicity,
        }


def read_toxic(value: Any, warnings: list[str]) -> Toxic:
    """The toxic that a client describes, every attribute with its default; ApiError 400."""
    members = Members(value, "the toxic", warnings)
    name = members.take("name", str, "")
    kind = members.take("type", str, "")
    stream = members.take("stream", str, "downstream")
    toxicity = members.take("toxicity", float, 1)
    given = members.take("attributes", dict, {})
    members.end()
    if stream.lower() not in _DIRECTIONS:
        raise ApiError("stream was invalid, can be either upstream or downstream")
    if kind not in TYPES:
        raise ApiError(f"invalid toxic type: {shown(kind)} is not one of {', '.join(TYPES)}")
    if len(name) > MAX_NAME_CHARS:
        raise ApiError(f"the name of a toxic has {MAX_NAME_CHARS} characters at most")
    fault_type = TYPES[kind]
    values = _attributes(fault_type, given, warnings, unset=0)
    return Toxic(
        name=name or f"{kind}_{stream}",
        stream=stream,
        fault=_fault(fault_type, values, toxicity, stream),
    )


def changed(toxic: Toxic, value: Any, warnings: list[str]) -> Toxic:
    """The toxic after an update of attributes and toxicity; ApiError 400."""
    members = Members(value, "the toxic", warnings)
    toxicity = members.take("toxicity", float, getattr(toxic.fault, "toxicity", 1))
    given = members.take("attributes", dict, {})
    members.skip("name", "type", "stream")
    members.end()
    fault_type = type(toxic.fault)
    values = encode(toxic.fault) | _attributes(fault_type, given, warnings)
    return replace(toxic, fault=_fault(fault_type, values, toxicity, toxic.stream))


def _fault(
    fault_type: type[Fault], values: Mapping[str, Scalar], toxicity: float, stream: str
) -> Fault:
    others: dict[str, Any] = {}
    if issubclass(fault_type, ConnectionFault):
        others["toxicity"] = toxicity
    elif toxicity != 1:
        raise ApiError(
            f"toxicity must be 1 for {fault_type.kind}: it acts on the proxy's port as a whole"
        )
    if issubclass(fault_type, LinkFault):
        others["direction"] = _DIRECTIONS[stream.lower()]
    try:
        return decode(fault_type, values, **others)
    except UsageError as error:
        raise of_data_plane(error, usage_status=400) from error


def _attributes(
    fault_type: type[Fault],
    given: dict[str, Any],
    warnings: list[str],
    *,
    unset: int | None = None,
) -> dict[str, Scalar]:
    """The type's attributes in the API's units; one that is not given is `unset`, or left out."""
    kind = fault_type.kind
    members = Members(given, f"attributes of {kind}", warnings)
    found: dict[str, Scalar] = {}
    for attribute in attributes(fault_type).values():
        default = None if attribute.name == "connections" else unset
        value = members.take(attribute.name, _type_of(attribute), default)
        if value is None:
            continue
        if not math.isfinite(value) or abs(value) > MAX_NUMBER:
            raise bad_body(f"{attribute.name} of {kind} is too large a number")
        if value < attribute.least:
            least = attribute.least
            raise ApiError(f"{attribute.name} of {kind} must be {least} or more, not {value}")
        found[attribute.name] = value
    members.end()
    return found


def _type_of(attribute: Attribute) -> type[Scalar]:
    if attribute.unit == "flag":
        return bool
    return float if attribute.takes_fractions else int
