"""The store of events: bounded, in order, and honest about what it dropped."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from crashloop.proxy.api.journal import BATCH_EVENTS, Journal

DEADLINE_S = 5


def parsed(batch: bytes) -> list[dict[str, Any]]:
    """The events of a batch."""
    assert batch.endswith(b"\n")
    return [json.loads(line) for line in batch.splitlines()]


async def everything(journal: Journal, since: int = 0) -> list[dict[str, Any]]:
    """All events up to now."""
    batches = [batch async for batch in journal.read(since=since, until=journal.newest)]
    return [event for batch in batches for event in parsed(batch)]


async def test_events_are_read_in_order_with_all_that_is_known_of_them() -> None:
    journal = Journal()
    emit = journal.emitter("db")
    assert emit("link.opened", {"link": "db-1"}) == 1
    assert emit("link.closed", {"link": "db-1", "bytes_up": 3}) == 2
    first, second = await everything(journal)
    assert list(first) == ["seq", "mono_ns", "at", "kind", "proxy", "data"]
    assert (first["seq"], first["kind"], first["proxy"]) == (1, "link.opened", "db")
    assert second["data"] == {"link": "db-1", "bytes_up": 3}
    assert first["mono_ns"] <= second["mono_ns"]
    assert await everything(journal, since=1) == [second]
    assert await everything(journal, since=2) == []


async def test_a_reader_gets_each_event_as_it_happens() -> None:
    journal = Journal()
    journal.emit("old", "", {})
    async with asyncio.timeout(DEADLINE_S):
        reader = journal.read(since=journal.newest)
        for kind in ("one", "two"):
            coming = asyncio.ensure_future(anext(reader))
            await asyncio.sleep(0)
            journal.emit(kind, "", {})
            assert [event["kind"] for event in parsed(await coming)] == [kind]
        await reader.aclose()
    assert journal._waiting == []


async def test_a_reader_that_is_too_slow_learns_how_many_it_missed() -> None:
    journal = Journal(max_events=10)
    for _ in range(25):
        journal.emit("x", "", {})
    missed, *kept = await everything(journal, since=3)
    assert missed["kind"] == "events.missed"
    assert missed["data"] == {"count": 12}
    assert [event["seq"] for event in [missed, *kept]] == list(range(15, 26))
    assert journal.missed == 12


async def test_what_was_dropped_beyond_the_end_asked_for_is_not_counted() -> None:
    journal = Journal(max_events=2)
    reader = None
    for number in range(5):
        journal.emit("x", "", {"number": number})
    reader = journal.read(since=0, until=2)
    events = [event async for batch in reader for event in parsed(batch)]
    assert [(event["kind"], event["data"]) for event in events] == [("events.missed", {"count": 2})]


async def test_memory_is_bounded_by_bytes_too_and_the_newest_event_stays() -> None:
    journal = Journal(max_bytes=100_000)
    for _ in range(500):
        journal.emit("x", "p" * 1000, {"text": "y" * 1000})
    assert 10 < len(journal._events) < 60
    journal.emit("x", "", {"text": "z" * 1_000_000})
    assert len(journal._events) == 1
    (missed, last) = await everything(journal)
    assert missed["data"] == {"count": 500}
    assert last["seq"] == 501


async def test_a_reader_far_behind_gets_batches_and_leaves_the_loop_to_others() -> None:
    journal = Journal()
    for _ in range(BATCH_EVENTS * 3):
        journal.emit("x", "", {})
    others = 0

    async def other() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    sizes = [len(parsed(batch)) async for batch in journal.read(until=journal.newest)]
    task.cancel()
    assert sizes == [BATCH_EVENTS] * 3
    assert others >= 2


async def test_closing_ends_the_readers_after_the_last_event() -> None:
    journal = Journal()

    async def read() -> list[str]:
        return [event["kind"] async for batch in journal.read() for event in parsed(batch)]

    readers = [asyncio.create_task(read()) for _ in range(3)]
    await asyncio.sleep(0)
    journal.emit("last", "", {})
    journal.close()
    async with asyncio.timeout(DEADLINE_S):
        assert await asyncio.gather(*readers) == [["last"]] * 3


async def test_a_reader_that_disconnects_leaves_nothing_behind() -> None:
    journal = Journal()
    reader = asyncio.create_task(anext(journal.read()))
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert journal._waiting == []
    assert journal.emit("x", "", {}) == 1
