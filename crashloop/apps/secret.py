"""The secrets in an app's environment, whose values must not reach a trace."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.apps.template import is_one_placeholder
from crashloop.trace.redact import MASK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crashloop.model import AppUnderTest

WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD")
"""A variable with one of these in its name is a secret, too."""


def secret_values(app: AppUnderTest, environment: Mapping[str, str]) -> Iterator[str]:
    """The values of the secrets in `environment`, and each line of one that has several.

    A value that is a placeholder alone is crashloop's own, such as the port, and is left out.
    """
    for name, value in environment.items():
        if _is_secret(app, name) and not is_one_placeholder(app.env.get(name, "")):
            yield value
            yield from value.splitlines()


def without_secrets(app: AppUnderTest) -> AppUnderTest:
    """The app with the values of its secrets masked, however short they are."""

    def shown(env: Mapping[str, str]) -> dict[str, str]:
        return {name: MASK if _is_secret(app, name) else text for name, text in env.items()}

    remedies = {n: replace(each, env=shown(each.env)) for n, each in app.remedies.items()}
    return replace(app, env=shown(app.env), remedies=remedies)


def _is_secret(app: AppUnderTest, name: str) -> bool:
    return name in app.masked_env or any(word in name.upper() for word in WORDS)
