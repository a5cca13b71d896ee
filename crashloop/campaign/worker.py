"""One worker of a comparison, as a process: it runs one job after the other.

`python -P -m crashloop.campaign.worker` reads a job a line from its standard input and prints the
answer to each as a line, both as JSON. It ends when its standard input closes, and the run of that
moment with it. So no worker outlives the comparison, not even one that was killed.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from crashloop import interrupt
from crashloop.apps import find_entry
from crashloop.campaign.fairness import work_in
from crashloop.campaign.measure import measured
from crashloop.campaign.plan import CONTROL, Job, digest_of
from crashloop.clock import TimeScale
from crashloop.ending import first_failure
from crashloop.errors import CrashloopError, UsageError
from crashloop.incidents import ELSEWHERE, incident
from crashloop.lab import run_scenario
from crashloop.model import Role
from crashloop.options import RunOptions

if TYPE_CHECKING:
    from crashloop.model import AppUnderTest
    from crashloop.run import Run


def answer(job: Job) -> dict[str, Any]:
    """Run the job to its end; what was measured in it, or the error that ended it."""
    try:
        run = _run(job)
    except interrupt.Interrupted:
        raise
    except CrashloopError as error:
        return {"error": error.message, "hint": error.hint, "exit_status": error.exit_status}
    if job.role == CONTROL:
        return {"work": asdict(work_in(run.trace, run.judgement))}
    return {"measured": measured(run.trace, path=str(run.trace_path)).to_json()}


def _run(job: Job) -> Run:
    if job.incidents:
        _know(job.incidents)
    under_test = _entry(job.app, job.config)
    scenario = incident(job.incident).scenario(
        Role(job.role), under_test, remedy=job.remedy, **job.params
    )
    if digest_of(scenario) != job.digest:
        raise UsageError(
            "the run is not the one that was planned: a file that it is made from has changed",
            hint="leave the app's entry and the profiles as they are until it has ended",
        )
    options = RunOptions(
        scale=TimeScale(factor=job.scale),
        seed=job.seed,
        artifacts=Path(job.folder),
        patience_s=0.0,
        app=job.app,
        config=Path(job.config) if job.config else None,
    )
    try:
        return interrupt.run(run_scenario(scenario, options), on_abandon=lambda *_: None)
    except BaseExceptionGroup as group:
        raise first_failure(group) from None


@cache
def _know(folder: str) -> None:
    """Take the incidents of a folder, once."""
    ELSEWHERE.use(Path(folder))


@cache
def _entry(name: str, config: str) -> AppUnderTest | None:
    if not name:
        return None
    return find_entry(name, folder=Path.cwd(), file=Path(config) if config else None)


def _jobs() -> queue.SimpleQueue[str]:
    """The lines of standard input; "" where it ends, and then SIGTERM for what still runs."""
    found: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            found.put(line)
        found.put("")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    return found


def main() -> None:
    """Answer each job until there are no more; what is printed meanwhile goes to standard error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        jobs = _jobs()
        _say(answers, {"ready": os.getpid()})
        while line := jobs.get():
            _say(answers, answer(Job(**json.loads(line))))


def _say(answers: TextIO, said: dict[str, Any]) -> None:
    answers.write(json.dumps(said) + "\n")
    answers.flush()


if __name__ == "__main__":
    try:
        main()
    except interrupt.Interrupted as end:
        sys.exit(end.exit_status)
