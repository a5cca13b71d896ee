"""What may be an incident, from anywhere: its code is run, and what is wrong is said in words."""

from __future__ import annotations

import contextlib
import functools
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from crashloop.errors import CrashloopError, UsageError
from crashloop.incidents.contained import Contained, TookTooLong
from crashloop.incidents.soundness import require_sound

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.incidents.incident import Incident
    from crashloop.incidents.parameter import Params

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """What may be an incident; `file` is its absolute path, "" for a package's."""

    name: str
    place: str
    load: Callable[[], object]
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An incident that cannot be used: its likely name, where it is, why, and what to do."""

    name: str
    place: str
    why: str
    hint: str = ""


@functools.lru_cache(maxsize=256)
def tried(candidate: Candidate) -> Incident | LeftOut:
    """The incident, or why it cannot be used; its code is run once.

    KeyboardInterrupt if the user interrupts it: any other is the code's own.
    """
    code = Contained()
    try:
        with code:
            made = require_sound(candidate.load())
    except BaseException as error:  # noqa: BLE001  it is code from anywhere
        if code.is_interrupted:
            raise KeyboardInterrupt(f"while {candidate.place} was loaded") from None
        why, hint = _reason(error, candidate.file)
        return LeftOut(name=candidate.name, place=candidate.place, why=why, hint=hint)
    asked = functools.partial(_asked, candidate)
    outage, expect = functools.partial(asked, made.outage), functools.partial(asked, made.expect)
    return replace(made, outage=outage, expect=expect)


def _reason(error: BaseException, file: str) -> tuple[str, str]:
    """What happened, with the last line of the file that was run, and what to do next."""
    if isinstance(error, CrashloopError):
        return error.message, error.hint
    if isinstance(error, OSError) and error.filename == file:
        return f"it cannot be read: {error.strerror}", ""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    line = next((frame.lineno for frame in frames if frame.filename == file), None)
    where = f"line {line}: " if line else ""
    if isinstance(error, TookTooLong):
        return f"{where}{error}", "let it do less while it is imported"
    says = ""
    with contextlib.suppress(Exception):  # its text is made by code from anywhere, too
        says = f": {error}"
    return f"{where}{type(error).__name__}{says}", ""


def _asked(candidate: Candidate, function: Callable[[Params], T], params: Params) -> T:
    """What the incident's function gives; UsageError for what it raises."""
    try:
        return function(params)
    except CrashloopError:
        raise
    except Exception as error:
        why, _ = _reason(error, candidate.file)
        raise UsageError(
            f"{candidate.place}: {why}",
            hint="the incident has a mistake, or does not expect what its parameters are",
        ) from error
