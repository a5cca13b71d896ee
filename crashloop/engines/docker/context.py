"""Build contexts: one tar of exactly the files that an image is made of, and its digest."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

from crashloop.errors import CapabilityError, UsageError

# A folder of sources: neither what makes it, nor what was installed into it, nor its secrets
_LEFT_OUT = {"__pycache__", "node_modules", "venv"}
MAX_FOLDER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Files with a Dockerfile among them, and the SHA-256 over their names and contents, in hex.

    A wheel counts by its name, which has its version.
    """

    files: dict[str, Path]
    dockerfile: str
    digest: str

    def tar(self) -> bytes:
        """All of them in a tar."""
        return pack(self.files)


def app_context(wheels: Path | None) -> Context:
    """The sample app, with its own Dockerfile."""
    folder = package_folder("app_under_test")
    files = {f"app_under_test/{name}": path for name, path in package_files(folder).items()}
    return _context(files, "app_under_test/Dockerfile", wheels)


def sidecar_context(wheels: Path | None) -> Context:
    """Crashloop itself, for the proxy in the side-car."""
    folder = package_folder("crashloop")
    files = {f"crashloop/{name}": path for name, path in package_files(folder).items()}
    return _context(files, "crashloop/engines/docker/Dockerfile", wheels)


def package_folder(name: str) -> Path:
    """Find the folder of an installed package without importing it."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise CapabilityError(
            f"the package {name} is not installed with crashloop, so its image cannot be built",
            hint="reinstall crashloop, or name an image of your own: CRASHLOOP_DOCKER_APP_IMAGE",
        )
    return Path(found.origin).parent


def pack(files: dict[str, Path]) -> bytes:
    """A tar of `files` (name -> path): everybody may read them, and no time is in it."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, path in sorted(files.items()):
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


def package_files(folder: Path) -> dict[str, Path]:
    """The files below `folder` by their names in it: sources alone.

    Left out are hidden files and folders, virtual environments, and what Python generates.
    UsageError for more than 64 MiB.
    """
    found: dict[str, Path] = {}
    size_bytes = 0
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        if hidden or _LEFT_OUT.intersection(parts) or not path.is_file():
            continue
        found[str(path.relative_to(folder))] = path
        size_bytes += path.stat().st_size
        if size_bytes > MAX_FOLDER_BYTES:
            raise UsageError(
                f"the folder {folder} has more than {MAX_FOLDER_BYTES // 1024**2} MiB of files",
                hint="name the folder with the app's sources alone",
            )
    return found


def _context(files: dict[str, Path], dockerfile: str, wheels: Path | None) -> Context:
    if wheels is not None:
        files |= {f"wheels/{path.name}": path for path in wheels.glob("*.whl")}
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        content = name.encode() if path.suffix == ".whl" else path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return Context(files=files, dockerfile=dockerfile, digest=digest.hexdigest())
