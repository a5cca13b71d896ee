"""Retry: open the database again until it passes, the real first query and every connection.

estuary/flow pull 3114 shows why it must be the real work: a retry around a probe connection only
lets the next query fail, and a wrong password must fail at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_under_test.remedies.retrying import PHASE, Retrying
from app_under_test.remedy import Remedy

if TYPE_CHECKING:
    from app_under_test.context import Context
    from app_under_test.remedy import Work


class Retry(Remedy):
    """Does the real work of phase database again until it passes, for at most `remedy_retry_s`.

    It stays under the phase's own limit. A try that is given up keeps the connections that it has
    for the next one (see `Database.open`).
    """

    def __init__(self, context: Context) -> None:
        within_s = context.settings.remedy_retry_s
        self._retrying = Retrying(context, what="the database", within_s=within_s)

    async def around(self, phase: str, work: Work) -> None:
        """Do the work of phase database until it passes."""
        await (self._retrying(work) if phase == PHASE else work())
