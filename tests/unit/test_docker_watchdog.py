"""The process that removes a run's containers when the harness cannot."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from crashloop.engines.docker.watchdog import Watchdog

if TYPE_CHECKING:
    from pathlib import Path


def test_a_failed_run_may_end_before_its_watchdog_without_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")

    with pytest.raises(RuntimeError, match="the run failed"), Watchdog("a-run"):
        raise RuntimeError("the run failed")

    gc.collect()  # a child that is still running and that nobody awaits would be warned of
