"""One proxy of a server, by its name."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from crashloop.errors import UsageError
from crashloop.proxy.control.records import (
    LinkState,
    ProxyState,
    Toxic,
    read_links,
    read_proxy,
    read_toxic,
    read_toxics,
    rubbish,
    shown,
)
from crashloop.proxy.faults import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests import Response

    from crashloop.proxy.control.consumer import Consumer
    from crashloop.proxy.faults import Fault

_TOXIPROXYS_OWN = frozenset(
    {"latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data"}
)


class ProxyControl:
    """What one proxy is told and asked. It keeps no state: each call asks the server.

    Every call raises UsageError for what the server rejects, in its own words, an unknown proxy
    or toxic included; CapabilityError for what only the built-in proxy can, asked of a
    Toxiproxy; HarnessError when the server cannot be reached or answers rubbish.
    """

    def __init__(
        self, consumer: Consumer, name: str, *, require_built_in: Callable[[str], None]
    ) -> None:
        self.name = name
        self._consumer = consumer
        self._require_built_in = require_built_in
        self._path = f"/proxies/{quoted(name, 'proxy')}"

    def state(self) -> ProxyState:
        """The proxy and its toxics."""
        return read_proxy(answered(self._consumer.get(self._path)))

    def update(
        self, *, listen: str | None = None, upstream: str | None = None, enabled: bool | None = None
    ) -> ProxyState:
        """Change what is given; gives the proxy as it is then."""
        asked = {"listen": listen, "upstream": upstream, "enabled": enabled}
        body = {key: value for key, value in asked.items() if value is not None}
        return read_proxy(answered(self._consumer.patch(self._path, json=body)))

    def enable(self) -> ProxyState:
        """Take connections again."""
        return self.update(enabled=True)

    def disable(self) -> ProxyState:
        """Close what is open and refuse new connections."""
        return self.update(enabled=False)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Disabled within the block, enabled after it."""
        self.disable()
        try:
            yield
        finally:
            self.enable()

    def delete(self) -> None:
        """Remove the proxy, its links and its toxics."""
        self._consumer.delete(self._path)

    def toxics(self) -> tuple[Toxic, ...]:
        """The toxics that are on."""
        return read_toxics(answered(self._consumer.get(f"{self._path}/toxics")))

    def toxic(self, name: str) -> Toxic:
        """One toxic by its name."""
        return read_toxic(answered(self._consumer.get(self._toxic_path(name))))

    def add_toxic(self, toxic: Toxic) -> Toxic:
        """Turn it on; gives it as the server has it, with its name.

        A Toxiproxy takes attributes that it does not know and ignores them: here that is a
        UsageError, and the toxic is off again.
        """
        answer = answered(self._consumer.post(f"{self._path}/toxics", json=toxic.to_json()))
        added = read_toxic(answer)
        if ignored := unknown(toxic, added):
            self.remove_toxic(added.name)
            raise _ignored(self._consumer.base_url, toxic, ignored, added)
        return added

    def update_toxic(
        self,
        name: str,
        *,
        attributes: Mapping[str, object] | None = None,
        toxicity: float | None = None,
    ) -> Toxic:
        """Change what is given, the other attributes stay; gives the toxic as it is then.

        An attribute that the server does not know is a UsageError, before anything changes.
        """
        if attributes:
            before = self.toxic(name)
            wanted = replace(before, attributes=attributes)
            # The built-in proxy takes it for any toxic, and shows it where it is set.
            more = {"connections"} if self._consumer.is_built_in else set()
            if ignored := sorted(set(unknown(wanted, before)) - more):
                raise _ignored(self._consumer.base_url, wanted, ignored, before)
        body: dict[str, Any] = {"attributes": dict(attributes or {})}
        if toxicity is not None:
            body["toxicity"] = toxicity
        return read_toxic(answered(self._consumer.patch(self._toxic_path(name), json=body)))

    def remove_toxic(self, name: str) -> None:
        """Turn it off."""
        self._consumer.delete(self._toxic_path(name))

    def inject(self, fault_id: str, fault: Fault | Toxic) -> Toxic:
        """Turn a fault on, as the toxic `fault_id`; it works at the return."""
        toxic = self._toxic(fault_id, fault)
        return self.add_toxic(toxic)

    def change(self, fault_id: str, fault: Fault | Toxic) -> Toxic:
        """Give a fault that is on new parameters; its type and direction stay."""
        toxic = self._toxic(fault_id, fault)
        return self.update_toxic(fault_id, attributes=toxic.attributes, toxicity=toxic.toxicity)

    def heal(self, fault_id: str) -> None:
        """Turn a fault off."""
        self.remove_toxic(fault_id)

    def links(self) -> tuple[LinkState, ...]:
        """The links that are open now; built in only."""
        self._require_built_in("the list of open links")
        return read_links(answered(self._consumer.get(f"{self._path}/links")))

    def _toxic_path(self, name: str) -> str:
        return f"{self._path}/toxics/{quoted(name, 'toxic')}"

    def _toxic(self, fault_id: str, fault: Fault | Toxic) -> Toxic:
        if isinstance(fault, Toxic):
            return replace(fault, name=fault_id)
        values = encode(fault)
        if fault.kind not in _TOXIPROXYS_OWN:
            self._require_built_in(f"the fault {fault.kind}")
        if "connections" in values:
            self._require_built_in("a fault of the first connections only")
        if any(value % 1 for value in values.values()):
            self._require_built_in(f"fractions, as in {shown(values)}")
        return Toxic(
            name=fault_id,
            type=fault.kind,
            stream=getattr(fault, "direction", "downstream"),
            toxicity=getattr(fault, "toxicity", 1),
            attributes=dict(values),
        )


def answered(response: Response) -> object:
    """The JSON of an answer; HarnessError when it is none."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        raise rubbish("JSON", response.content) from None


def quoted(name: str, kind: str) -> str:
    """A name as one segment of a path; UsageError for one that cannot be."""
    if name in {"", ".", ".."}:
        raise UsageError(
            f"{name!r} cannot be the name of a {kind}: it has no path of its own in the API.",
            hint="Use a word, for example db.",
        )
    return quote(name, safe="")


def unknown(asked: Toxic, known: Toxic) -> list[str]:
    """The attributes that the server has not taken."""
    return sorted(set(asked.attributes) - set(known.attributes))


def _ignored(url: str, asked: Toxic, ignored: list[str], known: Toxic) -> UsageError:
    return UsageError(
        f"The fault proxy at {url} ignores {', '.join(ignored)} of the {asked.type} toxic "
        f"{known.name} ({shown(dict(asked.attributes))}).",
        hint=f"It knows {', '.join(sorted(known.attributes)) or 'no attributes'}.",
    )
