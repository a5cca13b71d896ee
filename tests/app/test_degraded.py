from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from app_under_test.context import Context
from app_under_test.failure import QueueFullError
from app_under_test.log import Log
from app_under_test.messages import Message
from app_under_test.remedies.degraded import DegradedStart
from app_under_test.settings import Settings


def degraded_start(queue_size: int = 2) -> DegradedStart:
    url = "postgresql+asyncpg://app:hidden@127.0.0.1:1/app"
    fields = {"database_url": url, "degraded_queue_size": queue_size}
    settings = Settings.model_validate(fields)
    return DegradedStart(Context(settings=settings, log=Log(boot_id="b00t")))


@pytest.mark.parametrize(
    ("phase", "error", "covered"),
    [
        ("database", TimeoutError(), True),
        ("database", asyncpg.TooManyConnectionsError("x"), True),
        ("database", asyncpg.InvalidPasswordError("x"), False),
        ("database", NameError("typo"), False),
        ("services", TimeoutError(), False),
    ],
    ids=repr,
)
def test_only_a_transient_failure_of_the_database_is_covered(
    phase: str, error: Exception, covered: bool
) -> None:
    remedy = degraded_start()
    assert remedy.covers(phase, error) is covered
    assert remedy.active is covered


def test_a_full_queue_refuses_instead_of_dropping() -> None:
    remedy = degraded_start(queue_size=2)
    assert remedy.covers("database", TimeoutError())
    first = Message(key=uuid4(), text="first")
    remedy.keep(first, print)
    remedy.keep(Message(key=uuid4(), text="second"), print)
    with pytest.raises(QueueFullError, match="2 messages wait"):
        remedy.keep(Message(key=uuid4(), text="third"), print)
    remedy.keep(first, print)
