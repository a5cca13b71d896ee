"""One step from a trace of schema 1 to schema 2.

Schema 1 knew one replica, one proxied dependency (Postgres) and one journey, the sample app's
golden path. A signature is upgraded with its digest, but only if it still fits the old one.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from crashloop.model import Signature
from crashloop.model.signature import digest_of
from crashloop.trace.event import JOURNEY_ENDED

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "crashloop.trace/1"
TARGET = "postgres"
PHASE = "database"
PHASES = ("init", "dependencies", "database", "cache", "services", "websocket", "finalize")

_ABOUT_TARGET = (
    "link.",
    "gate.",
    "proxy.created",
    "proxy.removed",
    "toxic.",
    "database.",
    "fault.",
)
_STEPS = {
    "golden.answered": (1, "the message was answered"),
    "golden.listed": (2, "the message was listed"),
    "golden.row": (3, f"the message is a row in {TARGET}"),
}
_JOURNEY = tuple({"says": says} for _, says in _STEPS.values())
_CHECKS = {
    "baseline_passed": ("baseline_passed", {"target": TARGET}),
    "path_used": ("path_used", {"phase": PHASE, "target": TARGET}),
    "faults_have_receipts": ("faults_have_receipts", {"phase": PHASE, "target": TARGET}),
    "no_receipt": ("no_receipt", {"target": TARGET}),
    "recovered": ("recovered", {"phase": PHASE}),
    "golden_path": ("journey_passed", {}),
    "no_connection_left": ("no_connection_left", {"target": TARGET}),
}
"""Checks with another name or more parameters now."""

_RECEIPTS = {
    "direct": {"kinds": ["link.held", "link.delayed"], "whose": "link"},
    "kernel": {"kinds": ["gate.syn_seen"], "whose": "link"},
    "client": {"kinds": ["phase.failed", "phase.degraded"], "whose": "app"},
}


def header(old: Mapping[str, Any]) -> dict[str, Any]:
    """The header in schema 2; KeyError, TypeError or AttributeError if it cannot be read.

    A signature that does not fit its digest gets an empty one, so that nothing fits it.
    """
    new = dict(old)
    signature = old.get("signature")
    if isinstance(signature, dict):
        unchanged = digest_of(signature) == old.get("signature_sha256")
        new["signature"] = _signature(signature)
        digest = Signature.from_json(new["signature"]).digest()
        new["signature_sha256"] = digest if unchanged else ""
    if isinstance(old.get("scenario"), dict):
        new["scenario"] = _scenario(old["scenario"])
    return new


def event(old: Mapping[str, Any]) -> dict[str, Any]:
    """A line in schema 2, whose fields have been checked to be of their types."""
    kind, data = old["kind"], dict(old["data"])
    of_app = old["source"] == "app"
    target = None
    if not of_app and (kind.startswith(_ABOUT_TARGET) or kind == "baseline.passed"):
        target = TARGET
    if "database_address" in data:
        address = data.pop("database_address")
        data |= {"addresses": {TARGET: address}} if kind == "lab.ready" else {"address": address}
    if not of_app:
        kind, data, target = _observed(kind, data, target)
    attempt = old.get("attempt")
    replica = None if attempt is None else 1
    return {**old, "kind": kind, "data": data, "target": target, "replica": replica}


def _observed(
    kind: str, data: dict[str, Any], target: str | None
) -> tuple[str, dict[str, Any], str | None]:
    """Kind, data and target of an event that the harness recorded."""
    if kind in _STEPS:
        step, says = _STEPS[kind]
        data = {**data, "step": step, "of": len(_STEPS), "says": says}
        return "journey.step", data, TARGET if kind == "golden.row" else None
    match kind:
        case "golden.failed":
            return "journey.failed", data, target
        case "probe.answered":
            return "ready.answered", _ready(data), target
        case "lab.ready":
            data["app_addresses"] = {"1": data.pop("app_address", None)}
        case "process.started":
            data["revision"] = "new"
        case "run.finished" if data.get("how") == "the golden path ended":
            data["how"] = JOURNEY_ENDED
    return kind, data, target


def _ready(data: Mapping[str, Any]) -> dict[str, Any]:
    """An answer of the ready path, which served with its database if it was ready."""
    phases = data.get("phases")
    states = phases if isinstance(phases, dict) else {}
    state, status = states.get(PHASE), data.get("status")
    served = status == "ready" and state is None
    served |= status in ("ready", "degraded") and state == "complete"
    answer = {"status": status} if status else {}
    answer |= {f"phases.{name}": word for name, word in states.items()}
    rest = {name: data[name] for name in ("status_code", "error") if name in data}
    return {"ready": data.get("status_code") == HTTPStatus.OK and served, **rest, "answer": answer}


def _signature(old: Mapping[str, Any]) -> dict[str, Any]:
    new = dict(old)
    for role in ("require", "expect"):
        new[role] = [_check(spec) for spec in old[role]]
    return new


def _check(old: Mapping[str, Any]) -> dict[str, Any]:
    name, more = _CHECKS.get(old["check"], (old["check"], {}))
    params = {**old["params"], **more}
    return {**old, "check": name, "params": params, "with_remedy": False}


def _scenario(old: Mapping[str, Any]) -> dict[str, Any]:
    new = {k: v for k, v in old.items() if k not in {"transport", "policy"}}
    policy = old["policy"]
    own = policy["name"] == "cloud-run-observed"
    return new | {
        "phase": PHASE,
        "app": _app(old["app"]),
        "dependencies": [
            {"name": TARGET, "kind": TARGET, "transport": old["transport"], "settings": {}}
        ],
        "platform": {
            "name": policy["name"] if own else "docker",
            "restart": policy,
            "startup": None,
            "liveness": None,
            "readiness": None,
            "grace_s": 10.0,
        },
        "faults": [_fault(fault) for fault in old["faults"]],
        "signature": _signature(old["signature"]),
        "replicas": {"count": 1, "stagger_s": 0.0, "overlap": 0, "old_knobs": {}},
    }


def _app(old: Mapping[str, Any]) -> dict[str, Any]:
    timers = {name: str(value) for name, value in old["timers_s"].items()}
    return {
        "name": old["target"],
        "command": [],
        "env": {**old["settings"], **timers},
        "cwd": "",
        "timers": list(timers),
        "knobs": {},
        "ready": {"path": "/health/ready", "json": {"phases": {PHASE: "complete"}}},
        "journey": {"steps": [dict(step) for step in _JOURNEY], "within_s": 5.0},
        "phases": list(PHASES),
    }


def _fault(old: Mapping[str, Any]) -> dict[str, Any]:
    new = {k: v for k, v in old.items() if k != "grade"}
    return new | {
        "target": TARGET,
        "receipt": {"grade": old["grade"], **_RECEIPTS[old["grade"]], "where": {}},
        "inject": _trigger(old["inject"]),
        "heal": _trigger(old["heal"]),
        "each_life": False,
    }


def _trigger(old: Mapping[str, Any]) -> dict[str, Any]:
    return {"first_of": [_moment(each) for each in old["first_of"]], "all_of": []}


def _moment(old: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: old[name] for name in ("attempt", "phase") if old.get(name) is not None}
    return {"on": old["on"], "where": named, "after_s": old["after_s"]}
