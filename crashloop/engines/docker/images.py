"""The images of a run: already there, pulled, or built from this installation's own files."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors

from crashloop.engines.account import unprivileged_account
from crashloop.engines.docker.context import app_context, sidecar_context
from crashloop.engines.docker.daemon import sdk_errors
from crashloop.engines.template import cache_folder
from crashloop.errors import CapabilityError, HarnessError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from crashloop.engines.docker.context import Context
    from crashloop.engines.docker.daemon import Daemon
    from crashloop.model import AppUnderTest, Scenario

PREFIX = "CRASHLOOP_DOCKER_"
PROJECT_LABEL = "org.crashloop.image"
CONTENT_LABEL = "org.crashloop.content"
BUILD_BOUND_S = 900.0
LOCK_INTERVAL_S = 0.2
TAIL_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The images of a run, each overridden by its variable, such as CRASHLOOP_DOCKER_CACHE_IMAGE.

    `app_image` and `sidecar_image` are built from `base_image` if they are empty, with the
    packages of the index that `pip_options` names, or without an index from the folder `wheels`.
    """

    postgres_image: str = "postgres:18"
    toxiproxy_image: str = "ghcr.io/shopify/toxiproxy:2.12.0"
    cache_image: str = "redis:7"
    pooler_image: str = "edoburu/pgbouncer:v1.26.0-p0"
    base_image: str = "python:3.12-slim"
    app_image: str = ""
    sidecar_image: str = ""
    wheels: str = ""
    pip_options: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Images:
        """Read the variables; UsageError if the folder of wheels has none."""
        names = {field.name: variable(field.name) for field in fields(cls)}
        given = {name: environment[key] for name, key in names.items() if environment.get(key)}
        images = cls(**given)
        if images.wheels and not any(Path(images.wheels).glob("*.whl")):
            raise UsageError(
                f"{names['wheels']}={images.wheels} is not a folder with wheels",
                hint="fill it with `pip download`, or unset the variable to use the package index",
            )
        return images

    def in_use(self) -> dict[str, str]:
        """The images that containers are created from, by what they are for; none is empty."""
        found = {
            "postgres": self.postgres_image,
            "toxiproxy": self.toxiproxy_image,
            "cache": self.cache_image,
            "app": self.app_image,
            "sidecar": self.sidecar_image,
            "pooler": self.pooler_image,
        }
        return {role: image for role, image in found.items() if image}


def variable(name: str) -> str:
    """The variable that overrides the field `name` of Images."""
    return PREFIX + name.upper()


def of_scenario(images: Images, scenario: Scenario) -> Images:
    """The images for a scenario: its app may have one of its own, and few need a pooler's.

    The variable of ours goes before the app's own.
    """
    has_pooler = any(each.pooler for each in scenario.dependencies)
    return replace(
        images,
        app_image=images.app_image or scenario.app.image,
        pooler_image=images.pooler_image if has_pooler else "",
    )


def built_from(daemon: Daemon, app: AppUnderTest, *, say: Callable[[str], None]) -> str:
    """The tag of the image that the folder `build` of a user's own app makes. Blocking.

    It is built each time: what has not changed, the daemon takes from its cache. CapabilityError,
    with the build's last lines, if it cannot be built.
    """
    name = hashlib.sha256(app.build.encode()).hexdigest()[:16]
    tag = f"crashloop/build:{name}"
    say(f"building {app.build}")
    _run_build(
        daemon,
        tag,
        hint=f"see the lines above; try it: docker build {app.build}",
        path=app.build,
        labels={PROJECT_LABEL: "1"},
    )
    return tag


def ready(daemon: Daemon, images: Images, *, say: Callable[[str], None]) -> Images:
    """Pull or build what is missing; returns the images with the tags of those built. Blocking.

    `say` gets a line before each long step. Raises CapabilityError, with the daemon's own message,
    if an image can be neither pulled nor built.
    """
    wheels = Path(images.wheels) if images.wheels else None
    for role, image in images.in_use().items():
        _pulled(daemon, image, f"{role}_image", say)
    app = images.app_image or _built(daemon, images, "app", app_context(wheels), say)
    sidecar = images.sidecar_image or _built(
        daemon, images, "sidecar", sidecar_context(wheels), say
    )
    return replace(images, app_image=app, sidecar_image=sidecar)


