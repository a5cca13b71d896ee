"""The entries of six ordinary services: short, portable, and shown in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest
from service_copies import SERVICES

from crashloop.apps import load_entry

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "your-app.md"
NAMES = sorted(path.name for path in SERVICES.iterdir())


def lines(name: str) -> list[str]:
    return (SERVICES / name / "crashloop.toml").read_text().splitlines()


def test_there_are_six_kinds() -> None:
    assert NAMES == ["guestbook", "inventory", "links", "notes", "orders", "payments"]


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_has_at_most_ten_lines(name: str) -> None:
    assert len(lines(name)) <= 10


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_can_be_read_and_names_no_folder_of_this_machine(name: str) -> None:
    app = load_entry(SERVICES / name / "crashloop.toml", name)
    assert app.ready.path
    assert len(app.journey.steps) == 2
    assert not any("/home/" in line or str(SERVICES) in line for line in lines(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_shows_the_entry_as_it_is(name: str) -> None:
    shown = "\n".join(lines(name))
    assert f"```toml\n{shown}\n```" in DOCUMENTATION.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_service_has_never_heard_of_crashloop(name: str) -> None:
    of_its_own = [p for p in (SERVICES / name).rglob("*") if p.suffix in {".py", ".js", ".json"}]
    assert of_its_own
    assert not [path for path in of_its_own if "crashloop" in path.read_text().lower()]
