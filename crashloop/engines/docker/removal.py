"""What runs have on the daemon, and how it is removed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import docker.errors

from crashloop.engines.docker.daemon import sdk_errors
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RUN_LABEL = "org.crashloop.run"
ROLE_LABEL = "org.crashloop.role"
REMOVED_BOUND_S = 30  # chosen: Docker needs at most 10 s for a container that ignores SIGTERM
_AT_ONCE = 16


class Kind(StrEnum):
    """What a thing on the daemon is, in the order of removal: users before what they use."""

    CONTAINER = "container"
    NETWORK = "network"
    VOLUME = "volume"
    IMAGE = "image"


class Fate(StrEnum):
    """What happened to a thing. PLANNED: a dry run would remove it; GONE: somebody else did."""

    REMOVED = "removed"
    PLANNED = "planned"
    GONE = "gone"
    LEFT = "left"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A container, network, volume or image; `identity` is the daemon's name for it.

    Others chose `name`: clean it before it is shown.
    """

    kind: Kind
    identity: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A thing and what happened to it: `why` it was left or not removed, and what to do then."""

    thing: Thing
    fate: Fate
    why: str = ""
    hint: str = ""


def labelled(client: Any, label: str) -> list[Thing]:
    """List the containers, networks and volumes that carry `label`. Blocking."""
    filters = {"label": label}
    with sdk_errors("what runs have left could not be listed"):
        listed = {
            Kind.CONTAINER: client.api.containers(all=True, filters=filters),
            Kind.NETWORK: client.api.networks(filters=filters),
            Kind.VOLUME: client.api.volumes(filters=filters).get("Volumes") or [],
        }
    return [_thing(kind, each) for kind, found in listed.items() for each in found]


def remove(client: Any, things: Iterable[Thing]) -> list[Done]:
    """Remove the things, containers before what they use. Blocking.

    What cannot be removed is FAILED with the daemon's words; the others are still removed.
    """
    waiting = list(things)
    done: list[Done] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # the daemon needs a while for each
        for kind in Kind:
            these = [thing for thing in waiting if thing.kind is kind]
            done += pool.map(lambda thing: _remove(client.api, thing), these)
    return done


def container_name(container: Mapping[str, Any]) -> str:
    """A listed container's own name; its further names are those that a link gives it."""
    names = container.get("Names") or [container["Id"]]
    return str(names[0]).lstrip("/")


def _thing(kind: Kind, each: Mapping[str, Any]) -> Thing:
    name = container_name(each) if kind is Kind.CONTAINER else each["Name"]
    identity = each["Name"] if kind is Kind.VOLUME else each["Id"]
    return Thing(kind=kind, identity=identity, name=name, labels=each.get("Labels") or {})


def _remove(api: Any, thing: Thing) -> Done:
    try:
        with sdk_errors("could not be removed"):
            try:
                return Done(thing=thing, fate=_removed(api, thing))
            except docker.errors.NotFound:
                return Done(thing=thing, fate=Fate.GONE)
    except HarnessError as error:
        return Done(thing=thing, fate=Fate.FAILED, why=error.message, hint=error.hint)


def _removed(api: Any, thing: Thing) -> Fate:
    """Remove it. A removal by somebody else is awaited, as the container's network is next."""
    match thing.kind:
        case Kind.CONTAINER:
            try:
                api.remove_container(thing.identity, force=True, v=True)
            except docker.errors.APIError as error:
                if "already in progress" not in str(error):
                    raise
                api.wait(thing.identity, timeout=REMOVED_BOUND_S, condition="removed")
                return Fate.GONE
        case Kind.NETWORK:
            api.remove_network(thing.identity)
        case Kind.VOLUME:
            api.remove_volume(thing.identity)
        case Kind.IMAGE:
            api.remove_image(thing.identity)
    return Fate.REMOVED
