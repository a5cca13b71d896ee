"""No remedy: retry a probe connection, and then run phase database as usual.

Source: estuary/flow pull 3114: four instances passed such a probe and died at the next query.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from app_under_test.remedies.retrying import PHASE, Retrying
from app_under_test.remedy import Remedy

if TYPE_CHECKING:
    from app_under_test.context import Context


class RetryProbe(Remedy):
    """Opens and closes a connection before phase database, tried for `remedy_retry_probe_s`."""

    def __init__(self, context: Context) -> None:
        self._settings, self._log = context.settings, context.log
        within_s = context.settings.remedy_retry_probe_s
        self._retrying = Retrying(context, what="a probe connection", within_s=within_s)

    async def before(self, phase: str) -> None:
        """Try the probe connection; if none passes, the phase meets the error itself."""
        if phase != PHASE:
            return
        from app_under_test.database import (  # noqa: PLC0415  loaded by phase dependencies
            DRIVER_ERRORS,
            probe,
        )

        with suppress(*DRIVER_ERRORS):
            await self._retrying(partial(probe, self._settings))
            self._log.emit(
                "database.probed",
                "A probe connection passed; phase database opens its own, once",
                phase=PHASE,
                address=self._settings.database_address,
            )
