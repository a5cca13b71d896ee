"""The app's log: one JSON object a line on stdout, in Cloud Logging's structured format."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any, Literal

Severity = Literal["INFO", "WARNING", "ERROR"]
_LABELS = "logging.googleapis.com/labels"


class Log:
    """Writes lines that carry the process's boot id; each is flushed before `emit` returns.

    A reader that went away (a closed pipe) is reported on stderr and never stops the app.
    """

    def __init__(self, *, boot_id: str) -> None:
        self.boot_id = boot_id
        handler = logging.StreamHandler(sys.stdout)
        self._logger = logging.getLogger("app_under_test")
        self._logger.handlers = [handler]
        self._logger.propagate = False
        self._logger.setLevel(logging.INFO)

    def emit(
        self,
        event: str,
        message: str,
        *,
        severity: Severity = "INFO",
        phase: str | None = None,
        **fields: Any,
    ) -> None:
        """Write one line: severity, message, time, labels, event, boot_id, mono_ns, pid, fields.

        `mono_ns` is `time.monotonic_ns()` and `time` UTC (RFC 3339, microseconds), both of now.
        """
        mono_ns = time.monotonic_ns()
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        labels = {"boot_id": self.boot_id}
        entry: dict[str, object] = {
            "severity": severity,
            "message": message,
            "time": now,
            "event": event,
            "boot_id": self.boot_id,
            "mono_ns": mono_ns,
            "pid": os.getpid(),
        }
        if phase is not None:
            labels["phase"] = phase
            entry["phase"] = phase
        entry[_LABELS] = labels
        line = json.dumps(entry | fields, ensure_ascii=True, separators=(",", ":"))
        self._logger.log(getattr(logging, severity), "%s", line)
