"""One run's things on the daemon: how they are labelled, and how all of them are removed."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import docker.errors
import pytest
import requests

from crashloop.engines.docker.owner import owner_label
from crashloop.engines.docker.project import Project
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.engines.docker.daemon import Daemon

LABELS = {"org.crashloop.run": "r1", "org.crashloop.owner": owner_label()}


class Api:
    """A daemon with these things under the run's label; `refusals` are its errors by identity."""

    def __init__(self, **things: list[str]) -> None:
        self.things = {"container": [], "network": [], "volume": [], **things}
        self.refusals: dict[str, Exception] = {}

    def containers(self, *, all: bool, filters: Mapping[str, str]) -> list[dict[str, Any]]:  # noqa: A002
        assert all, "containers that have ended are left behind too"
        return self._listed("container", filters)

    def networks(self, *, filters: Mapping[str, str]) -> list[dict[str, Any]]:
        return self._listed("network", filters)

    def volumes(self, *, filters: Mapping[str, str]) -> dict[str, Any]:
        return {"Volumes": self._listed("volume", filters) or None}

    def remove_container(self, identity: str, *, force: bool, v: bool) -> None:
        assert force
        assert v
        self._remove("container", identity)

    def remove_network(self, identity: str) -> None:
        assert not self.things["container"], "a network in use cannot be removed"
        self._remove("network", identity)

    def remove_volume(self, identity: str) -> None:
        self._remove("volume", identity)

    def _listed(self, kind: str, filters: Mapping[str, str]) -> list[dict[str, Any]]:
        if filters != {"label": "org.crashloop.run=r1"}:
            return []
        return [{"Id": n, "Name": n, "Names": [f"/{n}"]} for n in self.things[kind]]

    def _remove(self, kind: str, identity: str) -> None:
        if identity in self.refusals:
            raise self.refusals[identity]
        self.things[kind].remove(identity)


def project(**client: Any) -> Project:
    return Project(cast("Daemon", SimpleNamespace(client=SimpleNamespace(**client))), "r1")


def test_all_of_a_runs_things_are_removed_containers_before_what_they_use() -> None:
    api = Api(container=["app", "db"], network=["front"], volume=["cloudsql"])

    project(api=api).remove()

    assert api.things == {"container": [], "network": [], "volume": []}


def test_containers_are_removed_at_once_since_each_takes_a_while() -> None:
    both = threading.Barrier(2, timeout=10)

    class Slow(Api):
        def _remove(self, kind: str, identity: str) -> None:
            both.wait()
            super()._remove(kind, identity)

    project(api=Slow(container=["app", "db"])).remove()


def test_what_cannot_be_removed_is_named_after_all_else_is_removed() -> None:
    api = Api(container=["app"], volume=["cloudsql", "other"])
    api.refusals["cloudsql"] = docker.errors.APIError("409", explanation="volume is in use")

    with pytest.raises(HarnessError, match="volume cloudsql could not be removed: volume is in"):
        project(api=api).remove()

    assert api.things == {"container": [], "network": [], "volume": ["cloudsql"]}


def test_what_somebody_else_removes_meanwhile_is_not_an_error() -> None:
    api = Api(container=["app"])
    api.refusals["app"] = docker.errors.NotFound("404", explanation="no such container")

    project(api=api).remove()


def test_a_daemon_that_cannot_list_is_an_error_in_words() -> None:
    class Gone(Api):
        def containers(self, **_: Any) -> list[dict[str, Any]]:
            raise requests.ConnectionError("gone")

    with pytest.raises(HarnessError, match="what runs have left could not be listed: gone"):
        project(api=Gone()).remove()


def test_a_network_of_a_run_leads_nowhere_else_and_carries_its_labels() -> None:
    made: dict[str, Any] = {}
    networks = SimpleNamespace(create=lambda name, **options: made.update(name=name, **options))

    project(networks=networks).network("front")

    assert (made["name"], made["internal"]) == ("crashloop-r1-front", True)
    assert made["labels"] == {**LABELS, "org.crashloop.role": "front"}
