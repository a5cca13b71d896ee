"""Incidents of the library in which a platform ends the app, or does not notice that it failed.

Words: Kubernetes 1.31 (kuberuntime_manager.go, prober.go), Cloud Run's system log, uvicorn 0.54
(supervisors/multiprocess.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.diagnosis.cause import Cause, InLogs, Sign
from crashloop.diagnosis.course import DATABASE
from crashloop.diagnosis.signs import exited, is_of_one, killed, restarts, server_log
from crashloop.logs.event import ERROR, EXITED, PLATFORM_SAID, PROBE_FAILED, SERVER
from crashloop.logs.migrations import MIGRATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.diagnosis.case import Case, LifeLog
    from crashloop.trace.event import Event

_PORT = re.compile(r":(\d{1,5})(?=\D|$)")
LONGEST_START_S = 1800.0  # chosen: six of Kubernetes' usual start-up budgets of 300 s
_MEMORY = re.compile(r"Memory limit of \S{1,20} \S{0,5} ?exceeded")


def _never_ready(case: Case) -> list[LifeLog]:
    return [life for life in case.lives if not life.was_ready]


def _killed_by(case: Case, probe: str) -> list[Event]:
    return [
        event
        for event in case.trace.of(PLATFORM_SAID)
        if event.data.get("probe") == probe and event.data.get("says") == "killing"
    ]


def _unready_when_killed(case: Case, probe: str) -> Sequence[Event]:
    """What the platform said of its kills, if at least one source was never ready before."""
    killed = _killed_by(case, probe)
    return killed if killed and _never_ready(case) else ()


def _killed_while_it_migrates(case: Case) -> Sequence[Event]:
    killed, at_work = _unready_when_killed(case, "liveness"), _at_work(case)
    return (*killed, *at_work) if killed and at_work else ()


def _at_work(case: Case) -> Sequence[Event]:
    """The last steps of lives never ready that are of a migration, or of a database, and no end."""
    found = []
    for life in _never_ready(case):
        steps = [e for e in life.events if e.kind.startswith("phase.") or e.kind == MIGRATES]
        if steps and not life.errors and _is_at_database(steps[-1]):
            found.append(steps[-1])
    return found


def _is_at_database(step: Event) -> bool:
    is_begun = step.kind == "phase.started" and DATABASE.search(str(step.data.get("phase")))
    return step.kind == MIGRATES or bool(is_begun)


def _retries(case: Case) -> Sequence[Event]:
    """Failed tries of lives that were never ready and did not give up, two or more each."""
    found = []
    for life in _never_ready(case):
        gave_up = any(e.kind in {"phase.failed", "startup.failed"} for e in life.events)
        tries = [e for e in life.events if e.kind.endswith(".retry_failed") or e.kind == ERROR]
        if not gave_up and len(tries) > 1:
            found += [tries[0], tries[-1]]
    return found


def _killed_while_it_retries(case: Case) -> Sequence[Event]:
    killed, tries = _unready_when_killed(case, "startup"), _retries(case)
    return (*killed, *tries) if killed and tries else ()


def _listens_elsewhere(case: Case) -> Sequence[Event]:
    """A refused probe's port, and the listening lines of lives before any that listens on it."""
    failed = [e for e in case.trace.of(PROBE_FAILED) if _is_refused(e)]
    probes = [e for e in failed if _probed_port(e) is not None]
    asked = {_probed_port(e) for e in probes if e.data.get("probe") != "readiness"}
    said = case.trace.of(PLATFORM_SAID)
    settings = [e for e in said if e.data.get("says") == "probe" and e.data.get("port") in asked]
    found: list[Event] = []
    for life in case.lives:
        is_asked = any(_is_theirs(e, life) for e in probes)
        is_set = not settings or any(_is_theirs(e, life) for e in settings)
        if not (is_asked and is_set):
            continue
        listens = [e for e in life.events if e.kind == SERVER and e.data["says"] == "listening"]
        heard = {int(port) for e in listens for port in _PORT.findall(str(e.data["text"]))}
        if heard & asked:
            break
        found += listens if life.was_ready else ()
    return [probes[-1], *found] if asked and found else ()


def _is_theirs(event: Event, life: LifeLog) -> bool:
    return is_of_one(life.source, str(event.target or ""))


def _is_refused(probe: Event) -> bool:
    """Whether nothing listened there. Cloud Run says of that only that its time was up."""
    return "refused" in str(probe.data.get("error")) or probe.data.get("by") == "cloud-run"


def _probed_port(event: Event) -> int | None:
    port = event.data.get("port")
    return port if isinstance(port, int) else None


def _over_memory(case: Case) -> Sequence[Event]:
    """What the platform said of memory, of sources whose own lines show that none was ready."""
    ready = {life.source for life in case.lives if life.was_ready}
    began = {life.source for life in case.lives if life.has_words}
    return [
        e
        for e in case.trace.of(PLATFORM_SAID)
        if _MEMORY.search(str(e.data.get("text"))) and (e.target or "") in began - ready
    ]


