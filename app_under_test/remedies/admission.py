"""Admission: only so many replicas start at once, by leases in the cache."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from app_under_test.failure import describe, summary
from app_under_test.remedy import Remedy

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from app_under_test.context import Context
    from app_under_test.lease import Lease

PHASE = "database"
KEY = "app_under_test:admission"
RENEWALS = 3
"""How often a lease is renewed in the time that it lasts."""


class NoCacheError(Exception):
    """There is no cache to ask."""


class Admission(Remedy):
    """Waits before phase database until one of `remedy_admission` leases is free.

    The lease is renewed until start-up has ended; that of a replica that was killed expires. A
    replica that gets none within `admission_wait_s`, or cannot ask the cache, starts without one.
    """

    def __init__(self, context: Context) -> None:
        settings = context.settings
        self._settings = settings
        self._log = context.log
        self._keys = [f"{KEY}:{number}" for number in range(settings.remedy_admission)]
        self._lasts_s = settings.admission_lease_s
        self._draw = random.Random(settings.jitter_seed)  # noqa: S311  jitter, not a secret
        self._client: Redis | None = None
        self._lease: Lease | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._releasing: asyncio.Task[None] | None = None

    async def before(self, phase: str) -> None:
        """Wait for a lease before phase database."""
        if phase != PHASE:
            return
        began_s, url = time.monotonic(), self._settings.cache_url
        if url is None:
            self._log_not_admitted(NoCacheError("no cache URL"), began_s)
            return
        try:
            async with asyncio.timeout(self._settings.admission_wait_s):
                lease = self._lease = await self._admitted(url.get_secret_value())
        except _errors() as error:
            self._log_not_admitted(error, began_s)
            return
        self._log.emit(
            "remedy.admitted",
            f"This replica may start; at most {len(self._keys)} start at once",
            phase=PHASE,
            at_once=len(self._keys),
            lease=lease.key,
            waited_s=round(time.monotonic() - began_s, 6),
        )
        self._renewing = asyncio.create_task(self._renew(lease), name="admission")

    def serve(self) -> None:
        """Give up the lease in the background."""
        self._releasing = asyncio.create_task(self._release(), name="admission-release")

    async def close(self) -> None:
        """Give up the lease, if that has not been done."""
        if self._releasing is None:
            await self._release()
        else:
            await self._releasing

    async def _admitted(self, url: str) -> Lease:
        """Try until a lease is free, with a random pause after each try."""
        from app_under_test.cache import client_of  # noqa: PLC0415  loaded by phase dependencies
        from app_under_test.lease import Lease  # noqa: PLC0415  its types are the client's

        self._client = client_of(url, self._settings)
        lease = Lease(self._client, token=self._log.boot_id, lasts_s=self._lasts_s)
        while True:
            if await lease.take(self._draw.sample(self._keys, len(self._keys))):
                return lease
            await asyncio.sleep(self._draw.uniform(0.0, 2.0 * self._settings.admission_pause_s))

    def _log_not_admitted(self, error: Exception, began_s: float) -> None:
        self._log.emit(
            "remedy.not_admitted",
            f"Start-up continues without a lease: {summary(error)}",
            severity="WARNING",
            phase=PHASE,
            at_once=len(self._keys),
            waited_s=round(time.monotonic() - began_s, 6),
            error=describe(error),
        )

    async def _renew(self, lease: Lease) -> None:
        reason = "it has expired"
        try:
            while True:
                await asyncio.sleep(self._lasts_s / RENEWALS)
                if not await lease.renew():
                    break
        except _errors() as error:
            reason = f"the cache cannot be asked: {summary(error)}"
        self._log.emit(
            "remedy.lease_lost",
            f"Start-up continues, and its lease may be another's: {reason}",
            severity="WARNING",
            phase=PHASE,
            lease=lease.key,
        )

    async def _release(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        lease, self._lease = self._lease, None
        if lease is not None:
            # If the cache does not answer, the lease expires after the same time.
            with suppress(*_errors()):
                async with asyncio.timeout(self._lasts_s):
                    if await lease.give_up():
                        self._log.emit(
                            "remedy.lease_released", "Another replica may start", lease=lease.key
                        )
        if self._client is not None:
            await self._client.aclose()


def _errors() -> tuple[type[Exception], ...]:
    """What asking the cache can raise, a time-out included."""
    from redis.exceptions import RedisError  # noqa: PLC0415  loaded by phase dependencies

    return (RedisError, OSError)
