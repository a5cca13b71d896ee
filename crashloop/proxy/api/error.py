"""What goes wrong with a request, as the client is told."""

from __future__ import annotations

from crashloop.errors import CapabilityError, CrashloopError, HarnessError, UsageError

MAX_MESSAGE_CHARS = 2000


class ApiError(UsageError):
    """An answer with `status` and Toxiproxy's JSON error as its body.

    `entry` is the place in a list of proxies, from 1, that the error is about.
    """

    def __init__(self, message: str, status: int = 400, *, entry: int | None = None) -> None:
        super().__init__(_bounded(message))
        self.status = status
        self.entry = entry

    def document(self) -> dict[str, object]:
        """The body: `error` and `status`."""
        return {"error": self.message, "status": self.status}


class BadBodyError(ApiError):
    """The body is not JSON, or not of the right shape: always 400."""

    def __init__(self, why: str) -> None:
        super().__init__(f"bad request body: {why}")


def missing(field: str) -> ApiError:
    """Toxiproxy's answer for a field that is absent or empty."""
    return ApiError(f"missing required field: {field}")


def of_data_plane(error: CrashloopError, *, usage_status: int) -> ApiError:
    """The data plane's words: 501 where this machine cannot, 500 where a proof failed.

    An ApiError stays what it is.
    """
    if isinstance(error, ApiError):
        return error
    if isinstance(error, CapabilityError):
        return ApiError(_told(error), 501)
    if isinstance(error, HarnessError):
        return ApiError(_told(error), 500)
    return ApiError(_told(error), usage_status)


def _told(error: CrashloopError) -> str:
    return f"{error.message} {error.hint}".strip()


def _bounded(message: str) -> str:
    if len(message) <= MAX_MESSAGE_CHARS:
        return message
    return message[: MAX_MESSAGE_CHARS - 1] + "…"
