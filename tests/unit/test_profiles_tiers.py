"""Database tiers: how many connections each takes, and what an incident makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crashloop.errors import UsageError
from crashloop.incidents import incident
from crashloop.profiles import TIER_NAMES, load_tier

INCIDENT = incident("slots-exhausted-at-scale-out")

MINE = """\
[figures.max_connections]
low = 300
high = 300
unit = "connections"
source = "show max_connections"
date = 2026-11-02

[figures.reserved]
low = 13
high = 13
unit = "connections"
source = "show superuser_reserved_connections"
date = 2026-11-02
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def test_cloud_sql_takes_25_to_1000_connections_by_memory() -> None:
    of_cloud_sql = [load_tier(name) for name in TIER_NAMES if name != "postgres"]
    most = [tier.max_connections for tier in of_cloud_sql]
    memory = [tier.figures["memory"].low for tier in of_cloud_sql]
    assert most == [25, 50, 100, 200, 400, 500, 600, 800, 1000]
    assert memory == [0.5, 1.7, 3.75, 6, 7.5, 15, 30, 60, 120]


@pytest.mark.parametrize("name", TIER_NAMES)
def test_every_figure_of_a_tier_has_its_source_and_its_date(name: str) -> None:
    tier = load_tier(name)
    assert tier.name == name
    assert tier.title
    for figure in tier.figures.values():
        assert figure.source
        assert figure.date
        assert figure.note or not figure.assumed


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("db-custom-2-8192", 400),
        ("db-custom-2-7680", 400),
        ("db-custom-2-7424", 200),
        ("db-custom-1-3840", 100),
        ("db-custom-96-638976", 1000),
    ],
)
def test_a_custom_machine_has_the_connections_of_its_memory(name: str, most: int) -> None:
    tier = load_tier(name)
    assert (tier.name, tier.max_connections) == (name, most)


def test_a_custom_machine_with_too_little_memory_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        load_tier("db-custom-1-3584")
    assert "3.5 GB" in str(refused.value)
    assert "3840 MB" in refused.value.hint


@pytest.mark.parametrize(
    "wrong", ["db-f1-mirco", "", "db-custom-1", "db-custom-0-3840", "../audit"]
)
def test_an_unknown_tier_is_refused_with_the_known_ones(wrong: str) -> None:
    with pytest.raises(UsageError) as refused:
        load_tier(wrong)
    assert "known: db-f1-micro, db-g1-small" in refused.value.hint
    assert "tier=FILE.toml" in refused.value.hint


CASES = {
    "a range": (MINE.replace("high = 300", "high = 400"), 1, "one whole number"),
    "a part of one": (MINE.replace("= 300", "= 0.5"), 1, "one whole number"),
    "none": (MINE.replace("= 300", "= 0"), 3, "nobody could connect"),
    "all reserved": (MINE.replace("= 13", "= 300"), 8, "leaves none of 300"),
    "no reserved": (MINE.partition("\n\n")[0] + "\n", None, "the figure reserved is missing"),
    "a connector's figure": (MINE.replace(".reserved", ".settled_s"), 8, "has no figure"),
    "no source": (MINE.replace('source = "show max_connections"\n', ""), 1, "has no source"),
}


@pytest.mark.parametrize(("text", "line", "words"), CASES.values(), ids=CASES)
def test_a_tier_with_a_mistake_is_refused_with_its_line(
    file: Path, text: str, line: int | None, words: str
) -> None:
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        load_tier(str(file))
    said = f"{refused.value.message} {refused.value.hint}"
    assert said.startswith(f"{file}:" if line is None else f"{file}:{line}:")
    assert words in said


def test_the_incident_gives_postgres_the_tiers_figures(file: Path) -> None:
    file.write_text(MINE)
    postgres = INCIDENT.scenario(tier=str(file)).dependencies[0]
    assert postgres.settings == {"max_connections": 300, "superuser_reserved_connections": 13}
    assert INCIDENT.scenario().dependencies[0].settings == {"max_connections": 100}


def test_a_tier_and_max_connections_at_once_are_refused() -> None:
    with pytest.raises(UsageError, match="describe two servers"):
        INCIDENT.scenario(tier="db-custom-1-3840", max_connections=90)


def test_a_tier_without_room_for_the_old_instance_is_refused_before_anything_starts() -> None:
    with pytest.raises(UsageError, match="leaves 22 connections") as refused:
        INCIDENT.scenario(tier="db-f1-micro")
    assert "36" in refused.value.message


def test_the_pages_table_says_how_many_instances_each_tier_has_room_for() -> None:
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text()
    for name in TIER_NAMES:
        tier = load_tier(name)
        started, loaded = tier.instances(20), tier.instances(50)
        row = (
            f"| {name} | {tier.max_connections} | {tier.for_apps} | {started + 1} | {loaded + 1} |"
        )
        assert row in page


def test_the_pages_example_is_a_tier(file: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text()
    (example,) = re.findall(r"```toml\n(title = .our staging database.*?)```", page, re.DOTALL)
    file.write_text(example)
    assert load_tier(str(file)).for_apps == 287
