"""Links and gate events belong to the life whose process is at their end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from memory_recorder import recorder

from crashloop.engines.links import Links
from crashloop.model import Life

if TYPE_CHECKING:
    from crashloop.trace.recorder import Recorder

FIRST, SECOND = Life(1, 1), Life(2, 1)
HARNESS = 99


@pytest.fixture
def events() -> Recorder:
    return recorder()


@pytest.fixture
def two(events: Recorder) -> Links:
    """Two replicas that run."""
    links = Links(events, without_pids=False)
    links.begin(FIRST, 11)
    links.begin(SECOND, 22)
    return links


def opened(links: Links, link: str, *, pid: int | None, session: int | None = None) -> None:
    data = {"link": link, "client_pid": pid, "client_session": session}
    links.record("link.opened", data, time.monotonic_ns(), target="postgres")


def test_two_replicas_that_run_at_once_keep_their_own_links(two: Links, events: Recorder) -> None:
    opened(two, "postgres-1", pid=22)
    opened(two, "postgres-2", pid=11)
    two.record("link.held", {"link": "postgres-1"}, time.monotonic_ns(), target="postgres")

    assert [event.life for event in events.events] == [SECOND, FIRST, SECOND]
    assert {event.target for event in events.events} == {"postgres"}


def test_a_worker_counts_by_the_session_of_its_life(events: Recorder) -> None:
    links = Links(events, without_pids=False)
    links.begin(FIRST, 11)
    opened(links, "postgres-1", pid=12, session=11)

    assert events.events[-1].life == FIRST


def test_the_harness_own_link_belongs_to_no_life(events: Recorder) -> None:
    links = Links(events, without_pids=False)
    links.begin(FIRST, 11)
    opened(links, "postgres-1", pid=HARNESS, session=HARNESS)
    links.record("link.closed", {"link": "postgres-1"}, time.monotonic_ns(), target="postgres")

    assert [event.life for event in events.events] == [None, None]


def test_what_arrives_late_of_a_link_still_belongs_to_the_life_that_opened_it(
    events: Recorder,
) -> None:
    links = Links(events, without_pids=False)
    links.begin(FIRST, 11)
    opened(links, "postgres-1", pid=11)
    links.end(FIRST)
    links.begin(Life(1, 2), 11)  # the system has reused the process id
    links.record("link.closed", {"link": "postgres-1"}, time.monotonic_ns(), target="postgres")
    opened(links, "postgres-2", pid=11)

    assert [event.life for event in events.events] == [FIRST, FIRST, Life(1, 2)]


@pytest.mark.parametrize(
    "data", [{"pid": 11, "session": 11}, {"pid": 12, "session": 11}, {"pid": 11, "link": "unseen"}]
)
def test_a_receipt_of_the_gate_belongs_to_the_life_of_the_process_it_names(
    events: Recorder, data: dict[str, object]
) -> None:
    links = Links(events, without_pids=False)
    links.begin(SECOND, 22)
    links.begin(FIRST, 11)
    links.record("gate.syn_seen", data, time.monotonic_ns(), target="postgres")

    assert events.events[-1].life == FIRST


def connected(links: Links, link: str, *, pid: int, via: str, target: str = "postgres") -> None:
    opened(links, link, pid=pid)
    links.record("link.connected", {"link": link, "via": via}, time.monotonic_ns(), target=target)


def refused(links: Links, client: str | None) -> None:
    data = {"sqlstate": "53300", "client": client}
    links.record_of_server("database", "database.error", data, target="postgres")


def test_a_server_sees_a_life_by_the_addresses_of_its_links(two: Links) -> None:
    connected(two, "p-1", pid=11, via="h:1")
    connected(two, "p-2", pid=22, via="h:2")
    connected(two, "p-3", pid=11, via="h:3")
    connected(two, "r-1", pid=11, via="h:4", target="redis")

    assert two.clients(FIRST, "postgres") == ["h:1", "h:3"]
    assert two.clients(SECOND, "postgres") == ["h:2"]


def test_a_link_of_an_unknown_process_counts_for_the_only_replica(events: Recorder) -> None:
    links = Links(events, without_pids=False)
    links.begin(FIRST, 11)
    connected(links, "p-1", pid=HARNESS, via="h:1")
    assert links.clients(FIRST, "postgres") == ["h:1"]

    links.begin(SECOND, 22)
    assert links.clients(FIRST, "postgres") == []


def test_an_address_that_is_used_again_belongs_to_its_latest_link(two: Links) -> None:
    connected(two, "p-1", pid=11, via="h:1")
    connected(two, "p-2", pid=22, via="h:1")

    assert two.clients(FIRST, "postgres") == []


def test_an_error_of_a_server_has_the_life_whose_link_it_names(
    two: Links, events: Recorder
) -> None:
    connected(two, "p-1", pid=11, via="h:1")
    connected(two, "p-2", pid=22, via="h:2")
    connected(two, "r-1", pid=11, via="h:2", target="redis")  # the same port, to another server
    refused(two, "h:2")

    assert events.events[-1].kind == "database.error"
    assert events.events[-1].life == SECOND


def test_an_error_that_arrives_before_its_link_waits_for_it(two: Links, events: Recorder) -> None:
    refused(two, "h:2")
    assert events.events == []
    connected(two, "p-1", pid=11, via="h:1")
    connected(two, "p-2", pid=22, via="h:2")

    (error,) = [event for event in events.events if event.kind == "database.error"]
    assert error.life == SECOND
    assert error.mono_ns < events.events[0].mono_ns, "it has the instant at which it was heard"


def test_an_error_without_a_link_is_recorded_without_a_life(two: Links, events: Recorder) -> None:
    refused(two, "h:9")
    two.settled()
    refused(two, None)

    assert [event.kind for event in events.events] == ["database.error"] * 2
    assert [event.life for event in events.events] == [None, None]


def test_without_process_ids_the_only_replica_has_the_links_of_its_time(events: Recorder) -> None:
    links = Links(events, without_pids=True)
    opened(links, "postgres-1", pid=None)
    links.begin(FIRST, 11)
    opened(links, "postgres-2", pid=None)
    during_ns = time.monotonic_ns()
    links.end(FIRST)
    data = {"link": "postgres-3", "client_pid": None}
    links.record("link.opened", data, during_ns)
    opened(links, "postgres-4", pid=None)

    assert [event.life for event in events.events] == [None, FIRST, FIRST, None]


def test_without_process_ids_nothing_is_guessed_between_two_replicas(events: Recorder) -> None:
    links = Links(events, without_pids=True)
    links.begin(FIRST, 11)
    links.begin(SECOND, 22)
    links.end(SECOND)
    opened(links, "postgres-1", pid=None)

    assert events.events[-1].life is None


def test_where_process_ids_are_known_a_link_without_one_is_not_guessed(events: Recorder) -> None:
    links = Links(events, without_pids=False)
    links.begin(FIRST, 11)
    opened(links, "postgres-1", pid=None)

    assert events.events[-1].life is None


def test_a_poolers_client_is_nobodys_and_its_event_waits_for_no_link(events: Recorder) -> None:
    links = Links(events, without_pids=False, pooled=["postgres"])
    refused(links, "h:9")

    (event,) = events.events
    assert (event.kind, event.life) == ("database.error", None)
