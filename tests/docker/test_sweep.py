"""`crashloop sweep` on a real daemon: it removes what dead runs left, and nothing else."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest

from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.images import Images
from crashloop.engines.docker.owner import owner_label
from crashloop.engines.docker.removal import Fate, remove
from crashloop.engines.docker.sweep import find_images

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine", "the_only_sweep")]

DEADLINE_S = 150.0


class Bench:
    """Things on the daemon, labelled as a run's or nobody's; all that it made goes at the end."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.image = Images.from_environment().cache_image
        self._made = contextlib.ExitStack()
        self._tag = uuid.uuid4().hex[:12]

    def name(self, words: str) -> str:
        """A name that nobody else's test has."""
        return f"sweep-{self._tag}-{words}"

    def labels(self, run: str, owned_by: str) -> dict[str, str]:
        """The labels of a run's things; none without an owner."""
        if not owned_by:
            return {}
        return {"org.crashloop.run": self.name(run), "org.crashloop.owner": owned_by}

    def run(self, run: str, owned_by: str) -> dict[str, str]:
        """A run's volume, network, a running container, and one that was never started.

        Their names by what they are.
        """
        labels = self.labels(run, owned_by)
        names = {
            kind: self.name(f"{run}-{kind}") for kind in ("network", "volume", "app", "unstarted")
        }
        self.network(names["network"], labels)
        self.volume(names["volume"], labels)
        running = self.container(
            names["app"],
            labels,
            network=names["network"],
            volumes=[f"{names['volume']}:/data"],
            restart_policy={"Name": "always"},
        )
        running.start()
        self.container(names["unstarted"], labels)
        return names

    def container(self, name: str, labels: dict[str, str], **options: Any) -> Any:
        """A container that sleeps, once it is started."""
        made = self.client.containers.create(
            options.pop("image", self.image),
            entrypoint=["sleep", "600"],
            name=name,
            labels=labels,
            **options,
        )
        self._at_the_end(self.client.api.remove_container, made.id, force=True, v=True)
        return made

    def network(self, name: str, labels: dict[str, str]) -> None:
        """A network without a way out."""
        made = self.client.networks.create(name, internal=True, labels=labels)
        self._at_the_end(self.client.api.remove_network, made.id)

    def volume(self, name: str, labels: dict[str, str]) -> None:
        """A volume."""
        self.client.volumes.create(name, labels=labels)
        self._at_the_end(self.client.api.remove_volume, name)

    def built(self, tag: str, base: str, labels: dict[str, str]) -> str:
        """The id of an image under `tag` that is `base` with a layer of its own."""
        dockerfile = f"FROM {base}\nLABEL made.for={self.name(tag.replace(':', '-'))}\n"
        image, _ = self.client.images.build(
            fileobj=io.BytesIO(dockerfile.encode()), tag=tag, labels=labels, rm=True
        )
        self._at_the_end(self.client.api.remove_image, tag)
        return str(image.id)

    def there(self, names: dict[str, str]) -> set[str]:
        """Which of a run's things are on the daemon still, by what they are."""
        api = self.client.api
        found = {name for one in api.containers(all=True) for name in one["Names"]}
        found |= {f"/{one['Name']}" for one in api.networks()}
        found |= {f"/{one['Name']}" for one in api.volumes()["Volumes"] or []}
        return {kind for kind, name in names.items() if f"/{name}" in found}

    def close(self) -> None:
        """Remove what is left of all that was made, the newest first."""
        self._made.close()

    def _at_the_end(self, remove: Any, identity: str, **options: Any) -> None:
        def removed() -> None:
            with contextlib.suppress(docker.errors.NotFound):
                remove(identity, **options)

        self._made.callback(removed)


