"""The plugin in a foreign repository, as far as no scenario is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_a_coroutine_test_needs_no_mark(pytester: pytest.Pytester, mode: str) -> None:
    pytester.makepyfile(COROUTINE)
    pytester.runpytest_subprocess(f"--asyncio-mode={mode}", "--strict-markers").assert_outcomes(
        passed=1
    )


def test_a_coroutine_test_that_uses_the_lab_through_a_fixture_needs_no_mark(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def quick(lab):
            return lab

        class TestOutage:
            @pytest.mark.parametrize("limit", [8, 20])
            async def test_x(self, quick, limit):
                assert quick.seed == 5
        """
    )
    pytester.runpytest_subprocess("--crashloop-seed=5").assert_outcomes(passed=2)


def test_a_mark_of_the_user_s_own_stays_as_it_is(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio
        import pytest

        loops = set()

        @pytest.mark.asyncio(loop_scope="module")
        @pytest.mark.parametrize("n", [1, 2])
        async def test_x(lab, n):
            loops.add(asyncio.get_running_loop())
            assert len(loops) == 1
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=2)


def test_a_test_that_anyio_runs_is_left_to_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_x(lab, request):
            assert request.node.get_closest_marker("asyncio") is None
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


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


def test_a_plain_function_may_use_the_lab(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_x(lab):\n    assert lab.artifacts.is_dir()")
    pytester.runpytest_subprocess("-p", "no:asyncio").assert_outcomes(passed=1)


def test_without_pytest_asyncio_the_test_fails_and_says_what_to_install(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeini("[pytest]")
    pytester.makepyfile(COROUTINE)
    result = pytester.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Install pytest-asyncio (pip install pytest-asyncio)*"])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize("call", ['run("issue-1278")', 'prove("issue-1278")'])
def test_a_run_that_is_never_awaited_does_not_pass(pytester: pytest.Pytester, call: str) -> None:
    pytester.makepyfile(f"def test_x(lab):\n    lab.{call}")

    result = pytester.runpytest_subprocess("-p", "no:asyncio")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*lab.{call.partition('(')[0]}(...) was never awaited*"])
    assert "RuntimeWarning" not in result.stdout.str()


def test_the_header_names_engine_scale_and_the_seed_of_every_test(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("def test_x(lab):\n    print('seed of the test:', lab.seed)")
    result = pytester.runpytest_subprocess("-s", "--crashloop-time-scale=2.5")
    words = next(
        line for line in result.outlines if line.startswith("crashloop: engine local")
    ).split()
    assert words[:-1] == ["crashloop:", "engine", "local,", "time", "scale", "2.5,", "seed"]
    result.stdout.fnmatch_lines([f"*seed of the test: {words[-1]}*"])


def test_ini_keys_are_the_defaults_of_the_options(pytester: pytest.Pytester) -> None:
    ini(
        pytester,
        crashloop_engine="local",
        crashloop_time_scale=4,
        crashloop_seed=77,
        crashloop_artifacts="kept",
    )
    pytester.makepyfile(
        test_ini="""
        def test_x(lab, pytestconfig):
            assert (lab.scale, lab.seed) == (4, 88)
            assert lab.artifacts == pytestconfig.rootpath / "kept" / "test_ini.py.test_x"
        """
    )
    result = pytester.runpytest_subprocess("--strict-config", "--crashloop-seed=88")
    result.assert_outcomes(passed=1)


def test_a_postgres_of_the_users_own_is_not_passed_over_on_docker(
    pytester: pytest.Pytester,
) -> None:
    result = pytester.runpytest_inprocess("--crashloop-engine=docker", "--crashloop-postgres-bin=.")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "with engine docker the image brings Postgres" in result.stderr.str()


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--crashloop-engine=moon", "choose one of local, docker"),
        ("--crashloop-time-scale=fast", "give a number from 1 (real time) to 1000"),
        ("--crashloop-time-scale=0.5", "give a number from 1 (real time) to 1000"),
        ("--crashloop-time-scale=nan", "give a number from 1 (real time) to 1000"),
        ("--crashloop-seed=-1", "give a whole number from 0 to 4294967295"),
        ("--crashloop-seed=4294967296", "give a whole number from 0 to 4294967295"),
        ("--crashloop-postgres-bin=nowhere", "there is no such folder"),
        ("--crashloop-artifacts=", "it cannot be empty"),
    ],
)
def test_a_bad_option_ends_the_session_with_one_sentence(
    pytester: pytest.Pytester, option: str, says: str
) -> None:
    name, _, value = option.partition("=")
    result = pytester.runpytest_inprocess(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [
        line for line in result.errlines if line.startswith(f"ERROR: {name} is {value!r}: {says}")
    ]


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
        "from crashloop.testing import INCONCLUSIVE, REPRODUCED, Lab\ndef test_x(lab): pass"
    )
    result = pytester.runpytest_subprocess("-p", "crashloop.pytest_plugin", "--collect-only", "-s")
    result.stdout.fnmatch_lines(["*test_x*", "*heavy: []*"])


def test_two_tests_never_share_a_folder(pytester: pytest.Pytester, tmp_path: Path) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("n", ["a/b", "a-b", "x" * 300])
        def test_x(lab, n):
            lab.artifacts.mkdir(parents=True)
        """
    )
    result = pytester.runpytest_subprocess(f"--crashloop-artifacts={tmp_path / 'kept'}")
    result.assert_outcomes(passed=3)
    assert len(list((tmp_path / "kept").iterdir())) == 3
