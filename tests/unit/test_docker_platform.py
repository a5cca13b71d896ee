"""Docker as the platform: the lives of a replica's container, by Docker's own events."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import requests
from docker_cases import CONTAINER, NS_PER_S, UNIX_NS, DockerLab

from crashloop.engines.docker import container_log, platform
from crashloop.errors import HarnessError
from crashloop.model import Life

if TYPE_CHECKING:
    from pathlib import Path

ONCE = "docker:on-failure:1"
ALWAYS = "docker:always"


@pytest.fixture
def lab(tmp_path: Path) -> DockerLab:
    return DockerLab(tmp_path, policy=ONCE)


async def test_every_life_is_recorded_from_its_start_to_its_exit(lab: DockerLab) -> None:
    lab.dies_twice()

    await lab.platform.run()

    assert lab.api.calls == ["start app"]
    assert [(event.kind, event.attempt, event.source) for event in lab.recorded] == [
        ("process.started", 1, "platform"),
        ("process.exited", 1, "platform"),
        ("process.started", 2, "platform"),
        ("process.exited", 2, "platform"),
        ("restart.gave_up", 2, "platform"),
    ]


async def test_a_life_begins_and_ends_at_dockers_own_instants(lab: DockerLab) -> None:
    lab.dies_twice()

    await lab.platform.run()

    assert [event.mono_ns / NS_PER_S for event in lab.recorded[:4]] == [1, 2.5, 3, 5]
    assert lab.facts("process.exited", "run_s", "time_ns") == [
        (1.5, UNIX_NS + 2_500_000_000),
        (2.0, UNIX_NS + 5_000_000_000),
    ]


async def test_a_life_has_dockers_pid_restart_count_and_exit_code(lab: DockerLab) -> None:
    lab.dies_twice()

    await lab.platform.run()

    assert lab.facts("process.started", "pid", "restart_count") == [(11, 0), (22, 1)]
    assert lab.facts("process.exited", "pid", "restart_count", "exit_code", "requested") == [
        (11, 0, 3, False),
        (22, 1, 1, False),
    ]
    containers = {*lab.facts("process.started", "container")}
    assert containers == {*lab.facts("process.exited", "container")} == {(CONTAINER[:12],)}


async def test_each_life_is_passed_on_with_its_address_and_has_ended_at_the_end(
    lab: DockerLab,
) -> None:
    lab.dies_twice()

    await lab.platform.run()

    assert [(one.life, one.address) for one in lab.seen] == [
        (Life(1, 1), ("172.18.0.5", 8080)),
        (Life(1, 2), ("172.18.0.5", 8080)),
    ]
    assert all(one.ended.is_set() for one in lab.seen)


async def test_a_container_that_restarted_before_it_was_inspected_has_no_pid(
    lab: DockerLab,
) -> None:
    lab.dies_twice()
    lab.api.looks[0]["RestartCount"] = 1

    await lab.platform.run()

    assert lab.facts("process.started", "pid", "address")[0] == (None, None)
    assert lab.facts("process.exited", "pid")[0] == (None,)


@pytest.mark.parametrize("count", [0, 2, 7])
async def test_a_count_that_docker_did_not_give_is_not_invented(lab: DockerLab, count: int) -> None:
    lab.dies_twice()
    lab.api.looks[1]["RestartCount"] = count

    await lab.platform.run()

    assert lab.facts("process.started", "restart_count") == [(0,), (None,)]


async def test_a_container_that_died_before_it_was_inspected_has_no_pid(lab: DockerLab) -> None:
    lab.dies_twice()
    lab.api.looks[0]["State"]["Running"] = False

    await lab.platform.run()

    assert lab.facts("process.started", "pid")[0] == (None,)


async def test_a_container_that_is_on_no_network_has_no_address(lab: DockerLab) -> None:
    lab.dies_twice()
    lab.api.looks[0]["NetworkSettings"]["Networks"] = {"front": {"IPAddress": ""}}

    await lab.platform.run()

    assert lab.facts("process.started", "pid", "address")[0] == (11, None)


async def test_each_life_has_the_part_of_the_log_that_it_wrote(
    lab: DockerLab, tmp_path: Path
) -> None:
    lab.dies_twice()
    lab.api.frames = [
        b"2026-01-01T12:00:01.1Z first life\n",
        b"2026-01-01T12:00:02.5Z its last word\n",
        b"2026-01-01T12:00:03.1Z second life\n",
    ]
    await lab.platform.run()

    second = (tmp_path / "attempt-2.log").read_text()
    assert second == "second life\n"


# When Docker restarts no more


async def test_docker_is_asked_before_it_counts_as_having_given_up(
    lab: DockerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "ASK_EVERY_S", 0)
    lab.dies_twice()
    lab.api.looks[2:2] = [{"State": {"Status": "running"}}, {"State": {"Status": "restarting"}}]

    await lab.platform.run()

    assert len(lab.api.looks) == 1
    assert lab.only("restart.gave_up") == {"reason": "restarted once, which is the limit"}


async def test_it_is_an_error_if_docker_never_gives_up(
    lab: DockerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "ASK_EVERY_S", 0)
    monkeypatch.setattr(platform, "SETTLED_S", 0)
    lab.dies_twice()
    lab.api.looks[2]["State"]["Status"] = "restarting"

    with pytest.raises(HarnessError, match=r"should have given up .* the container is restarting"):
        await lab.platform.run()

    assert "restart.gave_up" not in {event.kind for event in lab.recorded}


async def test_a_docker_that_restarts_anyway_is_followed(
    lab: DockerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "ASK_EVERY_S", 0)
    lab.happens("start", at_s=1)
    lab.happens("die", at_s=2, exit_code=0)
    lab.api.runs(pid=11)
    lab.api.has_exited("restarting")
    running = asyncio.create_task(lab.platform.run())
    await lab.life_over(1)

    lab.happens("start", at_s=3)
    lab.happens("die", at_s=4, exit_code=0)
    lab.api.has_exited()
    await running

    assert [event.attempt for event in lab.recorded if event.kind == "process.started"] == [1, 2]


async def test_docker_is_not_asked_while_its_policy_restarts(tmp_path: Path) -> None:
    lab = DockerLab(tmp_path, policy=ALWAYS)
    lab.api.runs()
    lab.api.has_exited()
    lab.happens("start", at_s=1)
    lab.happens("die", at_s=2, exit_code=0)
    running = asyncio.create_task(lab.platform.run())
    await lab.life_over(1)

    await lab.platform.stop()
    await running

    assert "restart.gave_up" not in {event.kind for event in lab.recorded}


# Stopping


async def test_a_stop_between_two_lives_ends_the_run(tmp_path: Path) -> None:
    lab = DockerLab(tmp_path, policy=ALWAYS)
    lab.api.runs()
    lab.happens("start", at_s=1)
    lab.happens("die", at_s=2, exit_code=3)
    running = asyncio.create_task(lab.platform.run())
    await lab.life_over(1)

    await lab.platform.stop()
    await running

    assert lab.api.calls == ["start app", "stop app"]
    assert lab.only("process.exited")["requested"] is False


async def test_a_stop_before_the_first_life_ends_the_run(lab: DockerLab) -> None:
    await lab.platform.stop()
    await lab.platform.run()

    assert lab.recorded == []


@pytest.mark.parametrize(("died_s", "asked_for"), [(2.0, True), (1.4, False)])
async def test_a_death_was_asked_for_if_it_came_after_the_stop(
    lab: DockerLab, monkeypatch: pytest.MonkeyPatch, died_s: float, *, asked_for: bool
) -> None:
    lab.api.runs()
    lab.happens("start", at_s=1)
    running = asyncio.create_task(lab.platform.run())
    await lab.life_begun(1)
    stopped_ns = round(1.5 * NS_PER_S)
    monkeypatch.setattr(platform, "time", SimpleNamespace(monotonic_ns=lambda: stopped_ns))

    await lab.platform.stop()
    assert not running.done()
    lab.happens("die", at_s=died_s, exit_code=0)
    await running

    assert lab.only("process.exited")["requested"] is asked_for
    assert "restart.gave_up" not in {event.kind for event in lab.recorded}


# What goes wrong


async def test_a_container_that_cannot_be_started_is_an_error_in_words(
    lab: DockerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(container: str) -> None:
        raise requests.ConnectionError(container)

    monkeypatch.setattr(lab.api, "start", start)

    with pytest.raises(HarnessError, match="the container app could not be started: app"):
        await lab.platform.run()


async def test_a_log_that_does_not_end_is_an_error_and_not_an_exit(
    lab: DockerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_log, "END_BOUND_S", 0.01)
    for_ever = threading.Event()
    lab.dies_twice()
    lab.api.frames = (b"" for _ in iter(lambda: for_ever.wait(10), True))

    with pytest.raises(HarnessError, match="did not give the whole log of app"):
        await lab.platform.run()

    for_ever.set()
    lab.container.lives[0].close()
    assert "process.exited" not in {event.kind for event in lab.recorded}
