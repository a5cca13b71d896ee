"""The errors that a request is answered with."""

from __future__ import annotations

from crashloop.errors import CapabilityError, CrashloopError, HarnessError, UsageError

MAX_MESSAGE_CHARS = 2000


class ApiError(UsageError):
    """An answer with `status` and Toxiproxy's JSON error as its body.

    `entry` is the place in a list of proxies, from 1, that the error is about.
    """

    def __init__(self, message: str, status: int = 400, *, entry: int | None = None) -> None:
        super().__init__(message[:MAX_MESSAGE_CHARS])
        self.status = status
        self.entry = entry

    def document(self) -> dict[str, object]:
        """The body: `error` and `status`."""
        return {"error": self.message, "status": self.status}


def bad_body(why: str) -> ApiError:
    """The answer to a body that is not JSON, or not of the right shape."""
    return ApiError(f"bad request body: {why}")


def of_data_plane(error: CrashloopError, *, usage_status: int) -> ApiError:
    """A data plane's error: 501 if this machine cannot do it, 500 if a proof failed.

    An ApiError is returned unchanged.
    """
    if isinstance(error, ApiError):
        return error
    status = usage_status
    if isinstance(error, CapabilityError):
        status = 501
    elif isinstance(error, HarnessError):
        status = 500
    return ApiError(f"{error.message} {error.hint}".strip(), status)