def _ran_long(case: Case) -> Sequence[Event]:
    """The ends for memory of lives that ran for long, whatever their logs still have."""
    return [
        e
        for e in case.trace.of(EXITED)
        if e.data.get("reason") == "OOMKilled" and e.data.get("ran_s", 0) > LONGEST_START_S
    ]


def _hidden(case: Case) -> Sequence[Event]:
    """Failed starts of workers under a parent that goes on; nothing tells of an exit."""
    found = []
    for life in case.lives:
        said = [e for e in life.events if e.kind == SERVER]
        parent = [e for e in said if str(e.data["text"]).startswith("Started parent process")]
        failed = [e for e in said if e.data["says"] == "startup_failed"]
        bad = [e for e in life.events if e.kind == EXITED and e.data.get("exit_code") != 0]
        ready = [e for e in said if e.data["says"] == "startup_complete"]
        goes_on = bool(ready and failed) and failed[-1].seq < ready[-1].seq
        if parent and failed and not bad and not goes_on and life.attempt == 1:
            found += [parent[0], failed[0]]
    restarted = any(life.attempt > 1 for life in case.lives)
    return found if not restarted else ()


def _too_early(probe: str) -> Sign:
    """Each end that has a duration came before the probe, as it is set, could have given up.

    Where the platform says that it killed for that probe, its word counts.
    """

    def look(case: Case) -> Sequence[Event]:
        if _killed_by(case, probe):
            return ()
        said = case.trace.of(PLATFORM_SAID)
        probes = [e for e in said if e.data.get("says") == "probe" and e.data["probe"] == probe]
        ends = [e for e in case.trace.of(EXITED) if "ran_s" in e.data]
        pairs = [(p, e) for p in probes for e in ends if p.target == e.target]
        is_early = all(e.data["ran_s"] < p.data["budget_s"] - p.data["period_s"] for p, e in pairs)
        return [event for pair in pairs for event in pair] if is_early else ()

    return Sign(says=f"it ended before its {probe} probe could have given up", look=look)


_OUT_OF_MEMORY = exited("it was out of memory", reason="OOMKilled")

CAUSES = (
    Cause(
        id="liveness-kills-the-migration",
        title="a liveness probe kills the app while it migrates, at every start",
        meaning="The liveness probe ends an app that is at work in its database, and it begins "
        "again.",
        reproduce="crashloop reproduce liveness-kills-the-migration",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="the liveness probe killed the app while it was at work in the database",
                    look=_killed_while_it_migrates,
                ),
            ),
            points=(
                server_log(
                    "the server lost its client in the middle of a statement",
                    message="^connection to client lost",
                ),
                killed(),
                restarts(),
            ),
            refutes=(_OUT_OF_MEMORY, _too_early("liveness")),
            next="a start-up probe that waits as long as the migration takes",
        ),
    ),
    Cause(
        id="retry-longer-than-the-probe",
        title="the app tries again for longer than its start-up probe waits",
        meaning="The start-up probe kills the app while it still tries to reach what it needs.",
        reproduce="crashloop reproduce retry-longer-than-the-probe",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="the start-up probe killed the app while it still tried",
                    look=_killed_while_it_retries,
                ),
            ),
            points=(killed(), restarts()),
            refutes=(_OUT_OF_MEMORY, _too_early("startup")),
            explains=("database-unreachable", "name-does-not-resolve-for-ever"),
            next="the probe's delay + period x failures beside the retry's own limit",
        ),
    ),
    Cause(
        id="oom-killed-while-starting",
        title="the app needs more memory to start than its limit allows",
        meaning="The kernel killed it for its memory before it was ready, at every start.",
        reproduce="crashloop reproduce oom-killed-while-starting",
        in_logs=InLogs(
            decides=(
                exited(
                    "it was killed for its memory before it was ready",
                    reason="OOMKilled",
                    ready=False,
                ),
                Sign(says="its memory limit was exceeded before it was ready", look=_over_memory),
            ),
            points=(restarts(),),
            refutes=(Sign(says="it had run for longer than a start takes", look=_ran_long),),
            next="the memory that a start takes, beside the limit",
        ),
    ),
    Cause(
        id="listens-on-another-port-than-probed",
        title="the app listens on one port, and the platform asks another",
        meaning="The app is ready, and its probe fails on a port on which nothing listens.",
        reproduce="crashloop reproduce listens-on-another-port-than-probed",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="the app listens on another port than the probe asked",
                    look=_listens_elsewhere,
                ),
            ),
            points=(restarts(),),
            next="the container's port in the platform, beside the port that the app takes",
        ),
    ),
    Cause(
        id="supervisor-hides-the-failure",
        title="a parent process hides that its app cannot start",
        meaning="The start fails in a worker, and its parent goes on: no failed exit, no restart.",
        reproduce="crashloop reproduce supervisor-hides-the-failure",
        in_logs=InLogs(
            decides=(Sign(says="a worker's start failed and its parent went on", look=_hidden),),
            covers=True,
            next="uvicorn without --workers and --reload under a platform that restarts",
        ),
    ),
)
