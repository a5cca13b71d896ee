"""Which images a run uses, and how those of our own are built."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "CRASHLOOP_DOCKER_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The images of a run, each overridden by its variable, such as CRASHLOOP_DOCKER_CACHE_IMAGE.

    `app_image` and `sidecar_image` are built from `base_image` where they are empty, with the
    packages of the index that `pip_options` names, or without any index from the folder `wheels`.
    """

    postgres_image: str = "postgres:18"
    toxiproxy_image: str = "ghcr.io/shopify/toxiproxy:2.12.0"
    cache_image: str = "redis:7"
    base_image: str = "python:3.12-slim"
    app_image: str = ""
    sidecar_image: str = ""
    wheels: str = ""
    pip_options: str = ""

    @staticmethod
    def variable(name: str) -> str:
        """The variable that overrides the field `name`."""
        return PREFIX + name.upper()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Images:
        """Read the variables; UsageError where the folder of wheels has none."""
        names = {field.name: cls.variable(field.name) for field in fields(cls)}
        given = {name: environment[key] for name, key in names.items() if environment.get(key)}
        images = cls(**given)
        if images.wheels and not any(Path(images.wheels).glob("*.whl")):
            raise UsageError(
                f"{names['wheels']}={images.wheels} is no folder with wheels",
                hint="fill it with `pip download`, or unset the variable to use the package index",
            )
        return images
