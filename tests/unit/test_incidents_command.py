"""`crashloop incidents` and `crashloop new-incident`, as they are typed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from incident_files import EXAMPLE, NAME, changed, written

from crashloop.cli import main
from crashloop.commands.compare_order import CompareOrder, again, planned
from crashloop.incidents import ELSEWHERE, INCIDENTS
from crashloop.incidents.symptoms import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crashloop.campaign.plan import Job

    Crashloop = Callable[..., tuple[int, str, str]]


@pytest.fixture
def crashloop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Crashloop]:
    """Run the command line here: status, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["crashloop", *words])
        status = main()
        said = capsys.readouterr()
        return status, said.out, said.err

    yield run
    ELSEWHERE.use(None)


def listed(crashloop: Crashloop, *words: str) -> list[str]:
    """The names of the incidents that are listed."""
    return [one["name"] for one in documents(crashloop, *words)]


def documents(crashloop: Crashloop, *words: str) -> list[dict[str, Any]]:
    status, out, err = crashloop("incidents", *words, "--json")
    assert (status, err) == (0, "")
    found: list[dict[str, Any]] = json.loads(out)
    return found


@pytest.mark.parametrize(
    ("words", "fits", "does_not"),
    [
        (["--phase", "cache"], "cache-still-loading", "issue-1278"),
        (["--phase", "database"], "issue-1278", "cache-still-loading"),
        (["--platform", "kubernetes"], "retry-longer-than-the-probe", "issue-1278"),
        (["--platform", "cloud-run"], "issue-1278", "retry-longer-than-the-probe"),
        (["--platform", "docker:always"], "read-only-file-system", "issue-1278"),
        (["--platform", "nomad"], "cache-still-loading", "read-only-file-system"),
        (["--symptom", "53300"], "slots-exhausted-at-scale-out", "cache-still-loading"),
        (["--symptom", "08006"], "issue-1278", "slots-exhausted-at-scale-out"),
        (["--symptom", "3"], "issue-1278", "workers-times-pool"),
        (["--symptom", "exit 1"], "egress-cold-start-early-port", "retry-longer-than-the-probe"),
        (["--symptom", "57p03"], "database-still-recovering", "workers-times-pool"),
        (["--symptom", "137"], "retry-longer-than-the-probe", "issue-1278"),
        (["--symptom", "timeouterror"], "issue-1278", "cache-still-loading"),
        (["--symptom", "times out"], "issue-1278", "slots-exhausted-at-scale-out"),
        (["--symptom", "orphan waiting"], "orphaned-advisory-lock-behind-a-pooler", "issue-1278"),
        (["--symptom", "exit 3", "--phase", "cache"], "cache-still-loading", "issue-1278"),
    ],
)  # fmt: skip
def test_the_list_can_be_filtered(
    crashloop: Crashloop, words: list[str], fits: str, does_not: str
) -> None:
    names = listed(crashloop, *words)

    assert fits in names
    assert does_not not in names


