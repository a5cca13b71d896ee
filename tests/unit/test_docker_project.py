"""What a run has on the daemon: whose it is, and how all of it is removed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import docker.errors
import pytest
import requests

from crashloop.engines.docker.project import Project, is_alive, owner, remove_labelled
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.engines.docker.daemon import Daemon

LABEL = "org.crashloop.run=r1"
HERE = owner().split("/", maxsplit=1)[0]
STARTED = owner().split("/", maxsplit=2)[2]


# Whose it is


def test_a_run_of_this_process_is_alive() -> None:
    assert is_alive(owner()) is True


def test_an_owner_is_named_by_machine_process_and_start() -> None:
    assert owner(os.getpid()) == f"{HERE}/{os.getpid()}/{STARTED}"


def test_a_run_of_a_process_that_has_ended_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    label = owner(child.pid)
    assert is_alive(label) is True

    child.communicate(b"\n")

    assert is_alive(label) is False


def test_a_process_that_was_given_the_same_id_later_is_not_the_owner() -> None:
    assert is_alive(f"{HERE}/{os.getpid()}/{STARTED}0") is False


def test_an_owner_that_had_ended_before_it_was_named_is_dead() -> None:
    assert is_alive(f"{HERE}/{2**31 - 1}/None") is False


@pytest.mark.parametrize(
    "where",
    [
        pytest.param("another-boot:pid:[1]", id="another machine"),
        pytest.param("{boot}:pid:[1]", id="another namespace of this one"),
        pytest.param("{boot}", id="no namespace"),
    ],
)
def test_an_owner_elsewhere_cannot_be_told_from_here(where: str) -> None:
    here = where.format(boot=HERE.partition(":")[0])

    assert is_alive(f"{here}/{os.getpid()}/{STARTED}") is None


@pytest.mark.parametrize(
    "label",
    [
        "",
        "/",
        "///",
        "HERE",
        "HERE/",
        "HERE/PID",
        "HERE/PID/",
        "HERE//STARTED",
        "HERE/-1/1",
        "HERE/self/1",
        "HERE/../1",
        "HERE/\N{SUPERSCRIPT TWO}/1",
        "HERE/ 1/1",
        "HERE/1\n/1",
        pytest.param(f"HERE/{'9' * 5000}/1", id="a very long number"),
        "\0/PID/STARTED",
    ],
)
def test_a_label_that_names_no_owner_is_never_dead(label: str) -> None:
    for word, value in (("HERE", HERE), ("PID", str(os.getpid())), ("STARTED", STARTED)):
        label = label.replace(word, value)

    assert is_alive(label) is None


# Removing it


class Api:
    """A daemon's things by kind; `refusals` are what it raises instead of removing one."""

    def __init__(self, **things: list[str]) -> None:
        self.things = {"container": [], "network": [], "volume": [], **things}
        self.refusals: dict[str, Exception] = {}
        self.calls: list[str] = []
        self.asked: list[Mapping[str, str]] = []
        self.never_removed = False

    def containers(self, *, all: bool, filters: Mapping[str, str]) -> list[dict[str, Any]]:  # noqa: A002
        assert all, "a container that has ended is left behind too"
        self.asked.append(filters)
        return [{"Id": f"id-{n}", "Names": [f"/{n}"]} for n in self.things["container"]]

    def networks(self, *, filters: Mapping[str, str]) -> list[dict[str, Any]]:
        self.asked.append(filters)
        return [{"Id": f"id-{n}", "Name": n} for n in self.things["network"]]

    def volumes(self, *, filters: Mapping[str, str]) -> dict[str, Any]:
        self.asked.append(filters)
        return {"Volumes": [{"Name": n} for n in self.things["volume"]] or None}

    def remove_container(self, identity: str, *, force: bool, v: bool) -> None:
        assert force
        assert v
        self._remove(identity)

    def remove_network(self, identity: str) -> None:
        self._remove(identity)

    def remove_volume(self, identity: str) -> None:
        self._remove(identity)

    def wait(self, identity: str, *, condition: str, timeout: float) -> None:
        assert condition == "removed"
        assert timeout > 0
        self.calls.append(f"wait {identity}")
        if self.never_removed:
            raise requests.ReadTimeout("read timed out")

    def _remove(self, identity: str) -> None:
        self.calls.append(f"remove {identity}")
        if identity in self.refusals:
            raise self.refusals[identity]


