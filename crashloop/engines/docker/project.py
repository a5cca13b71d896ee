"""Everything that one run has on the daemon: networks, a volume and containers, all labelled."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import docker.errors
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from crashloop.engines.docker.daemon import sdk_errors
from crashloop.engines.docker.interference import Interference
from crashloop.engines.docker.owner import OWNER_LABEL, owner_label
from crashloop.engines.docker.removal import ROLE_LABEL, RUN_LABEL, Fate, labelled, remove
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crashloop.engines.docker.daemon import Daemon
    from crashloop.trace.redact import Redactor

MAX_LOG_LINES = 20_000


class Project:
    """One run's things on the daemon. Every call is blocking; `remove` removes all of them."""

    def __init__(self, daemon: Daemon, run_id: str) -> None:
        self.daemon = daemon
        self.run_id = run_id
        self.interference = Interference()
        # Ryuk, the watchdog of Testcontainers, publishes a port on every address of the machine.
        testcontainers_config.ryuk_disabled = True

    def network(self, role: str) -> Any:
        """Create a network of this run alone, without a route to anywhere else."""
        with sdk_errors(f"the network {role} could not be created"):
            return self.daemon.client.networks.create(
                self.name(role), internal=True, labels=self.labels(role)
            )

    def volume(self, role: str) -> str:
        """Create a volume of this run alone; returns its name."""
        with sdk_errors(f"the volume {role} could not be created"):
            made = self.daemon.client.volumes.create(self.name(role), labels=self.labels(role))
        return str(made.name)

    def container(
        self,
        role: str,
        image: str,
        *,
        network: Any = None,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> DockerContainer:
        """Prepare a container for `start`; no port is published. `options` are the SDK's own."""
        if network is not None:
            options["network"] = network.name
        with sdk_errors(f"the container {role} could not be prepared"):
            made = DockerContainer(image, env=dict(environment or {}), name=self.name(role))
        if command is not None:
            made.with_command(list(command))
        return made.with_kwargs(labels=self.labels(role), **options)

    def start(self, container: DockerContainer, network: Any = None) -> str:
        """Create and start it; returns its address on `network`, if one is given."""
        with sdk_errors(f"the container {container._name} could not be started"):  # noqa: SLF001  no API
            try:
                container.start()
            finally:
                container.get_docker_client().client.close()  # each has a client of its own
            if network is None:
                return ""
            seen = self.daemon.api.inspect_container(container.get_container_id())
        return str(seen["NetworkSettings"]["Networks"][network.name]["IPAddress"])

    def join(self, container: str, network: Any) -> None:
        """Connect a container to one more network."""
        with sdk_errors(f"a container could not join the network {network.name}"):
            network.connect(container)

    def labels(self, role: str) -> dict[str, str]:
        """The labels of a thing of this run."""
        return {RUN_LABEL: self.run_id, OWNER_LABEL: owner_label(), ROLE_LABEL: role}

    def name(self, role: str) -> str:
        """A container's name, which the others on its network can resolve."""
        return f"crashloop-{self.run_id}-{role}"

    def save(self, artifacts: Path, redactor: Redactor) -> dict[str, int]:
        """Save every container's log and state; returns the number of log lines by role.

        Secrets are masked. Files: ROLE.log, and `containers.json` as `docker inspect` shows them.
        """
        with sdk_errors("the containers' logs could not be saved"), ThreadPoolExecutor(8) as pool:
            filters = {"label": f"{RUN_LABEL}={self.run_id}"}
            found = self.daemon.api.containers(all=True, filters=filters)
            saved = list(pool.map(lambda each: self._save(each, artifacts, redactor), found))
            states = {role: state for role, state, _ in saved}
            (artifacts / "containers.json").write_text(json.dumps(states, indent=1) + "\n")
        return {role: lines for role, _, lines in saved}

    def remove(self) -> None:
        """Remove everything; HarnessError names what could not be removed."""
        client = self.daemon.client
        for done in remove(client, labelled(client, f"{RUN_LABEL}={self.run_id}")):
            if done.fate is Fate.FAILED:
                what = f"the {done.thing.kind} {done.thing.name}"
                raise HarnessError(f"{what} {done.why}", hint=done.hint)

    def _save(
        self, each: Mapping[str, Any], artifacts: Path, redactor: Redactor
    ) -> tuple[str, Any, int]:
        api, identity = self.daemon.api, each["Id"]
        role = str(each["Labels"].get(ROLE_LABEL, identity[:12]))
        try:
            state = redactor.data(api.inspect_container(identity))
            log = api.logs(identity, stdout=True, stderr=True, tail=MAX_LOG_LINES)
        except docker.errors.APIError as error:  # somebody has just removed it
            return role, {"not_saved": str(error)}, 0
        text = redactor.text(log.decode(errors="replace"))
        (artifacts / f"{role}.log").write_text(text, encoding="utf-8")
        return role, state, log.count(b"\n") + (not log.endswith(b"\n") and bool(log))