@pytest.fixture
def the_only_sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One test of this module at a time, in all workers: a sweep takes everybody's dead runs."""
    with (tmp_path_factory.getbasetemp().parent / "sweep.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def bench(docker_engine: object, the_only_sweep: None) -> Iterator[Bench]:
    del docker_engine, the_only_sweep
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(contextlib.closing(connect()))
        made = stack.enter_context(contextlib.closing(Bench(daemon.client)))
        try:
            daemon.api.inspect_image(made.image)
        except docker.errors.ImageNotFound:
            daemon.client.images.pull(made.image)
        yield made


@pytest.fixture(scope="module")
def dead() -> str:
    """The owner label of a process that has ended."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "input()"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        return owner_label(process.pid)


def swept(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `crashloop sweep` to its end."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "crashloop", "sweep", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_what_dead_runs_have_left_is_removed_and_named_and_nothing_else(
    bench: Bench, dead: str, tmp_path: Path
) -> None:
    first, second = bench.run("first", dead), bench.run("second", dead)
    living, nobodys = bench.run("living", owner_label()), bench.run("nobodys", "")

    done = swept(folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert bench.there(first) == bench.there(second) == set()
    assert bench.there(living) == set(living)
    assert bench.there(nobodys) == set(nobodys)
    said = done.stdout.splitlines()
    for names in (first, second):
        assert f"  removed container {names['app']}" in said
        assert f"  removed container {names['unstarted']}" in said
        assert f"  removed network {names['network']}" in said
        assert f"  removed volume {names['volume']}" in said
    assert f"run {bench.name('living')}  left, still running: 2 containers, " in done.stdout
    assert not [name for name in (*living.values(), *nobodys.values()) if name in done.stdout]
    assert said[-1].startswith("removed ")
    assert " running run" in said[-1]


def test_a_second_sweep_has_nothing_to_remove_and_says_so(
    bench: Bench, dead: str, tmp_path: Path
) -> None:
    names = bench.run("dead", dead)
    first = swept(folder=tmp_path)

    again = swept(folder=tmp_path)

    assert names["app"] in first.stdout
    assert again.returncode == 0
    assert bench.name("dead") not in again.stdout
    if not [line for line in again.stdout.splitlines() if line.endswith("its process has ended")]:
        assert again.stdout.splitlines()[-1].startswith("nothing to remove")


def test_a_run_of_an_owner_elsewhere_is_removed_only_with_all(
    bench: Bench, dead: str, tmp_path: Path
) -> None:
    gone, foreign = bench.run("gone", dead), bench.run("foreign", f"other-{dead}")
    unreadable = bench.run("unreadable", "nobody knows")

    plain = swept("--dry-run", "--json", folder=tmp_path)
    everything = swept("--dry-run", "--all", "--json", folder=tmp_path)

    def fates(done: subprocess.CompletedProcess[str], run: str) -> set[str]:
        runs = json.loads(done.stdout)["runs"]
        return {
            t["fate"] for each in runs if each["run"] == bench.name(run) for t in each["things"]
        }

    assert plain.returncode == everything.returncode == 0
    assert fates(plain, "gone") == {"planned"}
    assert fates(plain, "foreign") == fates(plain, "unreadable") == {"left"}
    assert fates(everything, "foreign") == fates(everything, "unreadable") == {"planned"}
    for names in (gone, foreign, unreadable):
        assert bench.there(names) == set(names)


def test_what_cannot_be_removed_is_reported_in_the_daemons_words_with_status_12(
    bench: Bench, dead: str, tmp_path: Path
) -> None:
    names = bench.run("dead", dead)
    guest = bench.container(bench.name("guest"), {}, volumes=[f"{names['volume']}:/theirs"])

    done = swept(folder=tmp_path)
    guest.remove(v=True)
    again = swept(folder=tmp_path)

    assert done.returncode == 12
    assert f"  removed network {names['network']}\n" in done.stdout
    assert f"  not removed: volume {names['volume']}, could not be removed: " in done.stdout
    assert "volume is in use" in done.stdout
    assert "could not remove 1 volume" in done.stdout
    assert again.returncode == 0
    assert f"  removed volume {names['volume']}\n" in again.stdout


def test_images_in_use_or_built_by_others_on_ours_stay(bench: Bench, tmp_path: Path) -> None:
    labels = {}
    for name in ("free", "used"):
        content = uuid.uuid4().hex
        labels[name] = {"org.crashloop.image": "1", "org.crashloop.content": content}
    tags = {
        name: f"crashloop/app:{one['org.crashloop.content'][:16]}" for name, one in labels.items()
    }
    for name, tag in tags.items():
        bench.built(tag, bench.image, labels[name])
    theirs = bench.name("theirs") + ":1"
    bench.built(theirs, tags["used"], {})
    user = bench.container(bench.name("user"), {}, image=tags["used"])

    dry = swept("--images", "--dry-run", folder=tmp_path)
    ours = [one for one in find_images(bench.client) if one.thing.name == tags["free"]]
    removed = remove(bench.client, [one.thing for one in ours])

    assert f"  would remove image {tags['free']}\n" in dry.stdout
    assert f"  left image {tags['used']}, in use by the container {user.name}\n" in dry.stdout
    assert theirs not in dry.stdout
    assert [one.fate for one in removed] == [Fate.REMOVED]
    left = {tag for one in bench.client.api.images() for tag in one["RepoTags"] or ()}
    assert tags["free"] not in left
    assert {tags["used"], theirs} <= left
