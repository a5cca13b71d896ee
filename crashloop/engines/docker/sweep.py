"""What earlier runs have left on the daemon, which of it is nobody's any more, and its removal."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.daemon import told
from crashloop.engines.docker.images import CONTENT_LABEL, PROJECT_LABEL
from crashloop.engines.docker.project import OWNER_LABEL, RUN_LABEL, is_alive
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

IN_USE = "in use"
FOREIGN_NAME = "not under the name that crashloop gives, so perhaps somebody's own, built on ours"
GOING_BOUND_S = 30  # chosen: Docker takes 10 s at most for a container that does not heed
_AT_ONCE = 16
_SHORT_ID = 19  # of an image: "sha256:" and 12 digits, as Docker shows it


class Kind(StrEnum):
    """What a thing on the daemon is, in the order of removal: a network in use stays."""

    CONTAINER = "container"
    NETWORK = "network"
    VOLUME = "volume"
    IMAGE = "image"


class Owner(StrEnum):
    """Whether the process that made a run still lives; UNKNOWN where it cannot be told from here.

    That is one on another machine, one from before this machine was started, or no readable label.
    """

    DEAD = "dead"
    ALIVE = "alive"
    UNKNOWN = "unknown"


class Fate(StrEnum):
    """What became of a thing. PLANNED: a dry run would remove it; GONE: somebody else did."""

    REMOVED = "removed"
    PLANNED = "planned"
    GONE = "gone"
    LEFT = "left"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A container, network, volume or image; `identity` is what the daemon knows it by.

    `name` is what others have written, and fit to be shown only when it is cleaned.
    """

    kind: Kind
    identity: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A thing and its fate: `why` it is left or could not be removed, and what to do then."""

    thing: Thing
    fate: Fate
    why: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """All that carries one run's label, containers first, and whether its owner lives."""

    run_id: str
    owner: Owner
    things: tuple[Thing, ...]

    def is_to_go(self, *, everything: bool) -> bool:
        """Whether it is to be removed; `everything` takes those of unknown owners as well.

        A run whose owner lives never is.
        """
        return self.owner is Owner.DEAD or (everything and self.owner is Owner.UNKNOWN)


def find_runs(client: Any) -> tuple[Leftover, ...]:
    """All runs that have anything on the daemon, by their label. Blocking."""
    filters = {"label": RUN_LABEL}
    with told("what runs have left behind could not be listed"):
        return runs_of(
            containers=client.api.containers(all=True, filters=filters),
            networks=client.api.networks(filters=filters),
            volumes=client.api.volumes(filters=filters).get("Volumes") or [],
        )


def runs_of(
    *,
    containers: Iterable[Mapping[str, Any]],
    networks: Iterable[Mapping[str, Any]],
    volumes: Iterable[Mapping[str, Any]],
    lives: Callable[[str], bool | None] = is_alive,
) -> tuple[Leftover, ...]:
    """The daemon's lists as runs, by name. A run is as alive as the liveliest owner it names."""
    things: dict[str, list[Thing]] = {}
    owners: dict[str, set[str]] = {}
    for kind, listed in (
        (Kind.CONTAINER, containers),
        (Kind.NETWORK, networks),
        (Kind.VOLUME, volumes),
    ):
        for each in listed:
            labels = each.get("Labels") or {}
            if RUN_LABEL in labels:
                run_id = labels[RUN_LABEL]
                things.setdefault(run_id, []).append(_thing(kind, each))
                owners.setdefault(run_id, set()).add(labels.get(OWNER_LABEL, ""))
    return tuple(
        Leftover(run_id=run_id, owner=_liveliest(owners[run_id], lives), things=tuple(found))
        for run_id, found in sorted(things.items())
    )


def planned(run: Leftover) -> tuple[Done, ...]:
    """What a removal of the run would remove."""
    return tuple(Done(thing=thing, fate=Fate.PLANNED) for thing in run.things)


def left(run: Leftover) -> tuple[Done, ...]:
    """The run's things, none of them touched."""
    return tuple(Done(thing=thing, fate=Fate.LEFT) for thing in run.things)


def remove(client: Any, things: Iterable[Thing]) -> tuple[Done, ...]:
    """Remove the things, containers before what they use. Blocking.

    What cannot be removed is FAILED with the daemon's words, and the others are still tried.
    """
    waiting = list(things)
    done: list[Done] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for kind in Kind:
            these = [thing for thing in waiting if thing.kind is kind]
            done += pool.map(lambda thing: _remove(client, thing), these)
    return tuple(done)


