"""How one life ended: with which code, by which signal, and whose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.lives import deaths, observed
from crashloop.checks.result import Result, saw_nothing

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

# A shell, and Docker, call an end by signal N exit 128+N. These have the same number everywhere.
_SIGNALS = {"SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGABRT": 6, "SIGKILL": 9, "SIGSEGV": 11}
_SIGNALS["SIGTERM"] = 15
_BY_SIGNAL = 128

# The signals by which one process ends another.
_KILLS = {_BY_SIGNAL + _SIGNALS[name]: name for name in ("SIGTERM", "SIGKILL")}


def code_of(ended: Event) -> int | None:
    """The exit code of a life; for an end by a signal what a shell would call it."""
    code = ended.data.get("exit_code")
    if code is not None:
        return code if isinstance(code, int) else None
    number = _SIGNALS.get(str(ended.data.get("signal")))
    return None if number is None else _BY_SIGNAL + number


def exit_words(code: int) -> str:
    """`exit 3`; an end by a signal is what a shell calls it: `exit 137 (SIGKILL)`."""
    signals = [name for name, number in _SIGNALS.items() if code == _BY_SIGNAL + number]
    return f"exit {code}" + (f" ({signals[0]})" if signals else "")


def how_ended(event: Event) -> str:
    """`exit 3`, or `signal SIGKILL`."""
    if event.data.get("exit_code") is not None:
        return f"exit {event.data['exit_code']}"
    return f"signal {event.data.get('signal')}"


def kills_of(trace: Trace, died: Event, by: str | None = None) -> list[Event]:
    """The signals of the platform (those `by` one probe) and of faults to a life until it ended.

    The kernel's for its memory is one of a fault's.
    """
    kinds = ("process.killed", "process.signalled", "process.memory_exceeded")
    found = observed(trace, *kinds, life=died.life)
    return [e for e in found if by in (None, e.data.get("by")) and e.mono_ns <= died.mono_ns]


def killing_signal(trace: Trace, died: Event) -> str | None:
    """The SIGTERM or SIGKILL that ended a life; None if it ended in another way.

    An app that handles SIGTERM may end with 143 itself. No process can handle SIGKILL: 137 means
    that signal only where Docker says it, which has no other word for it.
    """
    name = _KILLS.get(code_of(died) or 0)
    engine = trace.header.get("engine")
    is_docker = isinstance(engine, dict) and engine.get("name") == "docker"
    is_word_of_docker = died.source == "platform" or is_docker
    has_own_code = died.data.get("exit_code") is not None and not is_word_of_docker
    return None if has_own_code and name == "SIGKILL" else name


def killed_by_another(trace: Trace, died: Event) -> Result | None:
    """What to say of a life that somebody else's signal ended; None if that is not so.

    It is somebody else's if neither the platform nor a planned fault had sent it: the kernel's, out
    of memory, or a person's. So may be 137 or 143 of a life that was not killed: a shell ends with
    it if the signal ended its command.
    """
    sent = [e.data.get("signal") for e in kills_of(trace, died)]
    signal = killing_signal(trace, died) or (None if sent else _KILLS.get(code_of(died) or 0))
    if signal is None or signal in sent:
        return None
    return saw_nothing(
        f"{trace.name(died.life)} was killed by somebody else than the platform: {how_ended(died)}",
        [died],
    )


def somebody_elses_kill(trace: Trace) -> str:
    """Which life somebody else than the platform killed first, in words; "" if none."""
    found = (killed_by_another(trace, died) for died in deaths(trace))
    return next((each.says for each in found if each), "")
