"""What a sweep of the Docker daemon removes, what it leaves, and how it says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest

from crashloop.cli import main
from crashloop.engines.docker import daemon as daemons
from crashloop.engines.docker.owner import owner_label

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

ELSEWHERE = "elsewhere/1/2"
DEAD = "{}/{}/0".format(*owner_label().split("/")[:2])  # our own id, but no process started then
CONTENT = "0123456789abcdef" * 4

DEADLINE_S = 60.0

Command = tuple[int, str, str]


class FakeApi:
    """A daemon that has what it was given; `refusals` are its words about what it keeps."""

    def __init__(self) -> None:
        self.listed: dict[str, list[dict[str, Any]]] = {
            "container": [],
            "network": [],
            "volume": [],
            "image": [],
        }
        self.refusals: dict[str, str] = {}
        self.removed: list[str] = []
        self.waited: list[str] = []

    def add(self, kind: str, name: str, run: str = "", owned_by: str = DEAD) -> None:
        labels = {"org.crashloop.run": run, "org.crashloop.owner": owned_by} if run else {}
        self.listed[kind].append(
            {"Id": name, "Name": name, "Names": [f"/{name}"], "Labels": labels, "ImageID": ""}
        )

    def add_image(self, identity: str, *tags: str) -> None:
        labels = {"org.crashloop.image": "1", "org.crashloop.content": CONTENT}
        self.listed["image"].append({"Id": identity, "RepoTags": [*tags], "Labels": labels})

    def _labelled(self, kind: str, filters: Mapping[str, str]) -> list[dict[str, Any]]:
        wanted = filters.get("label")
        return [one for one in self.listed[kind] if not wanted or wanted in one["Labels"]]

    def containers(self, *, all: bool, filters: Any = ()) -> list[dict[str, Any]]:  # noqa: A002
        assert all, "a container that has ended is left behind too"
        return self._labelled("container", dict(filters))

    def networks(self, *, filters: Any) -> list[dict[str, Any]]:
        return self._labelled("network", filters)

    def volumes(self, *, filters: Any) -> dict[str, Any]:
        return {"Volumes": self._labelled("volume", filters) or None, "Warnings": None}

    def images(self, *, filters: Any) -> list[dict[str, Any]]:
        return self._labelled("image", filters)

    def _remove(self, kind: str, identity: str) -> None:
        if identity in self.refusals:
            raise self.refused(self.refusals[identity])
        self.removed.append(identity)
        self.listed[kind] = [
            one
            for one in self.listed[kind]
            if identity not in (one["Id"], *one.get("RepoTags", ()))
        ]

    @staticmethod
    def refused(words: str) -> docker.errors.APIError:
        if words == "gone":
            return docker.errors.NotFound("404", explanation="no such thing")
        return docker.errors.APIError("409", explanation=words)

    def remove_container(self, identity: str, *, force: bool, v: bool) -> None:
        assert force
        assert v
        self._remove("container", identity)

    def remove_network(self, identity: str) -> None:
        self._remove("network", identity)

    def remove_volume(self, identity: str) -> None:
        self._remove("volume", identity)

    def remove_image(self, identity: str) -> None:
        self._remove("image", identity)

    def wait(self, identity: str, *, timeout: float, condition: str) -> None:
        assert timeout > 0
        assert condition == "removed"
        self.waited.append(identity)


class FakeClient:
    def __init__(self, api: FakeApi) -> None:
        self.api = api

    def close(self) -> None:
        pass


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    made = FakeApi()
    facts = daemons.Facts(name="fake", version="1", api_version="1", system="", rootless=False)

    def connect() -> daemons.Daemon:
        return daemons.Daemon(FakeClient(made), facts)

    monkeypatch.setattr("crashloop.commands.sweep.connect", connect)
    return made


@pytest.fixture
def crashloop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Command]:
    """Run the command line here: status, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words: str) -> Command:
        monkeypatch.setattr(sys, "argv", ["crashloop", *words])
        status = main()
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def with_one_run_of_each_kind(api: FakeApi) -> None:
    for run, owned_by in (("dead", DEAD), ("living", owner_label()), ("foreign", ELSEWHERE)):
        api.add("volume", f"{run}-volume", run, owned_by)
        api.add("network", f"{run}-network", run, owned_by)
        api.add("container", f"{run}-app", run, owned_by)
        api.add("container", f"{run}-postgres", run, owned_by)
    api.add("container", "a-strangers-app")
    api.add("network", "a-strangers-network")
    api.add("volume", "a-strangers-volume")


