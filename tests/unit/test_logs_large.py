"""Large logs: what is left out of them never changes what is read, and memory is bounded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crashloop.diagnosis.reading import Reading
from crashloop.diagnosis.thinning import MAX_KEPT, REPEATS, WHOLE, Thinned
from crashloop.logs.entry import Entry, Line
from crashloop.logs.formats import FORMATS
from crashloop.logs.formats import entries as recognised
from crashloop.logs.worth import of_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FIXTURES = Path(__file__).parents[2] / "fixtures"
LOGS = sorted(
    file
    for folder in ("recorded/logs", "logs/made", "logs/recorded")
    for file in (FIXTURES / folder).rglob("*.*")
    if file.suffix in {".txt", ".log"}
)
TRACEBACK = ["Traceback (most recent call last):", '  File "a.py", line 1, in b', "ValueError: x"]


def told(entries: Iterable[Entry]) -> list[tuple[str, dict[str, Any]]]:
    reading = Reading()
    reading.read(entries)
    events = reading.case(read=0).trace.events
    return [(e.kind, {k: v for k, v in e.data.items() if k != "at_ns"}) for e in events]


def lines_of(texts: Iterable[str]) -> Iterator[Line]:
    for number, text in enumerate(texts, 1):
        yield Line("log", number, text)


def plain(texts: Iterable[str]) -> Iterator[Entry]:
    return FORMATS["plain"].entries(lines_of(texts))


@pytest.mark.parametrize("file", LOGS[::2], ids=lambda file: file.name)
def test_lines_that_no_reader_can_use_are_left_out_and_nothing_else(file: Path) -> None:
    texts = file.read_text("utf-8", "replace").splitlines()
    noise = [f"nothing {n} to see here" for n in range(12)]

    kept = FORMATS["plain"].entries(of_use(lines_of([*noise, *texts]), whole=0))

    assert told(kept) == told(plain(texts))


def test_noise_is_left_out_after_the_first_lines() -> None:
    kept = list(of_use(lines_of(["noise"] * 1000), whole=100))

    assert len(kept) == 103


def test_what_repeats_is_thinned_out_and_what_is_rare_is_kept() -> None:
    common = [*TRACEBACK[:2], "OSError: [Errno 111] Connect call failed ('127.0.0.1', 1)"]
    rare = [*TRACEBACK[:2], "KeyError: 'SECRET'"]
    thinned = Thinned()

    kept = list(thinned.of(plain([*["x"] * WHOLE, *common * 2000, *rare, *common * 2000])))

    errors = [data["error"][0]["type"] for kind, data in told(kept) if kind == "log.error"]
    assert errors.count("KeyError") == 1
    assert REPEATS < errors.count("OSError") < REPEATS + 5
    assert thinned.left_out + len(kept) == WHOLE + 3 + 3 * 4000


def test_the_entries_that_are_kept_are_bounded_whatever_they_say() -> None:
    words = [
        "error " + "".join(chr(97 + (n >> s) % 16) for s in (0, 4, 8, 12, 16)) for n in range(9)
    ]
    thinned = Thinned()
    thinned._kept = MAX_KEPT - 5

    assert len(list(thinned.of(plain(words)))) == 5
    assert thinned.left_out == 4


def test_every_event_of_docker_is_kept_however_many_there_are() -> None:
    told = "2026-08-01T09:00:00Z container {} 3f4e3f4e3f4e (exitCode=3, name=web)"
    events = [told.format("start"), told.format("die")]

    kept = list(recognised(lines_of(events * 10_100)))

    assert len(kept) == 20_200
