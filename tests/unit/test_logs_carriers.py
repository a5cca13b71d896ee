"""Carriers of logs: what each writes around the same lines, and what it says on its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from crashloop.diagnosis.order import in_order
from crashloop.diagnosis.reading import Reading
from crashloop.logs.entry import Line
from crashloop.logs.formats import FORMATS, entries

if TYPE_CHECKING:
    from crashloop.diagnosis.case import Case

AT = "2026-08-01T09:00:00.5Z"
LINES = ["INFO:     Started server process [1]", "ERROR:    Application startup failed. Exiting."]
CONTAINER = "com.docker.compose.project=shop, com.docker.compose.service=web, name=shop-web-1"
ID = "3f4e" * 16


def case_of(text: str) -> Case:
    lines = [Line("log", n, line) for n, line in enumerate(text.splitlines(), 1)]
    kept, _ = in_order(list(entries(lines)))
    reading = Reading()
    reading.read(kept)
    return reading.case(read=len(lines))


CARRIED = {
    "cri": f"{AT} stderr F {{}}",
    "heroku": f"{AT} app[web.1]: {{}}",
    "kubectl-prefix": f"[pod/web-0/app] {AT} {{}}",
    "compose": f"\x1b[36mweb-1  | \x1b[0m{AT} {{}}",
    "journal": "Aug 01 09:00:00 host uvicorn[7]: {}",
    "plain": f"{AT} {{}}",
}


@pytest.mark.parametrize("name", [*CARRIED, "docker-file"])
def test_a_carrier_is_recognised_and_taken_off_its_lines(name: str) -> None:
    if name == "docker-file":
        carried = [
            json.dumps({"log": f"{line}\n", "stream": "stderr", "time": AT}, separators=(",", ":"))
            for line in LINES
        ]
    else:
        carried = [CARRIED[name].format(line) for line in LINES]

    assert max(FORMATS.values(), key=lambda one: one.fits(carried)).name == name
    (life,) = case_of("\n".join(carried)).lives
    assert (life.failed, [e.kind for e in life.events]) == (True, ["log.server"] * 2)
    assert bool(life.events[0].at) == (name != "journal")  # which tells no year


def test_a_line_in_parts_is_put_together() -> None:
    case = case_of(f"{AT} stdout P INFO:     Application st\n{AT} stdout F artup complete.\n" * 2)

    assert case.trace.of("log.server")[0].data["says"] == "startup_complete"


def test_what_compose_says_of_a_container_is_an_event() -> None:
    case = case_of(
        "web-1  | INFO:     Started server process [1]\n"
        "web-1 exited with code 3 (restarting)\n"
        " Container shop-db-1  Unhealthy\n"
        "dependency failed to start: container shop-db-1 is unhealthy\n"
    )

    assert [e.data["exit_code"] for e in case.trace.of("process.exited")] == [3]
    assert [e.data["says"] for e in case.trace.of("platform.said")] == [
        "unhealthy", "dependency-failed",
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["text", "json"])
def test_events_of_docker_tell_of_lives(form: str) -> None:
    told = [
        ("start", {}), ("oom", {}), ("die", {"exitCode": "137", "execDuration": "12"}),
        ("start", {}), ("health_status: unhealthy", {}), ("kill", {"signal": "15"}),
        ("die", {"exitCode": "143", "execDuration": "3"}), ("exec_start: ls", {}),
    ]  # fmt: skip
    own = dict(pair.split("=") for pair in CONTAINER.split(", "))
    lines = []
    for second, (action, more) in enumerate(told):
        of = {**own, **more}
        if form == "text":
            listed = ", ".join(f"{k}={v}" for k, v in of.items())
            lines.append(f"2026-08-01T09:00:{second:02}.5Z container {action} {ID} ({listed})")
        else:
            actor = {"ID": ID, "Attributes": of}
            event = {"Type": "container", "Action": action, "Actor": actor, "timeNano": second}
            lines.append(json.dumps(event, separators=(",", ":")))

    case = case_of("\n".join(lines))

    assert case.sources == ("web-1",)
    assert [e.data for e in case.trace.of("process.exited")] == [
        {"by": "docker", "exit_code": 137, "ran_s": 12.0, "reason": "OOMKilled",
         "at_ns": case.trace.of("process.exited")[0].data["at_ns"]},
        {"by": "docker", "exit_code": 143, "ran_s": 3.0,
         "at_ns": case.trace.of("process.exited")[1].data["at_ns"]},
    ]  # fmt: skip
    assert [life.attempt for life in case.lives] == [1, 2]
    assert [e.data["says"] for e in case.trace.of("platform.said")] == [
        "oom", "unhealthy", "killing",
    ]  # fmt: skip


def test_an_inspected_container_tells_how_it_last_ended() -> None:
    state = {
        "Status": "exited", "OOMKilled": True, "ExitCode": 137,
        "StartedAt": "2026-08-01T09:00:00.5Z", "FinishedAt": "2026-08-01T09:00:11.5Z",
    }  # fmt: skip
    case = case_of(json.dumps({"Name": "/web", "State": state, "RestartCount": 4}))

    (ended,) = case.trace.of("process.exited")
    assert (ended.data["reason"], ended.data["ran_s"], ended.target) == ("OOMKilled", 11.0, "web")
    assert len(case.restarted) == 1


def test_systemd_tells_of_the_units_lives() -> None:
    case = case_of(
        "Aug 01 09:00:00 host systemd[1]: Started web.service - Web.\n"
        "Aug 01 09:00:01 host uvicorn[7]: ERROR:    Application startup failed. Exiting.\n"
        "Aug 01 09:00:01 host systemd[1]: web.service: Main process exited, code=exited, "
        "status=3/NOTIMPLEMENTED\n"
        "Aug 01 09:00:02 host systemd[1]: web.service: Scheduled restart job, restart counter is "
        "at 5.\n"
    )

    assert case.sources == ("",)
    (life,) = case.lives
    assert (life.failed, life.exit is not None and life.exit.data["exit_code"]) == (True, 3)
    assert len(case.restarted) == 1
