"""Shared fixtures of this suite; a plain `pytest` leaves out marked tests and lists them."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from hypothesis import settings

# Deadlines fail on a busy machine; pytest-timeout ends a test that hangs.
settings.register_profile("ours", deadline=None)
settings.load_profile("ours")

pytest_plugins = ["pytester", "databases", "browsers"]

OPT_IN = ("docker", "staging", "realtime", "slow", "alone", "servers", "services", "benchmark")
LEFT_OUT_OUTPUT = "left_out"
SLOW_BOUND_S = 480.0  # for a run, on a busy machine, and two more at smaller time scales

_LEFT_OUT = pytest.StashKey[dict[str, int]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LEFT_OUT] = {}
    # A script's background job ignores Ctrl-C, and a program under nohup ignores a hang-up. The
    # commands that the tests start would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked as opt-in, unless -m selects tests; bound those that are slow."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_BOUND_S))
    if config.getoption("markexpr"):
        return
    marks = {item: [name for name in OPT_IN if item.get_closest_marker(name)] for item in items}
    left_out = [item for item in items if marks[item]]
    for name in (name for item in left_out for name in marks[item]):
        config.stash[_LEFT_OUT][name] = config.stash[_LEFT_OUT].get(name, 0) + 1
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not marks[item]]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Pass what an xdist worker left out to the controller."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[LEFT_OUT_OUTPUT] = session.config.stash[_LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the counts of any worker: each collects the whole suite."""
    node.config.stash[_LEFT_OUT].update(getattr(node, "workeroutput", {}).get(LEFT_OUT_OUTPUT, {}))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for name, count in sorted(config.stash[_LEFT_OUT].items()):
        tests = "1 test" if count == 1 else f"{count} tests"
        terminalreporter.write_line(
            f"{tests} marked {name} deselected; to run them: pytest -m {name}"
        )
