"""The errno and address in the fixed words of drivers; never a guess from other text.

The words are those of libpq 14 and later (psycopg, psycopg2), asyncio, redis-py and Node.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

from crashloop.logs.event import Link, LogEvent, error_event
from crashloop.logs.sqlstates import SQLSTATES

MAX_PORT = 65535
MAX_SEARCHED_CHARS = 2000

# libpq writes an errno as the C library's words.
_STRERROR = {
    "Connection refused": errno.ECONNREFUSED,
    "Connection reset by peer": errno.ECONNRESET,
    "Connection timed out": errno.ETIMEDOUT,
    "Network is unreachable": errno.ENETUNREACH,
    "No such file or directory": errno.ENOENT,
    "No route to host": errno.EHOSTUNREACH,
    "Permission denied": errno.EACCES,
}
_LIBPQ = re.compile(
    r'connection to server (?:at "(?P<host>[^"\s]{1,255})"(?: \((?P<ip>[^)\s]{1,64})\))?, '
    r'port (?P<port>\d{1,5})|on socket "(?P<path>/[^"]{1,255})") failed: (?P<why>.{0,80})'
)
_ASYNCIO = re.compile(
    r"Connect call failed (?:\('(?P<host>[^'\s]{1,255})', (?P<port>\d{1,5})(?:, \d{1,10}){0,2}\)"
    r"|(?P<path>/\S{1,255}))"
)
_OS_ERROR = re.compile(r"\[Errno (-?\d{1,5})\] ")
_OS_ERRORS = (
    re.compile(  # an OSError's own form, asyncio's of several, and psycopg's of a resolver's
        r"(?:Multiple exceptions: |failed to resolve host '[^']{0,255}': )?\[Errno "
    )
)
_REDIS = re.compile(r"Error (?P<errno>-?\d{1,5}) connecting to (?P<to>\S{1,300})\. ")
_NODE = re.compile(
    r"\b(?:connect|read|write|getaddrinfo) (?P<code>E[A-Z0-9]{2,20})\b"
    r"(?: (?P<to>\S{1,300}))?(?: |$)"
)
_PORT = re.compile(r"[0-9]{1,5}")
_HOST_PORT = re.compile(r"(?P<host>\S{1,255}):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an error's text says: the errno and the address, None if it does not."""

    errno: int | None = None
    address: str | None = None


def python_link(name: str, message: str) -> Link:
    """One exception of a traceback, by its qualified name and message."""
    facts = _of_driver(message)
    number = facts.errno if facts.errno is not None else _os_errno(message)
    return Link(
        type=name,
        message=message,
        errno=number,
        sqlstate=SQLSTATES.get(name),
        address=facts.address,
    )


def driver_event(line: str, at_ns: int) -> LogEvent | None:
    """The error in the middle of an ordinary line that a driver's own words show; or None."""
    facts = _of_driver(line[:MAX_SEARCHED_CHARS])
    if facts == Facts():
        return None
    link = Link(type=None, message=line, errno=facts.errno, address=facts.address)
    return error_event([link], by="driver", at_ns=at_ns)


def errno_of(code: str) -> int | None:
    """The number of an errno by its name, such as ECONNREFUSED; None for any other word."""
    return next((number for number, name in errno.errorcode.items() if name == code), None)


def tcp_address(host: str, port: str) -> str | None:
    """`tcp:host:port`; None if they are no host and port."""
    number = int(port) if _PORT.fullmatch(port) else 0
    if not host or not 0 < number <= MAX_PORT:
        return None
    return f"tcp:[{host}]:{number}" if ":" in host else f"tcp:{host}:{number}"


def node_facts(message: str) -> Facts:
    """What the message of a Node system error says: `connect ECONNREFUSED 127.0.0.1:5432`."""
    found = _NODE.search(message)
    if found is None:
        return Facts()
    number = errno_of(found["code"])
    address = _address(found["to"] or "")
    return Facts() if number is None else Facts(errno=number, address=address)


def _of_driver(text: str) -> Facts:
    text = text[:MAX_SEARCHED_CHARS]
    if found := _LIBPQ.search(text):
        address = f"unix:{found['path']}" if found["path"] else None
        if address is None:
            address = tcp_address(found["ip"] or found["host"], found["port"])
        return Facts(errno=_STRERROR.get(found["why"].rstrip()), address=address)
    if found := _REDIS.search(text):
        return Facts(errno=int(found["errno"]), address=_address(found["to"]))
    if calls := list(_ASYNCIO.finditer(text)):
        found = calls[-1]
        address = f"unix:{found['path']}" if found["path"] else None
        if address is None:
            address = tcp_address(found["host"], found["port"])
        return Facts(errno=_one_errno(text), address=address)
    return node_facts(text)


def _os_errno(text: str) -> int | None:
    """The errno in the form of an OSError; None if there is none, or several that differ."""
    return _one_errno(text) if _OS_ERRORS.match(text) else None


def _one_errno(text: str) -> int | None:
    numbers = {int(number) for number in _OS_ERROR.findall(text[:MAX_SEARCHED_CHARS])}
    return numbers.pop() if len(numbers) == 1 else None


def _address(to: str) -> str | None:
    """The address that `host:port` or a path is."""
    if to.startswith("/"):
        return f"unix:{to}"
    found = _HOST_PORT.fullmatch(to)
    return tcp_address(found["host"], found["port"]) if found else None
