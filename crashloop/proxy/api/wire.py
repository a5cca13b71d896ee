"""Toxics as JSON, and the faults that they are: pure, both ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from crashloop.errors import CrashloopError
from crashloop.proxy.api.decode import members, read_members, share, shortest_float32, text
from crashloop.proxy.api.error import ApiError, of_data_plane
from crashloop.proxy.api.kinds import KINDS, MAX_CONNECTIONS, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.proxy.api.kinds import Kind, Scalar
    from crashloop.proxy.faults import Direction, Fault

WRAPPER = "ToxicWrapper"
_CHANGE = (
    r'struct { Attributes interface {} "json:\"attributes\""; '
    r'Toxicity float32 "json:\"toxicity\"" }'
)
_DIRECTIONS: dict[str, Direction] = {"upstream": "upstream", "downstream": "downstream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """One toxic of a proxy, as the API shows it.

    `stream` is kept as the client wrote it; `attributes` are in the API's own units.
    """

    name: str
    type: str
    stream: str = "downstream"
    toxicity: float = 1
    attributes: Mapping[str, Scalar]

    @property
    def direction(self) -> Direction:
        """Which way the bytes go that it acts on."""
        return _DIRECTIONS[self.stream.lower()]

    def document(self) -> dict[str, object]:
        """Toxiproxy's JSON, in its order."""
        return {
            "attributes": dict(self.attributes),
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": int(self.toxicity) if self.toxicity in {0, 1} else self.toxicity,
        }

    def fault(self) -> Fault | None:
        """The data plane's record; None for "noop". ApiError 400 for what has no meaning."""
        kind = KINDS[self.type]
        if not 0 <= self.toxicity <= 1:
            raise ApiError(f"toxicity must be 0 to 1, not {self.toxicity:g}")
        if not kind.has_toxicity and self.toxicity != 1:
            raise ApiError(
                f"toxicity must be 1 for {self.type}: it acts on the proxy's port as a whole"
            )
        for name, value in self.attributes.items():
            least = 1 if name == "connections" else kind.attributes[name].least
            if value < least:
                raise ApiError(f"{name} of {self.type} must be {least} or more, not {value}")
        try:
            return kind.build(self)
        except CrashloopError as error:
            raise of_data_plane(error, usage_status=400) from error

    def changed(self, body: Any) -> Toxic:
        """The toxic after an update: toxicity and attributes count, all else is ignored.

        Raises ApiError, and then nothing has changed.
        """
        kind = KINDS[self.type]
        given: list[Any] = []
        found = read_members(
            body,
            {"attributes": _noting(members(f"toxics.{kind.struct}"), given), "toxicity": share},
            struct="",
            go_type=_CHANGE,
        )
        attributes = {**self.attributes, **_attributes(kind, given)}
        return replace(self, toxicity=found.get("toxicity", self.toxicity), attributes=attributes)

    @classmethod
    def of(cls, name: str, fault: Fault) -> Self:
        """The toxic that a fault is."""
        type_, kind = kind_of(fault)
        attributes = {key: spec.of(fault) for key, spec in kind.attributes.items()}
        connections = getattr(fault, "connections", None)
        if connections is not None:
            attributes["connections"] = connections
        return cls(
            name=name,
            type=type_,
            stream=getattr(fault, "direction", "downstream"),
            toxicity=shortest_float32(getattr(fault, "toxicity", 1)),
            attributes=attributes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A toxic whose attributes are not read yet: Toxiproxy looks for its name before."""

    name: str
    type: str
    stream: str
    toxicity: float
    given: tuple[Any, ...]

    @classmethod
    def read(cls, body: Any) -> Self:
        """Read everything but the attributes; raises ApiError 400, checks in Toxiproxy's order."""
        given: list[Any] = []
        found = read_members(
            body,
            {
                "attributes": _noting(members("toxics.NoopToxic"), given),
                "name": text,
                "type": text,
                "stream": text,
                "toxicity": share,
            },
            struct=WRAPPER,
            go_type=f"toxics.{WRAPPER}",
        )
        stream = found.get("stream", "downstream")
        if stream.lower() not in _DIRECTIONS:
            raise ApiError("stream was invalid, can be either upstream or downstream")
        type_ = found.get("type", "")
        name = found.get("name") or f"{type_}_{stream}"
        if type_ not in KINDS:
            raise ApiError(f"invalid toxic type: {type_!r} is none of {', '.join(KINDS)}")
        toxicity = found.get("toxicity", 1)
        return cls(name=name, type=type_, stream=stream, toxicity=toxicity, given=tuple(given))

    def toxic(self) -> Toxic:
        """The whole toxic, every attribute with its default; ApiError 400 for bad attributes."""
        kind = KINDS[self.type]
        defaults: dict[str, Scalar] = {name: spec.default for name, spec in kind.attributes.items()}
        toxic = Toxic(
            name=self.name,
            type=self.type,
            stream=self.stream,
            toxicity=self.toxicity,
            attributes=defaults | _attributes(kind, self.given),
        )
        toxic.fault()
        return toxic


def _attributes(kind: Kind, given: list[Any] | tuple[Any, ...]) -> dict[str, Scalar]:
    readers = {name: spec.read for name, spec in kind.attributes.items()}
    if kind.has_connections:
        readers["connections"] = MAX_CONNECTIONS
    found: dict[str, Scalar] = {}
    for one in given:
        found |= read_members(
            one, readers, struct=f"{kind.struct}.attributes", go_type=f"toxics.{kind.struct}"
        )
    return found


def _noting(read: Any, given: list[Any]) -> Any:
    """A reader that keeps what it read: equal keys add up, as Go fills one struct twice."""

    def note(value: Any, place: str) -> Any:
        given.append(read(value, place))
        return given[-1]

    return note