def test_the_list_shows_how_each_incident_shows_itself(crashloop: Crashloop) -> None:
    status, out, err = crashloop("incidents", "--phase", "cache", "--symptom", "LOADING")

    assert (status, err) == (0, "")
    told = " ".join(out.split())
    assert (
        "no platform named, phase cache: phase cache fails, fails at once, exit 3, restart loop"
        in told
    )
    assert INCIDENTS["cache-still-loading"].source in told
    assert f"1 incident of {len(INCIDENTS)}; crashloop incidents NAME tells" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--symptom", "thunder"], "no incident fits --symptom thunder"),
        (["--symptom", "thunder"], "exit 137"),
        (["--phase", "cashe"], "--phase: cache, database"),
        (["--phase", "init", "--platform", "nomad"], "--platform: cloud-run, docker"),
        (["--platform", "moon"], "unknown platform 'moon'"),
        (["--symptom", ""], "--symptom is empty"),
        (["issue-1278", "--phase", "cache"], "issue-1278 and --phase exclude each other"),
        (["--incidents", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_a_filter_that_nothing_fits_is_answered_with_what_is_known(
    crashloop: Crashloop, words: list[str], says: str
) -> None:
    status, out, err = crashloop("incidents", *words)

    assert (status, out) == (2, "")
    assert says in err


@pytest.mark.parametrize("name", ["issue-1278", "retry-longer-than-the-probe"])
def test_a_story_has_the_source_what_happened_what_it_is_not_and_what_ends_it(
    crashloop: Crashloop, name: str
) -> None:
    status, out, _ = crashloop("incidents", name)

    told, one = " ".join(out.split()), INCIDENTS[name]
    assert status == 0
    assert one.source in told
    heads = ("What happened", "What it looks like", "Look-alikes", "What ends it", "Where it can")
    assert sorted(heads, key=out.index) == [*heads]
    for text in (*one.facts, *(each.says for each in one.look_alikes), one.remedy.says):
        assert text in told
    assert "degraded_start = True" in told
    assert f"crashloop prove {name}" in told


def test_a_story_tells_every_remedy_and_how_to_try_it(crashloop: Crashloop) -> None:
    _, out, _ = crashloop("incidents", "restart-herd")

    told = " ".join(out.split())
    assert "admission: let one replica start at a time" in told
    assert "jitter: draw the pause before each new try" in told
    assert "`--remedy jitter` tries it by retry_s = 600" in told


@pytest.mark.parametrize("name", [*sorted(INCIDENTS), "fault:hold", "dependency:redis:slow"])
def test_every_story_can_be_told_in_words_and_as_json(crashloop: Crashloop, name: str) -> None:
    assert crashloop("incidents", name)[0] == 0

    status, out, _ = crashloop("incidents", name, "--json")

    assert status == 0
    assert {"name", "facts", "symptoms", "signature", "remedy", "engines"} <= {*json.loads(out)}


def test_every_incident_of_the_library_shows_itself() -> None:
    for one in INCIDENTS.values():
        assert shown(one).symptoms, one.name


def test_an_incident_is_listed_on_the_platform_that_its_source_names() -> None:
    words = {"cloud-run": "cloud run", "kubernetes": "kubernetes", "docker": "compose"}
    for one in INCIDENTS.values():
        named = {platform for platform, word in words.items() if word in one.source.casefold()}
        assert named <= {*one.platforms}, one.name


def test_what_cannot_be_used_is_said_once_and_the_others_are_listed(
    crashloop: Crashloop, tmp_path: Path
) -> None:
    written(tmp_path / "mine", good=EXAMPLE, bad=changed(source="''"), broken="1 / 0")

    status, out, err = crashloop("incidents", "--incidents", "mine")

    assert status == 2, "a list that lacks something is no success"
    assert NAME in out
    assert "issue-1278" in out
    assert err.splitlines()[:2] == [
        "left out: mine/bad.py: it has no source",
        "  name the public report and its date, as in github.com/OWNER/NAME issue 1 (2026-01-31)",
    ]
    assert err.splitlines()[2:] == [
        "left out: mine/broken.py: line 1: ZeroDivisionError: division by zero"
    ]


@pytest.mark.parametrize("command", ["reproduce", "prove", "incidents", "compare"])
def test_every_command_finds_an_incident_in_the_folder_and_says_why_it_cannot_be_used(
    crashloop: Crashloop, tmp_path: Path, command: str
) -> None:
    written(tmp_path / "mine", my_outage=changed(look_alikes="()"), other="1 / 0")

    status, out, err = crashloop(command, "my-outage", "--incidents", "mine")

    assert (status, out) == (2, "")
    assert err.splitlines()[0] == (
        "error: my-outage cannot be used: mine/my_outage.py: it has no look-alike"
    )
    assert "ZeroDivisionError" not in err, "it has nothing to do with what was asked"


def test_the_story_of_an_incident_in_a_folder_says_how_to_prove_it(
    crashloop: Crashloop, tmp_path: Path
) -> None:
    written(tmp_path / "mine", one=EXAMPLE, other="1 / 0")

    status, out, err = crashloop("incidents", NAME, "--incidents", "mine")

    assert status == 0
    assert f"crashloop prove {NAME} --incidents mine" in out
    assert err == "left out: mine/other.py: line 1: ZeroDivisionError: division by zero\n"


def test_an_own_signature_needs_no_folder(crashloop: Crashloop) -> None:
    status, _, err = crashloop("judge", "trace.jsonl", "--incidents", "mine")

    assert status == 2
    assert "--incidents mine was given without --current" in err


def test_a_check_plans_the_incidents_of_the_folder_and_is_no_success_without_one_of_them(
    crashloop: Crashloop, tmp_path: Path
) -> None:
    (tmp_path / "crashloop.toml").write_text(
        "[apps.shop]\ncommand = '{python} main.py'\n"
        "env = {A = '{postgres.url}', B = '{redis.url}'}\n"
    )
    written(tmp_path / "mine", one=EXAMPLE)
    status, out, err = crashloop("check", "--dry-run", "--incidents", "mine")
    assert (status, err) == (0, "")
    assert NAME in out
    assert "issue-1278" in out

    written(tmp_path / "mine", two="1 / 0")
    status, out, err = crashloop("check", "--dry-run", "--incidents", "mine")
    assert status == 2
    assert NAME in out
    assert err.startswith("left out: mine/two.py: ")
    words = ("check", "--dry-run", "--incidents", "mine", "--incident", NAME)
    assert crashloop(*words)[0] == 0, "one that was named is all that was asked for"


def test_a_comparison_tells_its_workers_and_its_reader_where_the_incident_is(
    tmp_path: Path,
) -> None:
    folder = written(tmp_path / "mine", one=EXAMPLE)
    order = CompareOrder(incident=NAME, folder=folder, remedies=("degraded-start",))
    try:
        campaign = planned(order, seed=7).campaign
        job: Job = campaign.job(campaign.arms[0], 1)
    finally:
        ELSEWHERE.use(None)

    assert job.incidents == str(folder)
    assert again(order, campaign).startswith(f"crashloop compare {NAME} --incidents {folder} ")


def test_a_new_incident_is_left_out_until_it_is_filled_in(
    crashloop: Crashloop, tmp_path: Path
) -> None:
    status, out, err = crashloop("new-incident", "my-outage")
    assert (status, err) == (0, "")
    assert out.startswith("incidents/my_outage.py has the incident my-outage, for you to fill in")
    assert "crashloop prove my-outage --incidents incidents" in out

    file = tmp_path / "incidents" / "my_outage.py"
    status, _, err = crashloop("incidents", "my-outage", "--incidents", "incidents")
    assert status == 2
    assert "it has no title, no source, no facts, no look-alike, no remedy\n" in err
    assert "name the public report and its date" in err

    text = file.read_text()
    for part in ("title", "source", "name", "says"):
        text = text.replace(f'{part}="",', f'{part}="something",')
    text = text.replace("facts=()", 'facts=("it failed",)').replace("# LookAlike", "LookAlike")
    file.write_text(text)
    status, out, err = crashloop("incidents", "my-outage", "--incidents", "incidents", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["symptoms"][0] == "phase database fails"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["issue-1278"], "there is an incident issue-1278 already"),
        (["My_Outage"], "'My_Outage' cannot be the name of an incident"),
        (["fault:hold"], "'fault:hold' cannot be the name of an incident"),
        (["../up"], "'../up' cannot be the name of an incident"),
        (["there"], "cannot write incidents/there.py: File exists"),
        (["mine", "--incidents", "file"], "cannot write file/mine.py: File exists"),
        (["mine", "--incidents", "no/folder"], "cannot write no/folder/mine.py: No such file"),
        ([NAME], f"there is an incident {NAME} already"),
    ],
)
def test_a_new_incident_takes_no_name_of_another_and_overwrites_nothing(
    crashloop: Crashloop, tmp_path: Path, words: list[str], says: str
) -> None:
    written(tmp_path / "incidents", there="mine\n", by_another_name=EXAMPLE)
    (tmp_path / "file").touch()

    status, out, err = crashloop("new-incident", *words)

    assert (status, out) == (2, "")
    assert says in err
    assert (tmp_path / "incidents" / "there.py").read_text() == "mine\n"


