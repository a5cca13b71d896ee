"""The evidence of a check on disk: a folder for each run, with its result in `run.json`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from crashloop.errors import CrashloopError
from crashloop.judge import judge
from crashloop.outcome import fate_of
from crashloop.report.data import run_document
from crashloop.report.fate import result_document
from crashloop.run import TRACE_FILE, write_whole
from crashloop.survey.children import Answer
from crashloop.trace.reader import read_trace

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import AppUnderTest
    from crashloop.survey.plan import Planned

RUN_FILE = "run.json"


class Evidence:
    """The folder of a check. With `resume`, what an earlier check of it has finished counts."""

    def __init__(self, folder: Path, app: AppUnderTest, *, resume: bool = False) -> None:
        self.folder = folder
        self._app = app
        self._resume = resume

    def earlier(self, run: Planned) -> tuple[Answer, Path] | None:
        """The result of the same run by an earlier check, and its folder.

        The same: entry, parameters, time scale and crashloop's version are. It is judged again by
        its trace, so a result that was edited, or that has lost its trace, does not count.
        """
        if not self._resume:
            return None
        for folder in self._folders(run):
            kept = _read(folder / RUN_FILE)
            if kept.get("digest") != run.digest(self._app):
                continue
            document = _judged(folder, run, kept["result"])
            if document is not None:
                return Answer(document=document, took_s=float(kept["took_s"])), folder
        return None

    def free(self, run: Planned) -> Path:
        """A folder for a run that has no evidence yet; evidence is never overwritten."""
        taken = {folder.name for folder in self._folders(run)}
        names = (run.folder, *(f"{run.folder}-{n}" for n in range(2, len(taken) + 3)))
        return self.folder / next(name for name in names if name not in taken)

    def keep(self, run: Planned, answer: Answer, folder: Path) -> None:
        """Write the result of a run that has ended."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = {
            "digest": run.digest(self._app),
            "incident": run.incident,
            "took_s": answer.took_s,
            "result": answer.document,
        }
        write_whole(folder / RUN_FILE, json.dumps(kept, indent=2) + "\n")

    def finished(self) -> int:
        """How many runs have a result here."""
        return sum(1 for _ in self.folder.glob(f"*/{RUN_FILE}"))

    def is_used(self) -> bool:
        """Whether another check has left something here."""
        return any(self.folder.glob(f"*/{TRACE_FILE}")) or bool(self.finished())

    def _folders(self, run: Planned) -> list[Path]:
        found = self.folder.glob(f"{run.folder}*")
        numbered = f"{run.folder}-"
        return sorted(
            each
            for each in found
            if each.name == run.folder
            or (each.name.startswith(numbered) and each.name.removeprefix(numbered).isdigit())
        )


def _judged(folder: Path, run: Planned, kept: dict[str, Any]) -> dict[str, Any] | None:
    """What the trace shows; None if it is not of this run, or shows something else than `kept`."""
    path = folder / TRACE_FILE
    try:
        trace = read_trace(path)
        judgement, fate = judge(trace), fate_of(trace)
        made = (trace.scenario.get("incident"), trace.scenario.get("role"), trace.scale)
    except (CrashloopError, ValueError, TypeError):  # it, or its scale, is none of ours
        return None
    if fate is None or made != (run.incident, str(run.role), run.scale):
        return None
    shown = result_document(trace, judgement, fate, path=str(path))
    if any(kept.get(name) != value for name, value in shown.items() if name != "trace"):
        return None
    return run_document(trace, judgement, artifacts=str(folder), trace_path=str(path))


def _read(file: Path) -> dict[str, Any]:
    """The content; empty where it is missing or torn, so that the run is made again."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    match data:
        case {"digest": str(), "took_s": int() | float(), "result": dict()}:
            return dict(data)
    return {}
