"""What a plain `pytest` of our own suite leaves out, and that it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[2] / "conftest.py"


@pytest.fixture(autouse=True)
def _suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makeini(
        f"""
        [pytest]
        pythonpath = {CONFTEST.parent / "fixtures"}
        asyncio_default_fixture_loop_scope = function
        markers =
            slow: slow
            docker: docker
        """
    )
    pytester.makepyfile(
        """
        import pytest

        def test_quick(): pass

        @pytest.mark.slow
        def test_slow(): pass

        @pytest.mark.slow
        @pytest.mark.docker
        def test_both(): pass
        """
    )


@pytest.mark.slow
def test_a_plain_run_says_what_it_left_out_and_how_to_run_it(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("-n", "2")
    assert result.parseoutcomes()["passed"] == 1
    said = [line for line in result.outlines if "deselected; to run" in line]
    assert said == [
        "1 test marked docker deselected; to run them: pytest -m docker",
        "2 tests marked slow deselected; to run them: pytest -m slow",
    ]


def test_a_mark_expression_decides_alone(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("-m", "slow")
    result.assert_outcomes(passed=2, deselected=1)
    assert "deselected; to run" not in result.stdout.str()
