"""The app's own code: nothing that it needs was away.

Words: Python 3.11 to 3.13, uvicorn 0.54, gunicorn 26, asyncio, uvloop 0.22, nest_asyncio 1.6.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crashloop.diagnosis.cause import Cause, InLogs, Sign
from crashloop.diagnosis.chain import MISTAKES, class_name, links
from crashloop.diagnosis.infrastructure import is_infrastructure, of_infrastructure
from crashloop.diagnosis.signs import error, restarts, start_refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.diagnosis.case import Case, LifeLog
    from crashloop.trace.event import Event

AFTERWARDS = frozenset({"AttributeError", "IndexError", "KeyError", "UnboundLocalError"})
"""Those of them that follow from a value that an earlier error kept from being made."""
STARTS = frozenset({"<module>", "handle_lifespan", "lifespan", "main", "serve", "spawn_worker"})
"""The functions in which the tracebacks of a start begin: uvicorn's, gunicorn's and hypercorn's."""
LIFESPAN_FAILURE = "hypercorn.utils.LifespanFailureError"
"""It has the traceback of the app's start in its message."""
LIBRARY = ("cannot open shared object file", "no pq wrapper available")
OTHERWISE = ("pop from an empty deque", "environment variable", *LIBRARY)
_UNSET = {
    "AssertionError": re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b"),
    "TypeError": re.compile(r"^(?:int|float)\(\) argument must be .{1,80} not 'NoneType'"),
}
"""Messages of a setting that is not set: its name, or what reads a number that is not there."""
HALF = 0.5


def is_mistake(event: Event) -> bool:
    """Whether a start ends in a mistake of the code alone: a whole traceback, or the app's word."""
    chain = links(event)
    if event.data.get("is_torn") or not chain:
        return False
    function = str(chain[0].get("began")).rpartition(":")[2]
    is_of_start = function in STARTS or chain[0].get("type") == LIFESPAN_FAILURE
    return (
        (is_of_start or event.kind == "phase.failed")
        and not any(is_infrastructure(link) for link in chain)
        and _is_mistake(chain[-1])
    )


def _is_mistake(link: Mapping[str, Any]) -> bool:
    name, message = class_name(link), str(link.get("message"))
    is_unset = name in _UNSET and _UNSET[name].search(message) is not None
    if name not in MISTAKES or is_unset or any(word in message for word in OTHERWISE):
        return False
    is_variable = name == "KeyError" and message.strip("'").isupper()
    return not is_variable


def _may_follow(event: Event) -> bool:
    """Whether the mistake may be the consequence of an error that was handled before it."""
    root = links(event)[-1]
    return class_name(root) in AFTERWARDS or "NoneType" in str(root.get("message"))


def _mistakes(case: Case) -> Sequence[Event]:
    """The same mistake at the end of two lives and of half of those with errors.

    Where one life failed, it must have no other error: any may be the one that ended it.
    """
    failing = [life for life in case.failed if life.errors]
    found = [event for life in failing if (event := _mistake(life)) is not None]
    if len(case.failed) == 1:
        # Where nothing says that it ended: what a job logs of a row is no failed start.
        if not case.failed[0].failed and not all(map(_is_of_command, found)):
            return ()
        return found if len({_root(event) for event in case.failed[0].errors}) == 1 else ()
    same = [e for e in found if _root(e) == _root(found[-1])]
    return same if len(same) >= max(2, HALF * len(failing)) else ()


def _is_of_command(event: Event) -> bool:
    """Whether it left an installed command, such as uvicorn, or ended hypercorn's start."""
    root = links(event)[0]
    return str(root.get("began")).startswith("bin/") or root.get("type") == LIFESPAN_FAILURE


def _root(event: Event) -> tuple[str, str]:
    chain = links(event)
    return (str(chain[-1].get("type")), str(chain[-1].get("message"))) if chain else ("", "")


def _mistake(life: LifeLog) -> Event | None:
    last = life.fatal or life.errors[-1]
    if not is_mistake(last):
        return None
    before = any(of_infrastructure(event) for event in life.errors)
    return None if before and _may_follow(last) else last


CAUSES = (
    Cause(
        id="programming-error",
        title="a mistake in the app's code",
        meaning="The app's own code raises at its start, and nothing that it needs was away.",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="lives ended with a traceback of a mistake in code, with no failure of "
                    "anything else in it",
                    look=_mistakes,
                ),
            ),
            points=(restarts(),),
            next="the last frame of that traceback that is the app's own; roll back to what worked",
        ),
    ),
    Cause(
        id="module-not-found",
        title="a module that the app imports is not in the image",
        meaning="An import failed at the start: the module is not installed, or not on the path.",
        in_logs=InLogs(
            decides=(
                error("a module was not found", types=("ModuleNotFoundError",)),
                error(
                    "a shared library that a module needs was not found",
                    types=("ImportError",),
                    message="|".join(LIBRARY),
                ),
                start_refused(
                    "uvicorn could not import the app's module",
                    "startup_failed",
                    text=r"^Error loading ASGI app(?: factory)?[.:] Could not import module",
                ),
            ),
            points=(restarts(),),
            next="whether the image has the module: pip list in it, its working folder, PYTHONPATH",
        ),
    ),
    Cause(
        id="app-not-in-its-module",
        title="the command names an app that its module does not have",
        meaning="The module was imported, and has no attribute of the name that the command gives.",
        in_logs=InLogs(
            decides=(
                start_refused(
                    "uvicorn found no such attribute in the module",
                    "startup_failed",
                    text=r"^Error loading ASGI app(?: factory)?[.:] Attribute .* not found in mod",
                ),
            ),
            points=(restarts(),),
            next="the MODULE:NAME of the start command beside the module's own names",
        ),
    ),
    Cause(
        id="event-loop-mismatch",
        title="an object of one event loop is used in another",
        meaning="A pool, lock or future was made in one event loop and awaited in another, or the "
        "loop is of a kind that a library cannot use.",
        in_logs=InLogs(
            decides=(
                error("a future belongs to another loop", message="attached to a different loop"),
                error(
                    "the loop's own queue was emptied under it",
                    types=("IndexError",),
                    message="^pop from an empty deque",
                ),
                error("a loop cannot be patched", message=r"^Can't patch loop of type "),
            ),
            points=(restarts(),),
            next="where the object is made: in the loop that uses it, never at import",
        ),
    ),
)
