"""Python's tracebacks among an app's lines: read whole, and never invented."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_under_test.failure import describe
from crashloop.logs import LogReader
from crashloop.logs.python import MAX_LEVELS, MAX_LINES

HEADING = "Traceback (most recent call last):"
CAUSE = "The above exception was the direct cause of the following exception:"
FRAME = '  File "app.py", line 1, in <module>'


class Lost(Exception):  # noqa: N818  an exception need not be called an error
    """One of a module."""


def errors(lines: list[str]) -> list[list[dict[str, Any]]]:
    reader = LogReader()
    found = [event for line in lines for event in reader.feed(line, 1)]
    return [event.data["error"] for event in [*found, *reader.end()] if event.kind == "log.error"]


def types(lines: list[str]) -> list[list[str]]:
    return [[link["type"] for link in chain] for chain in errors(lines)]


def printed(error: BaseException) -> list[str]:
    return "".join(traceback.format_exception(error)).splitlines()


def raised(error: BaseException) -> BaseException:
    try:
        raise error  # noqa: TRY301  for its traceback
    except BaseException as caught:  # noqa: BLE001
        return caught


NAMES = st.sampled_from([ValueError, OSError, ConnectionRefusedError, KeyError, Lost])
MESSAGES = st.lists(
    st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
    | st.sampled_from(["  indented", "Is the server running?", "at x (y.js:1:1)", HEADING + " no"]),
    max_size=3,
).map("\n".join)


@st.composite
def chains(draw: st.DrawFn) -> BaseException:
    """An error with up to four others below it, each its cause or what was being handled."""
    error = raised(draw(NAMES)(draw(MESSAGES)))
    for _ in range(draw(st.integers(0, 4))):
        above = draw(NAMES)(draw(MESSAGES))
        if draw(st.booleans()):
            above.__cause__ = error
        else:
            above.__context__ = error
        if draw(st.booleans()):
            above.add_note(draw(MESSAGES))
        error = raised(above)
    return error


@given(chains())
@settings(max_examples=50, deadline=None)
def test_a_traceback_has_the_chain_that_the_app_itself_would_log(error: BaseException) -> None:
    (chain,) = errors(["before", *printed(error), "INFO:     after"])

    own = describe(error)
    assert [link["type"] for link in chain] == [link["type"] for link in own]
    assert all(set(link) - {"where", "via", "began"} == set(own[0]) for link in chain)


def test_each_exception_of_a_chain_says_in_which_function_it_arose() -> None:
    inner = ['  File "/srv/lib/asyncpg/connect_utils.py", line 9, in connect', "    await done"]
    lines = [HEADING, FRAME, *inner, "TimeoutError", "", CAUSE, "", HEADING, FRAME, "ValueError"]

    (chain,) = errors(lines)

    assert [link["where"] for link in chain] == [
        "app.py:<module>",
        "asyncpg/connect_utils.py:connect",
    ]


@given(st.lists(chains(), min_size=1, max_size=3), chains())
@settings(max_examples=30, deadline=None)
def test_each_member_of_a_group_is_in_the_chain(
    members: list[Exception], last: BaseException
) -> None:
    group = ExceptionGroup("several", members)
    group.__cause__ = last

    (chain,) = errors(printed(raised(group)))

    flat = [group, *(link for member in members for link in _down(member)), *_down(last)]
    wanted = [each["type"] for error in flat for each in describe(error)[:1]]
    kept = wanted if len(wanted) <= 10 else [*wanted[:9], wanted[-1]]
    assert [link["type"] for link in chain] == kept


def _down(error: BaseException) -> list[BaseException]:
    found = [error]
    while (error := error.__cause__ or error.__context__) is not None:  # type: ignore[assignment]
        found.append(error)
    return found


@pytest.mark.parametrize(
    "prefix",
    [
        "", "ERROR:    ", "web-1  | ", "[2026-11-27 22:24:03 +0000] [12] [ERROR] ",
        "2026-11-27 22:24:00,963 ERROR root: ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_on_each", [True, False])
def test_a_traceback_may_be_inside_a_loggers_lines(prefix: str, *, is_on_each: bool) -> None:
    first, *rest = printed(raised(Lost("gone")))
    after = [prefix if is_on_each else "", "INFO:     done"]

    lines = [prefix + first, *((prefix if is_on_each else "") + line for line in rest), *after]

    assert types(lines) == [[f"{Lost.__module__}.Lost"]]


def test_instants_of_a_prefix_may_differ() -> None:
    lines = [f"12:00:0{n} {line}" for n, line in enumerate(printed(raised(KeyError("x"))))]

    assert types(lines) == [["KeyError"]]


def test_a_logging_handlers_own_output_is_read() -> None:
    record = logging.LogRecord("app", 40, "app.py", 1, "it failed", (), None)
    error = raised(OSError(111, "Connection refused"))
    record.exc_info = (type(error), error, error.__traceback__)

    (chain,) = errors(logging.Formatter(logging.BASIC_FORMAT).format(record).splitlines())

    assert [(link["type"], link["errno"]) for link in chain] == [("ConnectionRefusedError", 111)]


def test_lines_of_another_worker_may_come_between() -> None:
    lines = printed(raised(ValueError("x")))
    mixed = [line for each in lines[:-1] for line in (each, "INFO:     Started server process [7]")]

    assert types([*mixed, lines[-1], "INFO:     done"]) == [["ValueError"]]


def test_two_workers_may_print_at_the_same_time() -> None:
    one, two = printed(raised(ValueError("1"))), printed(raised(KeyError("2")))

    found = types([line for pair in zip(one, two, strict=False) for line in pair])

    assert all(name in {"ValueError", "KeyError"} for chain in found for name in chain)


def test_a_message_goes_on_until_the_next_record() -> None:
    lines = [HEADING, FRAME, "ValueError: one", "two", "\tthree", "2026-11-27 22:24:00 INFO four"]

    assert [chain[0]["message"] for chain in errors(lines)] == ["one\ntwo\n\tthree"]


def test_a_cause_is_found_although_its_message_has_an_empty_line() -> None:
    error = Lost("over")
    error.__cause__ = raised(ValueError("one\n\ntwo"))

    assert types(printed(raised(error))) == [[f"{Lost.__module__}.Lost", "ValueError"]]


@pytest.mark.parametrize(
    "lines",
    [
        [f"it said {HEADING}", "nothing else"],
        [HEADING, "ValueError: no frame above"],
        [HEADING, "", "", FRAME, "ValueError: x"],
        [HEADING, FRAME, "example.com: x"],
        [HEADING, FRAME, *["another line"] * 40, "ValueError: x"],
        ["╭───── Traceback (most recent call last) ─────╮", "ValueError: x"],
        [f"{HEADING} and more", FRAME, "ValueError: x"],
        ["ValueError: x"],
        ["could not connect: ConnectionRefusedError: refused"],
        [FRAME, "ValueError: x"],
        [HEADING, FRAME],
        [HEADING, FRAME, "    x()", "done"],
        [HEADING, FRAME, "INFO: x", "done: y"],
        ["  + Exception Group Traceback (most recent call last):", "  | ValueError: x"],
        ["The above exception was the direct cause of the following exception:", "", FRAME],
        ["the log mentions an Error: at startup", "and TimeoutError"],
    ],
)
def test_a_line_that_mentions_an_error_is_no_traceback(lines: list[str]) -> None:
    assert errors([*lines, "INFO:     done"]) == []


def test_what_is_kept_of_a_traceback_is_bounded() -> None:
    long = [HEADING, FRAME, *["    x"] * 10 * MAX_LINES, "ValueError: x"]
    message = [HEADING, FRAME, "ValueError: x", *["y" * 5000] * 500]

    assert errors(long) == []
    assert [len(chain[0]["message"]) for chain in errors(message)] == [1000]


def test_groups_may_be_nested_more_deeply_than_is_kept() -> None:
    lines = ["  + Exception Group Traceback (most recent call last):", f"  | {FRAME}"]
    for depth in range(1, 3 * MAX_LEVELS):
        margin = "  " * depth
        lines += [
            f"{margin}| ExceptionGroup: x (1 sub-exception)",
            f"{margin}+-+{'-' * 16} 1 {'-' * 16}",
        ]

    (chain,) = errors(lines)
    assert {link["type"] for link in chain} == {"ExceptionGroup"}
