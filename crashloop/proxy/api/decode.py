"""JSON as Go's encoding/json reads it into Toxiproxy's structs.

Keys match in any case, unknown ones are ignored, null leaves a field as it is, what follows the
first value is ignored, of equal keys the last counts; and the messages are Go's.
"""

from __future__ import annotations

import json
import math
import re
import struct
from typing import TYPE_CHECKING, Any, NoReturn

from crashloop.proxy.api.error import BadBodyError
from crashloop.proxy.api.jsontext import mended
from crashloop.proxy.api.syntax import complaint, constant_complaint, depth_complaint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Reader = Callable[[Any, str], Any]
    """Takes a value that is not null and its place as Go names it; gives what it means."""

INT64_MAX = 2**63 - 1
FLOAT32_MAX = 3.4028235677973366e38
"""Half a step above the largest float32: what lies below rounds to it or less."""

_MAX_NUMBER_CHARS = 100
_WHOLE = re.compile(r"-?[0-9]+")
_SPACE = re.compile(r"[ \t\r\n]*")


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """A JSON object: its keys and values in order, equal keys included."""

    __slots__ = ()


class _ConstantError(Exception):
    """NaN or an infinity, which Python would take."""


def first_value(body: bytes) -> Any:
    """The first JSON value of a body: None, bool, str, Number, list or Members.

    Raises BadBodyError, with Go's words, for anything else; also for what is nested more deeply
    than this Python can follow (Go: 10,000 levels).
    """
    text = body.decode("utf-8", "replace")
    start = _SPACE.match(text)
    assert start is not None
    if start.end() == len(text):
        raise BadBodyError("EOF")
    try:
        value, _ = _DECODER.raw_decode(text, start.end())
    except json.JSONDecodeError as error:
        raise BadBodyError(complaint(text, error.msg, error.pos)) from None
    except _ConstantError as error:
        raise BadBodyError(constant_complaint(str(error))) from None
    except RecursionError:
        raise BadBodyError(depth_complaint(text)) from None
    return value


def read_members(
    value: Any, readers: Mapping[str, Reader], *, struct: str, go_type: str, place: str = ""
) -> dict[str, Any]:
    """The fields of an object that are there and not null; a null object has none.

    `struct` begins a field's place in messages ("Proxy" gives "Proxy.name"); `go_type` is the
    object's own type, and `place` its own place, where it is a field itself.
    """
    found: dict[str, Any] = {}
    if value is None:
        return found
    if not isinstance(value, Members):
        mismatch(value, place or "value", go_type)
    for key, member in value:
        name = _matching(key, readers)
        if name is not None and member is not None:
            found[name] = readers[name](member, f"struct field {struct}.{name}")
    return found


def text(value: Any, place: str) -> str:
    """A string."""
    if not isinstance(value, str) or isinstance(value, Number):
        mismatch(value, place, "string")
    return mended(value)


def flag(value: Any, place: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        mismatch(value, place, "bool")
    return value


def share(value: Any, place: str) -> float:
    """A float32, as the shortest decimal that means the same float32."""
    if not isinstance(value, Number):
        mismatch(value, place, "float32")
    wide = float(value)
    if not abs(wide) < FLOAT32_MAX:
        mismatch(value, place, "float32")
    return shortest_float32(wide)


def shortest_float32(wide: float) -> float:
    """The decimal with the fewest digits that is the same number as a float32."""
    (exact,) = struct.unpack("f", struct.pack("f", wide))
    for digits in range(1, 9):
        decimal = float(f"{exact:.{digits}g}")
        if struct.pack("f", decimal) == struct.pack("f", exact):
            return decimal
    return float(f"{exact:.9g}")


def whole(go_type: str) -> Reader:
    """A reader of 64-bit integers; Go takes no fraction and no exponent."""

    def read(value: Any, place: str) -> int:
        if not isinstance(value, Number) or not _WHOLE.fullmatch(value):
            mismatch(value, place, go_type, with_text=True)
        return _int64(value, place, go_type)

    return read


def fractional(go_type: str) -> Reader:
    """A reader of 64-bit integers that takes fractions and exponents too, where they are finite."""

    def read(value: Any, place: str) -> int | float:
        if not isinstance(value, Number):
            mismatch(value, place, go_type)
        if _WHOLE.fullmatch(value):
            return _int64(value, place, go_type)
        number = float(value)
        if not math.isfinite(number) or abs(number) > INT64_MAX:
            mismatch(value, place, go_type, with_text=True)
        return int(number) if number.is_integer() else number

    return read


def members(go_type: str) -> Reader:
    """A reader of any object."""

    def read(value: Any, place: str) -> Members:
        if not isinstance(value, Members):
            mismatch(value, place, go_type)
        return value

    return read


def items(go_type: str) -> Reader:
    """A reader of any array."""

    def read(value: Any, place: str) -> list[Any]:
        if isinstance(value, Members) or not isinstance(value, list):
            mismatch(value, place, go_type)
        return value

    return read


def mismatch(value: Any, place: str, go_type: str, *, with_text: bool = False) -> NoReturn:
    """Raise Go's message for a value of the wrong kind; `with_text`: a number is quoted."""
    kind = _kind(value)
    if isinstance(value, Number) and (with_text or go_type == "float32"):
        kind = f"number {value[:_MAX_NUMBER_CHARS]}"
    raise BadBodyError(f"json: cannot unmarshal {kind} into Go {place} of type {go_type}")


def _int64(value: Number, place: str, go_type: str) -> int:
    # 19 digits and a sign at most: Python need not read what cannot fit
    number = int(value) if len(value.lstrip("-0")) <= len(str(INT64_MAX)) else INT64_MAX + 1
    if not -INT64_MAX - 1 <= number <= INT64_MAX:
        mismatch(value, place, go_type, with_text=True)
    return number


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case Number():
            return "number"
        case str():
            return "string"
        case Members():
            return "object"
        case _:
            return "array"


def _matching(key: str, readers: Mapping[str, Reader]) -> str | None:
    if key in readers:
        return key
    folded = _folded(key)
    return next((name for name in readers if _folded(name) == folded), None)


def _folded(key: str) -> str:
    # the two letters outside ASCII that Unicode folds into it
    return key.replace("\u017f", "s").replace("\u212a", "k").lower()


def _constant(name: str) -> NoReturn:
    raise _ConstantError(name)


_DECODER = json.JSONDecoder(
    object_pairs_hook=Members, parse_float=Number, parse_int=Number, parse_constant=_constant
)
