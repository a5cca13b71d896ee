"""The errors that crashloop raises on purpose, and their one root."""


class CrashloopError(Exception):
    """An error that the user can act on: what happened, with which input, what to do next.

    Shown as one message, without a traceback, by the command and the pytest plugin.
    """

    exit_status = 12

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(CrashloopError):
    """The input was wrong: an unknown incident, a bad parameter, a foreign trace."""

    exit_status = 2


class OutageError(UsageError):
    """The outage lacks what was asked for; the app's entry has nothing to do with it."""


class HarnessError(CrashloopError):
    """The harness itself broke, so nothing can be said about the incident."""


class CapabilityError(CrashloopError):
    """This machine or engine cannot do what the scenario needs; a reason to skip, never a pass."""

    exit_status = 11


class InterruptionError(CrashloopError):
    """The user interrupted the command before anything was started."""

    exit_status = 130
