"""Find what earlier runs left on the daemon, and what of it is unused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.daemon import sdk_errors
from crashloop.engines.docker.images import CONTENT_LABEL, PROJECT_LABEL
from crashloop.engines.docker.owner import OWNER_LABEL, Owner, owner_of
from crashloop.engines.docker.removal import (
    RUN_LABEL,
    Done,
    Fate,
    Kind,
    Thing,
    container_name,
    labelled,
)

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Everything that carries one run's label, containers first, and whether its owner is alive."""

    run_id: str
    owner: Owner
    things: tuple[Thing, ...]


def find_runs(client: Any) -> list[Leftover]:
    """List the runs that have anything on the daemon, by their label. Blocking.

    Where a run's things name several owners, one that is alive counts first, then an unknown one.
    """
    runs: dict[str, list[Thing]] = {}
    for thing in labelled(client, RUN_LABEL):
        runs.setdefault(thing.labels[RUN_LABEL], []).append(thing)
    return [
        Leftover(run_id=run_id, owner=_owner_of_all(things), things=tuple(things))
        for run_id, things in sorted(runs.items())
    ]


def find_images(client: Any, *, besides: Collection[str] = ()) -> list[Done]:
    """List the images that crashloop built: LEFT if a container uses them, else PLANNED. Blocking.

    An image inherits the labels of its base, so ours are those with their content's digest in their
    name; any other may be a user's own. Containers with an id in `besides` are not counted as
    users: a dry run would have removed them.
    """
    with sdk_errors("the images that crashloop built could not be listed"):
        images = client.api.images(filters={"label": PROJECT_LABEL})
        containers = client.api.containers(all=True)
    users = {c.get("ImageID"): container_name(c) for c in containers if c["Id"] not in besides}
    found = []
    for image in images:
        content = image["Labels"].get(CONTENT_LABEL, "")[:16]
        ours = {f"crashloop/{name}:{content}" for name in ("app", "sidecar")}
        user = users.get(image["Id"])
        for tag in sorted(ours.intersection(image["RepoTags"] or ())):
            thing = Thing(kind=Kind.IMAGE, identity=tag, name=tag)
            why = f"in use by the container {user}" if user else ""
            found.append(Done(thing=thing, fate=Fate.LEFT if user else Fate.PLANNED, why=why))
    return found


def _owner_of_all(things: list[Thing]) -> Owner:
    found = {owner_of(thing.labels.get(OWNER_LABEL, "")) for thing in things}
    return next(each for each in Owner if each in found)
