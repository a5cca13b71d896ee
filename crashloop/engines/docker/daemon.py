"""The Docker daemon: which one answers, and whether a run can go on it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from crashloop.errors import CapabilityError, HarnessError

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER_BOUND_S = 60
MAX_CAUSES = 10
INSTALL = "pip install 'docker>=7.1' 'testcontainers>=4.15'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the daemon says about itself."""

    name: str
    version: str
    api_version: str
    system: str
    rootless: bool

    def to_json(self) -> dict[str, Any]:
        """A JSON object for the trace."""
        return asdict(self)


class Daemon:
    """A connection to the daemon, and its facts. Calls of `client` are blocking."""

    def __init__(self, client: Any, facts: Facts) -> None:
        self.client = client
        self.facts = facts

    @property
    def api(self) -> Any:
        """The low-level client."""
        return self.client.api

    def close(self) -> None:
        """Close its connections."""
        with contextlib.suppress(OSError):
            self.client.close()


def connect() -> Daemon:
    """The daemon that Testcontainers uses; DOCKER_HOST names it afterwards, for everybody.

    That is the one of its properties file, else DOCKER_HOST's, else the current Docker context's,
    else the one of this machine.

    Raises CapabilityError, in one sentence with what to do, where the SDK is not installed, no
    daemon answers, or it is one whose containers or restarts are not what a run needs.
    """
    try:
        import docker  # noqa: PLC0415  an extra, and 0.3 s of imports
        from testcontainers.core.docker_client import get_docker_host  # noqa: PLC0415  likewise
    except ImportError as error:
        raise CapabilityError(
            f"the Docker engine needs the package {error.name}", hint=f"install it: {INSTALL}"
        ) from None
    # Testcontainers may know of another daemon (its properties, a Docker context): one for all.
    if host := get_docker_host():
        os.environ["DOCKER_HOST"] = host
    client = None
    try:
        client = docker.from_env(timeout=ANSWER_BOUND_S)
        version, info = client.version(), client.info()
    except (docker.errors.DockerException, OSError, ValueError) as error:
        if client is not None:
            client.close()
        raise CapabilityError(
            f"no Docker daemon answers at {_where()}: {_root_of(error)}",
            hint="start Docker, or name its socket with DOCKER_HOST; the local engine needs none: "
            "--engine local",
        ) from None
    daemon = Daemon(client, facts_of(version, info))
    try:
        require_usable(daemon.facts)
    except CapabilityError:
        daemon.close()
        raise
    return daemon


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
    )


def require_usable(facts: Facts) -> None:
    """CapabilityError for a daemon whose containers or restarts are not what a run needs."""
    if "podman" in facts.name.lower():
        raise CapabilityError(
            f"{facts.name} {facts.version} answers at {_where()}: it restarts containers by rules "
            "of its own, and Docker's are the subject here",
            hint="point DOCKER_HOST at a Docker daemon, or use --engine local",
        )
    if "docker desktop" in facts.system.lower():
        raise require_reachable(facts, "they run in its virtual machine")
    if facts.rootless:
        raise CapabilityError(
            f"the Docker daemon at {_where()} is rootless: the addresses of its containers cannot "
            "be reached from outside its network namespace, and a run has to",
            hint="point DOCKER_HOST at a daemon that is not rootless, or use --engine local",
        )


def require_reachable(facts: Facts, error: str) -> CapabilityError:
    """The error for a daemon on another machine, Docker Desktop's virtual one included."""
    return CapabilityError(
        f"the containers of the Docker daemon at {_where()} ({facts.system}) cannot be reached "
        f"from here: {error}",
        hint="run crashloop on the machine where that daemon runs (with Docker Desktop: in a "
        "Linux virtual machine or on a Linux host of your own), or use --engine local",
    )


@contextlib.contextmanager
def told(what: str, *, hint: str = "") -> Iterator[None]:
    """Turn the SDK's errors into HarnessError: `what` could not be done, and why."""
    import docker.errors  # noqa: PLC0415  an extra
    import urllib3.exceptions  # noqa: PLC0415  of the SDK's own

    try:
        yield
    except (docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError) as error:
        why = _root_of(error)
        raise HarnessError(f"{what}: {why}", hint=hint or hint_for(why)) from error


def hint_for(why: str) -> str:
    """What to do about the daemon's words."""
    hints = {
        "no space left": "free some space where the daemon keeps its data: docker system df",
        "port is already allocated": "end what listens there",
        "could not find an available": "too many Docker networks: crashloop sweep, then docker "
        "network prune",
        "fully subnetted": "too many Docker networks: crashloop sweep, then docker network prune",
        "permission denied": "this daemon does not allow it; see its log, or use --engine local",
        "operation not permitted": "this daemon does not allow it; see its log, or use "
        "--engine local",
    }
    lower = why.lower()
    found = [hint for words, hint in hints.items() if words in lower]
    return found[0] if found else "the words above are the daemon's own; see its log"


def _root_of(error: BaseException) -> str:
    """The words that matter: the daemon's explanation, or the innermost error's."""
    explanation = getattr(error, "explanation", None)
    if explanation:
        text = (
            explanation.decode(errors="replace") if isinstance(explanation, bytes) else explanation
        )
        return str(text).strip()[:600]
    inner: BaseException = error
    for _ in range(MAX_CAUSES):
        cause = inner.__cause__ or inner.__context__
        if cause is None or hasattr(cause, "explanation"):  # an answer, and not why this failed
            break
        inner = cause
    return f"{getattr(inner, 'strerror', None) or inner}".strip()[:600] or type(error).__name__


def _where() -> str:
    return os.environ.get("DOCKER_HOST") or "its default socket"
