"""A run on Docker that is killed or interrupted: nothing of it is left, and others continue."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.owner import OWNER_LABEL, owner_label
from crashloop.engines.docker.removal import RUN_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc/*/environ"),
]

COMMAND = (sys.executable, "-P", "-m", "crashloop", "reproduce")
ISSUE_1278 = ("issue-1278",)
POOLED = ("--fault", "lock_orphaned")
DEADLINE_S = 150.0
GONE_WITHIN_S = 120.0
LOOK_EVERY_S = 0.05
TRIES = 3
MARK = "CRASHLOOP_TEST_MARK"
# Moments from a run's start to its removal: a kind of event, and how many of that kind are awaited.
MILESTONES = (
    ("", 0),
    ("", 0),
    ("container.start", 1),
    ("container.start", 3),
    ("proxy.started", 1),
    ("lab.ready", 1),
    ("process.started", 1),
    ("process.exited", 2),
    ("process.started", 4),
    ("process.exited", 4),
)
POOLED_MILESTONES = (("pooler.started", 1), ("database.lock_orphaned", 1))
JITTER_S = 0.3  # the removal at the end takes about twice as long
NOT_BEFORE_S = 0.3
# The kills during which a second run is watched
WITH_ANOTHER = {5, 9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A run in `folder`; its processes carry `mark`, its things the label of `owner`."""

    process: subprocess.Popen[str]
    folder: Path
    owner: str
    mark: str

    def events(self) -> list[dict[str, Any]]:
        """The complete lines of its trace so far, without the header."""
        try:
            lines = (self.folder / "run" / "trace.jsonl").read_text().split("\n")[1:-1]
        except OSError:
            return []
        return [json.loads(line) for line in lines]

    def await_event(self, kind: str, count: int = 1) -> None:
        """Wait until this many events of `kind` are written, or the run has ended."""
        until_s = time.monotonic() + DEADLINE_S
        while sum(event["kind"] == kind for event in self.events()) < count:
            if self.process.poll() is not None:
                return
            if time.monotonic() > until_s:
                pytest.fail(f"no {kind} number {count}; last: {self.events()[-1:]}")
            time.sleep(LOOK_EVERY_S / 2)

    def verdict(self) -> str:
        """The verdict that it wrote."""
        return str(json.loads((self.folder / "run" / "verdict.json").read_text())["verdict"])

    def processes(self) -> list[str]:
        """Its processes that are alive, the watchdog included."""
        mark = f"{MARK}={self.mark}".encode()
        found = []
        for each in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (each / "environ").read_bytes().split(b"\0"):
                    words = (each / "cmdline").read_bytes().decode(errors="replace").split("\0")
                    found.append(f"process {each.name}: {' '.join(words)}".strip())
        return found


class Bystander:
    """What the daemon has of a run, seen by a client of our own."""

    def __init__(self, client: Any) -> None:
        self._api = client.api
        self.killed: list[str] = []

    def things(self, owned_by: str) -> list[str]:
        """Containers, networks and volumes of this owner, and of its runs."""
        filters = {"label": f"{OWNER_LABEL}={owned_by}"}
        api = self._api
        found = [
            ("container", one["Names"][0]) for one in api.containers(all=True, filters=filters)
        ]
        found += [("network", one["Name"]) for one in api.networks(filters=filters)]
        found += [("volume", one["Name"]) for one in api.volumes(filters=filters)["Volumes"] or []]
        return [" ".join(one) for one in found]

    def all_of_runs(self) -> bool:
        """Whether everything with an owner also has a run's label, so that no search misses it."""
        api = self._api
        filters = {"label": OWNER_LABEL}
        things = [*api.containers(all=True, filters=filters), *api.networks(filters=filters)]
        things += api.volumes(filters=filters)["Volumes"] or []
        return all(RUN_LABEL in thing["Labels"] for thing in things)


