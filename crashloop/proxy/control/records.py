"""What the API takes and answers, as records: toxics, proxies and links.

The same record is an order and a state: `populate(proxies().values())` restores what was there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast, get_args

from crashloop.errors import HarnessError
from crashloop.proxy.address import Address
from crashloop.proxy.faults import Direction

if TYPE_CHECKING:
    from collections.abc import Sequence

_Value = TypeVar("_Value")
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """One toxic of a proxy, in the API's own units: milliseconds, KB/s and bytes.

    Without a `name` the server calls it `TYPE_STREAM`. `toxicity` is a share, 0 to 1.
    """

    type: str
    name: str = ""
    stream: Direction = "downstream"
    toxicity: float = 1
    attributes: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """The body that creates it."""
        body: dict[str, object] = {
            "type": self.type,
            "stream": self.stream,
            "toxicity": self.toxicity,
            "attributes": dict(self.attributes),
        }
        return {"name": self.name, **body} if self.name else body


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyState:
    """One proxy: `listen` and `upstream` are `host:port` or, built in only, `unix:/path`.

    In an answer `listen` has the real port.
    """

    name: str
    upstream: str
    listen: str = "127.0.0.1:0"
    enabled: bool = True
    toxics: tuple[Toxic, ...] = ()

    @property
    def address(self) -> Address:
        """Where a client on the proxy's machine connects to."""
        known = self.listen.startswith("unix:")
        return Address.parse(self.listen if known else f"tcp:{self.listen}").dialable()

    def to_json(self) -> dict[str, object]:
        """The body that creates it; toxics only where there are some."""
        body: dict[str, object] = {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
        }
        return {**body, "toxics": [each.to_json() for each in self.toxics]} if self.toxics else body


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """One open link of the built-in proxy, when it was asked.

    `link` is its name as in the events; `data` all that the server told, with live byte counts.
    """

    link: str
    data: Mapping[str, object]


def read_toxic(answer: object) -> Toxic:
    """Read one toxic; HarnessError for anything else."""
    value = _mapping(answer)
    stream = _part(value, "stream", str)
    if stream not in get_args(Direction):
        raise rubbish("a stream that is upstream or downstream", stream)
    return Toxic(
        type=_part(value, "type", str),
        name=_part(value, "name", str),
        stream=cast("Direction", stream),
        toxicity=_number(value, "toxicity"),
        attributes=_mapping(value.get("attributes") or {}),
    )


def read_toxics(answer: object) -> tuple[Toxic, ...]:
    """Read a list of toxics; HarnessError for anything else."""
    return tuple(read_toxic(each) for each in _sequence(answer))


def read_proxy(answer: object) -> ProxyState:
    """Read one proxy with its toxics; HarnessError for anything else."""
    value = _mapping(answer)
    return ProxyState(
        name=_part(value, "name", str),
        upstream=_part(value, "upstream", str),
        listen=_part(value, "listen", str),
        enabled=_part(value, "enabled", bool),
        toxics=read_toxics(value.get("toxics") or []),
    )


def read_proxies(answer: object) -> dict[str, ProxyState]:
    """Read the proxies by name; HarnessError for anything else."""
    proxies = {name: read_proxy(each) for name, each in _mapping(answer).items()}
    if any(name != proxy.name for name, proxy in proxies.items()):
        raise rubbish("each proxy under its own name", answer)
    return proxies


def read_populated(answer: object) -> tuple[ProxyState, ...]:
    """Read the answer of a populate, in the order asked for; HarnessError for anything else."""
    return tuple(read_proxy(each) for each in _sequence(_mapping(answer).get("proxies")))


def read_links(answer: object) -> tuple[LinkState, ...]:
    """Read a list of links; HarnessError for anything else."""
    links = [_mapping(each) for each in _sequence(answer)]
    return tuple(LinkState(link=_part(each, "link", str), data=each) for each in links)


def read_version(answer: object) -> str:
    """Read the answer of GET /version; HarnessError for anything else."""
    return _part(_mapping(answer), "version", str)


def rubbish(wanted: str, seen: object) -> HarnessError:
    """An answer that no fault proxy gives."""
    return HarnessError(
        f"The fault proxy's answer should have {wanted}, and is {shown(seen)}.",
        hint="Is the address that of a Toxiproxy, or of `crashloop proxy`?",
    )


def shown(value: object) -> str:
    """A value for a message: one line, printable, cut."""
    text = ascii(value) if isinstance(value, bytes) else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]} ..."


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise rubbish("a JSON object", value)
    return value


def _sequence(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise rubbish("a JSON array", value)
    return value


def _part(value: Mapping[str, object], key: str, kind: type[_Value]) -> _Value:
    part = value.get(key)
    if not isinstance(part, kind):
        raise rubbish(f"{key!r}, a {kind.__name__}", value)
    return part


def _number(value: Mapping[str, object], key: str) -> float:
    part = value.get(key)
    if isinstance(part, bool) or not isinstance(part, int | float):
        raise rubbish(f"{key!r}, a number", value)
    return part
