"""Where the opening times of earlier lives are kept: the cache, else a file.

They are never kept in the database, which is what may be away.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from app_under_test.failure import summary
from app_under_test.remedies.opening_time import OpeningTime

if TYPE_CHECKING:
    from app_under_test.cache import Cache
    from app_under_test.log import Log
    from app_under_test.settings import Settings

KEY = "app_under_test:opening_times"


class OpeningTimes:
    """The newest measurements, at most `measured_limit_times`.

    A cache that is away or slow costs `measured_limit_wait_s` at most each time, and then the file
    is used. What goes wrong is logged as `remedy.times_not_kept` and never raised.
    """

    def __init__(self, settings: Settings, log: Log) -> None:
        self._settings = settings
        self._log = log
        self._most = settings.measured_limit_times
        name = settings.measured_limit_file
        self._file = Path(name) if name else None

    async def newest(self) -> tuple[list[OpeningTime], str]:
        """Return the measurements and where they are from: `cache`, `file` or `nowhere`."""
        try:
            async with asyncio.timeout(self._settings.measured_limit_wait_s):
                texts = await self._from_cache()
        except Exception as error:  # noqa: BLE001  any failure of the cache leads to the file
            self._complain("read from the cache", error)
            texts = None
        if texts is not None:
            return self._parsed(texts, "cache"), "cache"
        if self._file is None:
            return [], "nowhere"
        return self._from_file(self._file), "file"

    async def add(self, time: OpeningTime) -> None:
        """Keep one more measurement in the cache, else in the file."""
        try:
            async with asyncio.timeout(self._settings.measured_limit_wait_s):
                is_kept = await self._to_cache(time)
        except Exception as error:  # noqa: BLE001  any failure of the cache leads to the file
            self._complain("kept in the cache", error)
            is_kept = False
        if not is_kept and self._file is not None:
            try:
                _write(self._file, [time, *self._from_file(self._file)][: self._most])
            except OSError as error:
                self._complain("kept in the file", error)

    async def _from_cache(self) -> list[bytes] | None:
        cache = await self._open()
        if cache is None:
            return None
        try:
            return await cache.newest(KEY, count=self._most)
        finally:
            await cache.close()

    async def _to_cache(self, time: OpeningTime) -> bool:
        cache = await self._open()
        if cache is None:
            return False
        try:
            await cache.push(KEY, time.text(), keep=self._most)
        finally:
            await cache.close()
        return True

    async def _open(self) -> Cache | None:
        """Open a connection of its own: phase database comes before phase cache."""
        if self._settings.cache_url is None:
            return None
        from app_under_test.cache import Cache  # noqa: PLC0415  loaded by phase dependencies

        return await Cache.open(self._settings.cache_url.get_secret_value(), self._settings)

    def _from_file(self, path: Path) -> list[OpeningTime]:
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            self._complain("read from the file", error)
            return []
        return self._parsed(lines[: self._most], "file")

    def _parsed(self, texts: list[bytes], place: str) -> list[OpeningTime]:
        """Parse the measurements; a broken one makes all of them doubtful, so none is used."""
        try:
            return [OpeningTime.parse(text) for text in texts]
        except (ValueError, RecursionError) as error:
            self._complain(f"used from the {place}", error)
            return []

    def _complain(self, what: str, error: Exception) -> None:
        self._log.emit(
            "remedy.times_not_kept",
            f"The measured times of phase database could not be {what}: {summary(error)}",
            severity="WARNING",
            phase="database",
        )


def _write(path: Path, times: list[OpeningTime]) -> None:
    """Replace the file as a whole, so that a reader never sees half of it."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        new.write_text("".join(f"{time.text()}\n" for time in times))
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