def remove(api: Api) -> list[str]:
    return remove_labelled(SimpleNamespace(api=api), LABEL)


def refused(words: str) -> docker.errors.APIError:
    return docker.errors.APIError("409", explanation=words)


@pytest.fixture
def full() -> Api:
    return Api(container=["app", "db"], network=["front"], volume=["cloudsql"])


def test_everything_under_the_label_is_removed_and_named(full: Api) -> None:
    removed = remove(full)

    assert sorted(removed) == [
        *("container app", "container db", "network front", "volume cloudsql")
    ]
    assert full.asked == [{"label": LABEL}] * 3


def test_containers_go_before_what_they_use(full: Api) -> None:
    remove(full)

    assert set(full.calls[:2]) == {"remove id-app", "remove id-db"}
    assert full.calls[2:] == ["remove id-front", "remove cloudsql"]


def test_containers_are_removed_at_once_since_each_takes_its_time() -> None:
    both = threading.Barrier(2, timeout=10)

    class Slow(Api):
        def _remove(self, identity: str) -> None:
            both.wait()
            super()._remove(identity)

    assert len(remove(Slow(container=["app", "db"]))) == 2


def test_a_clean_daemon_has_nothing_to_remove() -> None:
    assert remove(Api()) == []


def test_one_that_cannot_be_removed_keeps_no_other_and_is_named_at_the_end(full: Api) -> None:
    full.refusals["id-app"] = refused("device or resource busy")

    with pytest.raises(HarnessError) as failed:
        remove(full)

    assert failed.value.message == (
        "the container app could not be removed: device or resource busy"
    )
    assert {"remove id-db", "remove id-front", "remove cloudsql"} <= set(full.calls)


def test_what_somebody_else_has_removed_is_no_error_and_not_ours_to_name(full: Api) -> None:
    for identity in ("id-app", "id-front", "cloudsql"):
        full.refusals[identity] = docker.errors.NotFound("404", explanation="no such thing")

    assert remove(full) == ["container db"]


def test_a_removal_by_somebody_else_is_waited_for_before_the_network_goes(full: Api) -> None:
    full.refusals["id-app"] = refused("removal of container app is already in progress")

    remove(full)

    assert full.calls.index("wait id-app") < full.calls.index("remove id-front")


def test_any_other_conflict_is_not_waited_for(full: Api) -> None:
    full.refusals["id-app"] = refused("the container is paused")

    with pytest.raises(HarnessError):
        remove(full)

    assert "wait id-app" not in full.calls


def test_a_removal_by_somebody_else_that_never_ends_is_an_error(full: Api) -> None:
    full.refusals["id-app"] = refused("removal of container app is already in progress")
    full.never_removed = True

    with pytest.raises(HarnessError, match="the container app could not be removed"):
        remove(full)


def test_a_daemon_that_cannot_list_is_an_error_in_words() -> None:
    class Gone(Api):
        def containers(self, **_: Any) -> list[dict[str, Any]]:
            raise requests.ConnectionError("gone")

    with pytest.raises(HarnessError, match="what is left of a run could not be listed: gone"):
        remove(Gone())


def test_a_container_without_a_name_is_named_by_its_id() -> None:
    class Nameless(Api):
        def containers(self, **_: Any) -> list[dict[str, Any]]:
            return [{"Id": "id-x", "Names": None}]

    assert remove(Nameless()) == ["container id-x"]


# A project


def a_project(**client: Any) -> Project:
    return Project(cast("Daemon", SimpleNamespace(client=SimpleNamespace(**client))), "r1")


def test_a_project_labels_its_things_with_the_run_and_this_process() -> None:
    assert a_project().labels == {"org.crashloop.run": "r1", "org.crashloop.owner": owner()}


def test_a_network_of_a_run_leads_nowhere_else_and_carries_its_labels() -> None:
    made: dict[str, Any] = {}
    networks = SimpleNamespace(create=lambda name, **options: made.update(name=name, **options))

    a_project(networks=networks).network("front")

    assert (made["name"], made["internal"]) == ("crashloop-r1-front", True)
    assert made["labels"].items() >= {
        ("org.crashloop.run", "r1"),
        ("org.crashloop.owner", owner()),
        ("org.crashloop.role", "front"),
    }


def test_a_project_removes_what_carries_its_own_label(full: Api) -> None:
    a_project(api=full).remove()

    assert full.asked[0] == {"label": "org.crashloop.run=r1"}
