"""What a user of the app does, as data.

In the texts of a step, `{key}` is a UUID and `{number}` a whole number, new in each try.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStep:
    """An HTTP request; its answer has this status and, where given, contains this text."""

    method: str
    path: str
    json: Any = None
    status: int = 200
    contains: str = ""
    within_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketStep:
    """A JSON message over a WebSocket; its answer is an object that has all of `expect`."""

    path: str
    send: Any
    expect: Mapping[str, Any] = field(default_factory=dict)
    within_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlStep:
    """A query that the harness asks a database directly; its one value must equal `equals`."""

    sql: str
    equals: str | float | bool
    target: str = "postgres"
    within_s: float = 5.0


Step = RequestStep | WebSocketStep | SqlStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """Steps in order, taken in one try after the other.

    Tries go on until the faults are healed, and then until one passes. Each step of a try has
    `within_s` wall seconds of its own.

    `patient`: there is one try for the whole run. Each step is tried until it passes and is then
    not done again; once the app calls itself ready, a step has `within_s` wall seconds to pass.
    """

    steps: tuple[Step, ...] = ()
    within_s: float = 5.0
    patient: bool = False
