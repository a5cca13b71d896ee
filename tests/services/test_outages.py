"""Six ordinary services in the outage of issue 1278, unchanged.

Each run takes a minute or so of waiting. What a service does follows from its own code: how long it
waits for its database, how often it tries, and what its server makes of a failed start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from service_copies import service_copy
from service_runs import outage

if TYPE_CHECKING:
    from pathlib import Path

    from service_runs import ServiceRun

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

OPENED_AT_START = {
    "orders": {3},  # uvicorn's code for a lifespan that fails
    "inventory": {3},
    "payments": {3},
    # gunicorn's code for a worker that does not boot; if two of them end at once, a HaltServer that
    # it does not catch, which is 1
    "guestbook": {1, 3},
    "links": {1},  # its own process.exit(1)
}
UNREACHABLE = (
    ("hold", "tcp"),
    ("hold", "unix"),
    ("black_hole", "tcp"),
    ("refuse", "tcp"),
    ("refuse", "unix"),
)
SLOW = (("latency", "tcp"), ("latency", "unix"))
REAL_TIME = "--real-time"
# A start of a second is four seconds of the incident, which is little beside limits of 10 and 20 s.
FASTER = "--time-scale=4"
DECLARES_ITS_TIMES = ("orders", "inventory", "links")


def run_of(service: str, fault: str, transport: str, pace: str, folder: Path) -> ServiceRun:
    """A run that lasts no longer than it must."""
    words = [pace, "-p", f"fault={fault}", "-p", f"transport={transport}"]
    if pace == REAL_TIME and service in {"orders", "links"}:
        words += ["-p", "limit_s=5"]  # they take it
    if fault == "latency":
        words += ["-p", "latency_s=0.3"]  # six round trips of a request are within every limit
    return outage(service_copy(service, folder), *words)


def dies_three_times(run: ServiceRun, codes: set[int]) -> None:
    assert run.said["outcome"] == "RECOVERED", run.shown
    assert run.said["deaths"] == 3, run.shown
    assert len(run.exit_codes) == 3, run.shown
    assert set(run.exit_codes) <= codes, run.shown
    assert run.said["verdict"] != "INCONCLUSIVE", run.shown


def survives(run: ServiceRun) -> None:
    assert run.said["outcome"] == "SURVIVED", run.shown
    assert run.said["deaths"] == 0, run.shown
    assert run.exit_codes == [], run.shown
    assert run.said["verdict"] == "NOT_REPRODUCED", run.shown


@pytest.mark.parametrize(("fault", "transport"), UNREACHABLE)
@pytest.mark.parametrize("service", OPENED_AT_START)
def test_a_service_that_opens_its_database_when_it_starts_dies_three_times_and_recovers(
    service: str, fault: str, transport: str, tmp_path: Path
) -> None:
    run = run_of(service, fault, transport, REAL_TIME, tmp_path)
    dies_three_times(run, OPENED_AT_START[service])
    if service == "guestbook":  # its entry wrote before the fault, and one of the two steps reads
        (looked,) = run.of("before.checked")
        assert looked["data"] == {"lost": [], "doubled": [], "checked": 1}, run.shown
    # Without phases, the incident is that it gives up at a limit of its own and dies at once. On a
    # busy machine only the one that has next to nothing to clean up always does.
    if service == "links" or fault == "refuse":
        verdict = "NOT_REPRODUCED" if fault == "refuse" else "REPRODUCED"
        assert run.said["verdict"] == verdict, run.shown


@pytest.mark.parametrize(("fault", "transport"), UNREACHABLE)
@pytest.mark.parametrize("service", DECLARES_ITS_TIMES)
def test_the_same_happens_faster_to_a_service_that_declares_its_times(
    service: str, fault: str, transport: str, tmp_path: Path
) -> None:
    run = run_of(service, fault, transport, FASTER, tmp_path)
    dies_three_times(run, OPENED_AT_START[service])


@pytest.mark.parametrize(("fault", "transport"), UNREACHABLE)
def test_a_service_that_opens_its_database_at_the_first_request_looks_ready_and_is_broken(
    fault: str, transport: str, tmp_path: Path
) -> None:
    run = run_of("notes", fault, transport, REAL_TIME, tmp_path)
    assert run.said["outcome"] == "RECOVERED", run.shown
    assert run.said["deaths"] == 0, run.shown
    assert run.exit_codes == [], run.shown
    assert "ready_but_broken" in run.said["flags"], run.shown
    assert run.said["verdict"] == "NOT_REPRODUCED", run.shown


def test_it_looks_healthy_to_whoever_gives_no_journey_and_the_outcome_says_what_to_give(
    tmp_path: Path,
) -> None:
    folder = service_copy("notes", tmp_path)
    entry = folder / "crashloop.toml"
    entry.write_text(entry.read_text().partition("journey =")[0])
    run = outage(folder, REAL_TIME, "-p", "fault=hold")
    assert run.said["outcome"] == "INCONCLUSIVE", run.shown
    assert run.said["advice"] == "give a journey that uses postgres", run.shown


@pytest.mark.parametrize(("fault", "transport"), SLOW)
@pytest.mark.parametrize("service", [*OPENED_AT_START, "notes"])
def test_every_service_survives_a_database_that_is_slow_within_its_limits(
    service: str, fault: str, transport: str, tmp_path: Path
) -> None:
    survives(run_of(service, fault, transport, REAL_TIME, tmp_path))


@pytest.mark.parametrize(("fault", "transport"), SLOW)
@pytest.mark.parametrize("service", DECLARES_ITS_TIMES)
def test_it_survives_it_faster_if_it_declares_its_times(
    service: str, fault: str, transport: str, tmp_path: Path
) -> None:
    survives(run_of(service, fault, transport, FASTER, tmp_path))
