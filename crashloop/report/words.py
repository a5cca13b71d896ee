"""Values of events in words; they come from others, so each is made safe to show. Pure."""

from __future__ import annotations

import contextlib
import errno
import signal
from typing import TYPE_CHECKING, Any

from crashloop.checks.platform import probe_name
from crashloop.durations import plain
from crashloop.plural import counted, listed
from crashloop.report.clean import clean, label, listing, mapping, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# No slot left, not up yet, wrong role, wrong password, no such database.
_REFUSALS = frozenset({"53300", "57P03", "28000", "28P01", "3D000"})
_DISPLAY_NAMES = {"postgres": "Postgres", "redis": "Redis", "replicas": "the replicas"}


def _errno(link: Mapping[str, Any]) -> str | None:
    code = link.get("errno")
    return errno.errorcode.get(code) if isinstance(code, int) else None


def error_words(data: Mapping[str, Any]) -> str:
    """The chain of a failed phase's errors: `TimeoutError <- CancelledError`; empty without one."""
    links = []
    for error in listing(data.get("error"))[:4]:
        link = mapping(error)
        # A driver's words in an ordinary line name no type, and Node's errors have a code.
        name = label(str(link.get("type") or _errno(link) or "?").rsplit(".", 1)[-1], 40)
        code = link.get("sqlstate") or link.get("code")
        links.append(f"{name} [{label(code, 24)}]" if code else name)
    return " <- ".join(links)


def address_words(data: Mapping[str, Any]) -> str:
    """The address that a line names, without its kind: `127.0.0.1:5432`; empty without one."""
    return label(data.get("address") or "", 80).removeprefix("tcp:").removeprefix("unix:")


def server_words(data: Mapping[str, Any]) -> str:
    """What an app's server logged: `startup failed (uvicorn)`."""
    says = label(data.get("says", "?"), 40).replace("_", " ")
    return f"{says} ({label(data.get('server', '?'), 20)})"


def fault_words(data: Mapping[str, Any]) -> str:
    """A fault's kind and parameters, in the incident's seconds: `hold, delay 30 s`."""
    words = [label(data.get("fault_kind", "?"), 24)]
    for name, value in list(mapping(data.get("params")).items())[:6]:
        amount, noun = number(value), label(name)
        shown = label(value) if amount is None else plain(amount)
        if value is True:
            words.append(noun)
        elif noun.endswith("_bytes_s"):
            words.append(f"{noun.removesuffix('_bytes_s')} {shown} bytes/s")
        elif noun.endswith("_bytes"):
            words.append(f"{noun.removesuffix('_bytes')} {shown} bytes")
        elif noun.endswith("_s"):
            words.append(f"{noun.removesuffix('_s')} {shown} s")
        else:
            words.append(f"{noun} {shown}")
    return ", ".join(words)


def exit_words(data: Mapping[str, Any]) -> str:
    """How a process ended: `exit 3`, or a signal's name."""
    code = number(data.get("exit_code"))
    return f"exit {plain(code)}" if code is not None else label(data.get("signal") or "ended", 10)


def status_words(code: int) -> str:
    """An exit code as a shell has it: `exit 3`, and the name of the signal for 128 + N."""
    with contextlib.suppress(ValueError):
        return f"exit {code} ({signal.Signals(code - 128).name})"
    return f"exit {code}"


def probe_words(value: object) -> str:
    """`startup` and `startup probe` are a `start-up probe`, others keep their name."""
    return probe_name(clean(value, 24).removesuffix(" probe"))


def target_words(name: str, kind: str = "") -> str:
    """How a target is written: `Postgres`, or with a name of its own `Redis (sessions)`."""
    shown = _DISPLAY_NAMES.get(kind or name, name)
    return f"{shown} ({name})" if kind in _DISPLAY_NAMES and name != kind else shown


def count_of(value: object) -> int:
    """A count from a trace; 0 if it is none."""
    found = number(value)
    return max(0, int(found)) if found is not None else 0


def sqlstate_words(server: str, times: Sequence[tuple[str, int]]) -> str:
    """What a server itself logged, by SQLSTATE: connections that it refused, or errors."""
    said = []
    for sqlstate, count in times:
        what = counted(count, "connection" if sqlstate in _REFUSALS else "error")
        verb = "refused" if sqlstate in _REFUSALS else "logged"
        said.append(f"{verb} {what} with SQLSTATE {sqlstate}")
    return f"{server} itself {listed(said)}"


def sentence(text: str) -> str:
    """`text` with a capital letter first."""
    return text[:1].upper() + text[1:]
