"""What one run leaves behind: its record and its files."""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from crashloop.cloud_logging import log_entries
from crashloop.errors import HarnessError
from crashloop.model import CONTROL
from crashloop.outcome import fate_of
from crashloop.report.document import document_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.model import Fate, Judgement, Scenario, Verdict
    from crashloop.trace.event import Trace

ARTIFACTS = "crashloop-artifacts"
TRACE_FILE = "trace.jsonl"
VERDICT_FILE = "verdict.json"
LOG_FILE = "cloud-logging.jsonl"
REPORT_FILE = "report.html"
FILES = (TRACE_FILE, VERDICT_FILE, LOG_FILE, REPORT_FILE, "containers.json")
SERVERS = ("postgres", "pgbouncer", "cache", "toxiproxy", "sidecar", "app")

LONGEST_NAME = 60
_UNSAFE = re.compile(r"[^\w.]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run left behind: its scenario, trace, judgement, and the evidence's folder.

    `fate` is the outcome of the user's own app; None if the run was of another.
    """

    scenario: Scenario
    trace: Trace
    judgement: Judgement
    artifacts: Path
    seed: int
    command: str
    fate: Fate | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fate", fate_of(self.trace))

    @property
    def verdict(self) -> Verdict:
        """The judgement's verdict."""
        return self.judgement.verdict

    @property
    def trace_path(self) -> Path:
        """The file with the trace."""
        return self.artifacts / TRACE_FILE


def evidence_files(folder: Path, trace: Trace) -> tuple[str, ...]:
    """The files in `folder` that the run of `trace` wrote, and no others."""
    replicas = trace.scenario.get("replicas") or {}
    several = replicas.get("count", 1) + replicas.get("overlap", 0) > 1
    lives = [life.log_name(several=several) for life in trace.lives()]
    names = [*FILES, *lives, CONTROL.log_name(several=several)]
    names += [f"{name}.log" for name in (*SERVERS, "setup")]
    return tuple(name for name in sorted(names) if (folder / name).is_file())


def folder_name(name: str) -> str:
    """A folder's name for what is called `name`: short, and of characters that are safe anywhere.

    The name of a fault alone has a colon and its parameters, which may be any text.
    """
    return _UNSAFE.sub("-", name)[:LONGEST_NAME].strip("-.") or "run"


def artifacts_folder(name: str) -> Path:
    """A new name under ./crashloop-artifacts: what is run, time, and a few random characters."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    return Path(ARTIFACTS) / f"{folder_name(name)}-{stamp}-{secrets.token_hex(3)}"


def write_evidence(run: Run) -> None:
    """Write `verdict.json` and `cloud-logging.jsonl` (the run's log).

    The verdict comes with judgement, outcome, seed and command.
    """
    content = {
        **(run.fate.to_json() if run.fate else {}),
        **run.judgement.to_json(),
        "incident": run.scenario.incident,
        "role": str(run.scenario.role),
        "seed": run.seed,
        "time_scale": run.trace.scale,
        "command": run.command,
        "trace": TRACE_FILE,
    }
    log = "".join(json.dumps(entry) + "\n" for entry in log_entries(run.trace))
    try:
        write_whole(run.artifacts / VERDICT_FILE, document_text(content))
        write_whole(run.artifacts / LOG_FILE, log)
    except OSError as error:
        raise HarnessError(
            f"cannot write the verdict into {run.artifacts}: {error.strerror}",
            hint=f"free some room on that disk; the verdict was {run.verdict}: "
            f"{run.judgement.reason}",
        ) from None


def write_run_page(folder: Path, trace: Trace, judgement: Judgement) -> str:
    """Write the page of one run beside its evidence, as `write_page` does."""

    def make() -> str:
        from crashloop.report.page.run import run_html  # noqa: PLC0415  not before the verdict

        return run_html(trace, judgement, files=evidence_files(folder, trace))

    return write_page(folder, make)


def write_page(folder: Path, make: Callable[[], str]) -> str:
    """Write the page that `make` returns as `report.html`; returns why that failed, else "".

    No result depends on it, so this is done last, and raises nothing.
    """
    try:
        write_whole(folder / REPORT_FILE, make())
    except OSError as error:
        return f"{folder / REPORT_FILE} cannot be written: {error.strerror}"
    except Exception as error:  # noqa: BLE001  whatever a page stumbles over, the result stands
        return f"no page could be made: {type(error).__name__}: {error}"
    return ""


def page_beside(folder: Path, run: Path) -> str:
    """The address of the page of a run for a page in `folder`; "" if there is none."""
    page = run / REPORT_FILE
    return quote(os.path.relpath(page, folder)) if page.is_file() else ""


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all: a full disk leaves no empty verdict behind.

    A device or a pipe is written to, and stays what it is.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    making = path.with_name(f".{path.name}")
    try:
        making.write_bytes(data)
        making.replace(path)
    except OSError:
        making.unlink(missing_ok=True)
        raise
