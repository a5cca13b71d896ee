"""An ASGI app around the app that CRASHLOOP_WRAP names, to log its lifespan as structured lines.

Runs in the app's own environment, on Python 3.9 and later: it imports the standard library alone.
The server sees the same app: the same messages and the same exceptions, at the same moments.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import platform
import re
import sys
import time
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Any, Receive, Send], Awaitable[None]]

VARIABLE = "CRASHLOOP_WRAP"
PHASE = "lifespan"
MAX_LINKS = 10
MAX_MESSAGE_CHARS = 1000
SERVERS = ("gunicorn", "uvicorn", "hypercorn", "granian", "daphne")
STDOUT = 1
NANOSECONDS = 1_000_000_000

_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s/]+@")
_BOOT_ID = uuid.uuid4().hex


def emit(event: str, message: str, *, severity: str = "INFO", **fields: Any) -> None:
    """Write one line; an app whose output is closed goes on without it."""
    now = datetime.now(timezone.utc)  # noqa: UP017  Python 3.9 has no datetime.UTC
    entry = {
        "severity": severity,
        "message": message,
        "time": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "event": event,
        "boot_id": _BOOT_ID,
        "mono_ns": time.monotonic_ns(),
        "pid": os.getpid(),
        **fields,
    }
    rest = (json.dumps(entry, separators=(",", ":")) + "\n").encode()
    try:
        while rest:  # not through sys.stdout, which the app may have replaced
            rest = rest[os.write(STDOUT, rest) :]
    except OSError:
        return


def describe(error: BaseException) -> list[dict[str, object]]:
    """The error and what caused it, outermost first, without passwords."""
    return [
        {
            "type": _name(type(link)),
            "sqlstate": _text(getattr(link, "sqlstate", None)),
            "errno": _number(getattr(link, "errno", None)),
            "message": _PASSWORD.sub(r"\1***@", str(link))[:MAX_MESSAGE_CHARS],
        }
        for link in _links(error)
    ]


def wrapped(target: App) -> App:
    """The app with lines about its lifespan; every other scope is its own business."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _Lifespan(receive, send).run(target, scope)
        else:
            await target(scope, receive, send)

    return app


class _Lifespan:
    """One lifespan of the app: its messages are passed on, each with its line."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._began_ns = 0
        self._is_starting = False

    async def run(self, target: App, scope: Any) -> None:
        """Let the app have its lifespan; its exceptions are raised."""
        try:
            await target(scope, self.receive, self.send)
        except GeneratorExit:  # the server gave up waiting; the app did not fail
            raise
        except BaseException as error:
            if self._is_starting:  # no word to the server, which may go on without a lifespan
                self._failed(describe(error), "")
            elif not self._began_ns:
                self._has_none()
            raise
        if not self._began_ns:
            self._has_none()

    async def receive(self) -> Message:
        """The server's next message, which the app asked for."""
        message = await self._receive()
        kind = message["type"]
        if kind == "lifespan.startup" and not self._began_ns:
            self._began_ns, self._is_starting = time.monotonic_ns(), True
            emit("phase.started", "The lifespan begins", phase=PHASE, limit_s=None)
        elif kind == "lifespan.shutdown":
            self._began_ns = time.monotonic_ns()
            emit("shutdown.started", "Shutdown begins")
        return message

    async def send(self, message: Message) -> None:
        """Pass a message of the app on to the server."""
        kind, text = message["type"], str(message.get("message", ""))
        if kind == "lifespan.startup.complete" and self._is_starting:
            self._is_starting = False
            took_s, says = self._took_s(), "Start-up is complete; the app serves"
            emit("phase.completed", says, phase=PHASE, limit_s=None, duration_s=took_s)
            emit("startup.completed", says, duration_s=took_s)
        elif kind == "lifespan.startup.failed" and self._is_starting:
            # A framework sends this while it handles the exception; else only its text is known.
            error = sys.exc_info()[1]
            fields = self._failed([] if error is None else describe(error), text)
            emit("startup.failed", severity="ERROR", **fields)
        elif kind == "lifespan.shutdown.complete":
            emit("shutdown.completed", "Shutdown is complete", duration_s=self._took_s())
        elif kind == "lifespan.shutdown.failed":
            emit(
                "shutdown.failed",
                "Shutdown failed: " + _last_line(text),
                severity="ERROR",
                duration_s=self._took_s(),
            )
        await self._send(message)

    def _failed(self, error: list[dict[str, object]], text: str) -> dict[str, Any]:
        """Log that the phase failed; returns what its line says."""
        self._is_starting = False
        why = _summary(error) if error else _last_line(text)
        fields: dict[str, Any] = {
            "message": "The lifespan failed: " + why,
            "phase": PHASE,
            "duration_s": self._took_s(),
            "error": error,
        }
        emit("phase.failed", severity="ERROR", limit_s=None, **fields)
        return fields

    def _has_none(self) -> None:
        emit("startup.completed", "The app has no lifespan", lifespan=False)

    def _took_s(self) -> float:
        return round((time.monotonic_ns() - self._began_ns) / NANOSECONDS, 6)


def _around(target: Any) -> Any:
    """What the server is given: the wrapped app, or a factory of it if the target is a factory."""
    call = target if inspect.isfunction(target) else getattr(target, "__call__", None)  # noqa: B004  as servers ask
    if inspect.iscoroutinefunction(call) and not inspect.isclass(target):
        return wrapped(target)

    def factory(*arguments: Any) -> Any:
        made = target(*arguments)
        return made if arguments else _around(made)

    return factory


def _links(error: BaseException) -> Iterator[BaseException]:
    """Walk from the error to its root: the cause first, the context unless it is suppressed."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen and len(seen) < MAX_LINKS:
        seen.add(id(link))
        yield link
        is_alone = link.__cause__ is not None or link.__suppress_context__
        link = link.__cause__ if is_alone else link.__context__


def _name(kind: type) -> str:
    name = kind.__qualname__
    return name if kind.__module__ == "builtins" else kind.__module__ + "." + name


def _summary(error: list[dict[str, object]]) -> str:
    kind, message = str(error[0]["type"]), str(error[0]["message"])
    return kind + ": " + _last_line(message) if message else kind


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _last_line(text: str) -> str:
    """The last line of a traceback, which names the exception, without passwords."""
    lines = text.strip().splitlines() or ["no reason was given"]
    return _PASSWORD.sub(r"\1***@", lines[-1])[:MAX_MESSAGE_CHARS]


def _server() -> str:
    """The server that runs the app; gunicorn may run uvicorn's worker."""
    for name in SERVERS:
        module = sys.modules.get(name)
        if module is not None:
            return name + " " + str(getattr(module, "__version__", "unknown"))
    return "unknown"


def _imported(name: str) -> Any:
    """Import the module of the app, as the server would have done at this moment."""
    try:
        return importlib.import_module(name)
    except BaseException as error:
        _not_found(error)
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            error.name = __name__  # servers ask whether it is the module that they were to import
        raise


def _not_found(error: BaseException) -> None:
    says = "The app cannot be imported: " + _summary(describe(error))
    emit("startup.failed", says, severity="ERROR", error=describe(error))


_target = os.environ[VARIABLE]
emit(
    "startup.started",
    "Start-up of " + _target + " begins",
    app=_target,
    server=_server(),
    python=platform.python_version(),
)
_module, _, _attributes = _target.partition(":")
_found = _imported(_module)
try:
    for _attribute in _attributes.split("."):
        _found = getattr(_found, _attribute)
except AttributeError as _error:
    _not_found(_error)  # the server finds no `app` here, as it would have found none there
else:
    app = _around(_found)
