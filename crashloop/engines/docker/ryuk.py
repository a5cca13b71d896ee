"""Ryuk, Testcontainers' own watchdog, beside ours: only where it was asked for.

It has the daemon's socket, asks for no password, and Testcontainers publishes its port on every
address of the machine; our own watchdog listens nowhere.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.daemon import told
from crashloop.errors import CrashloopError

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.engines.docker.daemon import Daemon

VARIABLE = "TESTCONTAINERS_RYUK_DISABLED"
_STARTING = threading.Lock()


def settle(daemon: Daemon, *, say: Callable[[str], None]) -> str:
    """Start Ryuk once for this process, or tell Testcontainers to go without; blocking.

    It is asked for by TESTCONTAINERS_RYUK_DISABLED=false. Gives the image that runs, or why none
    does: not asked for, or an image that is not here and cannot be pulled, or that does not start.
    Our own watchdog does not depend on it.
    """
    from testcontainers.core.config import testcontainers_config as settings  # noqa: PLC0415  an extra
    from testcontainers.core.container import Reaper  # noqa: PLC0415  an extra

    with _STARTING:
        if os.environ.get(VARIABLE, "").lower() != "false":
            settings.ryuk_disabled = True
        if settings.ryuk_disabled:
            return "not asked for"
        try:
            with told(f"{settings.ryuk_image} cannot be had"):
                _pull_if_missing(daemon.client, settings.ryuk_image, say)
            with told(f"{settings.ryuk_image} did not start"):
                Reaper.get_instance()
        except (CrashloopError, RuntimeError, TimeoutError) as error:
            # Containers that are started now would each try again.
            settings.ryuk_disabled = True
            Reaper.delete_instance()
            return str(getattr(error, "message", error))
        return str(settings.ryuk_image)


def _pull_if_missing(client: Any, image: str, say: Callable[[str], None]) -> None:
    import docker.errors  # noqa: PLC0415  an extra

    try:
        client.images.get(image)
    except docker.errors.ImageNotFound:
        say(f"pulling {image}")
        client.images.pull(image)