def test_ctrl_c_while_a_file_is_loaded_ends_the_command_and_names_the_file(
    crashloop: Crashloop, tmp_path: Path
) -> None:
    written(tmp_path / "mine", slow="from signal import *\nraise_signal(SIGINT)")

    status, out, err = crashloop("incidents", "--incidents", "mine")

    assert (status, out, err) == (130, "", "interrupted while mine/slow.py was loaded\n")


def test_json_stays_one_document_where_the_functions_of_an_incident_print(
    crashloop: Crashloop, tmp_path: Path
) -> None:
    prints = changed(outage="lambda p, o=INCIDENT.outage: (print('hello'), o(p))[1]")
    written(tmp_path / "mine", one=prints)

    status, out, err = crashloop("incidents", NAME, "--incidents", "mine", "--json")

    assert (status, json.loads(out)["name"]) == (0, NAME)
    assert "hello" in err


def test_help_is_printed_where_json_is_asked_for_too(crashloop: Crashloop) -> None:
    status, out, _ = crashloop("incidents", "--json", "--help")

    assert status == 0
    assert "Usage: crashloop incidents" in out


@pytest.mark.parametrize("words", [(), (NAME,)], ids=["list", "story"])
def test_what_a_file_says_cannot_act_on_the_terminal(
    crashloop: Crashloop, tmp_path: Path, words: tuple[str, ...]
) -> None:
    hostile = r"'\x1b[2J\x1b]0;mine\x07red\u202e\x9b1mend\n'"
    text = changed(
        title=hostile,
        source=hostile,
        facts=f"({hostile},)",
        overlaps=f"{{'issue-1278': {hostile}}}",
        remedy=f"replace(INCIDENT.remedy, says={hostile})",
    )
    written(tmp_path / "mine", one=text, two=f"raise RuntimeError({hostile})")

    _, out, err = crashloop("incidents", *words, "--incidents", "mine")

    assert "red\ufffdend" in out
    assert {each for each in out + err if not each.isprintable()} == {"\n"}


def test_the_commands_of_the_guide_work_as_they_stand_there(
    crashloop: Crashloop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("crashloop.commands.reproduce.reproduce", lambda *_, **__: 0)
    monkeypatch.setattr("crashloop.commands.prove.prove", lambda *_, **__: 0)
    guide = (Path(__file__).parents[2] / "docs" / "add-an-incident.md").read_text()
    lines = re.findall(r"^crashloop (.*?)(?: > .*)?$", guide, re.MULTILINE)
    begun = next(number for number, line in enumerate(lines) if line.startswith("new-incident"))
    assert len(lines[begun:]) > 6

    for line in lines[: begun + 1]:
        assert crashloop(*line.split())[0] == 0, line
    status, _, err = crashloop(*lines[begun + 1].split())
    assert (status, "it has no title" in err) == (2, True)
    (tmp_path / "incidents" / "start_needs_the_cache.py").write_text(EXAMPLE)
    for line in lines[begun + 1 :]:
        planned = ["--dry-run"] if line.startswith("matrix") else []
        assert crashloop(*line.split(), *planned)[0] == 0, line
