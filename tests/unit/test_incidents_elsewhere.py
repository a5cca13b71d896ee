"""Incidents from a folder and from installed packages, and what of them cannot be used."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from incident_files import EXAMPLE, NAME, changed, package, written

from crashloop.clock import TimeScale
from crashloop.errors import UsageError
from crashloop.incidents import (
    ELSEWHERE,
    INCIDENTS,
    contained,
    incident,
    library,
    packages,
)
from crashloop.options import RunOptions, rerun_command
from crashloop.survey.plan import Planned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _none_stay_known() -> Iterator[None]:
    packages.of_packages.cache_clear()
    yield
    packages.of_packages.cache_clear()
    ELSEWHERE.use(None)
    for name in [name for name in sys.modules if name.startswith("our_")]:
        del sys.modules[name]


def test_an_incident_in_a_folder_is_known_by_its_name_and_is_part_of_the_library(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match=f"unknown incident '{NAME}'"):
        incident(NAME)

    ELSEWHERE.use(written(tmp_path, start_needs_the_cache=EXAMPLE))

    assert incident(NAME).scenario().faults[0].kind == "cache_refused"
    assert [*library().incidents] == [*INCIDENTS, NAME]
    with pytest.raises(UsageError, match=f"did you mean {NAME}"):
        incident("start-needs-a-cache")


UNUSABLE = {
    "no title": (changed(title="' '"), "it has no title"),
    "no source": (changed(source="''"), "it has no source"),
    "no facts": (changed(facts="()"), "it has no facts"),
    "no look-alike": (changed(look_alikes="()"), "it has no look-alike"),
    "no remedy": (changed(remedy="Remedy(name='', says='')"), "it has no remedy"),
    "no name": (changed(name="'Start needs it'"), "its name cannot be 'Start needs it'"),
    "no such platform": (changed(platforms="('moon',)"), "its platform 'moon' is unknown"),
    "no such fault": (
        EXAMPLE.replace("cache_refused", "cache_refuses"),
        "unknown fault 'cache_refuses'",
    ),
    "another target": (
        EXAMPLE.replace('TARGET = "redis"', 'TARGET = "postgres"'),
        "the fault cache_refused cannot act on 'postgres'",
    ),
    "no such check": (
        EXAMPLE.replace('"connection_was"', '"connexion_was"'),
        "its signature asks for 'connexion_was', which is no check",
    ),
    "not ruled out": (
        EXAMPLE.replace('ruled_out_by="last_phase"', 'ruled_out_by="first_phase"'),
        "'first_phase', which rules out a look-alike",
    ),
    "a name of the package": (
        changed(name="'issue-1278'"),
        "there is another incident called issue-1278",
    ),
    "twice": (EXAMPLE, f"there is another incident called {NAME}"),
    "a typing error": ("x = (\n", "SyntaxError: '(' was never closed"),
    "a missing package": ("import no_such_package\n", "line 1: ModuleNotFoundError"),
    "a bug": ("import os\nos.nothing()\n", "line 2: AttributeError"),
    "an exit": ("raise SystemExit(0)\n", "line 1: SystemExit"),
    "an interrupt of its own": ("raise KeyboardInterrupt\n", "line 1: KeyboardInterrupt"),
    "an end of its own": ("class End(BaseException): ...\nraise End\n", "line 2: End"),
    "an error that cannot be said": (
        "class Mute(Exception):\n    def __str__(self): return 1 / 0\nraise Mute\n",
        "line 3: Mute",
    ),
    "a bug in a function": (
        EXAMPLE.replace('params["limit_s"]', 'params["limits"]'),
        "KeyError: 'limits'",
    ),
    "nothing": ("", "it has no INCIDENT"),
    "a title of another type": (changed(title="5"), "its title is of the type int"),
    "a fact of another type": (changed(facts="('', 5)"), "one of its facts is of the type int"),
    "facts in one text": (changed(facts="'a fact'"), "its facts is no tuple"),
    "a remedy of another type": (changed(others="('retry',)"), "one of its others is of the type"),
    "a remedy without words": (
        changed(remedy="replace(INCIDENT.remedy, says=None)"),
        "the says of its remedy is of the type NoneType",
    ),
    "a title that fails": (
        EXAMPLE.replace("INCIDENT = Incident(", "class Mine(Incident): ...\nINCIDENT = Mine("),
        "its INCIDENT is of the type Mine",
    ),
    "a word": ("INCIDENT = 'cache'\n", "its INCIDENT is of the type str"),
}


@pytest.mark.parametrize(("text", "why"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used_is_left_out_with_one_reason_and_the_others_stay(
    tmp_path: Path, text: str, why: str
) -> None:
    ELSEWHERE.use(written(tmp_path, a=EXAMPLE, b=text, c=changed(name="'third'")))

    assert [*ELSEWHERE.in_folder.incidents] == [NAME, "third"]
    (left_out,) = library().left_out
    assert left_out.place == str(tmp_path / "b.py")
    assert why in left_out.why


@pytest.mark.parametrize("part", ["outage", "expect"])
def test_what_a_function_of_an_incident_raises_is_a_message_with_its_file_and_line(
    tmp_path: Path, part: str
) -> None:
    fails = f"lambda p, usual=INCIDENT.{part}: usual(p) if p['limit_s'] == 20 else 1 / 0"
    ELSEWHERE.use(written(tmp_path, one=changed(**{part: fails})))
    made = incident(NAME)

    assert made.scenario().incident == NAME
    with pytest.raises(UsageError, match=r"one\.py: line \d+: ZeroDivisionError: division by zero"):
        made.scenario(limit_s=7.0)


def test_an_incident_that_cannot_be_used_is_refused_with_its_reason(tmp_path: Path) -> None:
    ELSEWHERE.use(written(tmp_path, my_outage=changed(source="''"), other=EXAMPLE))

    with pytest.raises(UsageError, match=r"my-outage cannot be used: .*my_outage\.py: it has no"):
        incident("my-outage")


def test_a_file_that_hangs_is_left_out_with_the_line_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contained, "BOUND_S", 0.5)
    hangs = "import time\nwhile True:\n    try: time.sleep(60)\n    except Exception: ...\n"
    ELSEWHERE.use(written(tmp_path, a=hangs))

    (left_out,) = ELSEWHERE.in_folder.left_out
    assert left_out.place == str(tmp_path / "a.py")
    assert left_out.why == "line 3: it had not been loaded after 0.5 s"


@pytest.mark.parametrize(
    "text", ["raise_signal(SIGINT)", "try: raise_signal(SIGINT)\nfinally: 1 / 0"]
)
def test_ctrl_c_while_a_file_is_loaded_interrupts_and_names_the_file(
    tmp_path: Path, text: str
) -> None:
    before = signal.getsignal(signal.SIGINT)
    folder = written(tmp_path, a=f"from signal import SIGINT, raise_signal\n{text}\n", b=EXAMPLE)

    with pytest.raises(KeyboardInterrupt, match=r"while .*a\.py was loaded"):
        ELSEWHERE.use(folder)

    assert signal.getsignal(signal.SIGINT) is before


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    written(tmp_path, one=EXAMPLE)
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "gone.py").symlink_to("nowhere.py")
    ELSEWHERE.use(tmp_path)

    assert {each.name: each.why for each in ELSEWHERE.in_folder.left_out} == {
        "folder": "it is no regular file",
        "gone": "it cannot be read: No such file or directory",
        "pipe": "it is no regular file",
    }
    assert NAME in ELSEWHERE.in_folder.incidents


def test_files_that_begin_with_an_underscore_are_not_run(tmp_path: Path) -> None:
    ELSEWHERE.use(written(tmp_path, _shared="1 / 0", __init__="1 / 0", one=EXAMPLE))

    assert not ELSEWHERE.in_folder.left_out


def test_what_a_file_prints_goes_to_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = """import ctypes, os, sys
print("python")
sys.__stdout__.write("the first stream\\n")
ctypes.CDLL(None).puts(b"c")
os.system("echo child")
"""
    ELSEWHERE.use(written(tmp_path, one=text))
    print("ours")  # noqa: T201

    said = capfd.readouterr()
    assert said.out == "ours\n"
    assert {*said.err.splitlines()} == {"python", "the first stream", "c", "child"}


@pytest.mark.parametrize(
    ("place", "why"), [("nowhere", "is not a folder"), ("file", "is not a folder"), ("", "has no")]
)
def test_a_folder_without_an_incident_is_refused(tmp_path: Path, place: str, why: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "_shared.py").touch()

    with pytest.raises(UsageError, match=why):
        ELSEWHERE.use(tmp_path / place)


def test_an_installed_package_brings_incidents_by_their_entry_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, "outages", {NAME: "our_outages:INCIDENT"}, our_outages=EXAMPLE)
    monkeypatch.syspath_prepend(tmp_path)

    assert incident(NAME).name == NAME
    assert NAME in library().incidents
    assert not library().left_out


def test_an_entry_point_that_cannot_be_used_is_left_out_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = {
        NAME: "our_outages:INCIDENT",
        "broken": "our_broken_outages:INCIDENT",
        "colons": "our_outages::INCIDENT",
        "missing": "our_missing_outages:INCIDENT",
        "no-attribute": "our_outages:NOTHING",
        "no-incident": "our_outages:TARGET",
        "issue-1278": "our_copies:INCIDENT",
        "other-name": "our_outages:INCIDENT",
    }
    copy = changed(name="'issue-1278'")
    modules = {"our_outages": EXAMPLE, "our_broken_outages": "1 / 0", "our_copies": copy}
    package(tmp_path, "outages", points, **modules)
    monkeypatch.syspath_prepend(tmp_path)

    found = library()

    assert found.incidents["issue-1278"] is INCIDENTS["issue-1278"]
    assert NAME in found.incidents
    assert {each.name: each.why for each in found.left_out} == {
        "broken": "ZeroDivisionError: division by zero",
        "colons": "its entry point is 'our_outages::INCIDENT', which is not MODULE:NAME",
        "missing": "ModuleNotFoundError: No module named 'our_missing_outages'",
        "no-attribute": "AttributeError: module 'our_outages' has no attribute 'NOTHING'",
        "no-incident": "its INCIDENT is of the type str",
        "issue-1278": "there is another incident called issue-1278",
        "other-name": f"its entry point is called other-name, and the incident {NAME}",
    }
    assert {each.place.rpartition(" of ")[2] for each in found.left_out} == {"outages"}
    with pytest.raises(UsageError, match="broken cannot be used: our_broken_outages:INCIDENT of"):
        incident("broken")


def test_a_package_whose_entry_points_cannot_be_read_is_left_out_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, "outages", {NAME: "our_outages:INCIDENT"}, our_outages=EXAMPLE)
    package(tmp_path, "torn", {})
    (tmp_path / "torn-1.0.dist-info" / "entry_points.txt").write_text("[crashloop.incidents]\nx\n")
    monkeypatch.syspath_prepend(tmp_path)

    found = library()

    assert NAME in found.incidents
    (left_out,) = found.left_out
    assert left_out.place == "entry_points.txt of torn"
    assert left_out.why.startswith("it cannot be read: ")


def test_the_code_of_an_entry_point_is_run_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package(tmp_path, "outages", {"bad": "our_bad:INCIDENT"}, our_bad="print('run')\n1 / 0")
    monkeypatch.syspath_prepend(tmp_path)

    assert library() == library()
    assert capsys.readouterr().err == "run\n"


def test_a_folders_incident_comes_before_an_installed_one_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path / "site", "outages", {NAME: "our_own:INCIDENT"}, our_own=EXAMPLE)
    monkeypatch.syspath_prepend(tmp_path / "site")
    ELSEWHERE.use(written(tmp_path / "mine", one=changed(title="'mine'")))

    assert incident(NAME).title == "mine"
    (left_out,) = library().left_out
    assert "there is another incident" in left_out.why


def test_the_command_that_makes_a_run_again_names_the_folder(tmp_path: Path) -> None:
    ELSEWHERE.use(written(tmp_path, one=EXAMPLE))

    made = rerun_command(incident(NAME).scenario(), RunOptions(scale=TimeScale(), seed=7))

    assert made == f"crashloop reproduce {NAME} --incidents {tmp_path} --seed 7"
    again = rerun_command(incident("issue-1278").scenario(), RunOptions(seed=7))
    assert "--incidents" not in again


def test_a_check_knows_its_runs_in_the_folder_and_makes_them_again_when_a_file_has_changed(
    tmp_path: Path,
) -> None:
    app = incident("issue-1278").scenario().app
    run = Planned(incident=NAME, title="", params={})
    ELSEWHERE.use(written(tmp_path, one=EXAMPLE))
    before = run.digest(app)
    assert run.words("shop")[:4] == ["reproduce", NAME, "--incidents", str(tmp_path)]

    ELSEWHERE.use(written(tmp_path, one=changed(title="'the same outage in other words'")))
    assert run.digest(app) == before
    ELSEWHERE.use(written(tmp_path, one=EXAMPLE.replace("DEATHS = 3", "DEATHS = 4")))
    assert run.digest(app) != before