@pytest.mark.parametrize(
    ("labels", "whose"),
    [
        ([DEAD, owner_label(), ELSEWHERE], "alive"),
        ([DEAD, ELSEWHERE], "unknown"),
        ([DEAD, ""], "unknown"),
        ([DEAD, DEAD], "dead"),
    ],
)
def test_a_run_of_several_owners_is_removed_only_if_all_of_them_are_dead(
    api: FakeApi, crashloop: Callable[..., Command], labels: list[str], whose: str
) -> None:
    for number, label in enumerate(labels):
        api.add("container", f"app-{number}", "r", label)

    _, out, _ = crashloop("sweep", "--json")

    assert json.loads(out)["runs"][0]["owner"] == whose
    assert bool(api.removed) is (whose == "dead")


def test_only_what_a_dead_run_left_is_removed_and_each_is_named(
    api: FakeApi, crashloop: Callable[..., Command]
) -> None:
    with_one_run_of_each_kind(api)

    status, out, err = crashloop("sweep")

    assert (status, err) == (0, "")
    assert sorted(api.removed) == ["dead-app", "dead-network", "dead-postgres", "dead-volume"]
    foreign = (
        "run foreign  left, its owner cannot be identified (another machine, before this machine "
        "was booted, or an unreadable label); --all removes it too: 2 containers, 1 network, "
        "1 volume"
    )
    closing = (
        "removed 2 containers, 1 network, 1 volume; left 1 running run; left 1 run of unknown "
        "owners"
    )
    assert out.splitlines() == [
        "run dead  its process has ended",
        "  removed container dead-app",
        "  removed container dead-postgres",
        "  removed network dead-network",
        "  removed volume dead-volume",
        foreign,
        "run living  left, still running: 2 containers, 1 network, 1 volume",
        closing,
    ]


def test_all_removes_runs_of_unknown_owners_too_but_no_running_one(
    api: FakeApi, crashloop: Callable[..., Command]
) -> None:
    with_one_run_of_each_kind(api)

    status, out, _ = crashloop("sweep", "--all")

    assert status == 0
    assert {name.partition("-")[0] for name in api.removed} == {"dead", "foreign"}
    assert "removed 4 containers, 2 networks, 2 volumes; left 1 running run\n" in out


def test_a_dry_run_only_lists_what_would_be_removed(
    api: FakeApi, crashloop: Callable[..., Command]
) -> None:
    with_one_run_of_each_kind(api)

    status, out, _ = crashloop("sweep", "--dry-run")

    assert (status, api.removed) == (0, [])
    assert "  would remove container dead-app\n" in out
    assert out.splitlines()[-1].startswith("would remove 2 containers, 1 network, 1 volume; left")


def test_a_sweep_of_a_clean_daemon_has_nothing_to_remove(
    api: FakeApi, crashloop: Callable[..., Command]
) -> None:
    api.add("container", "a-strangers-app")

    assert crashloop("sweep", "--images") == (0, "nothing to remove\n", "")
    assert api.removed == []


def test_what_cannot_be_removed_is_reported(
    api: FakeApi, crashloop: Callable[..., Command]
) -> None:
    with_one_run_of_each_kind(api)
    api.refusals["dead-network"] = "network has active endpoints"

    status, out, _ = crashloop("sweep")

    assert status == 12
    assert sorted(api.removed) == ["dead-app", "dead-postgres", "dead-volume"]
    assert (
        "  not removed: network dead-network, could not be removed: network has active endpoints\n"
    ) in out
    assert "; could not remove 1 network; " in out
    assert "the message above is the daemon's own" in out


def test_what_somebody_else_removes_meanwhile_is_not_an_error(
    api: FakeApi, crashloop: Callable[..., Command]
) -> None:
    with_one_run_of_each_kind(api)
    api.refusals["dead-volume"] = "gone"

    status, out, _ = crashloop("sweep")

    assert status == 0
    assert "  already gone: volume dead-volume\n" in out
    assert "removed 2 containers, 1 network; " in out


def test_a_removal_in_progress_is_awaited_before_its_network(
    api: FakeApi, crashloop: Callable[..., Command]
) -> None:
    with_one_run_of_each_kind(api)
    api.refusals["dead-app"] = "removal of container dead-app is already in progress"

    status, _, _ = crashloop("sweep")

    assert (status, api.waited) == (0, ["dead-app"])
    assert "dead-network" in api.removed


