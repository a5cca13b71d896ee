"""`crashloop compare` before anything starts: what is compared, bad input, and the plan."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from comparisons import looped

from crashloop import interrupt
from crashloop.campaign.evidence import RESULTS_FILE, SCHEMA, Evidence
from crashloop.campaign.execution import Execution
from crashloop.cli import main
from crashloop.commands import compare as commands_compare
from crashloop.commands import compare_order
from crashloop.commands.compare_order import CompareOrder, again, planned
from crashloop.errors import HarnessError
from crashloop.profiles import load
from crashloop.profiles.file import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Compare = Callable[..., tuple[int, str, str]]

ENTRY = """
[apps.shop]
command = "{python} main.py"
env = {DATABASE_URL = "{postgres.url}", LIMIT_S = "{limit_s}"}
dependencies = ["postgres"]
platform = "kubernetes"

[apps.shop.remedies.patient]
env = {PATIENT = "1"}
"""


@pytest.fixture
def compare(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Compare:
    """Run `crashloop compare` in a folder with one app, `shop`."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crashloop.toml").write_text(ENTRY)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["crashloop", "compare", *words])
        status = main()
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def remedies(document: str) -> list[str]:
    return [arm["remedy"] for arm in json.loads(document)["arms"]]


def test_the_ordinary_comparison_has_every_remedy_and_what_is_none(compare: Compare) -> None:
    status, out, _ = compare("issue-1278", "--dry-run", "--json")
    assert status == 0
    names = remedies(out)
    assert names[:6] == ["none", *(f"limit={s}" for s in (8, 20, 25, 35, 60))]
    assert {"degraded-start", "pre-scaled-connector", "patient-liveness", "egress-flag"} < {*names}
    assert {arm["connector"] for arm in json.loads(out)["arms"]} == {"audit"}


def test_the_plan_says_what_decides_and_that_nothing_was_started(
    compare: Compare, tmp_path: Path
) -> None:
    status, out, _ = compare("issue-1278", "--remedy", "limit=25", "--dry-run", "--seed", "7")
    assert status == 0
    assert "2 replicas on cloud-run" in out
    assert "the outage ends after 240 to 360 s" in out
    assert "looks after 10, 20, 50 and 100 trials that count; seed 7" in out
    assert out.rstrip().endswith("nothing was started")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crashloop.toml"]


def test_the_arm_without_a_remedy_is_always_there_and_once(compare: Compare) -> None:
    for given in ((), ("--remedy", "none")):
        _, out, _ = compare("issue-1278", "--remedy", "limit=25", *given, "--dry-run", "--json")
        assert remedies(out) == ["none", "limit=25"]


def test_remedies_are_combined_by_a_plus(compare: Compare) -> None:
    _, out, _ = compare("issue-1278", "--remedy", "degraded-start+limit=25", "--dry-run", "--json")
    assert remedies(out) == ["none", "degraded-start+limit=25"]


def test_each_connector_has_an_arm_for_each_remedy(compare: Compare) -> None:
    words = ("--remedy", "limit=60", "--connector", "audit", "--connector", "e2-micro")
    _, out, _ = compare("issue-1278", *words, "--dry-run", "--json")
    arms = [(arm["remedy"], arm["connector"]) for arm in json.loads(out)["arms"]]
    assert len(arms) == 4
    assert set(arms) == {(r, c) for r in ("none", "limit=60") for c in ("audit", "e2-micro")}


def test_flags_override_the_ordinary_comparison(compare: Compare) -> None:
    words = ("--platform", "docker", "--replicas", "3", "-p", "warm_connections=4")
    _, out, _ = compare("issue-1278", *words, "--remedy", "limit=25", "--dry-run")
    assert "3 replicas on docker" in out


def test_a_remedy_that_does_not_fit_is_left_out_with_the_reason(compare: Compare) -> None:
    _, out, _ = compare("issue-1278", "--platform", "docker", "--dry-run")
    assert "left out: patient-liveness: docker has no probes" in out