def _pulled(daemon: Daemon, image: str, field: str, say: Callable[[str], None]) -> str:
    """The image's id; it is pulled first if it is missing."""
    found = _find(daemon, image)
    if found:
        return found
    say(f"pulling {image}")
    try:
        with sdk_errors(f"the image {image} is not here and cannot be pulled"):
            return str(daemon.client.images.pull(image).id)
    except HarnessError as error:
        raise CapabilityError(
            error.message,
            hint="see whether its registry can be reached from here, or name another image with "
            f"{variable(field)}",
        ) from error


def _built(
    daemon: Daemon, images: Images, name: str, context: Context, say: Callable[[str], None]
) -> str:
    """The tag of an image of ours; it is built first if no image has this content."""
    base = _pulled(daemon, images.base_image, "base_image", say)
    arguments = {"BASE": images.base_image, "PIP_OPTIONS": images.pip_options}
    wheels = variable("wheels")
    hint = f"see the lines above; without a package index, name a folder of wheels with {wheels}"
    if images.wheels:
        arguments["PIP_OPTIONS"] = "--no-index --find-links /wheels"
        hint = f"the folder {wheels}={images.wheels} lacks some of the wheels"
    content = hashlib.sha256(f"{base} {arguments} {context.digest}".encode()).hexdigest()
    tag = f"crashloop/{name}:{content[:16]}"
    if _find(daemon, tag):
        return tag
    with _build_lock(tag):
        if not _find(daemon, tag):
            say(f"building {tag} from {images.base_image}")
            _build(daemon, tag, content, context, arguments, hint=hint)
    return tag


def _find(daemon: Daemon, image: str) -> str | None:
    with sdk_errors(f"the image {image} could not be looked up"):
        try:
            return str(daemon.api.inspect_image(image)["Id"])
        except docker.errors.ImageNotFound:
            return None


def _build(
    daemon: Daemon,
    tag: str,
    content: str,
    context: Context,
    arguments: dict[str, str],
    *,
    hint: str,
) -> None:
    _run_build(
        daemon,
        tag,
        hint=hint,
        fileobj=io.BytesIO(context.tar()),
        custom_context=True,
        dockerfile=context.dockerfile,
        labels={PROJECT_LABEL: "1", CONTENT_LABEL: content},
        buildargs=arguments,
    )


def _run_build(daemon: Daemon, tag: str, *, hint: str, **options: Any) -> None:
    """Build with the SDK's own `options`; CapabilityError with the last lines if it fails."""
    lines: list[str] = []
    with sdk_errors(f"the image {tag} could not be built"):
        for step in daemon.api.build(
            **options, tag=tag, rm=True, forcerm=True, decode=True, timeout=BUILD_BOUND_S
        ):
            lines += str(step.get("stream", "")).splitlines()
            if "error" in step:
                tail = "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])
                raise CapabilityError(
                    f"the image {tag} could not be built: {step['error']}; its last lines:\n{tail}",
                    hint=hint,
                )


@contextlib.contextmanager
def _build_lock(tag: str) -> Iterator[None]:
    """Let one process build at a time: two runs that start together need the same image once."""
    path = cache_folder(unprivileged_account()) / "docker-build.lock"
    with path.open("w", encoding="ascii") as lock:
        until_s = time.monotonic() + BUILD_BOUND_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until_s:
                    raise HarnessError(
                        f"another run has been building for {BUILD_BOUND_S:g} s, and {tag} waits",
                        hint=f"see which process holds {path}: lsof {path}",
                    ) from None
                time.sleep(LOCK_INTERVAL_S)  # a file lock gives no event
        yield
