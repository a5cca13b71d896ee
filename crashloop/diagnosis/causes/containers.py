"""A container that its platform or runtime cannot start, or asks in the wrong place.

Words: runc 1.0 to 1.3, Docker 28, the kubelet of Kubernetes 1.31 (kuberuntime_container.go,
image_manager.go, prober.go), Cloud Run, docker-library/postgres, google-auth 2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.diagnosis.cause import Cause, InLogs, Sign
from crashloop.diagnosis.signs import error, is_of_one, platform_said, restarts
from crashloop.logs.event import PLATFORM_SAID, PROBE_FAILED, SERVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.diagnosis.case import Case
    from crashloop.trace.event import Event

_LISTENING = re.compile(r"https?://(?P<host>\[[0-9a-f:]+\]|[\w.-]+):(?P<port>\d{1,5})")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_IPV4 = frozenset({"0.0.0.0", "127.0.0.1"})  # noqa: S104  words of a log
_OWN = re.compile(r"(?:dial tcp |to )(?:127\.0\.0\.1|localhost|\[?::1\]?)")
_OWN_IPV6 = re.compile(r"\[?::1\]?[: ](?:port )?(?P<port>\d{1,5})")


def _listening(case: Case, hosts: frozenset[str]) -> dict[int, Event]:
    """Where web servers said that they listen, on these hosts, by port."""
    found = {}
    for event in case.trace.of(SERVER):
        place = _LISTENING.search(str(event.data.get("text")))
        if event.data["says"] == "listening" and place and place["host"] in hosts:
            found[int(place["port"])] = event
    return found


def _asked_from_elsewhere(case: Case) -> Sequence[Event]:
    """A server on the loopback address alone, and a probe of its port from outside."""
    servers = _listening(case, _LOOPBACK)
    for probe in case.trace.of(PROBE_FAILED):
        words = str(probe.data.get("error"))
        is_refused = "refused" in words or probe.data.get("by") == "cloud-run"
        at = int(probe.data.get("port") or 0)
        is_theirs = at in servers and is_of_one(servers[at].target or "", probe.target or "")
        if is_theirs and is_refused and not _OWN.search(words):
            return [servers[at], probe]
    return ()


def _asked_by_ipv6(case: Case) -> Sequence[Event]:
    """A server on IPv4 alone, and a probe that was refused at ::1."""
    servers = _listening(case, _IPV4)
    for probe in case.trace.of(PROBE_FAILED):
        words = str(probe.data.get("error"))
        asked = _OWN_IPV6.search(words)
        if asked and int(asked["port"]) in servers and "refused" in words:
            return [servers[int(asked["port"])], probe]
    return ()


def _ran(case: Case) -> Sequence[Event]:
    """The first events of lives that wrote lines, where a program could not be started."""
    at = _places(case, "exec-failed", "command-not-found")
    return [life.events[0] for life in case.lives if life.has_words and life.source in at]


def _started(case: Case) -> Sequence[Event]:
    """What the platform said of the start of a container that it had failed to start before."""
    at = [place for place in _places(case, "failed") if place]
    said = [e for e in case.trace.of(PLATFORM_SAID) if e.data.get("says") == "started"]
    return [e for e in said if e.target and any(is_of_one(place, e.target) for place in at)]


def _places(case: Case, *what: str) -> set[str]:
    """The sources of which the platform said one of these."""
    said = case.trace.of(PLATFORM_SAID)
    return {event.target or "" for event in said if event.data.get("says") in what}


_RAN = Sign(says="its process wrote lines of its own", look=_ran)
_STARTED = Sign(says="its container was started", look=_started)

CAUSES = (
    Cause(
        id="exec-format-error",
        title="the image's program cannot run on this machine",
        meaning="The kernel refused the program: another architecture, or a script without its "
        "first line (#!). The log cannot tell which.",
        in_logs=InLogs(
            decides=(platform_said("the program could not be executed", "exec-failed"),),
            points=(restarts(),),
            refutes=(_RAN,),
            next="uname -m beside the image's architecture, and the first line of the entry point",
        ),
    ),
    Cause(
        id="command-not-in-the-image",
        title="the command that starts the container is not in its image",
        meaning="The runtime found no such program: no process ever ran.",
        in_logs=InLogs(
            decides=(platform_said("the command was not found", "command-not-found"),),
            points=(restarts(),),
            refutes=(_RAN,),
            next="the container's command and PATH; a script's first line and its line ends",
        ),
    ),
    Cause(
        id="image-not-pulled",
        title="the image cannot be pulled",
        meaning="The platform gets no image: no container ever started.",
        in_logs=InLogs(
            decides=(
                platform_said(
                    "the image could not be pulled",
                    "failed",
                    text=r"^(?:Failed to pull image|Error: (?:ErrImagePull|ImagePullBackOff))",
                ),
                platform_said("it waits for the image", "err-image-pull", "image-pull-back-off"),
            ),
            refutes=(_STARTED,),
            next="the image's name and tag, and the pull secret of this namespace",
        ),
    ),
    Cause(
        id="secret-not-accessible",
        title="a secret that the container needs cannot be read",
        meaning="The platform starts no container: the secret is missing, or may not be read.",
        in_logs=InLogs(
            decides=(
                platform_said(
                    "the account may not read the secret",
                    "secret-denied",
                    "revision-not-ready",
                    text="Permission denied on secret: ",
                ),
                platform_said(
                    "the secret or config map is not there",
                    "failed",
                    text=r"(?:secret|configmap) \"[^\"]+\" not found"
                    r"|couldn't find key .* in (?:Secret|ConfigMap)",
                ),
            ),
            next="the secret's name and version, and who may read it: the service account's roles",
        ),
    ),
    Cause(
        id="database-needs-a-password",
        title="the database's container has no password to start with",
        meaning="The image of Postgres refuses to make its first database without a password.",
        in_logs=InLogs(
            decides=(platform_said("no password is set", "database-needs-a-password"),),
            points=(restarts(),),
            explains=("database-unreachable", "name-does-not-resolve-for-ever"),
            next="POSTGRES_PASSWORD in the environment of the database's container",
        ),
    ),
    Cause(
        id="bound-to-loopback",
        title="the app listens on 127.0.0.1 alone",
        meaning="The web server is up, and only its own container can reach it.",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="the server listens at 127.0.0.1, and a probe of that port from outside "
                    "was refused",
                    look=_asked_from_elsewhere,
                ),
            ),
            points=(restarts(),),
            next="the server's --host: 0.0.0.0, or :: for both families",
        ),
    ),
    Cause(
        id="probe-resolves-localhost-to-ipv6",
        title="the health check asks ::1, and the app listens on IPv4",
        meaning="The check asks localhost, which is ::1 there; the web server is on IPv4 alone.",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="the server listens on IPv4, and the check was refused at ::1",
                    look=_asked_by_ipv6,
                ),
            ),
            points=(restarts(),),
            next="127.0.0.1 in place of localhost in the health check",
        ),
    ),
    Cause(
        id="no-google-credentials",
        title="the app finds no Google credentials",
        meaning="Neither a key nor the metadata server gave the app an identity.",
        in_logs=InLogs(
            decides=(
                error(
                    "no default credentials",
                    types=("DefaultCredentialsError",),
                ),
            ),
            points=(restarts(),),
            next="whether the pod reaches 169.254.169.254 and DNS: a network policy may shut both",
        ),
    ),
)
