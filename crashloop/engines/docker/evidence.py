"""What a run on Docker leaves in its artifacts: every container's log and state."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.daemon import told
from crashloop.engines.docker.project import ROLE_LABEL, RUN_LABEL

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.engines.docker.project import Project
    from crashloop.trace.redact import Redactor

MAX_LOG_LINES = 20_000


def save(project: Project, artifacts: Path, redactor: Redactor) -> dict[str, int]:
    """Save every container's log and state, before anything is removed; gives its lines by role.

    Blocking. Secrets are masked. A container that is gone meanwhile keeps no other's log. Files:
    ROLE.log, and `containers.json` as `docker inspect` has it.
    """
    import docker.errors  # noqa: PLC0415  an extra

    api = project.daemon.api

    def save_one(each: dict[str, Any]) -> tuple[str, Any, int]:
        role = str(each["Labels"].get(ROLE_LABEL, each["Id"][:12]))
        try:
            return save_that(role, each)
        except docker.errors.APIError as error:  # it has just been removed
            return role, {"not_saved": str(error)}, 0

    def save_that(role: str, each: dict[str, Any]) -> tuple[str, Any, int]:
        state = redactor.data(api.inspect_container(each["Id"]))
        log = api.logs(each["Id"], stdout=True, stderr=True, tail=MAX_LOG_LINES)
        text = redactor.text(log.decode(errors="replace"))
        (artifacts / f"{role}.log").write_text(text, encoding="utf-8")
        return role, state, log.count(b"\n") + (not log.endswith(b"\n") and bool(log))

    with told("the containers' logs could not be saved"), ThreadPoolExecutor(8) as pool:
        filters = {"label": f"{RUN_LABEL}={project.run_id}"}
        saved = list(pool.map(save_one, api.containers(all=True, filters=filters)))
        states = {role: state for role, state, _ in saved}
        (artifacts / "containers.json").write_text(json.dumps(states, indent=1) + "\n")
    return {role: lines for role, _, lines in saved}
