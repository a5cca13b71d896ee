"""A client of a real Toxiproxy; the only module that imports toxiproxy-python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from requests import RequestException
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from crashloop.errors import CapabilityError, HarnessError
from crashloop.proxy.encoding import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.proxy.faults import Fault

LIMITS_S = (2.0, 30.0)
"""For one connect(), and for each wait for an answer."""


class ToxiproxyControl:
    """Blocking calls to the Toxiproxy at an address.

    As published (0.1.1) toxiproxy-python has one address for all its users, no time limit, and
    takes proxies from the environment; here each client has its own address and limits. Every
    call raises HarnessError for what Toxiproxy rejects or does not answer.
    """

    def __init__(self, host: str, port: int) -> None:
        self._at = f"{host}:{port}"
        self._api: Any = type("Api", (APIConsumer,), {"host": host, "port": port})

    def create(self, name: str, *, listen: str, upstream: str) -> None:
        """Make a proxy."""
        self._call("post", "/proxies", {"name": name, "listen": listen, "upstream": upstream})

    def inject(self, proxy: str, fault_id: str, fault: Fault) -> None:
        """Add the toxic that a link fault is; CapabilityError for a fraction of a millisecond."""
        attributes = encode(fault)
        if any(value % 1 for value in attributes.values()):
            raise CapabilityError(
                f"Toxiproxy takes whole numbers only, and {fault.kind} has {attributes}",
                hint="choose another time scale, or use --engine local",
            )
        toxic = {
            "name": fault_id,
            "type": fault.kind,
            "stream": getattr(fault, "direction", "downstream"),
            "toxicity": getattr(fault, "toxicity", 1),
            "attributes": attributes,
        }
        self._call("post", f"/proxies/{quote(proxy, safe='')}/toxics", toxic)

    def heal(self, proxy: str, fault_id: str) -> None:
        """Remove a toxic."""
        self._call("delete", f"/proxies/{quote(proxy, safe='')}/toxics/{quote(fault_id, safe='')}")

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> None:
        more = {} if body is None else {"json": body}
        try:
            call = getattr(self._api, method)
            # An empty proxy is none, whatever the environment has.
            call(path, timeout=LIMITS_S, proxies={"http": ""}, **more).raise_for_status()
        except (RequestException, InvalidToxic, NotFound, ProxyExists) as error:
            raise HarnessError(
                f"Toxiproxy at {self._at} did not do {method.upper()} {path}: {error}",
                hint="this run is invalid; see toxiproxy.log in the artifacts",
            ) from error
