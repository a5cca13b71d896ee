"""All that one run has on the daemon: networks, a volume, containers, each under its label."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crashloop.engines import reaper
from crashloop.engines.docker.daemon import told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.engines.docker.daemon import Daemon

RUN_LABEL = "org.crashloop.run"
OWNER_LABEL = "org.crashloop.owner"
ROLE_LABEL = "org.crashloop.role"
STOP_SIGNAL_BOUND_S = 3


class Project:
    """One run's things on the daemon. Every call is blocking; `remove` takes all of them away."""

    def __init__(self, daemon: Daemon, run_id: str) -> None:
        self.daemon = daemon
        self.run_id = run_id
        self.labels = {RUN_LABEL: run_id, OWNER_LABEL: owner()}

    def network(self, role: str) -> Any:
        """A network of this run alone, without a way to anywhere else."""
        with told(f"the network {role} could not be made"):
            return self.daemon.client.networks.create(
                self.name(role),
                internal=True,
                labels={**_session_labels(), **self.labels, ROLE_LABEL: role},
            )

    def volume(self, role: str) -> str:
        """A volume of this run alone; gives its name."""
        with told(f"the volume {role} could not be made"):
            made = self.daemon.client.volumes.create(
                self.name(role),
                labels={**_session_labels(), **self.labels, ROLE_LABEL: role},
            )
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
    ) -> Any:
        """A container of Testcontainers, not made yet; no port is published.

        `options` go to the SDK as they are.
        """
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415  an extra

        if network is not None:
            options["network"] = network.name
        with told(f"the container {role} could not be prepared"):
            made = DockerContainer(
                image,
                env=dict(environment or {}),
                name=self.name(role),
            )
        if command is not None:
            made.with_command(list(command))
        return made.with_kwargs(labels={**self.labels, ROLE_LABEL: role}, **options)

    def start(self, container: Any, network: Any = None) -> str:
        """Make and start it; gives its address on `network`, if one is given."""
        with told(f"the container {container._name} could not be started"):  # noqa: SLF001  no API
            container.start()
        if network is None:
            return ""
        return self.address(container.get_container_id(), network)

    def address(self, container: str, network: Any) -> str:
        """Where a container that runs is reached on `network`."""
        with told("a container could not be looked at"):
            seen = self.daemon.api.inspect_container(container)
        return str(seen["NetworkSettings"]["Networks"][network.name]["IPAddress"])

    def name(self, role: str) -> str:
        """A container's name, by which the others on its network find it."""
        return f"crashloop-{self.run_id}-{role}"

    def remove(self) -> list[str]:
        """Remove everything that carries this run's label; gives what was removed."""
        return remove_labelled(self.daemon.client, f"{RUN_LABEL}={self.run_id}")


def owner() -> str:
    """Who a run belongs to: this process by its machine, id and start, as ids come again."""
    pid = os.getpid()
    return f"{boot_id()}:{pid}:{reaper.identity(pid)}"


def is_alive(text: str) -> bool | None:
    """Whether a label's owner still lives; None when it is on another machine, or unreadable."""
    boot, _, rest = text.partition(":")
    pid, _, started = rest.partition(":")
    if not pid.isdigit() or not started:
        return None
    if boot != boot_id():
        return None
    return reaper.identity(int(pid)) == started


def remove_labelled(client: Any, label: str) -> list[str]:
    """Remove the containers, then the networks and volumes that carry `label`; says which.

    All containers at once: the daemon takes its time for each. What somebody else removes
    meanwhile is no error; what cannot be removed is a HarnessError at the end.
    """
    filters = {"label": label}
    removed: list[str] = []
    with told("what is left of a run could not be listed"), ThreadPoolExecutor(16) as pool:
        containers = client.api.containers(all=True, filters=filters)
        names = [
            each["Names"][0].lstrip("/") if each["Names"] else each["Id"] for each in containers
        ]
        done = pool.map(lambda each: _remove_container(client, each["Id"]), containers)
        removed += [f"container {name}" for name, gone in zip(names, done, strict=True) if gone]
        networks = client.api.networks(filters=filters)
        volumes = client.api.volumes(filters=filters).get("Volumes") or []
        gone = pool.map(lambda each: _gone(client.api.remove_network, each["Id"]), networks)
        removed += [f"network {n['Name']}" for n, was in zip(networks, gone, strict=True) if was]
        gone = pool.map(lambda each: _gone(client.api.remove_volume, each["Name"]), volumes)
        removed += [f"volume {v['Name']}" for v, was in zip(volumes, gone, strict=True) if was]
    return removed


def _remove_container(client: Any, identity: str) -> bool:
    return _gone(client.api.remove_container, identity, force=True, v=True)


def _gone(remove: Any, identity: str, **options: Any) -> bool:
    """Remove it; False when it was gone already, or is being removed by somebody else."""
    import docker.errors  # noqa: PLC0415  an extra

    try:
        remove(identity, **options)
    except docker.errors.NotFound:
        return False
    except docker.errors.APIError as error:
        if "already in progress" in str(error):
            return False
        raise
    return True


def _session_labels() -> dict[str, str]:
    """What Ryuk, where it runs, knows this session's things by; containers have it anyway."""
    from testcontainers.core.labels import LABEL_SESSION_ID, SESSION_ID  # noqa: PLC0415  an extra

    return {LABEL_SESSION_ID: SESSION_ID}


def boot_id() -> str:
    """Which machine this is, since it was started; containers of one kernel share it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"{os.uname().nodename}"
