"""The command is killed as soon as a fault of the app's own processes has a receipt."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest
from cli_runs import awaited, begun
from faults_alone import reproducing
from leftovers import LINUX, left_of

from crashloop.faults.process import FAULTS

GONE_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05
OF_LIVES = {kind.kind: kind.receipt.kinds[0] for kind in FAULTS if kind.needs_lives}

pytestmark = pytest.mark.skipif(not LINUX, reason="looks into Linux's /proc")


def is_open(port: int) -> bool:
    """Whether anything listens at this port of either address."""
    for host in ("127.0.0.1", "127.0.0.2"):
        with socket.socket() as client:
            if client.connect_ex((host, port)) == 0:
                return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("kind", OF_LIVES)
def test_no_process_and_no_listener_is_left_after_a_sigkill(kind: str, tmp_path: Path) -> None:
    command = begun(*reproducing(kind), "--artifacts", "run", folder=tmp_path)
    try:
        folder = Path(awaited("workspace.made", tmp_path)["data"]["folder"])
        receipt = awaited(OF_LIVES[kind], tmp_path)["data"]
        command.kill()
        assert command.wait() == -signal.SIGKILL
    finally:
        command.kill()
        command.communicate()
    texts = [*receipt.get("at", ()), receipt.get("address", "")]
    ports = {int(text.rpartition(":")[2]) for text in texts if text}
    until_s = time.monotonic() + GONE_WITHIN_S
    while (left := left_of(folder)) and time.monotonic() < until_s:
        time.sleep(LOOK_EVERY_S)  # other processes end on their own: there is no event to wait for
    assert left == []
    assert not [port for port in ports if is_open(port)]
