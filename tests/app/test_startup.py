from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from app_under_test.context import Context
from app_under_test.log import Log
from app_under_test.phases import Phase, dependencies, init
from app_under_test.settings import Settings
from app_under_test.startup import DeterministicStartupError, start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


def context(**fields: object) -> Context:
    url = "postgresql+asyncpg://app:hidden@127.0.0.1:1/app"
    settings = Settings.model_validate({"database_url": url, **fields})
    return Context(settings=settings, log=Log(boot_id="b00t"))


def failing(error: Exception) -> Callable[[Context], Awaitable[None]]:
    async def run(context: Context) -> None:  # noqa: ARG001  the shape of a phase
        raise error

    return run


async def nothing(context: Context) -> None:
    """Do what a phase without work does."""


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_a_critical_phase_that_fails_ends_start_up_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    phases = (
        Phase(name="init", run=nothing),
        Phase(name="services", run=failing(NameError("typo"))),
        Phase(name="finalize", run=nothing),
    )
    begun = context()
    with pytest.raises(DeterministicStartupError) as caught:
        await start(begun, phases)
    assert caught.value.phase == "services"
    assert isinstance(caught.value.__cause__, NameError)
    assert begun.states == {"init": "complete", "services": "failed", "finalize": "pending"}
    lines = events(capsys)
    assert [line["event"] for line in lines] == [
        "phase.started",
        "phase.completed",
        "phase.started",
        "phase.failed",
        "startup.failed",
    ]
    assert [link["type"] for link in lines[-2]["error"]] == ["NameError"]
    assert "NameError: typo" in lines[-1]["stack_trace"]


async def test_start_up_continues_without_a_phase_that_is_not_critical(
    capsys: pytest.CaptureFixture[str],
) -> None:
    phases = (
        Phase(name="cache", run=failing(OSError("gone")), critical=False),
        Phase(name="finalize", run=nothing),
    )
    begun = context()
    await start(begun, phases)
    assert begun.states == {"cache": "degraded", "finalize": "complete"}
    lines = events(capsys)
    assert [line["event"] for line in lines] == [
        "phase.started",
        "phase.degraded",
        "phase.started",
        "phase.completed",
        "startup.degraded",
        "startup.completed",
    ]
    assert lines[-1]["degraded"] == ["cache"]


@pytest.mark.parametrize("name", ["init", "dependencies", "database", "cache", "finalize"])
async def test_every_phase_is_cancelled_at_its_own_limit(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def hang(context: Context) -> None:  # noqa: ARG001  the shape of a phase
        await asyncio.Event().wait()

    begun = context(**{f"phase_{name}_limit_s": 0.02})
    with pytest.raises(DeterministicStartupError):
        await start(begun, (Phase(name=name, run=hang),))
    failed = next(line for line in events(capsys) if line["event"] == "phase.failed")
    assert failed["limit_s"] == 0.02
    assert 0.02 <= failed["duration_s"] < 1.0
    assert [link["type"] for link in failed["error"]] == [
        "TimeoutError",
        "asyncio.exceptions.CancelledError",
    ]


async def test_a_scratch_folder_that_cannot_be_written_in_ends_phase_init(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await init(context(scratch_folder=str(tmp_path / "absent")))
    await init(context(scratch_folder=str(tmp_path)))


async def test_the_memory_that_phase_dependencies_takes_is_kept() -> None:
    begun = context(startup_memory_mib=2)
    await dependencies(begun)
    assert [len(piece) for piece in begun.memory] == [1024 * 1024] * 2
    assert {piece[-1] for piece in begun.memory} == {1}
