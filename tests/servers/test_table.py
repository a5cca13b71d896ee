"""The table of docs/servers.md, row by row, as the servers are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from server_starts import ENTRIES, started

from crashloop.apps import load_entry
from crashloop.apps.file import read_apps
from crashloop.incidents import incident
from crashloop.model import Outcome, Role

if TYPE_CHECKING:
    from crashloop.testing import Lab
    from crashloop.testing.outcome import LabRun

ROOT = Path(__file__).parents[2]
IGNORED_FOR_S = 70.0  # longer than each limit of the table
TOLERANCE_S = 8.0  # a busy machine schedules late


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    entry: str
    versions: str
    exit_code: str
    port_first: str
    starter: str
    sigterm: str
    outcome: str


def rows() -> list[Row]:
    lines = (ROOT / "docs" / "servers.md").read_text(encoding="utf-8").splitlines()
    cells = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("| `")
    ]
    return [Row(**dict(zip(Row.__slots__, each, strict=True))) for each in cells]


ROWS = [pytest.param(row, id=row.entry) for row in rows()]


def test_each_server_has_an_entry_and_a_row() -> None:
    assert [row.entry for row in rows()] == list(read_apps(ENTRIES)[1])


@pytest.mark.parametrize("row", ROWS)
def test_the_versions_are_those_of_the_constraints(row: Row) -> None:
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()

    assert set(row.versions.replace(" ", "==").split(",==")) <= set(pinned)


@pytest.mark.servers
@pytest.mark.parametrize("row", ROWS)
def test_the_versions_are_installed(row: Row) -> None:
    for one in row.versions.split(", "):
        name, wanted = one.split()
        assert version(name) == wanted


@pytest.mark.servers
@pytest.mark.parametrize("row", ROWS)
async def test_a_held_database_ends_as_the_row_says(lab: Lab, row: Row) -> None:
    app = load_entry(ENTRIES, row.entry)
    scenario = incident("issue-1278").scenario(Role.REPRODUCTION, app, transport="tcp")

    run = await lab.run(scenario)

    run.expect_outcome(row.outcome)
    assert run.fate is not None
    assert {*map(str, run.fate.exit_codes)} == {row.exit_code} - {"none"}
    assert starter(run) == row.starter
    assert port_first(run) == row.port_first


def starter(run: LabRun) -> str:
    """Who started the app again after its first failure."""
    workers = len({event.data["pid"] for event in run.events("startup.started", attempt=1)})
    if workers > ("--workers" in run.scenario.app.command) + 1:
        return "the server"
    return "the platform" if len(run.events("process.started")) > 1 else "nobody"


def port_first(run: LabRun) -> str:
    """Whether the port accepted connections before the app was ready."""
    failed = [event for event in run.trace.control if event.kind == "control.failed"]
    if failed:  # the port of a life that was not ready has answered, and nothing but 503
        return "yes" if "last answered 503" in failed[0].data["why"] else "no"
    exits = run.events("process.exited")
    dead = {event.attempt for event in exits if not event.data["requested"]}
    watched = [event for event in run.events("port.watched") if event.attempt in dead]
    assert watched
    return "yes" if any(event.data["opened"] for event in watched) else "no"


@pytest.mark.servers
@pytest.mark.parametrize("row", ROWS)
async def test_sigterm_during_start_up_does_what_the_row_says(row: Row) -> None:
    async with started(row.entry) as start:
        if row.outcome == Outcome.NEVER_STARTED:  # it never comes to its database
            await start.until_serving()
        else:
            await start.until_touched()
        ended = await start.ended_after_sigterm(within_s=IGNORED_FOR_S)

    if row.sigterm == "ignored":
        assert ended is None
        return
    match = re.fullmatch(r"ends (\d+) s after (SIGTERM|its start)", row.sigterm)
    assert match
    assert ended is not None
    measured_s = ended[0] if match[2] == "SIGTERM" else ended[1]
    assert measured_s == pytest.approx(float(match[1]), abs=TOLERANCE_S)
