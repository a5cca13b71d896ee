"""`crashloop judge`: judge a trace again, by its own signature or by today's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from crashloop import judge as court
from crashloop.commands.elsewhere import chosen_incident
from crashloop.commands.page import evidence_of, run_page
from crashloop.errors import UsageError
from crashloop.model import Role
from crashloop.report.compare import Comparison, differences
from crashloop.report.data import judged_again, run_document
from crashloop.report.document import write_document
from crashloop.report.lines import BLANK
from crashloop.report.terminal import Terminal
from crashloop.report.verdicts import compared_lines
from crashloop.run import TRACE_FILE
from crashloop.trace.reader import read_trace

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import Judgement, Scenario
    from crashloop.trace.event import Trace

_MAX_ROLE_CHARS = 40


def judge(path: Path, folder: Path | None, *, current: bool, as_json: bool) -> int:
    """Judge and show the trace at `path`; return its exit status.

    `current`: by the signature that today's incident, which may be in `folder`, has for the same
    role and parameters, and where the two differ. UsageError for a file that is not a trace, or an
    unknown incident.
    """
    if folder is not None and not current:
        raise UsageError(
            f"--incidents {folder} was given without --current",
            hint="a trace has its own signature; --current judges by today's",
        )
    trace = read_trace(path)
    if current:
        judgement, compared = _today(trace, folder)
    else:
        judgement, compared = court.judge(trace), None
    file = path / TRACE_FILE if path.is_dir() else path
    document = run_document(trace, judgement, artifacts=str(path), trace_path=str(file))
    terminal = Terminal(sys.stdout)
    status: int = document["exit_status"]
    if as_json:
        write_document(document if compared is None else judged_again(document, compared))
        return status
    where = evidence_of(path, trace, command=document["command"])
    lines = run_page(trace, judgement, terminal, where)
    if compared is not None:
        lines += [BLANK, *compared_lines(compared, width=terminal.width)]
    terminal.show(lines)
    return status


def _today(trace: Trace, folder: Path | None) -> tuple[Judgement, Comparison]:
    """Today's judgement and how it compares; a recorded signature may no longer be readable."""
    signature = _scenario_today(trace, folder).signature
    today = court.judge(trace, signature)
    try:
        recorded_by = court.recorded_signature(trace)
    except UsageError as error:
        return today, Comparison(today=today, recorded=None, unreadable=error.message)
    recorded = court.judge(trace, recorded_by)
    found = tuple(differences(recorded_by, signature, recorded, today))
    return today, Comparison(today=today, recorded=recorded, differences=found)


def _scenario_today(trace: Trace, folder: Path | None) -> Scenario:
    """The scenario that today's incident would make with the trace's role and parameters."""
    recorded = trace.scenario
    if recorded.get("is_own_app"):
        raise UsageError(
            "the run was of an app of your own, and today's signature depends on its entry, which "
            "a trace does not have",
            hint="leave --current out to judge it by its own signature, or run it again",
        )
    name = str(recorded.get("role"))[:_MAX_ROLE_CHARS]
    try:
        role = Role(name)
    except ValueError:
        raise UsageError(
            f"the trace's role is unknown to this version: {name!r}",
            hint="leave --current out to judge it by its own signature",
        ) from None
    params = recorded.get("params")
    try:
        chosen = chosen_incident(str(recorded.get("incident")), folder)
    except UsageError as error:
        raise UsageError(
            f"the trace is of an incident that cannot be had here: {error.message}",
            hint="leave --current out to judge it by its own signature; or name the folder that "
            "has the incident: --incidents DIR",
        ) from None
    return chosen.scenario(role, **(params if isinstance(params, dict) else {}))
