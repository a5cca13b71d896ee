"""Docker's event stream: what each event says, and how the end of the stream is reported."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker_cases import CONTAINER

from crashloop.engines.docker.events import Events, read_event
from crashloop.engines.docker.instants import mono_ns
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.engines.docker.daemon import Daemon
    from crashloop.engines.docker.events import ContainerEvent

NS_PER_S = 1_000_000_000
UNIX_NS = 1_757_894_400 * NS_PER_S


def said(action: str = "die", *, time_ns: int = 1, **attributes: str) -> dict[str, Any]:
    """An event as the API has it."""
    return {
        "Type": "container",
        "Action": action,
        "Actor": {
            "ID": CONTAINER,
            "Attributes": {"image": "x", "org.crashloop.role": "app", **attributes},
        },
        "time": time_ns // NS_PER_S,
        "timeNano": time_ns,
    }


def test_an_event_says_what_was_done_to_which_container_in_which_role() -> None:
    event = read_event(said("start", time_ns=17))

    assert (event.action, event.role, event.container) == ("start", "app", CONTAINER)
    assert event.time_ns == 17


def test_a_death_has_its_exit_code_as_a_number() -> None:
    assert read_event(said(exitCode="137")).exit_code == 137


def test_an_exit_code_of_zero_is_not_a_missing_one() -> None:
    assert read_event(said(exitCode="0")).exit_code == 0


def test_a_start_has_no_exit_code() -> None:
    assert read_event(said("start")).exit_code is None


def test_a_container_without_our_label_has_no_role() -> None:
    event = said()
    del event["Actor"]["Attributes"]["org.crashloop.role"]

    assert read_event(event).role == ""


def test_an_events_instant_is_given_on_both_clocks() -> None:
    before_ns = time.monotonic_ns()
    event = read_event(said(time_ns=time.time_ns() - 5 * NS_PER_S))

    assert abs(event.mono_ns - (before_ns - 5 * NS_PER_S)) < NS_PER_S


def test_two_instants_have_the_same_distance_on_both_clocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = SimpleNamespace(monotonic_ns=lambda: 100, time_ns=lambda: 5000)
    monkeypatch.setattr("crashloop.engines.docker.instants.time", clocks)

    assert [mono_ns(5000), mono_ns(4990), mono_ns(5003)] == [100, 90, 103]


def test_a_thread_switch_between_the_two_clocks_moves_no_instant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mono = iter([0, 9_000_000, *range(10_000_000, 10_000_008)])
    wall = iter([4_000_000, *range(10_000_000, 10_000_004)])
    clocks = SimpleNamespace(monotonic_ns=lambda: next(mono), time_ns=lambda: next(wall) + UNIX_NS)
    monkeypatch.setattr("crashloop.engines.docker.instants.time", clocks)

    assert abs(mono_ns(UNIX_NS + 10_000_000) - 10_000_000) < 10


# The stream


def events_of(stream: Any) -> Events:
    api = SimpleNamespace(events=lambda **_: stream)
    return Events(cast("Daemon", SimpleNamespace(api=api)), "r1")


class Delivered:
    """What a stream has delivered; `ended` is set at its end."""

    def __init__(self, stream: Any) -> None:
        self.events: list[ContainerEvent] = []
        self.why = ""
        self.ended = asyncio.Event()
        events_of(stream).follow(self.events.append, self._on_end)

    def _on_end(self, why: str) -> None:
        self.why = why
        self.ended.set()


async def test_events_are_handed_over_in_their_order_and_the_end_is_reported() -> None:
    delivered = Delivered([said("start"), said("die", exitCode="3"), said("start")])

    await delivered.ended.wait()

    assert [event.action for event in delivered.events] == ["start", "die", "start"]
    assert delivered.why == "the daemon closed it"


async def test_a_stream_that_breaks_says_how() -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield said("start")
        raise ConnectionResetError("the daemon went away")

    delivered = Delivered(broken())

    await delivered.ended.wait()

    assert len(delivered.events) == 1
    assert delivered.why == "ConnectionResetError: the daemon went away"


async def test_an_event_that_cannot_be_read_ends_the_stream_and_is_named() -> None:
    delivered = Delivered([{"status": "odd"}])

    await delivered.ended.wait()

    assert delivered.why == "KeyError: 'Actor'"


async def test_a_stream_that_we_closed_reports_no_end() -> None:
    following, closed = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Stream:
        def __iter__(self) -> Iterator[dict[str, Any]]:
            loop.call_soon_threadsafe(following.set)
            asyncio.run_coroutine_threadsafe(closed.wait(), loop).result(10)
            return iter([said("destroy")])

        def close(self) -> None:
            closed.set()

    seen = asyncio.Event()
    ends: list[str] = []
    events = events_of(Stream())
    events.follow(lambda _: seen.set(), ends.append)
    await following.wait()

    events.close()
    await seen.wait()
    for thread in threading.enumerate():
        if thread.name == "docker events":
            await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)  # its last word would be said here

    assert ends == []


def test_a_stream_that_cannot_be_opened_is_an_error_in_words() -> None:
    def events(**_: object) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    daemon = cast("Daemon", SimpleNamespace(api=SimpleNamespace(events=events)))

    with pytest.raises(HarnessError, match="event stream could not be opened: Connection refused"):
        Events(daemon, "r1")
