"""The harness's own sessions in Postgres: their end is waited for, within a bound."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from crashloop.engines import session as module
from crashloop.engines.session import session
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    import asyncpg

PID = 2**22 + 1  # more than Linux gives to any process


class Connection:
    """A connection that can only be closed."""

    def get_server_pid(self) -> int:
        return PID

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109  asyncpg's own parameter
        del timeout


async def connecting() -> asyncpg.Connection[Any]:
    return cast("asyncpg.Connection[Any]", Connection())


@pytest.mark.parametrize("answers", [True, False])
async def test_a_session_whose_end_nobody_confirms_is_an_error_within_the_bound(
    monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    async def has_ended(pid: int) -> bool:
        assert pid == PID
        if not answers:  # as the inspector while a fault stops Postgres
            await asyncio.Event().wait()
        return False

    monkeypatch.setattr(module, "GONE_BOUND_S", 0.02)
    with pytest.raises(HarnessError, match=rf"pid {PID}\) has not ended"):
        async with asyncio.timeout(5.0), session(connecting(), has_ended):
            pass
