from __future__ import annotations

import asyncpg
import pytest

from app_under_test.failure import MAX_STACK_CHARS, describe, is_transient, mask, stack_trace


def chained(outer: BaseException, cause: BaseException) -> BaseException:
    outer.__cause__ = cause
    return outer


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (TimeoutError(), True),
        (ConnectionRefusedError(111, "refused"), True),
        (FileNotFoundError(2, "no socket"), True),
        (asyncpg.TooManyConnectionsError("x"), True),
        (asyncpg.CannotConnectNowError("x"), True),
        (asyncpg.ConnectionDoesNotExistError("x"), True),
        (chained(RuntimeError("wrapper"), asyncpg.TooManyConnectionsError("x")), True),
        (asyncpg.InvalidPasswordError("x"), False),
        (asyncpg.InvalidCatalogNameError("x"), False),
        (asyncpg.ReadOnlySQLTransactionError("x"), False),
        (chained(asyncpg.InvalidPasswordError("x"), ConnectionResetError()), False),
        (NameError("a programming error"), False),
    ],
    ids=repr,
)
def test_only_an_error_that_waiting_can_fix_is_transient(
    error: BaseException, transient: bool
) -> None:
    assert is_transient(error) is transient


def test_the_chain_is_listed_from_outermost_to_root() -> None:
    root = asyncpg.TooManyConnectionsError("no slot")
    chain = describe(chained(TimeoutError("limit"), chained(OSError(111, "refused"), root)))
    assert [(link["type"], link["sqlstate"], link["errno"]) for link in chain] == [
        ("TimeoutError", None, None),
        ("ConnectionRefusedError", None, 111),
        ("asyncpg.exceptions.TooManyConnectionsError", "53300", None),
    ]


def test_a_suppressed_context_is_not_a_link() -> None:
    error = ValueError("outer")
    error.__context__ = KeyError("inner")
    assert [link["type"] for link in describe(error)] == ["ValueError", "KeyError"]
    error.__suppress_context__ = True
    assert [link["type"] for link in describe(error)] == ["ValueError"]


def test_an_endless_chain_is_cut() -> None:
    error: BaseException = ValueError("root")
    for number in range(50):
        error = chained(ValueError(f"link {number}"), error)
    assert len(describe(error)) == 10
    assert len(stack_trace(error)) <= MAX_STACK_CHARS


def test_a_cycle_in_the_chain_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert len(describe(first)) == 2


def test_a_password_in_a_url_is_masked() -> None:
    text = "cannot reach postgresql+asyncpg://app:s3cr3t@127.0.0.1/app or redis://:s3cr3t@h:6379"
    masked = mask(text)
    assert "s3cr3t" not in masked
    assert "app:***@127.0.0.1" in masked
    assert describe(ValueError(text))[0]["message"] == masked
