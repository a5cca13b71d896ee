"""A patient journey that begins after the last heal."""

from __future__ import annotations

import asyncio

import pytest
from journeys import KEY, App, app_entry, no_query, of, recorder

from crashloop.healing import Healing
from crashloop.incidents import incident
from crashloop.journey import Draw, PatientJourney, Visitor, patient
from crashloop.model import RequestStep

FAULTS = incident("issue-1278").scenario().faults


@pytest.fixture(autouse=True)
def _ask_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient, "ASK_EVERY_S", 0.001)


async def test_an_app_that_is_ready_under_the_fault_is_used_after_its_heal() -> None:
    events = recorder()
    entry = app_entry(RequestStep(method="GET", path="/messages"))
    walk = PatientJourney(
        app=entry, draw=Draw(KEY, 1), recorder=events, healing=Healing(FAULTS, events)
    )
    visitor = Visitor(app=entry, replica=1, walk=walk, recorder=events, query=no_query)
    app = App().answers("/ready", b"{}").answers("/messages", b"{}")
    fault = {"fault": FAULTS[0].name}
    async with app.serve() as life, asyncio.TaskGroup() as group:
        visit = group.create_task(visitor.visit(life))
        events.emit("harness", "fault.injected", fault)
        while len(app.asked) < 5:  # noqa: ASYNC110  the app announces no request
            await asyncio.sleep(0.001)
        assert set(app.asked) == {"/ready"}
        events.emit("harness", "fault.healed", fault)
        await visitor.finished.wait()
        life.ended.set()
        await visit
    assert "/messages" in app.asked
    (step,) = of(events, "journey.step")
    (healed,) = of(events, "fault.healed")
    assert healed.mono_ns < step.mono_ns
