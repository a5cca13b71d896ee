"""A comparison as pictures."""

import struct
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from comparisons import arm, compared, looped, of_issue_1278, served

from crashloop.model.comparison import NO_REMEDY, Comparison
from crashloop.report.curves import limits_of, pictures

HOSTILE = "<script>alert(1)</script>$\\frac{\x1b[31m✓"
SVG = "{http://www.w3.org/2000/svg}"

pytestmark = pytest.mark.slow  # they draw


def hostile() -> Comparison:
    found = of_issue_1278()
    others = [replace(each, connector=HOSTILE) for each in found.arms]
    return replace(found, incident=HOSTILE, platform=HOSTILE, arms=(*found.arms, *others))


@pytest.fixture(scope="module")
def drawn() -> dict[str, bytes]:
    return pictures(hostile(), sources={HOSTILE: f"{HOSTILE} & others", "audit": "the audit"})


def test_success_by_limit_and_recovery_are_drawn_as_png_and_svg(drawn: dict[str, bytes]) -> None:
    assert sorted(drawn) == [
        "recovery-by-remedy.png",
        "recovery-by-remedy.svg",
        "success-by-limit.png",
        "success-by-limit.svg",
    ]
    for name, content in drawn.items():
        if name.endswith("png"):
            assert content.startswith(b"\x89PNG")
            width, height = struct.unpack(">II", content[16:24])
            assert width == 1200
            assert 300 < height < 3000


def test_a_hostile_name_is_no_part_of_the_markup(drawn: dict[str, bytes]) -> None:
    for name in ("recovery-by-remedy.svg", "success-by-limit.svg"):
        text = drawn[name].decode()
        assert "<script" not in text
        assert "\x1b" not in text
        kinds = {each.tag for each in ET.fromstring(text).iter() if isinstance(each.tag, str)}  # noqa: S314  our own
        assert f"{SVG}script" not in kinds


def test_each_connector_has_a_line_of_its_limits_in_order() -> None:
    found = limits_of(hostile())
    assert list(found) == ["audit", HOSTILE]
    assert [limit_s for limit_s, _ in found["audit"]] == [8, 25, 35, 60]


def test_the_same_comparison_gives_the_same_files(drawn: dict[str, bytes]) -> None:
    again = pictures(hostile(), sources={HOSTILE: f"{HOSTILE} & others", "audit": "the audit"})
    assert again == drawn


def test_without_a_limit_or_a_counted_trial_there_is_nothing_to_draw() -> None:
    found = pictures(compared(arm(NO_REMEDY, [looped()] * 10)), sources={})
    assert sorted(found) == ["recovery-by-remedy.png", "recovery-by-remedy.svg"]
    lost = replace(served(), inconclusive="the run did not finish")
    assert pictures(compared(arm("limit=60", [lost])), sources={}) == {}


def test_matplotlib_is_imported_only_to_draw() -> None:
    program = "import sys, crashloop.report.curves; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"
