"""The plugin in a foreign repository, as far as no scenario is run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from crashloop.pytest_plugin import _folder

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
        ("--crashloop-seed=-1", "give a whole number from 0 to 4294967295"),
        ("--crashloop-seed=4294967296", "give a whole number from 0 to 4294967295"),
        ("--crashloop-postgres-bin=nowhere", "there is no such folder"),
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


@pytest.mark.parametrize(
    ("start", "root", "found"),
    [("/repo/web", "/repo", "/repo/web"), ("/repo", "/repo", "/repo"), ("/home", "/repo", "/repo")],
)
def test_apps_are_looked_for_from_the_starting_folder_or_from_the_root_folder_if_that_is_elsewhere(
    start: str, root: str, found: str
) -> None:
    given = SimpleNamespace(invocation_params=SimpleNamespace(dir=Path(start)), rootpath=Path(root))
    assert _folder(cast("pytest.Config", given)) == Path(found)


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
