"""The lives of a container: started, signalled and stopped, followed by Docker's events."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import docker.errors
import pytest
import requests
from docker_cases import DockerLab

from crashloop.errors import HarnessError
from crashloop.model import Life

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.engines.docker.container import ContainerLife


@pytest.fixture
def lab(tmp_path: Path) -> DockerLab:
    lab = DockerLab(tmp_path, policy="docker", replica=2)
    lab.api.runs(pid=11)
    return lab


async def started(lab: DockerLab) -> ContainerLife:
    """Start the container, as our own supervisor has it done, and wait for its life."""
    await lab.container.start()
    life = await lab.container.next_life()
    assert life is not None
    return life


async def test_a_life_is_one_start_of_the_container_with_its_process_and_address(
    lab: DockerLab,
) -> None:
    lab.happens("start", at_s=1)

    life = await started(lab)

    assert lab.api.calls == ["start app"]
    assert (life.life, life.pid, life.address) == (Life(2, 1), 11, ("172.18.0.5", 8080))
    life.close()


async def test_its_exit_code_is_dockers_and_its_log_has_been_read(
    lab: DockerLab, tmp_path: Path
) -> None:
    lab.api.frames = [b"2026-01-01T12:00:01.1Z last words\n"]
    lab.happens("start", at_s=1)
    life = await started(lab)
    lab.happens("die", at_s=2, exit_code=137)

    assert await life.wait() == 137
    assert life.ended.is_set()
    assert (tmp_path / "replica-2-attempt-1.log").read_text() == "last words\n"


async def test_an_end_without_an_exit_code_is_no_success(lab: DockerLab) -> None:
    lab.happens("start", at_s=1)
    life = await started(lab)
    lab.happens("die", at_s=2, exit_code=None)

    with pytest.raises(HarnessError, match="no exit code"):
        await life.wait()


async def test_the_next_start_is_the_next_life(lab: DockerLab) -> None:
    for at_s in (1, 3):
        lab.happens("start", at_s=at_s)
        lab.happens("die", at_s=at_s + 1, exit_code=3)

    lives = []
    for _ in range(2):
        lives.append(await started(lab))
        await lives[-1].wait()

    assert [life.life.attempt for life in lives] == [1, 2]
    assert lab.api.calls == ["start app", "start app"]


async def test_a_cancelled_wait_can_be_repeated(lab: DockerLab) -> None:
    lab.happens("start", at_s=1)
    life = await started(lab)
    waiting = asyncio.ensure_future(life.wait())
    await asyncio.sleep(0)
    waiting.cancel()

    lab.happens("die", at_s=2, exit_code=0)

    assert await life.wait() == 0


async def test_a_signal_is_sent_to_the_container(lab: DockerLab) -> None:
    lab.happens("start", at_s=1)
    life = await started(lab)

    assert await life.signal(signal.SIGTERM)

    assert lab.api.calls[-1] == f"kill app {int(signal.SIGTERM)}"
    life.close()


async def test_a_signal_to_a_container_that_has_just_ended_was_not_sent(
    lab: DockerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = requests.Response()
    answer.status_code = 409

    def kill(container: str, *, signal: int) -> None:
        raise docker.errors.APIError(f"{container} {signal}", answer, "is not running")

    monkeypatch.setattr(lab.api, "kill", kill)
    lab.happens("start", at_s=1)
    life = await started(lab)

    assert not await life.signal(signal.SIGKILL)

    lab.happens("die", at_s=2, exit_code=0)
    await life.wait()
    assert not await life.signal(signal.SIGKILL)


async def test_a_stop_returns_when_the_life_has_ended_and_does_nothing_after_it(
    lab: DockerLab,
) -> None:
    lab.happens("start", at_s=1)
    life = await started(lab)
    lab.happens("die", at_s=2, exit_code=0)

    await life.stop()
    await life.stop()

    assert lab.api.calls.count("stop app") <= 1
    assert life.ended.is_set()
