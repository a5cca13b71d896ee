"""The plugin in a foreign repository, as far as no scenario is run."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from crashloop_own_apps import untouched
from incident_files import EXAMPLE, NAME, written
from own_runs import a_fate, ended, never_started, run_of

from crashloop import slower  # here, as pytester forgets what is imported in a test
from crashloop.model import Outcome
from crashloop.testing.settings import search_folder

if TYPE_CHECKING:
    from crashloop.model import Scenario
    from crashloop.options import RunOptions
    from crashloop.run import Run

HEAVY = ("asyncpg", "fastapi", "httpx", "pydantic", "rich", "sqlalchemy", "uvloop", "websockets")
COROUTINE = """
    import asyncio

    async def test_x(lab):
        assert asyncio.get_running_loop()
        assert lab.scale == 20
"""


@pytest.fixture(autouse=True)
def _plain_session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    ini(pytester)


def ini(pytester: pytest.Pytester, **keys: object) -> None:
    lines = {"asyncio_default_fixture_loop_scope": "function", **keys}
    pytester.makeini("[pytest]\n" + "\n".join(f"{key} = {value}" for key, value in lines.items()))


def test_a_coroutine_test_that_uses_the_lab_needs_no_mark_and_a_mark_of_its_own_stays(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        test_plain=COROUTINE,
        test_through_a_fixture="""
        import pytest

        @pytest.fixture
        def quick(lab):
            return lab

        class TestOutage:
            @pytest.mark.parametrize("limit", [8, 20])
            async def test_x(self, quick, limit):
                assert quick.seed == 5
        """,
        test_marked="""
        import asyncio
        import pytest

        loops = set()

        @pytest.mark.asyncio(loop_scope="module")
        @pytest.mark.parametrize("n", [1, 2])
        async def test_x(lab, n):
            loops.add(asyncio.get_running_loop())
            assert len(loops) == 1
        """,
        test_anyio="""
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_x(lab, request):
            assert request.node.get_closest_marker("asyncio") is None
        """,
    )
    options = ("--asyncio-mode=strict", "--strict-markers", "--crashloop-seed=5")
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=6)


@pytest.mark.slow
def test_a_fixture_of_the_same_name_is_the_repository_s_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def lab():
            return "mine"

        def test_x(lab):
            assert lab == "mine"

        async def test_strict_mode_stays_strict(lab):
            pass
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])


@pytest.mark.slow
def test_without_pytest_asyncio_a_coroutine_fails_and_a_run_that_is_never_awaited_is_an_error(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeini("[pytest]")
    pytester.makepyfile(
        COROUTINE,
        test_functions="""
        def test_a_plain_function_may_use_the_lab(lab):
            assert lab.artifacts.is_dir()

        def test_forgets_to_await_a_run(lab):
            lab.run("issue-1278")

        def test_forgets_to_await_a_proof(lab):
            lab.prove("issue-1278")
        """,
    )
    result = pytester.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(failed=1, passed=3, errors=2)
    result.stdout.fnmatch_lines_random(
        [
            "*Install pytest-asyncio (pip install pytest-asyncio)*",
            "*lab.run(...) was never awaited*",
            "*lab.prove(...) was never awaited*",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "RuntimeWarning" not in result.stdout.str()


def test_ini_keys_are_the_defaults_of_the_options_and_the_header_names_what_is_in_force(
    pytester: pytest.Pytester,
) -> None:
    ini(
        pytester,
        crashloop_engine="local",
        crashloop_time_scale=2.5,
        crashloop_seed=77,
        crashloop_artifacts="kept",
    )
    pytester.makepyfile(
        test_ini="""
        import pytest

        def test_x(lab, pytestconfig):
            assert (lab.scale, lab.seed) == (2.5, 88)
            assert lab.artifacts == pytestconfig.rootpath / "kept" / "test_ini.py.test_x"

        @pytest.mark.parametrize("n", ["a/b", "a-b", "x" * 300])
        def test_that_never_shares_a_folder(lab, n):
            lab.artifacts.mkdir(parents=True)
        """
    )
    result = pytester.runpytest_subprocess("--strict-config", "--crashloop-seed=88")
    result.assert_outcomes(passed=4)
    assert "crashloop: engine local, time scale 2.5, seed 88" in result.outlines
    assert len(list((pytester.path / "kept").iterdir())) == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--crashloop-engine=moon", "choose one of local, docker"),
        ("--crashloop-time-scale=fast", "give a number from 1 (real time) to 1000"),
        ("--crashloop-time-scale=0.5", "give a number from 1 (real time) to 1000"),
        ("--crashloop-time-scale=nan", "give a number from 1 (real time) to 1000"),
        ("--crashloop-slower=10", "give a whole number from 0 to 9"),
        ("--crashloop-seed=-1", "give a whole number from 0 to 4294967295"),
        ("--crashloop-seed=4294967296", "give a whole number from 0 to 4294967295"),
        ("--crashloop-postgres-bin=nowhere", "there is no such folder"),
        ("--crashloop-incidents=nowhere", "there is no such folder; name that of your incidents"),
        ("--crashloop-artifacts=", "it cannot be empty"),
        (
            "--crashloop-postgres-bin=. --crashloop-engine=docker",
            "with engine docker the image brings Postgres",
        ),
    ],
)
def test_a_bad_option_ends_the_session_with_one_sentence(
    pytester: pytest.Pytester, options: str, says: str
) -> None:
    words = options.split()
    name, _, value = words[0].partition("=")
    result = pytester.runpytest_inprocess(*words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = [line for line in result.errlines if line]
    assert error.startswith(f"ERROR: {name} is {value!r}: {says}")


def test_incidents_of_a_folder_are_part_of_the_library_and_the_header_says_what_is_left_out(
    pytester: pytest.Pytester,
) -> None:
    written(pytester.path / "mine", one=EXAMPLE, two="1 / 0")
    pytester.makepyfile(
        """
        from crashloop.testing import outages

        test_outages = outages("shop")
        """
    )
    options = ("--crashloop-incidents=mine", "--collect-only", "-q", "-v")
    result = pytester.runpytest_subprocess(*options)
    result.stdout.fnmatch_lines(
        ["crashloop: left out: *two.py: line 1: ZeroDivisionError*", f"*test_outages?{NAME}?*"]
    )

    (pytester.path / "mine" / "one.py").unlink()
    (pytester.path / "mine" / "two.py").unlink()
    result = pytester.runpytest_subprocess(*options)
    result.stderr.fnmatch_lines(["ERROR: --crashloop-incidents: *mine has no incident"])


def test_a_bad_ini_value_names_the_key_and_the_file(pytester: pytest.Pytester) -> None:
    ini(pytester, crashloop_seed="lucky")
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: crashloop_seed in *tox.ini is 'lucky': give a whole*"])


def test_a_session_that_uses_no_lab_imports_nothing_heavy(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]")
    pytester.makeconftest(
        f"""
        import sys

        def pytest_sessionfinish():
            print("heavy:", sorted(set({HEAVY!r}) & set(sys.modules)))
        """
    )
    pytester.makepyfile(
        "from crashloop.testing import RECOVERED, REPRODUCED, Lab, outages\ndef test_x(lab): pass"
    )
    result = pytester.runpytest_subprocess("-p", "crashloop.pytest_plugin", "--collect-only", "-s")
    result.stdout.fnmatch_lines(["*test_x*", "*heavy: []*"])


@pytest.mark.parametrize(
    ("start", "root", "found"),
    [("/repo/web", "/repo", "/repo/web"), ("/repo", "/repo", "/repo"), ("/home", "/repo", "/repo")],
)
def test_apps_are_looked_for_from_the_starting_folder_or_from_the_root_folder_if_that_is_elsewhere(
    start: str, root: str, found: str
) -> None:
    given = SimpleNamespace(invocation_params=SimpleNamespace(dir=Path(start)), rootpath=Path(root))
    assert search_folder(cast("pytest.Config", given)) == Path(found)


@pytest.mark.slow
def test_an_unknown_app_fails_the_test_with_the_known_ones(pytester: pytest.Pytester) -> None:
    ini(pytester, crashloop_config="apps/mine.toml")
    pytester.mkdir("apps").joinpath("mine.toml").write_text("[apps.shop]\ncommand = 'x'\n")
    pytester.makepyfile(
        test_apps="""
        async def test_x(lab):
            await lab.run("issue-1278", app="shopp")
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*mine.toml:1: there is no app 'shopp'", "*known: shop"])


