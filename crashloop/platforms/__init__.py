"""The platforms that start the app again, one module each, as pure functions.

All times are seconds of the incident. A new platform is one new module and its name below.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.model import Platform
from crashloop.platforms.cloud_run import CLOUD_RUN, CLOUD_RUN_OBSERVED
from crashloop.platforms.docker import DOCKER
from crashloop.platforms.ecs import ECS
from crashloop.platforms.kubernetes import KUBERNETES
from crashloop.platforms.nomad import NOMAD
from crashloop.platforms.supervisord import SUPERVISORD
from crashloop.platforms.swarm import SWARM
from crashloop.platforms.systemd import SYSTEMD

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.platforms.base import Decision, Exit, PlatformKind, State

PLATFORMS = {
    kind.name: kind
    for kind in (
        DOCKER,
        SWARM,
        KUBERNETES,
        CLOUD_RUN,
        CLOUD_RUN_OBSERVED,
        SYSTEMD,
        ECS,
        NOMAD,
        SUPERVISORD,
    )
}
FORMS = tuple(form for kind in PLATFORMS.values() for form in kind.forms)


def parse_platform(text: str) -> Platform:
    """Read a platform with its default probes from its name and options: `docker:on-failure:6`.

    Docker's restart policies alone (`on-failure:6`, `always`, `unless-stopped`) mean Docker.
    Raises UsageError for anything else.
    """
    whole = text.strip()
    name, colon, options = whole.partition(":")
    for kind in PLATFORMS.values():
        if kind.name != name and name not in kind.aliases:
            continue
        read = options if kind.name == name else whole
        policy = kind.parse(read) if options or not colon else None
        if policy is None:
            raise UsageError(
                f"platform {kind.name} cannot be written {whole!r}",
                hint=f"write it as: {', '.join((*kind.forms, *kind.aliases))}",
            )
        return Platform(name=kind.name, restart=policy, startup=kind.startup, grace_s=kind.grace_s)
    raise UsageError(f"unknown platform {text!r}", hint=f"known: {', '.join(FORMS)}")


def step_of(platform: Platform) -> Callable[[State, Exit], tuple[State, Decision]]:
    """What `platform` does after each exit; begin with `State()`. UsageError if it is unknown."""
    return partial(_kind(platform).step, platform.restart)


def longest_backoff_s(platform: Platform) -> float:
    """The longest back-off of `platform`, in seconds of the incident. UsageError if unknown."""
    return _kind(platform).longest_backoff_s(platform.restart)


def with_probes_of(before: Platform, platform: Platform) -> Platform:
    """`platform` with the probes that were configured on `before`, if it has probes at all.

    A start-up probe that `before` only has by default stays behind.
    """
    if not _kind(platform).has_probes:
        return platform
    is_default = before.startup in {None, _kind(before).startup}
    return replace(
        platform,
        startup=platform.startup if is_default else before.startup,
        liveness=before.liveness,
        readiness=before.readiness,
    )


def _kind(platform: Platform) -> PlatformKind:
    kind = PLATFORMS.get(platform.name)
    if kind is None:
        raise UsageError(
            f"unknown platform {platform.name!r}", hint=f"known: {', '.join(PLATFORMS)}"
        )
    return kind
