"""The log of one life of a container, read from Docker's frames."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashloop.engines.docker import container_log
from crashloop.engines.docker.container_log import ContainerLog, lines_of, nanoseconds
from crashloop.engines.output import MAX_READ_CHARS
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from crashloop.engines.docker.daemon import Daemon

NOON_NS = 1_767_268_800_000_000_000  # 2026-01-01T12:00:00Z
FRAME = 16 * 1024


def frame(content: bytes, *, fraction: str = "000000000") -> bytes:
    return f"2026-01-01T12:00:00.{fraction}Z ".encode() + content


def test_each_line_has_its_instant() -> None:
    frames = [frame(b"one\n", fraction="000001"), frame(b"two\n", fraction="000002")]

    assert list(lines_of(frames)) == [(NOON_NS + 1000, "one"), (NOON_NS + 2000, "two")]


def test_a_long_line_is_whole_again_with_the_instant_of_its_beginning() -> None:
    text = "x" * (2 * FRAME) + "end"
    frames = [
        frame(text[:FRAME].encode(), fraction="1"),
        frame(text[FRAME : 2 * FRAME].encode(), fraction="2"),
        frame(text[2 * FRAME :].encode() + b"\n", fraction="3"),
        frame(b"next\n", fraction="4"),
    ]

    assert list(lines_of(frames)) == [
        (NOON_NS + 100_000_000, text),
        (NOON_NS + 400_000_000, "next"),
    ]


@pytest.mark.parametrize("letter", ["x", "\u6f22"])
def test_a_line_beyond_the_bound_keeps_its_beginning_and_shows_that_it_was_cut(letter: str) -> None:
    raw = ("head" + letter * MAX_READ_CHARS + "tail").encode() + b"\n"
    frames = [frame(raw[at : at + FRAME]) for at in range(0, len(raw), FRAME)]

    long, after = lines_of([*frames, frame(b"next\n", fraction="1")])

    assert long[1] == "head" + letter * (MAX_READ_CHARS - 3)
    assert after == (NOON_NS + 100_000_000, "next")


def test_a_line_that_never_ends_takes_no_more_memory_than_the_bound() -> None:
    endless = (frame(b"x" * FRAME) for _ in range(500))
    tracemalloc.start()
    try:
        ((_, line),) = lines_of(endless)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(line) == MAX_READ_CHARS + 1
    assert most_bytes < 20 * MAX_READ_CHARS


def test_a_letter_that_is_cut_by_a_frame_is_whole_again() -> None:
    raw = "é".encode()

    ((_, line),) = lines_of([frame(raw[:1]), frame(raw[1:] + b"\n")])

    assert line == "é"


def test_a_torn_last_line_is_given_as_far_as_it_came() -> None:
    lines = list(lines_of([frame(b"whole\n"), frame(b"to", fraction="5"), frame(b"rn")]))

    assert lines == [(NOON_NS, "whole"), (NOON_NS + 500_000_000, "torn")]


def test_a_carriage_return_at_a_lines_end_is_not_part_of_it() -> None:
    ((_, line),) = lines_of([frame(b"a\rb\r\n")])

    assert line == "a\rb"


def test_an_empty_line_is_a_line() -> None:
    assert list(lines_of([frame(b"\n"), frame(b"x\n")])) == [(NOON_NS, ""), (NOON_NS, "x")]


def test_bytes_that_are_not_text_are_replaced() -> None:
    ((_, line),) = lines_of([frame(b"a\xffb\n")])

    assert line == "a\ufffdb"


def test_a_line_with_an_unreadable_instant_is_still_a_line() -> None:
    assert list(lines_of([b"rubbish said\n", b"\xff\xfe x\n"])) == [(0, "said"), (0, "x")]


def test_without_frames_there_are_no_lines() -> None:
    assert list(lines_of([])) == []


@given(
    lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), max_size=6),
    cut=st.integers(1, 9),
)
def test_however_lines_are_cut_into_frames_they_are_the_same(lines: list[str], cut: int) -> None:
    frames = []
    for line in lines:
        raw = line.encode() + b"\n"
        frames += [frame(raw[at : at + cut]) for at in range(0, len(raw), cut)]

    assert [line for _, line in lines_of(frames)] == lines


@pytest.mark.parametrize(
    ("stamp", "after_ns"),
    [
        ("2026-01-01T12:00:00Z", 0),
        ("2026-01-01T12:00:00.5Z", 500_000_000),
        ("2026-01-01T12:00:00.123456789Z", 123_456_000),
        ("2026-01-01T12:00:01.999999999Z", 1_999_999_000),
    ],
)
def test_an_instant_is_read_to_the_microsecond(stamp: str, after_ns: int) -> None:
    assert nanoseconds(stamp) == NOON_NS + after_ns


@pytest.mark.parametrize(
    "stamp", ["", "rubbish", "2026-13-01T12:00:00Z", "2026-01-01T12:00:00.xZ", "2026-01-01"]
)
def test_an_unreadable_instant_is_the_beginning_of_time(stamp: str) -> None:
    assert nanoseconds(stamp) == 0


@given(stamp=st.text(max_size=40))
def test_no_text_breaks_the_reader_of_instants(stamp: str) -> None:
    assert isinstance(nanoseconds(stamp), int)


# Following a container's log


def follow(
    frames: Iterable[bytes], on_line: Callable[[str, int], None], *, since_ns: int = 0
) -> ContainerLog:
    api = SimpleNamespace(logs=lambda *_, **__: frames)
    daemon = cast("Daemon", SimpleNamespace(api=api))
    return ContainerLog(daemon, "app", since_ns=since_ns, on_line=on_line)


async def test_lines_up_to_the_death_before_are_skipped() -> None:
    frames = [frame(f"{n}\n".encode(), fraction=f"00000{n}") for n in (1, 2, 3)]
    said: list[str] = []

    log = follow(frames, lambda line, _: said.append(line), since_ns=NOON_NS + 2000)

    await log.ended()
    assert (said, log.lines) == (["3"], 1)


async def test_a_line_is_delivered_at_its_own_instant_on_the_monotonic_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(container_log, "mono_ns", lambda time_ns: time_ns - NOON_NS)
    instants: list[int] = []

    await follow([frame(b"x\n", fraction="5")], lambda _, at_ns: instants.append(at_ns)).ended()

    assert instants == [500_000_000]


async def test_lines_are_delivered_in_the_loops_own_thread() -> None:
    threads: list[threading.Thread] = []

    await follow([frame(b"x\n")], lambda *_: threads.append(threading.current_thread())).ended()

    assert threads == [threading.current_thread()]


async def test_a_log_that_does_not_end_within_its_bound_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(container_log, "END_BOUND_S", 0.01)
    go_on = threading.Event()

    def frames() -> Iterator[bytes]:
        go_on.wait(10)
        yield frame(b"late\n")

    late = asyncio.Event()
    log = follow(frames(), lambda *_: late.set())

    with pytest.raises(HarnessError, match=r"within 0\.01 s of the container's end"):
        await log.ended()
    go_on.set()
    await late.wait()


async def test_a_log_that_breaks_off_is_an_error() -> None:
    def frames() -> Iterator[bytes]:
        yield frame(b"one\n")
        raise ConnectionResetError("by the daemon")

    log = follow(frames(), lambda *_: None)

    with pytest.raises(HarnessError, match="ConnectionResetError: by the daemon"):
        await log.ended()


async def test_a_line_without_a_readable_instant_is_not_lost() -> None:
    said: list[str] = []

    await follow([b"yesterday x\n"], lambda line, _: said.append(line), since_ns=5).ended()

    assert said == ["x"]
