"""Profiles: the figures that come with crashloop, and files of one's own."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crashloop.apps import sample_app
from crashloop.engines.docker.capability import require_possible
from crashloop.errors import CapabilityError, UsageError
from crashloop.incidents import incident
from crashloop.model import Moment, Role, Transport
from crashloop.profiles import NAMES, load
from crashloop.profiles.profile import FRESH, SCALING

INCIDENT = incident("issue-1278")

CONNECTION = """\
[figures.connection_s]
low = 1
high = 3
unit = "s"
source = "measured on our staging"
date = 2026-11-02
"""
SETTLED = """\
[figures.settled_s]
low = 100
high = 200
unit = "s"
source = "our own guess"
date = "2026-11"
assumed = true
note = "nobody measured it"
"""
MINE = f"{CONNECTION}\n{SETTLED}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def refusal(file: Path, text: str) -> str:
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        load(str(file))
    return str(refused.value)


def test_six_connector_profiles_come_with_crashloop() -> None:
    assert NAMES == (
        "audit",
        "cloud-nat",
        "direct-vpc-egress",
        "e2-micro",
        "e2-standard-4",
        "f1-micro",
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_that_comes_with_crashloop_has_its_source_its_date_and_its_unit(
    name: str,
) -> None:
    profile = load(name)
    assert profile.name == name
    assert profile.title
    for figure in profile.figures.values():
        assert figure.source
        assert figure.date
        assert figure.unit
        assert 0 <= figure.low <= figure.high
        assert figure.note or not figure.assumed
    assert profile.figures["settled_s"].assumed, "no source says how long a connector scales"


def test_the_audits_figures_are_the_audits() -> None:
    audit = load("audit")
    connection, throughput = audit.figures["connection_s"], audit.figures["throughput"]
    assert (connection.low, connection.high, connection.unit) == (10, 30, "s")
    assert (throughput.low, throughput.high, throughput.unit) == (2, 10, "Gbps")
    assert audit.figures["settled_s"].middle == audit.settles_at_s == 300


@pytest.mark.parametrize(
    ("name", "mbps"),
    [("f1-micro", (100, 500)), ("e2-micro", (200, 1000)), ("e2-standard-4", (3200, 16000))],
)
def test_a_machine_type_has_its_documented_throughput_and_says_that_its_times_are_assumed(
    name: str, mbps: tuple[int, int]
) -> None:
    figures = load(name).figures
    throughput = figures["throughput"]
    assert (throughput.low, throughput.high, throughput.unit) == (*mbps, "Mbps")
    assert not throughput.assumed
    assert figures["connection_s"].assumed
    assert figures["each_other_s"].assumed


def test_a_file_of_ones_own_is_a_profile(file: Path) -> None:
    file.write_text(f'title = "ours"\n{MINE}')
    profile = load(str(file))
    assert (profile.title, profile.name, profile.each_instance) == ("ours", str(file), False)
    assert profile.figures["connection_s"].date == "2026-11-02"
    fault = profile.fault()
    assert (fault.low_s, fault.high_s, fault.each_other_s) == (1, 3, 0)
    assert profile.settles_at_s == 150


CASES = {
    "no source": (MINE.replace('source = "measured on our staging"\n', ""), 1, "has no source"),
    "an empty source": (MINE.replace("measured on our staging", " "), 5, "has no source"),
    "no date": (MINE.replace("date = 2026-11-02\n", ""), 1, "has no date"),
    "a date that is none": (MINE.replace("2026-11-02", '"November"'), 6, "is no date: 'November'"),
    "a month that is none": (MINE.replace("2026-11-02", '"2026-13"'), 6, "is no date: '2026-13'"),
    "a number as date": (MINE.replace("2026-11-02", "2026"), 6, "must be a text"),
    "no unit": (MINE.replace('unit = "s"\n', "", 1), 1, "has no unit"),
    "an unknown unit": (MINE.replace('unit = "s"', 'unit = "ms"', 1), 4, "cannot be in 'ms'"),
    "a negative figure": (MINE.replace("low = 1\n", "low = -1\n"), 2, "is negative: -1"),
    "a reversed figure": (MINE.replace("high = 3", "high = 0.5"), 2, "low = 1 above high = 0.5"),
    "a figure without a bound": (MINE.replace("high = 3\n", ""), 1, "has no high"),
    "a text as a figure": (MINE.replace("low = 1\n", 'low = "1"\n'), 2, "must be a number"),
    "a truth as a figure": (MINE.replace("low = 1\n", "low = true\n"), 2, "must be a number"),
    "a figure that is none": (MINE.replace("low = 1\n", "low = nan\n"), 2, "must be a number"),
    "an endless figure": (MINE.replace("high = 3", "high = inf"), 3, "must be a number"),
    "a figure of zero": (
        MINE.replace("low = 1\nhigh = 3", "low = 0\nhigh = 0"),
        3,
        "nothing would be slow",
    ),
    "a figure of days": (MINE.replace("high = 3", "high = 86400"), 3, "at most 3600 s"),
    "an unknown field": (MINE.replace("source =", "sauce =", 1), 5, "did you mean source?"),
    "an unknown figure": (MINE.replace("connection_s", "conection_s"), 1, "mean connection_s?"),
    "an unknown key": (f'titel = "x"\n{MINE}', 1, "did you mean title?"),
    "a missing figure": (CONNECTION, None, "the figure settled_s is missing"),
    "no figure at all": ('title = "x"\n', None, "the figure connection_s is missing"),
    "an empty file": ("", None, "the figure connection_s is missing"),
    "figures that are no table": ("figures = 3\n", 1, "must be a table"),
    "a figure that is no table": ("[figures]\nconnection_s = 3\nsettled_s = 3\n", 2, "a table"),
    "an assumption without its reason": (
        MINE.replace('note = "nobody measured it"\n', ""),
        14,
        "is assumed, and no note says why",
    ),
    "not TOML": ("[figures.connection_s\nlow = 1\n", 1, ""),
    "each_instance that is no truth": (f'each_instance = "no"\n{MINE}', 1, "must be true or false"),
}


@pytest.mark.parametrize(("text", "line", "words"), CASES.values(), ids=CASES)
def test_a_file_with_a_mistake_is_refused_with_its_line(
    file: Path, text: str, line: int | None, words: str
) -> None:
    said = refusal(file, text)
    place = f"{file}:" if line is None else f"{file}:{line}:"
    assert said.startswith(place)
    assert words in said


def test_a_file_that_is_not_there_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml cannot be read: .*No such file"):
        load(str(tmp_path / "nowhere.toml"))


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"x = " + b"[" * 100_000, b"#" * 2_000_000])
def test_a_file_that_is_no_text_of_ours_is_refused(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    with pytest.raises(UsageError, match=r"mine\.toml cannot be read"):
        load(str(file))


def test_a_folder_is_refused(file: Path) -> None:
    file.mkdir()
    with pytest.raises(UsageError, match="neither a file nor a pipe"):
        load(str(file))


def test_a_device_without_an_end_is_not_read(file: Path) -> None:
    file.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="neither a file nor a pipe"):
        load(str(file))


@pytest.mark.parametrize("wrong", ["e2-mirco", "", "../profiles/audit"])
def test_an_unknown_name_is_refused_with_the_known_ones(wrong: str) -> None:
    with pytest.raises(UsageError) as refused:
        load(wrong)
    assert "known: audit, cloud-nat, direct-vpc-egress, e2-micro" in refused.value.hint
    assert "FILE.toml" in refused.value.hint


def test_a_name_with_a_typing_error_is_put_right() -> None:
    with pytest.raises(UsageError, match="did you mean e2-micro"):
        load("e2-mirco")


def test_a_profile_tells_what_a_run_of_a_seed_draws() -> None:
    audit = load("audit")
    drawn = audit.draws(seed=7, until_s=599)
    assert len(drawn) == 60
    assert drawn == audit.draws(seed=7, until_s=599)
    assert drawn[:2] == audit.draws(seed=7, until_s=19.9)
    assert drawn != audit.draws(seed=8, until_s=599)
    assert all(10 <= each <= 30 for each in drawn)


def test_the_incident_takes_its_fault_and_its_end_from_the_profile() -> None:
    scenario = INCIDENT.scenario(connector="e2-micro", warm_connections=2)
    (fault,) = scenario.faults
    assert (fault.name, fault.kind, fault.receipt.kinds) == (
        SCALING,
        "slow_connect",
        ("link.held",),
    )
    assert fault.params == {"low_s": 10, "high_s": 30, "slot_s": 10, "each_other_s": 1}
    (moment,) = fault.heal.first_of
    assert isinstance(moment, Moment)
    assert (moment.after_s, moment.through_restarts) == (300, True)
    assert scenario.deadline_s == 600


def test_a_heal_that_is_asked_for_goes_before_the_profiles() -> None:
    (fault,) = INCIDENT.scenario(connector="audit", heal_s=250.0).faults
    (moment,) = fault.heal.first_of
    assert isinstance(moment, Moment)
    assert moment.after_s == 250


@pytest.mark.parametrize(
    "other", [{"fault": "latency"}, {"connection_s": 20.0}, {"latency_s": 1.0}]
)
def test_a_profile_and_another_fault_at_once_are_refused(other: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="describe two faults"):
        INCIDENT.scenario(connector="audit", **other)


def test_a_profile_that_is_not_there_is_refused_before_anything_starts() -> None:
    with pytest.raises(UsageError, match="did you mean audit"):
        INCIDENT.scenario(connector="audti")


def test_a_connector_can_be_scaled_before_and_a_fresh_instance_cannot() -> None:
    remedy = "pre-scaled-connector"
    scaled = INCIDENT.scenario(Role.REMEDY, remedy=remedy, connector="audit")
    assert scaled.faults == ()
    assert load("direct-vpc-egress").fault_name == FRESH
    with pytest.raises(UsageError, match="no connector profile that scales"):
        INCIDENT.scenario(Role.REMEDY, remedy=remedy, connector="direct-vpc-egress")


def test_on_docker_a_profile_needs_the_unix_socket() -> None:
    require_possible(INCIDENT.scenario(connector="audit"))
    over_tcp = INCIDENT.scenario(connector="audit", transport=Transport.TCP)
    with pytest.raises(CapabilityError, match="cannot hold one"):
        require_possible(over_tcp)


def test_an_app_of_ones_own_meets_the_profile_too() -> None:

    own = replace(sample_app(), name="shop")
    (fault,) = INCIDENT.scenario(Role.REPRODUCTION, own, connector="audit").faults
    assert fault.kind == "slow_connect"


def test_the_pages_example_is_a_profile_and_its_table_has_every_one(file: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text()
    (example,) = re.findall(r"```toml\n(title = .our staging connector.*?)```", page, re.DOTALL)
    file.write_text(example)
    assert load(str(file)).fault().each_other_s == 0.5
    for name in NAMES:
        connection = load(name).figures["connection_s"]
        low, high = connection.low, connection.high
        takes = f"{low:g} to {high:g} s" if low < high else f"{low:g} s"
        assert f"| {name} | {takes}" in page


def test_a_connection_may_take_no_time_at_least(file: Path) -> None:
    file.write_text(MINE.replace("low = 1\n", "low = 0\n"))
    scenario = INCIDENT.scenario(Role.REPRODUCTION, None, connector=str(file))
    (fault,) = scenario.faults
    assert (fault.params["low_s"], fault.params["high_s"]) == (0, 3)


def test_a_pipe_is_refused_at_once(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(UsageError, match="it is a pipe"):
        load(str(file))
