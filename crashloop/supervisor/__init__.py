"""What really runs the app on a platform: starts, probes, kills and restarts its replicas."""

from __future__ import annotations

from crashloop.supervisor.ask import RunCommand
from crashloop.supervisor.command import run_command
from crashloop.supervisor.life import LifeProcess, StartLife
from crashloop.supervisor.loop import ReplicaLoop
from crashloop.supervisor.prober import Prober, require_commands
from crashloop.supervisor.replicas import Supervisor

__all__ = [
    "LifeProcess",
    "Prober",
    "ReplicaLoop",
    "RunCommand",
    "StartLife",
    "Supervisor",
    "require_commands",
    "run_command",
]
