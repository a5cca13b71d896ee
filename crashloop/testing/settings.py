"""The plugin's options and ini keys, and the settings that are read from them."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from crashloop.clock import DEFAULT_SCALE, TimeScale
from crashloop.engines.catalogue import ENGINES, LOCAL
from crashloop.errors import CrashloopError
from crashloop.testing.lab import Settings

MAX_SEED = 2**32 - 1
MAX_SLOWER = 9
"""Half of a scale so often is real time, from any scale that there is; 2**9 < 1000 < 2**10."""
SEED_INPUT = "crashloop_seed"

OPTIONS = {
    "engine": ("ENGINE", "what scenarios run on: local (the default) or docker"),
    "time-scale": (
        "N",
        f"run N times faster (default: the incident's own, mostly {DEFAULT_SCALE:g})",
    ),
    "slower": (
        "N",
        "make a run that was too fast for this machine again, up to N times, slower (default: 0)",
    ),
    "seed": ("SEED", "the seed of every run, 0 to 2**32-1 (default: a new one, in the header)"),
    "artifacts": ("DIR", "keep each test's evidence in DIR/TEST (default: pytest's own tmp_path)"),
    "config": (
        "FILE",
        "the file with your apps (default: the nearest crashloop.toml or pyproject)",
    ),
    "incidents": ("DIR", "a folder with incidents of your own, one a file"),
    "postgres-bin": ("DIR", "the folder of postgres and initdb (default: the wheel's, then PATH)"),
}
"""Each `--crashloop-NAME` with its metavariable and what it says in `--help`."""


def read_settings(config: pytest.Config) -> Settings:
    """The checked settings; pytest.UsageError names the option or ini key that is wrong."""
    for name in OPTIONS:
        if _value(config, name) == ("", True):
            raise _usage(config, name, "it cannot be empty")
    engine, _ = _value(config, "engine")
    if engine not in {"", *ENGINES}:
        raise _usage(config, "engine", f"choose one of {', '.join(ENGINES)}")
    if engine not in {"", LOCAL} and _value(config, "postgres-bin")[0]:
        raise _usage(config, "postgres-bin", f"with engine {engine} the image brings Postgres")
    return Settings(
        engine=engine or LOCAL,
        scale=_scale(config),
        slower=_slower(config),
        seed=_seed(config),
        artifacts=_path(config, "artifacts"),
        postgres_bin=_folder(config, "postgres-bin", "postgres"),
        folder=search_folder(config),
        config=_path(config, "config"),
        incidents=_folder(config, "incidents", "your incidents"),
    )


def _value(config: pytest.Config, name: str) -> tuple[str, bool]:
    """The option's text (empty: not given), and whether it came from the command line."""
    key = f"crashloop_{name.replace('-', '_')}"
    given = config.getoption(key)
    return (str(config.getini(key) or ""), False) if given is None else (given, True)


def _usage(config: pytest.Config, name: str, hint: str) -> pytest.UsageError:
    value, from_option = _value(config, name)
    key = f"crashloop_{name.replace('-', '_')}"
    who = f"--crashloop-{name}" if from_option else f"{key} in {config.inipath}"
    return pytest.UsageError(f"{who} is {value!r}: {hint}")


def _scale(config: pytest.Config) -> float | None:
    text, _ = _value(config, "time-scale")
    if not text:
        return None
    try:
        return TimeScale(factor=float(text)).factor
    except (ValueError, CrashloopError):
        hint = "give a number from 1 (real time) to 1000; 20 runs twenty times faster"
        raise _usage(config, "time-scale", hint) from None


def _slower(config: pytest.Config) -> int:
    text, _ = _value(config, "slower")
    if text not in {"", *map(str, range(MAX_SLOWER + 1))}:
        raise _usage(config, "slower", f"give a whole number from 0 to {MAX_SLOWER}")
    return int(text or 0)


def _seed(config: pytest.Config) -> int:
    text, _ = _value(config, "seed")
    from_controller: dict[str, Any] = getattr(config, "workerinput", {})
    if SEED_INPUT in from_controller:
        return int(from_controller[SEED_INPUT])
    if not text:
        return secrets.randbelow(MAX_SEED + 1)
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_SEED):
        raise _usage(config, "seed", f"give a whole number from 0 to {MAX_SEED}")
    return int(text)


def _path(config: pytest.Config, name: str) -> Path | None:
    """A path is relative to pytest's starting folder, or in an ini file to that file."""
    text, from_option = _value(config, name)
    if not text:
        return None
    start = config.invocation_params.dir if from_option else (config.inipath or Path()).parent
    return (start / Path(text).expanduser()).resolve()


def search_folder(config: pytest.Config) -> Path:
    """Where the search for apps begins: pytest's starting folder, if it is in the root folder."""
    start = config.invocation_params.dir
    return start if start.is_relative_to(config.rootpath) else config.rootpath


def _folder(config: pytest.Config, name: str, of: str) -> Path | None:
    """The path of a folder that exists, with what belongs there."""
    folder = _path(config, name)
    if folder is not None and not folder.is_dir():
        raise _usage(config, name, f"there is no such folder; name that of {of}")
    return folder
