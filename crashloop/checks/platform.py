"""Who restarts the app, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_DOCKER = "docker"
_ALWAYS = "always"


def restarter(header: Mapping[str, Any]) -> str:
    """`Docker` where Docker itself restarts the app, else `the platform (a model of …)`.

    On every engine the other platforms, and on this machine Docker, too, are crashloop's models.
    """
    platform = (header.get("scenario") or {}).get("platform") or {}
    engine = (header.get("engine") or {}).get("name")
    name = str(platform.get("name") or "")
    if engine == _DOCKER and name in {"", _DOCKER}:
        return "Docker"
    policy = platform.get("restart") or {}
    words = [name]
    if policy.get("name") not in {None, name} and (name == _DOCKER or policy["name"] != _ALWAYS):
        words.append(str(policy["name"]))
    if policy.get("max_restarts"):
        words.append(str(policy["max_restarts"]))
    return f"the platform (a model of {':'.join(words)})" if name else "the platform"


def probe_name(probe: str) -> str:
    """`startup` is the `start-up probe`, others keep their name."""
    return "start-up probe" if probe == "startup" else f"{probe} probe"
