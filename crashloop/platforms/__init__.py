"""The platforms that start the app again, one module each, as pure functions.

All times are seconds of the incident. A new platform is one new module and its name below.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.model import Platform
from crashloop.platforms.cloud_run_observed import CLOUD_RUN_OBSERVED
from crashloop.platforms.docker import DOCKER
from crashloop.platforms.kubernetes import KUBERNETES

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.platforms.base import Decision, Exit, PlatformKind, State

PLATFORMS = {kind.name: kind for kind in (DOCKER, KUBERNETES, CLOUD_RUN_OBSERVED)}


def parse_platform(text: str) -> Platform:
    """Read a platform without probes from its name and options, as in `docker:on-failure:6`.

    Docker's restart policies alone (`on-failure:6`, `always`, `unless-stopped`) mean Docker.
    Raises UsageError for anything else.
    """
    name, _, options = text.strip().partition(":")
    for kind in PLATFORMS.values():
        read = options if kind.name == name else text.strip() if name in kind.aliases else None
        if read is None or text.strip().endswith(":"):
            continue
        policy = kind.parse(read)
        if policy is not None:
            return Platform(name=kind.name, restart=policy, grace_s=kind.grace_s)
    raise UsageError(
        f"unknown platform {text!r}",
        hint="known: " + ", ".join(form for kind in PLATFORMS.values() for form in kind.forms),
    )


def step_of(platform: Platform) -> Callable[[State, Exit], tuple[State, Decision]]:
    """What `platform` does after each exit; begin with `State()`. UsageError if it is unknown."""
    return partial(_kind(platform).step, platform.restart)


def longest_backoff_s(platform: Platform) -> float:
    """The longest back-off of `platform`, in seconds of the incident. UsageError if unknown."""
    return _kind(platform).longest_backoff_s


def _kind(platform: Platform) -> PlatformKind:
    kind = PLATFORMS.get(platform.name)
    if kind is None:
        raise UsageError(
            f"unknown platform {platform.name!r}", hint=f"known: {', '.join(PLATFORMS)}"
        )
    return kind