def test_hostile_names_are_made_harmless_for_the_terminal_and_kept_in_the_document(
    api: FakeApi, crashloop: Callable[..., Command]
) -> None:
    hostile = "\x1b[2J[bold]x\r\nremoved container precious"
    api.add("network", hostile, f"{hostile}-run")
    api.refusals[hostile] = hostile

    status, out, _ = crashloop("sweep", "--dry-run")
    failed, said, _ = crashloop("sweep")
    _, document, _ = crashloop("sweep", "--dry-run", "--json")

    assert (status, failed) == (0, 12)
    assert "  would remove network [bold]x removed container precious\n" in out
    assert "\x1b" not in out + said + document
    assert "\r" not in out + said + document
    assert len(out.splitlines()) == 3
    assert json.loads(document)["runs"][0]["things"][0]["name"] == hostile


def test_with_json_standard_output_is_one_document(
    api: FakeApi, crashloop: Callable[..., Command]
) -> None:
    with_one_run_of_each_kind(api)
    api.refusals["dead-network"] = "network has active endpoints"

    status, out, _ = crashloop("sweep", "--json")

    document = json.loads(out)
    fates = {run["run"]: {t["name"]: t["fate"] for t in run["things"]} for run in document["runs"]}
    assert status == document["exit_status"] == 12
    assert [run["owner"] for run in document["runs"]] == ["dead", "unknown", "alive"]
    assert fates["dead"] == {
        "dead-app": "removed",
        "dead-postgres": "removed",
        "dead-network": "failed",
        "dead-volume": "removed",
    }
    assert set(fates["living"].values()) == set(fates["foreign"].values()) == {"left"}


def test_images_are_removed_only_on_request(
    api: FakeApi, crashloop: Callable[..., Command]
) -> None:
    api.add_image("sha256:1", f"crashloop/app:{CONTENT[:16]}")

    crashloop("sweep")
    assert api.removed == []

    status, out, _ = crashloop("sweep", "--images")
    assert (status, api.removed) == (0, [f"crashloop/app:{CONTENT[:16]}"])
    assert out.splitlines()[-1] == "removed 1 image"


def test_an_image_in_use_stays_and_its_user_is_named(
    api: FakeApi, crashloop: Callable[..., Command]
) -> None:
    api.add_image("sha256:1", f"crashloop/app:{CONTENT[:16]}")
    api.add("container", "somebodys")
    api.listed["container"][0]["ImageID"] = "sha256:1"

    status, out, _ = crashloop("sweep", "--images")

    assert (status, api.removed) == (0, [])
    assert "in use by the container somebodys\n" in out
    assert out.splitlines()[-1] == "nothing to remove; left 1 image"


@pytest.mark.parametrize(("words", "verb"), [(("--dry-run",), "would remove"), ((), "removed")])
def test_an_image_of_dead_containers_alone_is_removed(
    api: FakeApi, crashloop: Callable[..., Command], words: tuple[str, ...], verb: str
) -> None:
    api.add_image("sha256:1", f"crashloop/app:{CONTENT[:16]}")
    api.add("container", "dead-app", "dead")
    api.listed["container"][0]["ImageID"] = "sha256:1"

    _, out, _ = crashloop("sweep", "--images", *words)

    assert out.splitlines()[-1] == f"{verb} 1 container, 1 image"


@pytest.mark.parametrize(
    "tags",
    [
        [],
        ["their/app:1"],
        ["crashloop/app:latest"],
        [f"crashloop/other:{CONTENT[:16]}"],
        ["crashloop/app:fedcba9876543210"],
    ],
)
def test_an_image_that_somebody_built_on_ours_is_left(
    api: FakeApi, crashloop: Callable[..., Command], tags: list[str]
) -> None:
    api.add_image("sha256:1", *tags)

    _, out, _ = crashloop("sweep", "--images")

    assert (api.removed, out) == ([], "nothing to remove\n")


def test_without_a_daemon_the_reason_is_given_with_status_11(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/docker.sock"

    done = subprocess.run(
        [sys.executable, "-P", "-m", "crashloop", "sweep"],
        env={**os.environ, "DOCKER_HOST": address},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )

    assert (done.returncode, done.stdout) == (11, "")
    assert done.stderr.startswith(f"error: no Docker daemon answers at {address}: ")
    assert "Traceback" not in done.stderr
