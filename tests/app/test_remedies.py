"""The hooks that a start-up gives its remedies, and the registry of remedies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from app_under_test import remedies
from app_under_test.context import Context
from app_under_test.log import Log
from app_under_test.phases import Phase
from app_under_test.remedy import Remedy
from app_under_test.settings import Settings, SettingsError, load
from app_under_test.startup import DeterministicStartupError, close, start

if TYPE_CHECKING:
    from app_under_test.remedy import Work

URL = "postgresql+asyncpg://app:hidden@127.0.0.1:1/app"


def context(*switched_on: Remedy, **fields: object) -> Context:
    settings = Settings.model_validate({"database_url": URL, **fields})
    return Context(settings=settings, log=Log(boot_id="b00t"), remedies=list(switched_on))


class Noted(Remedy):
    """Notes the hooks that were called, and covers the phases that it is told to cover."""

    def __init__(self, *, covered: str = "", limit_s: float | None = None, name: str = "") -> None:
        self.calls: list[str] = []
        self._covered = covered
        self._limit_s = limit_s
        self._name = name

    async def before(self, phase: str) -> None:
        self.calls.append(f"before {phase}")

    def limit_s(self, phase: str, limit_s: float) -> float:
        assert phase == "database"
        return limit_s if self._limit_s is None else self._limit_s

    async def around(self, phase: str, work: Work) -> None:
        self.calls.append(f"around {phase}")
        await work()

    async def after(self, phase: str, duration_s: float, error: Exception | None) -> None:
        assert duration_s >= 0.0
        self.calls.append(f"after {phase}: {type(error).__name__}")

    def covers(self, phase: str, error: Exception) -> bool:
        self.calls.append(f"covers {phase}: {type(error).__name__}")
        return phase == self._covered

    def serve(self) -> None:
        self.calls.append("serve")

    def cancelled(self) -> None:
        self.calls.append("cancelled")

    async def close(self) -> None:
        self.calls.append("close")


def database(error: Exception | None = None) -> Phase:
    async def run(_: Context) -> None:
        if error is not None:
            raise error

    return Phase(name="database", run=run)


async def test_a_remedy_is_called_around_a_phase_and_when_the_app_serves() -> None:
    remedy = Noted()
    begun = context(remedy)
    await start(begun, [database()])
    await close(begun)
    assert remedy.calls == [
        "before database",
        "around database",
        "after database: NoneType",
        "serve",
        "close",
    ]


async def test_a_failure_that_a_remedy_covers_leaves_the_phase_degraded() -> None:
    remedy, other = Noted(covered="database"), Noted(covered="database")
    begun = context(remedy, other)
    await start(begun, [database(OSError("away"))])
    assert begun.states == {"database": "degraded"}
    for asked in (remedy, other):
        assert asked.calls[2:] == ["covers database: OSError", "after database: OSError", "serve"]


async def test_a_failure_that_no_remedy_covers_ends_start_up_and_closes_the_remedies() -> None:
    remedy = Noted(covered="cache")
    with pytest.raises(DeterministicStartupError):
        await start(context(remedy), [database(OSError("away"))])
    assert remedy.calls[-2:] == ["after database: OSError", "close"]


async def test_a_start_that_is_cancelled_is_logged_and_closes_the_remedies(
    capsys: pytest.CaptureFixture[str],
) -> None:
    began = asyncio.Event()

    async def hang(_: Context) -> None:
        began.set()
        await asyncio.Event().wait()

    remedy = Noted()
    starting = asyncio.create_task(start(context(remedy), [Phase(name="database", run=hang)]))
    await began.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert remedy.calls == ["before database", "around database", "close", "cancelled"]
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["event"] == "startup.cancelled"


async def test_the_limit_that_a_remedy_gives_is_the_phases_limit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await start(context(Noted(limit_s=77.0)), [database()])
    started = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (started["event"], started["limit_s"]) == ("phase.started", 77.0)


async def test_every_remedy_is_a_setting_and_a_class_that_is_made_from_the_context() -> None:
    for setting, place in remedies.REMEDIES.items():
        assert not Settings.model_fields[setting].default
        module, _, name = place.partition(":")
        made = getattr(import_module(f"app_under_test.remedies.{module}"), name)(context())
        assert isinstance(made, Remedy)
        await made.close()


def test_a_remedy_that_is_off_is_not_imported() -> None:
    program = (
        "import sys, app_under_test.main\n"
        "print(*[name for name in sys.modules if name.startswith('app_under_test.remedies.')])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert run.stdout.split() == []


def test_budgets_that_are_spent_one_after_the_other_stay_below_the_start_up_probe_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APP_DATABASE_URL", URL)
    monkeypatch.setenv("APP_STARTUP_PROBE_S", "240")
    monkeypatch.setenv("APP_REMEDY_RETRY_S", "170")
    monkeypatch.setenv("APP_ADMISSION_WAIT_S", "60")
    monkeypatch.setenv("APP_REMEDY_ADMISSION", "1")
    load()
    monkeypatch.setenv("APP_REMEDY_RETRY_PROBE_S", "10")
    together = (
        r"APP_ADMISSION_WAIT_S \+ APP_REMEDY_RETRY_PROBE_S \+ APP_REMEDY_RETRY_S must be below"
    )
    with pytest.raises(SettingsError, match=together):
        load()
