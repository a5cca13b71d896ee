"""Side-car profiles: when the proxy beside an app listens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crashloop.errors import UsageError
from crashloop.incidents import incident
from crashloop.profiles import SIDECAR_NAMES, load_sidecar

if TYPE_CHECKING:
    from crashloop.model import Trigger

INCIDENT = incident("sidecar-proxy-not-listening-yet")
MINE = """\
title = "our proxy"
[figures.listens_s]
low = 1
high = 3
unit = "s"
source = "measured on our staging"
date = 2026-11-02
"""


def listens_after_s(heal: Trigger) -> float:
    """When the proxy listens for an app that waits."""
    (moment,) = [each for each in heal.first_of if getattr(each, "on", "") == "phase.started"]
    return float(getattr(moment, "after_s", 0.0))


def heal(**params: Any) -> Trigger:
    (fault,) = INCIDENT.scenario(**params).faults
    return fault.heal


@pytest.mark.parametrize("name", SIDECAR_NAMES)
def test_every_figure_that_comes_with_crashloop_has_its_source_and_its_date(name: str) -> None:
    profile = load_sidecar(name)
    assert (profile.name, bool(profile.title)) == (name, True)
    for figure in profile.figures.values():
        assert figure.source
        assert figure.date
        assert not figure.assumed


def test_an_envoy_listens_when_its_reports_say() -> None:
    figure = load_sidecar("envoy").figures["listens_s"]
    assert (figure.low, figure.high, figure.unit) == (4, 6.6, "s")
    assert listens_after_s(heal(sidecar="envoy")) == pytest.approx(5.3)


def test_the_page_has_every_side_car_profile_with_its_range() -> None:
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text()
    for name in SIDECAR_NAMES:
        figure = load_sidecar(name).figures["listens_s"]
        assert f"| {name} | {figure.low:g} to {figure.high:g} s | " in page


def test_without_a_profile_the_parameter_says_when_the_proxy_listens() -> None:
    assert listens_after_s(heal(listens_s=2.0)) == 2.0


def test_a_profile_of_ones_own_is_used(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(MINE)
    assert load_sidecar(str(file)).title == "our proxy"
    assert listens_after_s(heal(sidecar=str(file))) == 2.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MINE.replace('source = "measured on our staging"\n', ""), "has no source"),
        (MINE.replace("date = 2026-11-02\n", ""), "has no date"),
        (
            MINE.replace("low = 1\nhigh = 3", "low = 0\nhigh = 0"),
            "would listen before the app asks",
        ),
        (MINE.replace("listens_s", "lisens_s"), "did you mean listens_s?"),
        ('title = "x"\n', "the figure listens_s is missing"),
    ],
)
def test_a_profile_that_cannot_be_used_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        INCIDENT.scenario(sidecar=str(file))


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="there is no side-car profile 'envy'") as refused:
        INCIDENT.scenario(sidecar="envy")
    assert "envoy" in refused.value.hint
    assert "sidecar=FILE.toml" in refused.value.hint
