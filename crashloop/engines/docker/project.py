"""All that one run has on the daemon: networks, a volume, containers, each under its label."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crashloop.engines import reaper
from crashloop.engines.docker.daemon import told
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crashloop.engines.docker.daemon import Daemon

RUN_LABEL = "org.crashloop.run"
OWNER_LABEL = "org.crashloop.owner"
ROLE_LABEL = "org.crashloop.role"
STOP_SIGNAL_BOUND_S = 3
GONE_BOUND_S = 10

_PID = re.compile("[0-9]{1,10}")


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
                labels=self.labels_of(role),
            )

    def volume(self, role: str) -> str:
        """A volume of this run alone; gives its name."""
        with told(f"the volume {role} could not be made"):
            made = self.daemon.client.volumes.create(
                self.name(role),
                labels=self.labels_of(role),
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
            try:
                container.start()
            finally:
                container.get_docker_client().client.close()  # each has a client of its own
        if network is None:
            return ""
        return self.address(container.get_container_id(), network)

    def address(self, container: str, network: Any) -> str:
        """Where a container that runs is reached on `network`."""
        with told("a container could not be looked at"):
            seen = self.daemon.api.inspect_container(container)
        return str(seen["NetworkSettings"]["Networks"][network.name]["IPAddress"])

    def labels_of(self, role: str) -> dict[str, str]:
        """What a thing of the run carries, Ryuk's label included, where Ryuk runs."""
        return {**_session_labels(), **self.labels, ROLE_LABEL: role}

    def name(self, role: str) -> str:
        """A container's name, by which the others on its network find it."""
        return f"crashloop-{self.run_id}-{role}"

    def remove(self) -> list[str]:
        """Remove everything that carries this run's label; gives what was removed."""
        return remove_labelled(self.daemon.client, f"{RUN_LABEL}={self.run_id}")


def owner(pid: int | None = None) -> str:
    """Who a run belongs to: a process (default: this one) by its machine, id and start."""
    pid = os.getpid() if pid is None else pid
    return f"{_here()}/{pid}/{reaper.identity(pid)}"


def is_alive(text: str) -> bool | None:
    """Whether a label's owner still lives; None for one elsewhere, or a label that is none.

    Elsewhere is another machine, or another namespace of process ids: a container's on this one.
    """
    here, pid, started = (*text.split("/", 2), "", "")[:3]
    if here != _here() or not _PID.fullmatch(pid) or not started:
        return None
    return reaper.identity(int(pid)) == started


def remove_labelled(client: Any, label: str) -> list[str]:
    """Remove the containers, then the networks and volumes that carry `label`; says which.

    All of a kind at once, as the daemon takes its time for each. What somebody else removes
    meanwhile is no error. What cannot be removed keeps nothing else: HarnessError at the end.
    """
    filters = {"label": label}
    removed: list[str] = []
    errors: list[HarnessError] = []

    def remove(kind: str, things: list[tuple[str, str]], how: Callable[[str], None]) -> None:
        def one(thing: tuple[str, str]) -> None:
            name, identity = thing
            try:
                with told(f"the {kind} {name} could not be removed"):
                    if _gone(how, identity):
                        removed.append(f"{kind} {name}")
            except HarnessError as error:
                errors.append(error)

        list(pool.map(one, things))

    with told("what is left of a run could not be listed"), ThreadPoolExecutor(16) as pool:
        api = client.api
        containers = [(_name(c), c["Id"]) for c in api.containers(all=True, filters=filters)]
        remove("container", containers, lambda one: _remove_container(client, one))
        networks = [(n["Name"], n["Id"]) for n in api.networks(filters=filters)]
        remove("network", networks, api.remove_network)
        found = api.volumes(filters=filters).get("Volumes") or []
        remove("volume", [(v["Name"], v["Name"]) for v in found], api.remove_volume)
    if errors:
        raise errors[0]
    return removed


def _name(container: dict[str, Any]) -> str:
    names = container["Names"]
    return str(names[0]).lstrip("/") if names else str(container["Id"])


def _remove_container(client: Any, identity: str) -> None:
    """Remove it; where somebody else is about to, wait until it is gone: its network goes next."""
    import docker.errors  # noqa: PLC0415  an extra

    try:
        client.api.remove_container(identity, force=True, v=True)
    except docker.errors.APIError as error:
        if "already in progress" not in str(error):
            raise
        client.api.wait(identity, condition="removed", timeout=GONE_BOUND_S)


def _gone(remove: Callable[[str], None], identity: str) -> bool:
    """Remove it; False when it was gone already."""
    import docker.errors  # noqa: PLC0415  an extra

    try:
        remove(identity)
    except docker.errors.NotFound:
        return False
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


def _here() -> str:
    """This machine and the namespace in which a process id means something."""
    try:
        return f"{boot_id()}:{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return boot_id()