@pytest.fixture(scope="module")
def bystander(docker_engine: object) -> Iterator[Bystander]:
    """Looks again at the end of the module: nothing of a killed run has appeared later."""
    del docker_engine
    with contextlib.closing(connect()) as daemon:
        seen = Bystander(daemon.client)
        yield seen
        assert [thing for owned_by in seen.killed for thing in seen.things(owned_by)] == []


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Any]:
    """Starts runs, and ends those that are still running at the end."""
    with contextlib.ExitStack() as stack:

        def begin(name: str, *words: str, what: tuple[str, ...] = ISSUE_1278) -> Begun:
            folder = tmp_path / name
            folder.mkdir()
            mark = uuid.uuid4().hex
            process = stack.enter_context(
                subprocess.Popen(
                    [*COMMAND, *what, "--engine", "docker", "--artifacts", "run", *words],
                    cwd=folder,
                    env={**os.environ, MARK: mark},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.terminate)
            return Begun(process=process, folder=folder, owner=owner_label(process.pid), mark=mark)

        yield begin


def left_of(run: Begun, bystander: Bystander) -> list[str]:
    """What is left of a run that has ended, as soon as it is nothing, or after 120 s."""
    until_s = time.monotonic() + GONE_WITHIN_S
    while True:
        # The processes first: nobody but the watchdog makes or removes anything any more.
        left = run.processes() + bystander.things(run.owner)
        if not left or time.monotonic() > until_s:
            return left
        time.sleep(LOOK_EVERY_S)  # neither a process of others nor a network gives an event


@pytest.mark.parametrize("moment", range(len(MILESTONES)))
def test_nothing_of_a_killed_run_is_left_and_another_run_is_not_disturbed(
    moment: int, begin: Any, bystander: Bystander
) -> None:
    other = begin("other", "--time-scale", "3") if moment in WITH_ANOTHER else None

    victim = killed(begin, MILESTONES[moment], seed=moment)

    bystander.killed.append(victim.owner)
    assert bystander.all_of_runs()
    assert left_of(victim, bystander) == []
    if other is not None:
        out, err = other.process.communicate(timeout=DEADLINE_S)
        assert (other.process.returncode, other.verdict()) == (0, "REPRODUCED"), out + err
        assert left_of(other, bystander) == []


@pytest.mark.usefixtures("docker_engine_with_pooler")
@pytest.mark.parametrize("milestone", POOLED_MILESTONES, ids=lambda each: each[0])
def test_nothing_of_a_killed_run_with_a_pooler_is_left(
    milestone: tuple[str, int], begin: Any, bystander: Bystander
) -> None:
    victim = killed(begin, milestone, seed=0, what=POOLED)

    bystander.killed.append(victim.owner)
    assert bystander.all_of_runs()
    assert left_of(victim, bystander) == []


def killed(
    begin: Any, milestone: tuple[str, int], *, seed: int, what: tuple[str, ...] = ISSUE_1278
) -> Begun:
    """A run that was killed at this moment; another one where it had ended before the kill."""
    kind, count = milestone
    for number in range(TRIES):
        run: Begun = begin(f"victim-{number}", what=what)
        after_s = random.Random(seed).uniform(0, JITTER_S)  # noqa: S311  repeatable moments
        if kind:
            run.await_event(kind, count)
        else:
            after_s = NOT_BEFORE_S + 4 * after_s
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.process.wait(after_s)
        run.process.kill()
        out, err = run.process.communicate(timeout=DEADLINE_S)
        if run.process.returncode == -signal.SIGKILL:
            return run
    pytest.fail(f"{TRIES} runs ended before they could be killed; the last one: {out}{err}")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (signal.SIGINT, "container.start"),
        (signal.SIGTERM, "link.held"),
        (signal.SIGINT, "process.exited"),
    ],
)
def test_a_signal_ends_a_run_with_its_evidence_and_nothing_left(
    number: signal.Signals, kind: str, begin: Any, bystander: Bystander
) -> None:
    run = begin("run")
    run.await_event(kind)
    assert bystander.things(run.owner) != [], "or nothing could be left"

    run.process.send_signal(number)
    out, err = run.process.communicate(timeout=DEADLINE_S)

    said = f"interrupted by {number.name}; the evidence up to here is in run"
    assert run.process.returncode == 128 + number
    assert err.splitlines()[-1].startswith(said)
    assert "Traceback" not in err
    assert run.verdict() == "INCONCLUSIVE"
    is_tidy = err.splitlines()[-1] == said
    if is_tidy:  # else this machine is so busy that the watchdog has to finish it
        assert "INCONCLUSIVE" in out
        assert bystander.things(run.owner) == []
        assert [event["kind"] for event in run.events()][-2:] == ["run.interrupted", "run.finished"]
        assert (run.folder / "run" / "postgres.log").exists()
    if is_tidy and kind != "container.start":
        assert (run.folder / "run" / "attempt-1.log").read_text()
        assert "app" in json.loads((run.folder / "run" / "containers.json").read_text())
    assert left_of(run, bystander) == [], "its watchdog looks once more"


def test_a_second_signal_ends_a_run_at_once_and_its_watchdog_tidies_up(
    begin: Any, bystander: Bystander
) -> None:
    run = begin("run")
    run.await_event("link.held")

    while run.process.poll() is None:  # signals that come together are one, so again until it heeds
        run.process.send_signal(signal.SIGINT)
        time.sleep(LOOK_EVERY_S)
    _, err = run.process.communicate(timeout=DEADLINE_S)

    assert run.process.returncode == 128 + signal.SIGINT
    assert "interrupted by SIGINT; the evidence up to here is in run" in err
    assert "Traceback" not in err
    assert run.verdict() == "INCONCLUSIVE"
    assert left_of(run, bystander) == []
