"""The Docker daemon: which one answers, and whether a run is possible on it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests
import urllib3.exceptions
from testcontainers.core.docker_client import get_docker_host

from crashloop.errors import CapabilityError, HarnessError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ANSWER_BOUND_S = 60
MAX_CAUSES = 10

_NOT_ALLOWED = "this daemon does not allow it; see its log, or use --engine local"
_TOO_MANY_NETWORKS = "too many Docker networks: crashloop sweep, then docker network prune"
_HINTS = {
    "no space left": "free some space where the daemon keeps its data: docker system df",
    "could not find an available": _TOO_MANY_NETWORKS,
    "fully subnetted": _TOO_MANY_NETWORKS,
    "permission denied": _NOT_ALLOWED,
    "operation not permitted": _NOT_ALLOWED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the daemon says about itself, and about the machine whose kernel runs the containers."""

    name: str
    version: str
    api_version: str
    system: str
    rootless: bool
    limits_memory: bool = False
    limits_cpu: bool = False
    memory_bytes: int = 0


class Daemon:
    """A connection to the daemon, and its facts. Calls of `client` and `api` are blocking."""

    def __init__(self, client: Any, facts: Facts) -> None:
        self.client = client
        self.facts = facts

    @property
    def api(self) -> Any:
        """The low-level client."""
        return self.client.api

    def execute(self, container: str, command: Sequence[str], *, user: str = "") -> tuple[int, str]:
        """Run a command in a container to its end; returns its exit status and its output."""
        made = self.api.exec_create(container, list(command), user=user)
        output = self.api.exec_start(made["Id"]).decode(errors="replace")
        return int(self.api.exec_inspect(made["Id"])["ExitCode"]), str(output).strip()

    def run(self, container: str, *, within_s: float, lines: int) -> tuple[int | None, str]:
        """Start a created container and wait for its end; its exit status and its last `lines`.

        The status is None if it took longer, and it was killed.
        """
        with sdk_errors("a command could not be run in a container"):
            self.api.start(container)
            try:
                status = int(self.api.wait(container, timeout=within_s)["StatusCode"])
            except requests.exceptions.RequestException:  # it reports a timeout in several ways
                with contextlib.suppress(docker.errors.APIError):  # it may have just ended
                    self.api.kill(container)
                status = None
            text = self.api.logs(container, stdout=True, stderr=True, tail=lines)
        return status, text.decode(errors="replace")

    def close(self) -> None:
        """Close its connections."""
        with contextlib.suppress(OSError):
            self.client.close()


def connect() -> Daemon:
    """Connect to the daemon that Testcontainers uses; afterwards DOCKER_HOST names it for everyone.

    That is the one in Testcontainers' properties file, else in DOCKER_HOST, else in the current
    Docker context, else this machine's. Raises CapabilityError, with what to do, where no daemon
    answers, or where its containers cannot be reached or restart by other rules than Docker's.
    """
    if host := get_docker_host():
        os.environ["DOCKER_HOST"] = host
    with contextlib.ExitStack() as stack:
        try:
            client = docker.from_env(timeout=ANSWER_BOUND_S)
            stack.callback(client.close)
            facts = facts_of(client.version(), client.info())
        except (docker.errors.DockerException, OSError, ValueError) as error:
            raise CapabilityError(
                f"no Docker daemon answers at {_where()}: {_root_of(error)}",
                hint="start Docker, or name its socket with DOCKER_HOST; the local engine needs "
                "none: --engine local",
            ) from None
        require_usable(facts)
        stack.pop_all()
    return Daemon(client, facts)


def facts_of(version: dict[str, Any], info: dict[str, Any]) -> Facts:
    """Read the answers of /version and /info."""
    components = version.get("Components") or [{}]
    security = info.get("SecurityOptions") or []
    return Facts(
        name=str(components[0].get("Name", "Engine")),
        version=str(version.get("Version", "?")),
        api_version=str(version.get("ApiVersion", "?")),
        system=str(info.get("OperatingSystem", "?")),
        rootless=any("rootless" in str(option) for option in security),
        limits_memory=bool(info.get("MemoryLimit")),
        limits_cpu=bool(info.get("CpuCfsQuota")),
        memory_bytes=int(info.get("MemTotal") or 0),
    )


def require_usable(facts: Facts) -> None:
    """Raise CapabilityError for a daemon on which no run is possible."""
    if "podman" in facts.name.lower():
        raise CapabilityError(
            f"{facts.name} {facts.version} answers at {_where()}: it restarts containers by its "
            "own rules, and a run needs Docker's",
            hint="point DOCKER_HOST at a Docker daemon, or use --engine local",
        )
    if "docker desktop" in facts.system.lower():
        raise unreachable(facts, "they run in its virtual machine")
    if facts.rootless:
        raise CapabilityError(
            f"the Docker daemon at {_where()} is rootless: the addresses of its containers cannot "
            "be reached from outside its network namespace",
            hint="point DOCKER_HOST at a daemon that is not rootless, or use --engine local",
        )


def unreachable(facts: Facts, why: str) -> CapabilityError:
    """The error for a daemon on another machine, Docker Desktop's virtual one included."""
    return CapabilityError(
        f"the containers of the Docker daemon at {_where()} ({facts.system}) cannot be reached "
        f"from here: {why}",
        hint="run crashloop on the machine where that daemon runs (with Docker Desktop: in a "
        "Linux virtual machine or on a Linux host of your own), or use --engine local",
    )


@contextlib.contextmanager
def sdk_errors(what: str) -> Iterator[None]:
    """Turn the SDK's errors into a HarnessError that says `what` could not be done, and why."""
    try:
        yield
    except (docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError) as error:
        why = _root_of(error)
        raise HarnessError(f"{what}: {why}", hint=hint_for(why)) from error


def hint_for(why: str) -> str:
    """Choose what to do about an error by the daemon's message."""
    found = [hint for words, hint in _HINTS.items() if words in why.lower()]
    return found[0] if found else "the message above is the daemon's own; see its log"


def _root_of(error: BaseException) -> str:
    """The daemon's explanation, or the message of the innermost error."""
    explanation = getattr(error, "explanation", None)
    if explanation:
        text = (
            explanation.decode(errors="replace") if isinstance(explanation, bytes) else explanation
        )
        return str(text).strip()[:600]
    inner: BaseException = error
    for _ in range(MAX_CAUSES):
        cause = inner.__cause__ or inner.__context__
        if cause is None or hasattr(cause, "explanation"):  # an answer, not the cause of this error
            break
        inner = cause
    return f"{getattr(inner, 'strerror', None) or inner}".strip()[:600] or type(error).__name__


def _where() -> str:
    return os.environ.get("DOCKER_HOST") or "its default socket"
