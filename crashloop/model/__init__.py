"""The records that all modules share, one noun a module.

Records only: no behaviour beyond turning themselves into JSON, no I/O. Times are seconds of the
incident unless a name says otherwise; the time scale is applied where a run touches a real clock.
"""

from __future__ import annotations

from crashloop.model.app import AppUnderTest, OwnRemedy, PortRule, Ready
from crashloop.model.dependency import Dependency, Transport
from crashloop.model.fault import ALONE, Grade, PlannedFault, Receipt
from crashloop.model.journey import Journey, RequestStep, SqlStep, Step, WebSocketStep
from crashloop.model.launch import Launch
from crashloop.model.life import CONTROL, SETUP_LOG, Life
from crashloop.model.loop import Pattern, RecoveryTime, ReplicaLoop
from crashloop.model.outage import UNTIL_THE_END, Outage
from crashloop.model.outcome import Fate, Flag, Outcome
from crashloop.model.platform import Platform, Probe, ProbeKind, RestartPolicy
from crashloop.model.replicas import Replicas
from crashloop.model.role import Role
from crashloop.model.scenario import Scenario
from crashloop.model.signature import CheckSpec, Signature
from crashloop.model.trigger import Moment, Trigger, Value
from crashloop.model.verdict import Finding, Judgement, Verdict

__all__ = [
    "ALONE",
    "CONTROL",
    "SETUP_LOG",
    "UNTIL_THE_END",
    "AppUnderTest",
    "CheckSpec",
    "Dependency",
    "Fate",
    "Finding",
    "Flag",
    "Grade",
    "Journey",
    "Judgement",
    "Launch",
    "Life",
    "Moment",
    "Outage",
    "Outcome",
    "OwnRemedy",
    "Pattern",
    "PlannedFault",
    "Platform",
    "PortRule",
    "Probe",
    "ProbeKind",
    "Ready",
    "Receipt",
    "RecoveryTime",
    "ReplicaLoop",
    "Replicas",
    "RequestStep",
    "RestartPolicy",
    "Role",
    "Scenario",
    "Signature",
    "SqlStep",
    "Step",
    "Transport",
    "Trigger",
    "Value",
    "Verdict",
    "WebSocketStep",
]