@pytest.mark.slow
def test_an_error_of_the_entry_is_shown_below_the_test_s_own_line_only(
    pytester: pytest.Pytester,
) -> None:
    ini(pytester, crashloop_config="mine.toml")
    pytester.path.joinpath("mine.toml").write_text("[apps.shop]\ncommand = 'nowhere'\n")
    pytester.makepyfile(
        test_apps="""
        async def test_x(lab):
            await lab.run("issue-1278", app="shop")
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    shown = [line for line in result.outlines if re.match(r"\S+\.py:\d+", line)]
    assert shown == ["test_apps.py:2: in test_x"]


OUTAGES = """
    from crashloop.testing import outages

    test_outages = outages({words})
"""
SHOP = """
    [apps.shop]
    command = "{python} -m shop --port {port}"
    env = {DATABASE_URL = "{postgres.url}"}
"""
ENDS = {
    "issue-1278": Outcome.RECOVERED,
    "retry-longer-than-the-probe": Outcome.SURVIVED,
    "slots-exhausted-at-scale-out": Outcome.NOT_RECOVERED,
}


IDLE = "liveness-kills-the-migration"


@pytest.fixture
def shop(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An app of the user's own whose runs start nothing.

    They end as in ENDS, others are recovered from; without any ENDS, the app never starts.
    The fault of IDLE touches nothing.
    """

    async def run_scenario(scenario: Scenario, options: RunOptions) -> Run:
        assert options.artifacts is not None
        assert scenario.app.name == "shop"
        if not ENDS:
            return never_started(options.artifacts)
        if scenario.incident == IDLE:
            return run_of(untouched(), a_fate(Outcome.INCONCLUSIVE), options.artifacts)
        made = ended(ENDS.get(scenario.incident, Outcome.RECOVERED), options.artifacts)
        return replace_scenario(made, scenario)

    monkeypatch.setattr(slower, "run_scenario", run_scenario)
    ini(pytester, crashloop_config="apps/mine.toml")
    pytester.mkdir("apps").joinpath("mine.toml").write_text(dedent(SHOP))
    return pytester


def replace_scenario(run: Run, scenario: Scenario) -> Run:
    object.__setattr__(run, "scenario", scenario)
    return run


def test_outages_is_one_test_for_each_incident_of_the_library_and_skips_what_cannot_happen(
    shop: pytest.Pytester,
) -> None:
    shop.makepyfile(OUTAGES.format(words='"shop"'))
    result = shop.runpytest_inprocess("-rs", "-v", "-p", "no:randomly")
    # slots-exhausted alone is not recovered from
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] == 1
    assert outcomes["passed"] >= 2
    assert outcomes["skipped"] >= 1
    result.stdout.fnmatch_lines(
        [
            "*test_outages?issue-1278? PASSED*",
            "*test_outages?slots-exhausted-at-scale-out? FAILED*",
            "SKIPPED * test_*.py: crashloop: cache-still-loading is about redis, which app shop*",
        ]
    )