def test_the_users_own_app_is_compared_with_its_own_remedies(compare: Compare) -> None:
    _, out, _ = compare("issue-1278", "--app", "shop", "--dry-run", "--json")
    document = json.loads(out)
    assert document["platform"] == "kubernetes"
    assert "patient" in remedies(out)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("issue-1279",), "unknown incident 'issue-1279'"),
        (("issue-1278", "--trials", "0"), "must be greater than or equal to 1"),
        (("issue-1278", "--replicas", "0"), "must be greater than or equal to 1"),
        (("issue-1278", "--remedy", "retry-jiter"), "did you mean retry-jitter?"),
        (("issue-1278", "--remedy", "limit"), "write limit=S"),
        (("issue-1278", "--remedy", "limit=25+limit=60"), "cannot be combined"),
        (("issue-1278", "--remedy", "patient-liveness", "--platform", "docker"), "no probes"),
        (("issue-1278", "--platform", "heroku"), "heroku"),
        (("issue-1278", "--criterion", "success>95"), "between 0 and 1"),
        (("issue-1278", "--criterion", "speed>0.5"), "which is not measured"),
        (("issue-1278", "--criterion", "success"), "is no criterion"),
        (("issue-1278", "--connector", "e3-huge"), "no connector profile 'e3-huge'"),
        (("issue-1278", "--connector", "mine.toml"), "the figure settled_s is missing"),
        (("issue-1278", "-p", "heal_s=soon"), "heal_s=soon is not a number"),
        (("issue-1278", "-p", "heal_s=0"), "heal_s=0 lets the app's exits end the outage"),
        (("issue-1278", "-p", "heal_s=-1"), "heal_s"),
        (("issue-1278", "-p", "heal_s=nan"), "heal_s=nan is not a number"),
        (("issue-1278", "-p", "heal_s=inf"), "heal_s=inf is not a number"),
        (("issue-1278", "--remedy", ""), "--remedy has an empty name"),
        (("issue-1278", "--remedy", "limit=25", "--remedy", " "), "--remedy has an empty name"),
        (("issue-1278", "--connector", ""), "--connector has an empty name"),
        (("issue-1278", "--platform", ""), "unknown platform ''"),
        (("issue-1278", "--trials", f"1{'0' * 400}"), "less than or equal to 1000000"),
        (
            ("issue-1278", "--connector", "audit", "-p", "connector=e2-micro"),
            "--connector and -p connector were both given",
        ),
        (("issue-1278", "-p", "lmit=8"), "has no parameter 'lmit'"),
        (("issue-1278", "--platform", "docker", "-p", "platform=docker"), "were both given"),
        (("slots-exhausted-at-scale-out", "--connector", "audit"), "has no connector"),
        (("issue-1278", "--resume"), "--resume was given without --artifacts"),
        (("issue-1278", "--app", "shp"), "shp"),
        (("issue-1278", "--real-time", "--time-scale", "5"), "exclude each other"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    compare: Compare, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    (tmp_path / "mine.toml").write_text(
        "[figures.connection_s]\nlow = 10\nhigh = 30\nunit = 's'\n"
        "source = 'mine'\ndate = '2025-09'\n"
    )
    before = sorted(path.name for path in tmp_path.iterdir())
    status, out, err = compare(*words)
    assert (status, out) == (2, "")
    assert says in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_profile_whose_figure_has_no_source_is_refused(compare: Compare, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        "[figures.connection_s]\nlow = 10\nhigh = 30\nunit = 's'\ndate = '2025-09'\n"
        "[figures.settled_s]\nlow = 240\nhigh = 360\nunit = 's'\nsource = 'me'\ndate = '2025-09'\n"
    )
    status, _, err = compare("issue-1278", "--connector", "mine.toml", "--remedy", "limit=25")
    assert (status, "connection_s has no source" in err) == (2, True)


def test_a_folder_with_results_that_name_no_command_does_not_advise_resume(
    compare: Compare, tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / RESULTS_FILE).write_text("{}\n")
    status, _, err = compare("issue-1278", "--artifacts", "kept")
    assert (status, "--resume" in err, "name a new folder" in err) == (2, False, True)


def test_resume_refuses_the_folder_of_another_comparison(compare: Compare, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    header = {
        "schema": "crashloop.comparison-results/1",
        "digest": "another",
        "says": "crashloop compare issue-1278 --remedy limit=8",
        "seed": 3,
    }
    (tmp_path / "kept" / RESULTS_FILE).write_text(json.dumps(header) + "\n")
    words = ("issue-1278", "--remedy", "limit=25", "--artifacts", "kept", "--resume")
    status, _, err = compare(*words)
    assert status == 2
    assert "another comparison: crashloop compare issue-1278 --remedy limit=8" in err


def test_a_folder_with_results_says_the_command_that_goes_on_with_them(
    compare: Compare, tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    says = "crashloop compare issue-1278 --remedy limit=8 --seed 7"
    header = {"schema": SCHEMA, "digest": "another", "says": says, "seed": 7}
    (tmp_path / "kept" / RESULTS_FILE).write_text(json.dumps(header) + "\n")
    for resume in ((), ("--resume",)):
        status, _, err = compare("issue-1278", "--artifacts", "kept", *resume)
        assert status == 2
        assert f"go on with it: {says} --artifacts " in err


def test_what_goes_on_with_a_comparison_appends_to_the_same_summary() -> None:
    order = CompareOrder(incident="issue-1278", remedies=("limit=25",), summary=Path("new.md"))
    campaign = planned(order, seed=7).campaign
    assert " --summary new.md --artifacts kept --resume" in again(order, campaign, folder="kept")
    assert "--summary" not in again(order, campaign)


def test_a_connector_file_that_changed_is_named_as_what_differs(
    compare: Compare, tmp_path: Path
) -> None:
    file, text = tmp_path / "mine.toml", (FOLDER / "audit.toml").read_text()
    file.write_text(text)
    order = CompareOrder(incident="issue-1278", connectors=("mine.toml",), remedies=("limit=25",))
    campaign = planned(order, seed=7).campaign
    facts = campaign.facts({"mine.toml": load("mine.toml")})
    with Evidence(tmp_path / "kept").open(digest="old", says="crashloop", seed=7, facts=facts):
        pass
    file.write_text(text.replace("title = ", "title = 'changed' # "))
    words = ("--remedy", "limit=25", "--connector", "mine.toml", "--artifacts", "kept")
    _, _, err = compare("issue-1278", *words, "--resume")
    assert "since then, connector mine.toml changed" in " ".join(err.split())


def test_a_connector_that_does_not_scale_is_told_which_profiles_do(compare: Compare) -> None:
    words = ("--remedy", "pre-scaled-connector", "--connector", "direct-vpc-egress", "--dry-run")
    status, _, err = compare("issue-1278", *words)
    assert status == 2
    assert "crashloop.toml" not in err
    assert "no connector profile that scales" in err
    assert "--connector audit | e2-micro | e2-standard-4 | f1-micro" in err


def test_a_time_of_the_heal_that_was_given_is_the_one_that_is_used(compare: Compare) -> None:
    _, out, _ = compare("issue-1278", "-p", "heal_s=0.04", "--dry-run", "--remedy", "limit=25")
    assert "the outage ends after 0.04 s" in out
    campaign = planned(
        CompareOrder(incident="issue-1278", params=("heal_s=0.04",)), seed=7
    ).campaign
    assert campaign.job(campaign.arms[0], 1).params["heal_s"] == 0.04


def test_a_heal_that_is_drawn_is_never_that_of_the_apps_own_exits(tmp_path: Path) -> None:
    file = tmp_path / "soon.toml"
    figure = "low = 0\nhigh = {}\nunit = 's'\nsource = 'mine'\ndate = '2025-09'\n"
    file.write_text(
        f"[figures.connection_s]\n{figure.format(3)}[figures.settled_s]\n{figure.format(0.01)}"
    )
    campaign = planned(
        CompareOrder(incident="issue-1278", connectors=(str(file),)), seed=7
    ).campaign
    assert campaign.job(campaign.arms[0], 1).params["heal_s"] == 0.1


def test_criteria_that_differ_little_are_not_the_same_comparison(compare: Compare) -> None:
    words = ("issue-1278", "--remedy", "limit=25", "--criterion", "success>0.95000001")
    _, out, _ = compare(*words, "--dry-run", "--json")
    assert json.loads(out)["criteria"] == ["success>0.95000001"]


def test_without_its_packages_the_command_says_how_to_install_them(
    compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_order, "find_spec", lambda _: None)
    status, _, err = compare("issue-1278")
    assert status == 2
    assert "needs scipy and matplotlib" in err
    assert "pip install '.[sample,campaign]'" in err


def interrupted_after_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a comparison end by SIGINT when it has one trial."""

    async def one_trial(execution: Execution) -> None:
        execution._take(next(iter(execution._arms.values())), 1, looped())

    def run(work: Coroutine[Any, Any, None], **_: Any) -> None:
        asyncio.run(work)
        raise interrupt.Interrupted(signal.SIGINT)

    monkeypatch.setattr(Execution, "run", one_trial)
    monkeypatch.setattr(interrupt, "run", run)
    monkeypatch.setattr(commands_compare, "pictures", lambda *_, **__: {})


def test_an_interrupted_comparison_keeps_what_it_found_with_the_status_that_it_ended_with(
    compare: Compare, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    interrupted_after_a_trial(monkeypatch)
    words = ("issue-1278", "--remedy", "limit=60", "--artifacts", "kept", "--json")
    status, out, _ = compare(*words)
    kept = json.loads((tmp_path / "kept" / "comparison.json").read_text())
    assert (status, kept["exit_status"]) == (130, 130)
    assert [arm["trials"] for arm in kept["arms"]] == [1, 0]
    assert json.loads(out)["exit_status"] == 130


def test_a_comparison_that_breaks_says_where_its_results_are_and_how_to_go_on(
    compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(execution: Execution) -> None:
        execution._take(next(iter(execution._arms.values())), 1, looped())
        raise ExceptionGroup("", [HarnessError("no worker starts", hint="see the log")])

    monkeypatch.setattr(Execution, "run", broken)
    status, _, err = compare(
        "issue-1278", "--remedy", "limit=60", "--seed", "7", "--artifacts", "k"
    )
    assert status == 12
    assert err.splitlines()[-2:] == [
        "error: no worker starts",
        (
            "  see the log; the results of 1 trial are in k; go on with: "
            "crashloop compare issue-1278 --remedy limit=60 --seed 7 --artifacts k --resume"
        ),
    ]


def test_a_full_disk_at_the_end_says_how_to_go_on(
    compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    interrupted_after_a_trial(monkeypatch)
    monkeypatch.setattr(commands_compare, "write_whole", full)
    _, _, err = compare("issue-1278", "--remedy", "limit=60", "--artifacts", "k")
    assert "No space left on device\n  free some room on that disk; the results of 1" in err
    assert err.count("--artifacts k --resume") == 2


def test_a_second_interruption_while_pictures_are_drawn_says_where_the_results_are(
    compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    interrupted_after_a_trial(monkeypatch)
    monkeypatch.setattr(commands_compare, "pictures", interrupted)
    status, out, err = compare("issue-1278", "--remedy", "limit=60", "--artifacts", "k", "--json")
    assert status == 130
    assert json.loads(out)["error"] == "interrupted by SIGINT; the results of 1 trial are in k"
    assert "--artifacts k --resume" in err


def test_a_remedy_that_was_left_out_is_named_below_the_table_too(
    compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted_after_a_trial(monkeypatch)
    _, out, _ = compare("issue-1278", "--platform", "docker")
    assert "left out: patient-liveness: docker has no probes" in out


def test_the_command_that_goes_on_makes_the_same_comparison() -> None:
    order = CompareOrder(
        incident="issue-1278",
        remedies=("limit=25", "degraded-start+limit=60"),
        connectors=("audit",),
        platform="kubernetes",
        replicas=3,
        trials=20,
        criteria=("success>0.9",),
        params=("warm_connections=4",),
        time_scale=12.3456,
    )
    campaign = planned(order, seed=7).campaign
    assert again(order, campaign, folder="kept") == (
        "crashloop compare issue-1278 --remedy limit=25 --remedy degraded-start+limit=60 "
        "--connector audit --platform kubernetes --replicas 3 --trials 20 "
        "--criterion 'success>0.9' -p warm_connections=4 --time-scale 12.3456 --seed 7 "
        "--artifacts kept --resume"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"params": ("warm_connections=3",)},
        {"remedies": ("limit=26",)},
        {"platform": "docker"},
        {"replicas": 3},
        {"connectors": ("e2-micro",)},
    ],
)
def test_comparisons_that_differ_in_what_is_run_have_different_digests(
    change: dict[str, Any],
) -> None:
    usual = CompareOrder(incident="issue-1278", remedies=("limit=25",))
    one = planned(usual, seed=7).campaign.digest()
    assert one != planned(replace(usual, **change), seed=7).campaign.digest()
    assert one != planned(usual, seed=8).campaign.digest()
    assert one == planned(usual, seed=7).campaign.digest()


def test_one_run_needs_none_of_the_packages_of_a_comparison() -> None:
    code = (
        "import sys, crashloop.cli, crashloop.commands.reproduce\n"
        "print(*{'scipy', 'matplotlib', 'numpy'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True)
    assert found.stdout.split() == []
