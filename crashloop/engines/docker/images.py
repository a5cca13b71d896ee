"""The images of a run: there already, pulled, or built from this installation's own files."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.engines.account import unprivileged_account
from crashloop.engines.docker.context import app_context, sidecar_context
from crashloop.engines.docker.daemon import told
from crashloop.engines.template import cache_folder
from crashloop.errors import CapabilityError, HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crashloop.engines.docker.context import Context
    from crashloop.engines.docker.daemon import Daemon
    from crashloop.engines.docker.settings import Images

PROJECT_LABEL = "org.crashloop.image"
CONTENT_LABEL = "org.crashloop.content"
BUILD_BOUND_S = 900.0
LOCK_INTERVAL_S = 0.2
TAIL_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The images of a run by what they are for; each is there."""

    postgres: str
    toxiproxy: str
    cache: str
    app: str
    sidecar: str


def ready(daemon: Daemon, images: Images, *, say: Callable[[str], None]) -> Ready:
    """See to it that every image is there; `say` is told what takes long. Blocking.

    Raises CapabilityError where one can be neither pulled nor built, with the daemon's own words.
    """
    wheels = Path(images.wheels) if images.wheels else None
    for name in ("postgres_image", "toxiproxy_image", "cache_image", "app_image", "sidecar_image"):
        if getattr(images, name):
            _pulled(daemon, images, name, say)
    app = images.app_image or _built(daemon, images, "app", app_context(wheels), say)
    sidecar = images.sidecar_image or _built(
        daemon, images, "sidecar", sidecar_context(wheels), say
    )
    return Ready(
        postgres=images.postgres_image,
        toxiproxy=images.toxiproxy_image,
        cache=images.cache_image,
        app=app,
        sidecar=sidecar,
    )


def _pulled(daemon: Daemon, images: Images, name: str, say: Callable[[str], None]) -> str:
    """The id of the image in the field `name`; pulled first where it is missing."""
    image = str(getattr(images, name))
    found = _find(daemon, image)
    if found:
        return found
    say(f"pulling {image}")
    try:
        with told(f"the image {image} is not here and cannot be pulled"):
            return str(daemon.client.images.pull(image).id)
    except HarnessError as error:
        raise CapabilityError(
            error.message,
            hint="see whether its registry can be reached from here, or name another image with "
            f"{images.variable(name)}",
        ) from error


def _built(
    daemon: Daemon, images: Images, name: str, context: Context, say: Callable[[str], None]
) -> str:
    """The tag of an image of ours; built first where no image has this very content."""
    base = _pulled(daemon, images, "base_image", say)
    arguments = {"BASE": images.base_image, "PIP_OPTIONS": images.pip_options}
    if images.wheels:
        arguments["PIP_OPTIONS"] = "--no-index --find-links /wheels"
    content = hashlib.sha256(f"{base} {arguments} {context.digest}".encode()).hexdigest()
    tag = f"crashloop/{name}:{content[:16]}"
    if _find(daemon, tag):
        return tag
    with _alone(tag):
        if not _find(daemon, tag):
            say(f"building {tag} from {images.base_image}")
            _build(daemon, tag, content, context, arguments, hint=_build_hint(images))
    return tag


def _find(daemon: Daemon, image: str) -> str | None:
    import docker.errors  # noqa: PLC0415  an extra

    with told(f"the image {image} could not be looked up"):
        try:
            return str(daemon.api.inspect_image(image)["Id"])
        except docker.errors.ImageNotFound:
            return None


def _build_hint(images: Images) -> str:
    variable = images.variable("wheels")
    if images.wheels:
        return f"the folder {variable}={images.wheels} has not all the wheels that are needed"
    return f"see the lines above; without a package index, name a folder of wheels with {variable}"


def _build(
    daemon: Daemon,
    tag: str,
    content: str,
    context: Context,
    arguments: dict[str, str],
    *,
    hint: str,
) -> None:
    said: list[str] = []
    with told(f"the image {tag} could not be built"):
        for step in daemon.api.build(
            fileobj=io.BytesIO(context.tar()),
            custom_context=True,
            dockerfile=context.dockerfile,
            tag=tag,
            labels={PROJECT_LABEL: "1", CONTENT_LABEL: content},
            buildargs=arguments,
            rm=True,
            forcerm=True,
            decode=True,
            timeout=BUILD_BOUND_S,
        ):
            said += str(step.get("stream", "")).splitlines()
            if "error" in step:
                tail = "\n".join(f"    {line}" for line in said[-TAIL_LINES:])
                raise CapabilityError(
                    f"the image {tag} could not be built: {step['error']}; its last lines:\n{tail}",
                    hint=hint,
                )


@contextlib.contextmanager
def _alone(tag: str) -> Iterator[None]:
    """Let one process build at a time: two runs that begin together need the same image once."""
    folder = cache_folder(unprivileged_account())
    path = folder / "docker-build.lock"
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
                        hint=f"see who holds {path}: lsof {path}",
                    ) from None
                # A file's lock gives no event.
                time.sleep(LOCK_INTERVAL_S)
        yield
