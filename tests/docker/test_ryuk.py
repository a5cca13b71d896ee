"""Testcontainers' own watchdog is used where it can be had, and nothing depends on it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.settings import Images
from crashloop.trace.reader import read_trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("docker_engine"),
]

IMAGE = "crashloop-test/ryuk:stand-in"
# Says what it was told to remove, as Ryuk's clients speak to it, and removes nothing.
STAND_IN = r"""
import socket, sys
server = socket.create_server(("", 8080))
print("Ryuk Started!", flush=True)
while True:
    client, _ = server.accept()
    print("told", client.recv(1000), flush=True)
    client.sendall(b"ACK\n")
"""


@pytest.fixture
def stand_in() -> Iterator[Any]:
    """An image that listens where Ryuk does, and the daemon's client."""
    base = Images.from_environment().base_image
    dockerfile = f"FROM {base}\nCMD {json.dumps(['python3', '-c', STAND_IN])}\n"
    daemon = connect()
    try:
        list(daemon.api.build(fileobj=io.BytesIO(dockerfile.encode()), tag=IMAGE, rm=True))
        yield daemon.client
    finally:
        daemon.api.remove_image(IMAGE, force=True)
        daemon.close()


def test_ryuk_is_told_of_the_session_where_its_image_is_there(
    stand_in: Any, tmp_path: Path
) -> None:
    seen = {each["Id"] for each in stand_in.api.containers(all=True)}

    done = _control(tmp_path, image=IMAGE)

    assert done.returncode == 10, done.stderr
    assert _ryuk(tmp_path) == IMAGE
    left = [each for each in stand_in.api.containers(all=True) if each["Image"] == IMAGE]
    assert not [each for each in left if each["Id"] not in seen], "it went with the session"


def test_a_run_goes_on_without_ryuk_where_its_image_cannot_be_pulled(tmp_path: Path) -> None:
    done = _control(tmp_path, image="crashloop-test/no-such-ryuk:1")

    assert done.returncode == 10, done.stderr
    assert "crashloop-test/no-such-ryuk:1 cannot be had" in _ryuk(tmp_path)


def _control(artifacts: Path, *, image: str) -> subprocess.CompletedProcess[str]:
    """A control run, which needs no more than everything to start."""
    options = ["--engine", "docker", "--role", "control", "--artifacts", str(artifacts / "run")]
    return subprocess.run(
        [sys.executable, "-P", "-m", "crashloop", "reproduce", "issue-1278", *options],
        env={
            **os.environ,
            "RYUK_CONTAINER_IMAGE": image,
            "TESTCONTAINERS_RYUK_DISABLED": "false",
            "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def _ryuk(artifacts: Path) -> str:
    return str(read_trace(artifacts / "run").of("lab.ready")[0].data["ryuk"])
