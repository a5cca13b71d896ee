"""Whose a lack of memory is that Docker tells of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from docker_cases import container_event, recorder

from crashloop.clock import TimeScale
from crashloop.engines.base import Setup
from crashloop.engines.docker.quotas import Quotas
from crashloop.engines.docker.replicas import Replicas
from crashloop.incidents import incident
from crashloop.model import Life

if TYPE_CHECKING:
    from pathlib import Path


class Limited:
    """A run with one replica whose memory is limited, and what Docker tells of its container."""

    def __init__(self, artifacts: Path) -> None:
        self.recorder = recorder()
        setup = Setup(
            scenario=incident("issue-1278").scenario(),
            seed=1,
            scale=TimeScale(factor=1),
            recorder=self.recorder,
            artifacts=artifacts,
        )
        facts = SimpleNamespace(limits_memory=True, memory_bytes=2**30)
        api = SimpleNamespace(update_container=lambda *_, **__: None)
        project: Any = SimpleNamespace(daemon=SimpleNamespace(api=api, facts=facts))
        self.replicas = Replicas(project, "image", setup)
        self.replicas._ids = {1: "app"}
        self.replicas.run_by_platform(lambda _: None, never_called)
        self.quotas = Quotas(project.daemon, self.replicas, self.recorder)

    def tells(self, action: str, *, at_s: float) -> None:
        event = container_event(action, at_s=at_s, exit_code=137 if action == "die" else None)
        if action == "oom":
            self.quotas.exceeded(event)
        else:
            self.replicas.take(event)

    @property
    def exceeded(self) -> list[Life | None]:
        kind = "process.memory_exceeded"
        return [event.life for event in self.recorder.events if event.kind == kind]


async def never_called(_: Life, __: float) -> bool:
    raise AssertionError


@pytest.fixture
def limited(tmp_path: Path) -> Limited:
    return Limited(tmp_path)


async def test_it_is_that_of_the_life_that_docker_started_last_though_nobody_follows_it_yet(
    limited: Limited,
) -> None:
    async with limited.quotas.memory(2**20, fault="f"):
        for number in (1, 2):
            limited.tells("start", at_s=2 * number)
            limited.tells("oom", at_s=2 * number + 0.1)
            limited.tells("die", at_s=2 * number + 0.2)
    assert limited.exceeded == [Life(1, 1), Life(1, 2)]


async def test_what_docker_tells_after_a_death_and_before_the_next_start_is_of_the_dead_life(
    limited: Limited,
) -> None:
    async with limited.quotas.memory(2**20, fault="f"):
        limited.tells("start", at_s=1)
        limited.tells("die", at_s=2)
        limited.tells("oom", at_s=2.1)
        limited.tells("start", at_s=3)
    assert limited.exceeded == [Life(1, 1)]