def test_an_outage_that_touches_nothing_of_a_healthy_app_is_skipped_with_what_it_lacks(
    shop: pytest.Pytester,
) -> None:
    shop.makepyfile(OUTAGES.format(words=f'"shop", "{IDLE}"'))
    result = shop.runpytest_inprocess("-rs")
    result.assert_outcomes(skipped=1)
    assert "cannot happen to app shop: it changes no schema" in " ".join(result.outlines)


def test_an_outage_that_is_not_recovered_from_shows_its_evidence_and_nothing_of_ours(
    shop: pytest.Pytester,
) -> None:
    shop.makepyfile(OUTAGES.format(words='"shop", "slots-exhausted-at-scale-out"'))
    result = shop.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*(reproduction) of app shop ended NOT_RECOVERED, required SURVIVED or RECOVERED",
            "*because so it was",
            "*Last lines of attempt 2*",
            "*run again: pytest *test_outages?slots-exhausted-at-scale-out?* --crashloop-config*",
        ]
    )
    text = result.stdout.str()
    assert "outages.py" not in text
    assert "traceback entries are hidden" not in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ('"shop", "issue-1278", require="survived"', "ended RECOVERED, required SURVIVED"),
        ('"shop", "issue-1278", require="INCONCLUSIVE"', "outages cannot require INCONCLUSIVE"),
        ('"shop", "issue-1279"', "unknown incident 'issue-1279'"),
        ('"shop", "issue-1278", limit=3', "none of issue-1278 has a parameter 'limit'"),
        ('"shopp", "issue-1278"', "there is no app 'shopp'"),
    ],
)
def test_what_outages_requires_and_what_it_is_given_wrong_is_one_message(
    shop: pytest.Pytester, words: str, says: str
) -> None:
    shop.makepyfile(OUTAGES.format(words=words))
    result = shop.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{says}*"])
    assert "outages.py" not in result.stdout.str()


def test_an_app_that_never_started_passes_no_test_that_forgets_to_assert(
    shop: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ENDS", {})
    shop.makepyfile(
        """
        from crashloop.testing import NEVER_STARTED, RECOVERED

        async def test_forgets(lab):
            await lab.run("issue-1278", app="shop")

        async def test_expects_a_verdict_only(lab):
            (await lab.run("issue-1278", app="shop")).expect("INCONCLUSIVE")

        async def test_expects_another(lab):
            (await lab.run("issue-1278", app="shop")).expect_outcome(RECOVERED)

        async def test_expects_it(lab):
            (await lab.run("issue-1278", app="shop")).expect_outcome(NEVER_STARTED)
        """
    )
    result = shop.runpytest_inprocess("--junitxml=junit.xml", "-p", "no:randomly")
    # what only fails its assertion is not an error as well
    result.assert_outcomes(passed=3, failed=1, errors=2)
    result.stdout.fnmatch_lines(["*so nothing was tested: without a fault, it exited with 1*"])
    assert "Last lines of the control life" in result.stdout.str()
    assert 'name="crashloop_outcome" value="NEVER_STARTED"' in (
        shop.path.joinpath("junit.xml").read_text()
    )