def find_images(client: Any, *, besides: Collection[str] = ()) -> tuple[Done, ...]:
    """The images with our label: PLANNED where they can go, else LEFT and why. Blocking.

    `besides` are the ids of containers that do not count as users: a dry run's.
    """
    with told("the images that crashloop built could not be listed"):
        return images_of(
            client.api.images(filters={"label": PROJECT_LABEL}),
            containers=client.api.containers(all=True),
            besides=besides,
        )


def images_of(
    images: Iterable[Mapping[str, Any]],
    *,
    containers: Iterable[Mapping[str, Any]],
    besides: Collection[str] = (),
) -> tuple[Done, ...]:
    """The daemon's list of images as `find_images` gives it, by name.

    An image inherits the labels of the one it was built from. Ours is the one whose name says its
    content; any other is perhaps a user's own, and left.
    """
    users = {
        each.get("ImageID", ""): _name(each) for each in containers if each["Id"] not in besides
    }
    found = []
    for image in images:
        content = (image.get("Labels") or {}).get(CONTENT_LABEL, "")[:16]
        tags = sorted(image.get("RepoTags") or [])
        ours = [tag for tag in tags if content and _is_ours(tag, content)]
        name = next(iter(ours or tags), image["Id"][:_SHORT_ID])
        thing = Thing(kind=Kind.IMAGE, identity=name if ours else image["Id"], name=name)
        if image["Id"] in users:
            why = f"{IN_USE} by the container {users[image['Id']]}"
        else:
            why = "" if ours else FOREIGN_NAME
        found.append(Done(thing=thing, fate=Fate.LEFT if why else Fate.PLANNED, why=why))
    return tuple(sorted(found, key=lambda one: one.thing.name))


def _is_ours(tag: str, content: str) -> bool:
    name, _, version = tag.rpartition(":")
    return name in {"crashloop/app", "crashloop/sidecar"} and version == content


def _liveliest(labels: Iterable[str], lives: Callable[[str], bool | None]) -> Owner:
    found = {_owner(label, lives) for label in labels}
    return next(one for one in (Owner.ALIVE, Owner.UNKNOWN, Owner.DEAD) if one in found)


def _owner(label: str, lives: Callable[[str], bool | None]) -> Owner:
    alive = lives(label)
    if alive is None:
        return Owner.UNKNOWN
    return Owner.ALIVE if alive else Owner.DEAD


def _thing(kind: Kind, each: Mapping[str, Any]) -> Thing:
    if kind is Kind.CONTAINER:
        return Thing(kind=kind, identity=each["Id"], name=_name(each))
    identity = each["Name"] if kind is Kind.VOLUME else each["Id"]
    return Thing(kind=kind, identity=identity, name=each["Name"])


def _name(container: Mapping[str, Any]) -> str:
    """A container's own name; its others are those that a link gives it."""
    names = container.get("Names") or [container["Id"]]
    return str(names[0]).lstrip("/")


def _remove(client: Any, thing: Thing) -> Done:
    import docker.errors  # noqa: PLC0415  an extra

    try:
        with told("could not be removed"):
            try:
                return Done(thing=thing, fate=_removed(client.api, thing))
            except docker.errors.NotFound:
                return Done(thing=thing, fate=Fate.GONE)
    except HarnessError as error:
        return Done(thing=thing, fate=Fate.FAILED, why=error.message, hint=error.hint)


def _removed(api: Any, thing: Thing) -> Fate:
    """Remove it, or see somebody else's removal of it through, on which its network waits."""
    import docker.errors  # noqa: PLC0415  an extra

    if thing.kind is Kind.CONTAINER:
        try:
            api.remove_container(thing.identity, force=True, v=True)
        except docker.errors.APIError as error:
            if "already in progress" not in str(error):
                raise
            api.wait(thing.identity, timeout=GOING_BOUND_S, condition="removed")
            return Fate.GONE
    elif thing.kind is Kind.NETWORK:
        api.remove_network(thing.identity)
    elif thing.kind is Kind.VOLUME:
        api.remove_volume(thing.identity)
    else:
        api.remove_image(thing.identity)
    return Fate.REMOVED
