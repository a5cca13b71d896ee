"""What somebody else does to the containers of a run, as opposed to what the harness does."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.engines.docker.events import ContainerEvent

_KEPT = 100
_WHAT = {
    "destroy": "was removed by somebody else",
    "kill": "was sent a signal by somebody else",
    "pause": "was paused by somebody else",
}


class Interference:
    """Knows when the harness itself acts on a container: Docker's events do not say who did it."""

    def __init__(self) -> None:
        self._ours: dict[str, deque[list[int]]] = defaultdict(lambda: deque(maxlen=_KEPT))

    @contextlib.contextmanager
    def ours(self, role: str) -> Iterator[None]:
        """While entered, what happens to this container is our own doing."""
        span = [time.monotonic_ns()]
        self._ours[role].append(span)
        try:
            yield
        finally:
            span.append(time.monotonic_ns())

    def what(self, event: ContainerEvent, *, is_app: bool) -> str:
        """What somebody else did to a container, or how a server died; empty for anything else.

        A restart by Docker's own policy sends no signal.
        """
        for begun_ns, *ended_ns in self._ours[event.role]:
            if begun_ns <= event.mono_ns and (not ended_ns or event.mono_ns <= ended_ns[0]):
                return ""
        if event.action == "die" and not is_app:
            return "died"
        return _WHAT.get(event.action, "")
