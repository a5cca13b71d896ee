"""The pytest plugin: options, the fixture `lab`, and failures that show evidence, not internals.

Loaded into every pytest session of an environment that has crashloop, so it imports nothing but
the standard library, pytest, and records; the harness is loaded by the first run.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from crashloop.engines.catalogue import LOCAL
from crashloop.errors import CrashloopError
from crashloop.testing import Lab
from crashloop.testing.lab import Settings
from crashloop.testing.mismatch import Mismatch
from crashloop.testing.session_runs import SessionRuns
from crashloop.testing.settings import OPTIONS, SEED_INPUT, read_settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import CodeType

    from crashloop.run import Run

MAX_NAME_LENGTH = 80
MAX_WHY_CHARS = 1200
PACKAGE = Path(__file__).parent

_SETTINGS = pytest.StashKey[Settings]()
_LAB = pytest.StashKey[Lab]()
_TOLD = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, and the same as ini keys; long names only, as they share a command line."""
    group = parser.getgroup("crashloop", "start-up outages (crashloop)")
    for name, (metavar, says) in OPTIONS.items():
        key = f"crashloop_{name.replace('-', '_')}"
        group.addoption(f"--crashloop-{name}", dest=key, metavar=metavar, default=None, help=says)
        parser.addini(key, f"default of --crashloop-{name}")


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings; pytest.UsageError names the option or ini key that is wrong."""
    config.stash[_SETTINGS] = settings = read_settings(config)
    if not hasattr(config, "workerinput"):  # the controller reports what xdist's workers run
        config.pluginmanager.register(SessionRuns(settings.artifacts, _facts(settings)))
    if settings.incidents is not None:
        from crashloop.incidents import ELSEWHERE  # noqa: PLC0415  heavy; most sessions have none

        try:
            ELSEWHERE.use(settings.incidents)
        except CrashloopError as error:
            raise pytest.UsageError(f"--crashloop-incidents: {error}") from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give every xdist worker the session's one seed."""
    node.workerinput[SEED_INPUT] = node.config.stash[_SETTINGS].seed


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Engine, time scale and seed: what is needed to run the same again; incidents left out."""
    settings = config.stash[_SETTINGS]
    how = f"crashloop: {', '.join(_facts(settings))}"
    return [how, *(f"crashloop: left out: {why}" for why in _left_out(settings))]


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class,
) -> Generator[None, object, object]:
    """Mark coroutine tests that use `lab` for pytest-asyncio, which strict mode wants.

    The innermost wrapper: pytest-asyncio turns marked functions into its own items in a wrapper
    around this one.
    """
    made = yield
    if collector.config.pluginmanager.hasplugin("asyncio"):
        for item in made if isinstance(made, list) else [made]:
            if isinstance(item, pytest.Function) and _is_coroutine_test_with_lab(item):
                item.add_marker("asyncio")
    return made


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Say what to install if nothing runs a coroutine test that uses `lab`."""
    if _LAB in pyfuncitem.stash and inspect.iscoroutinefunction(pyfuncitem.obj):
        pytest.fail(
            f"{pyfuncitem.name} is a coroutine and nothing here runs one, so it was not run.\n"
            "  Install pytest-asyncio (pip install pytest-asyncio); crashloop needs no settings "
            "for it.",
            pytrace=False,
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show a mismatch, or an error of ours, as its own text and the test's own lines.

    `--full-trace` and `--tb=native` keep the whole stack.
    """
    report = yield
    excinfo = call.excinfo
    if excinfo is not None and isinstance(excinfo.value, Mismatch):
        item.stash[_TOLD] = excinfo.value.tells_failure
    if report.skipped and isinstance(report.longrepr, tuple) and _is_of_outages(item):
        # pytest writes no line where there is none, which its types do not say.
        report.longrepr = cast("Any", (str(item.path), None, report.longrepr[2]))
    whole = item.config.getoption("fulltrace") or item.config.getoption("tbstyle") == "native"
    if excinfo is None or whole or _LAB not in item.stash:
        return report
    if isinstance(excinfo.value, Mismatch | CrashloopError):
        report.longrepr = _without_internals(item, excinfo)
    return report


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Make outages happen: `run = await lab.run("issue-1278")`, then `run.expect(REPRODUCED)`.

    A `crashloop.testing.Lab`: `run(scenario_or_incident, role=..., **params)`, `prove(incident)`,
    `seed`, `scale`, `artifacts`. Verdicts and outcomes come from `crashloop.testing`. A coroutine
    test needs pytest-asyncio and no mark. Each run adds crashloop_verdict, crashloop_seed,
    crashloop_trace and crashloop_command to the test's JUnit properties; that of your own app also
    crashloop_outcome. A run with a broken harness, or of an app of yours that does not work without
    a fault, fails the test.
    """
    item: pytest.Item = request.node
    settings = item.config.stash[_SETTINGS]
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    name = _folder_name(item.nodeid)
    made = Lab(
        settings,
        artifacts=settings.artifacts / name if settings.artifacts else factory.mktemp(name),
        again=_command(item, settings),
        on_run=lambda run: _keep(run, item, settings),
    )
    item.stash[_LAB] = made
    yield made
    if not item.stash.get(_TOLD, False):
        made.close()


def _left_out(settings: Settings) -> list[str]:
    """Why files of the folder with incidents cannot be used."""
    if settings.incidents is None:
        return []
    from crashloop.incidents import ELSEWHERE  # noqa: PLC0415  likewise
    from crashloop.report.clean import clean  # noqa: PLC0415  likewise

    left_out = ELSEWHERE.in_folder.left_out
    return [clean(f"{each.place}: {each.why}", MAX_WHY_CHARS) for each in left_out]


def _is_coroutine_test_with_lab(item: pytest.Function) -> bool:
    """Whether it or a fixture of it uses our `lab`, and anyio does not run it."""
    if "anyio_backend" in item.fixturenames or not inspect.iscoroutinefunction(item.obj):
        return False
    found = item._fixtureinfo.name2fixturedefs.get("lab")  # noqa: SLF001  who defines it: no API
    return bool(found and found[-1].func.__module__ == __name__)


def _without_internals(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    """The error's text below the test's own lines, without a frame of ours or of an event loop."""
    code = _code(item)
    entries = excinfo.traceback
    if code is not None:
        entries = entries.cut(path=code.co_filename, firstlineno=code.co_firstlineno - 1)
    if entries == excinfo.traceback:  # not raised below the test's own body: no line of it to show
        return excinfo.getrepr(style="value", chain=False)
    ours = (n for n, entry in enumerate(entries) if PACKAGE in Path(entry.path).parents)
    shown = entries[: next(ours, None)]  # ours may call the standard library
    if not shown:  # a test that we made
        return excinfo.getrepr(style="value", chain=False)
    drawn = excinfo.getrepr(style="short", chain=False, tbfilter=lambda _: shown)
    if drawn.reprcrash is not None:
        drawn.reprcrash.message = str(excinfo.value)  # pytest's one-line summary begins with it
    return drawn


def _code(item: pytest.Item) -> CodeType | None:
    """The code of the test's own function."""
    test = getattr(item, "obj", None)
    return getattr(inspect.unwrap(test), "__code__", None) if callable(test) else None


def _is_of_outages(item: pytest.Item) -> bool:
    """Whether the test's function is ours, so that none of its lines is the user's."""
    code = _code(item)
    return code is not None and PACKAGE in Path(code.co_filename).parents


def _folder_name(nodeid: str) -> str:
    """The test's node id as a folder's name; a digest where two tests could share it."""
    name = re.sub(r"[^\w.-]+", "-", nodeid.replace("::", ".")).strip("-.")
    if "[" in nodeid or len(name) > MAX_NAME_LENGTH:
        digest = hashlib.sha256(nodeid.encode()).hexdigest()[:6]
        name = f"{name[:MAX_NAME_LENGTH]}-{digest}"
    return name


def _command(item: pytest.Item, settings: Settings) -> str:
    """The command that runs this test again with the same seed and scale."""
    words = ["pytest", item.nodeid, "--crashloop-seed", str(settings.seed)]
    if settings.scale is not None:
        words += ["--crashloop-time-scale", f"{settings.scale:g}"]
    if settings.slower:
        words += ["--crashloop-slower", str(settings.slower)]
    if settings.engine != LOCAL:
        words += ["--crashloop-engine", settings.engine]
    if settings.config is not None:
        words += ["--crashloop-config", str(settings.config)]
    if settings.incidents is not None:
        words += ["--crashloop-incidents", str(settings.incidents)]
    if settings.postgres_bin is not None:
        words += ["--crashloop-postgres-bin", str(settings.postgres_bin)]
    return shlex.join(words)


def _facts(settings: Settings) -> list[str]:
    """What is needed to run the same again."""
    scale = "each incident's own" if settings.scale is None else f"{settings.scale:g}"
    return [f"engine {settings.engine}", f"time scale {scale}", f"seed {settings.seed}"]


def _keep(run: Run, item: pytest.Item, settings: Settings) -> None:
    """Note the run in the test's properties, and write its page where its evidence is kept."""
    item.user_properties.extend(_properties(run))
    if settings.artifacts is None:
        return
    from crashloop.run import write_run_page  # noqa: PLC0415  heavy; most sessions run none

    if no_page := write_run_page(run.artifacts, run.trace, run.judgement):
        item.add_report_section("call", "crashloop", no_page)


def _properties(run: Run) -> list[tuple[str, object]]:
    outcome = [("crashloop_outcome", str(run.fate.outcome))] if run.fate else []
    return [
        *outcome,
        ("crashloop_verdict", str(run.verdict)),
        ("crashloop_seed", str(run.seed)),
        ("crashloop_time_scale", f"{run.trace.scale:g}"),
        ("crashloop_trace", str(run.trace_path)),
        ("crashloop_command", run.command),
    ]
