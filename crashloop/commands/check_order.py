"""The options of `crashloop check`, checked before anything starts."""

from __future__ import annotations

import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.apps import find_entry
from crashloop.apps.file import nearest_file, read_apps
from crashloop.apps.text import read_text
from crashloop.commands.folder import require_folder
from crashloop.commands.local_runs import LocalRuns
from crashloop.errors import UsageError
from crashloop.model import Outcome
from crashloop.report.job_summary import require_appendable
from crashloop.run import artifacts_folder
from crashloop.survey import baseline
from crashloop.survey.evidence import Evidence

if TYPE_CHECKING:
    from crashloop.model import AppUnderTest

REQUIRE = {"survived": Outcome.SURVIVED, "recovered": Outcome.RECOVERED}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOrder(LocalRuns):
    """The command line's options; `update` writes the baseline.

    `folder` has incidents from outside of the package. `remedy` is in place in all runs.
    """

    name: str | None = None
    config: Path | None = None
    incidents: tuple[str, ...] = ()
    folder: Path | None = None
    params: tuple[str, ...] = ()
    remedy: str = ""
    requirement: str = "recovered"
    as_json: bool = False
    junit: Path | None = None
    summary: Path | None = None
    baseline: Path | None = None
    update: bool = False
    artifacts: Path | None = None
    resume: bool = False
    dry_run: bool = False
    no_live: bool = False


def again(order: CheckOrder, app: AppUnderTest, folder: str) -> str:
    """The command that goes on where this one has ended."""
    words = _words(order, app)
    words += ["--baseline", str(order.baseline)] if order.baseline else []
    words += ["--update-baseline"] if order.update else []
    words += ["--junit", str(order.junit)] if order.junit else []
    words += ["--summary", str(order.summary)] if order.summary else []
    words += ["--json"] if order.as_json else []
    return shlex.join([*words, "--artifacts", folder, "--resume"])


def command_of(order: CheckOrder, app: AppUnderTest) -> str:
    """The command that makes the same check again."""
    return shlex.join(_words(order, app))


def stricter(order: CheckOrder, app: AppUnderTest) -> str:
    """The command that makes the baseline stricter; "" without one."""
    if order.baseline is None:
        return ""
    return shlex.join([*_words(order, app), "--baseline", str(order.baseline), "--update-baseline"])


def _words(order: CheckOrder, app: AppUnderTest) -> list[str]:
    """The command's words that say what is checked, and against what."""
    words = ["crashloop", "check", app.name]
    words += ["--config", str(order.config)] if order.config else []
    for name in order.incidents:
        words += ["--incident", name]
    words += ["--incidents", str(order.folder)] if order.folder else []
    for one in order.params:
        words += ["-p", one]
    words += ["--remedy", order.remedy] if order.remedy else []
    words += ["--real-time"] if order.real_time else []
    words += ["--require", order.requirement] if order.requirement != "recovered" else []
    return words


def required_of(order: CheckOrder) -> Outcome:
    """The outcome that --require names; UsageError also for files that cannot be written."""
    if order.requirement not in REQUIRE:
        raise UsageError(
            f"--require {order.requirement} is not possible",
            hint=f"choose one of {', '.join(REQUIRE)}",
        )
    if order.junit:
        _require_replaceable(order.junit, "--junit")
    require_appendable(order.summary)
    return REQUIRE[order.requirement]


def app_of(order: CheckOrder) -> AppUnderTest:
    """The app by name, or the only one of its file; UsageError if it has several."""
    if order.name is not None:
        return find_entry(order.name, folder=Path.cwd(), file=order.config)
    file = order.config or nearest_file(Path.cwd())
    names = [*read_apps(file)[1]]
    if len(names) != 1:
        known = ", ".join(names)
        raise UsageError(
            f"{file} has {len(names) or 'no'} apps" + (f": {known}" if known else ""),
            hint=f"name one: crashloop check {names[0]}"
            if names
            else "`crashloop init` writes one",
        )
    return find_entry(names[0], folder=Path.cwd(), file=file)


def accepted_by(order: CheckOrder, app: AppUnderTest) -> dict[str, baseline.Accepted]:
    """What the baseline accepts; UsageError if it cannot be read, or is that of another app."""
    if order.baseline is None:
        if order.update:
            raise UsageError(
                "--update-baseline was given without --baseline",
                hint="name the file: --baseline FILE",
            )
        return {}
    if order.update:
        _require_replaceable(order.baseline, "--baseline")
    try:
        text = read_text(order.baseline)
    except FileNotFoundError:
        if order.update:
            return {}
        raise UsageError(
            f"there is no baseline {order.baseline}", hint="write one: --update-baseline"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the baseline {order.baseline} cannot be read: {error}") from None
    return baseline.read_baseline(text, file=str(order.baseline), app=app.name)


def evidence_for(order: CheckOrder, app: AppUnderTest) -> Evidence:
    """Where the evidence goes; UsageError for a folder that is in use."""
    if order.resume and order.artifacts is None:
        raise UsageError(
            "--resume was given without --artifacts",
            hint="name the folder of the check to go on with: --artifacts DIR --resume",
        )
    folder = (order.artifacts or artifacts_folder(f"check-{app.name}")).absolute()
    require_folder(folder)
    evidence = Evidence(folder, app, resume=order.resume)
    if evidence.is_used() and not order.resume:
        raise UsageError(
            f"--artifacts {order.artifacts} already has the evidence of another check",
            hint="go on with it: --resume; or name a new folder",
        )
    return evidence


def _require_replaceable(file: Path, option: str) -> None:
    """Try whether a file can be written whole."""
    try:
        if file.exists() and not file.is_file():
            raise _unwritable(file, option, "it is not a file")
        with tempfile.TemporaryFile(dir=file.absolute().parent):
            pass
    except OSError as error:
        raise _unwritable(file, option, error.strerror) from None


def _unwritable(file: Path, option: str, why: str | None) -> UsageError:
    return UsageError(
        f"{option} {file} cannot be written: {why}", hint="name a file in a folder that exists"
    )
