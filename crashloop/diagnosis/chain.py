"""The exceptions of an error event, and which of them only code raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.trace.event import Event

MISTAKES = frozenset(
    {
        "AssertionError",
        "AttributeError",
        "FastAPIError",
        "ImportError",
        "IndentationError",
        "IndexError",
        "KeyError",
        "NameError",
        "NotImplementedError",
        "PydanticImportError",
        "PydanticSchemaGenerationError",
        "PydanticUserError",
        "RecursionError",
        "SyntaxError",
        "TypeError",
        "UnboundLocalError",
        "ZeroDivisionError",
    }
)
"""What only the code itself raises, by the class's name."""


LIFESPAN = frozenset({"starlette/routing.py:lifespan", "lifespan/on.py:main"})
"""Where the traceback begins that Starlette or uvicorn prints of the error that ended a start."""


def ended_the_start(event: Event) -> bool:
    """Whether a whole traceback left the lifespan, so that nothing handled its error."""
    chain = links(event)
    is_whole = bool(chain) and not event.data.get("is_torn")
    return is_whole and chain[0].get("began") in LIFESPAN


def links(event: Event) -> Sequence[Mapping[str, Any]]:
    """The exceptions of an error event, outermost first."""
    found = event.data.get("error")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def class_name(link: Mapping[str, Any]) -> str:
    """The name of an exception's class, without its module."""
    return str(link.get("type")).rpartition(".")[2]


def ends_in_code(event: Event) -> bool:
    """Whether the root of an error is one that only code raises."""
    chain = links(event)
    return bool(chain) and class_name(chain[-1]) in MISTAKES
