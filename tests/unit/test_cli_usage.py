"""Wrong usage is reported in words, with exit status 2."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from crashloop_traces import control, reproduction

from crashloop import __version__
from crashloop.cli import main
from crashloop.incidents import INCIDENTS
from crashloop.judge import recorded_signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crashloop.trace.event import Trace

    Crashloop = Callable[..., tuple[int, str, str]]


@pytest.fixture
def crashloop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Crashloop:
    """Run the command line here: status, standard output, standard error."""

    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["crashloop", *words])
        status = main()
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def written(trace: Trace, folder: Path) -> Path:
    """The trace as a file."""
    path = folder / "trace.jsonl"
    lines = [trace.header, *(event.to_json() for event in trace.events)]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return path


def with_an_older_signature(trace: Trace) -> Trace:
    """The same trace, as if an older signature without a golden path had been its own."""
    recorded = recorded_signature(trace)
    kept = tuple(c for c in recorded.expect if c.check != "journey_passed")
    older = replace(recorded, expect=kept)
    header = {
        **trace.header,
        "signature": older.to_json(),
        "signature_sha256": older.digest(),
    }
    return replace(trace, header=header)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reproduce", "issue-1279"], "did you mean issue-1278?"),
        (["prove", "nothing"], "unknown incident 'nothing'"),
        (["reproduce", "issue-1278", "-p", "depth=1"], "has no parameter 'depth'"),
        (["reproduce", "issue-1278", "-p", "role=1"], "has no parameter 'role'"),
        (["prove", "issue-1278", "-p", "depth=1"], "has no parameter 'depth'"),
        (["reproduce", "issue-1278", "-p", "limit_s"], "is not NAME=VALUE"),
        (["reproduce", "issue-1278", "-p", "limit_s=0"], "out of bounds"),
        (["reproduce", "issue-1278", "-p", "limit_s=1", "-p", "limit_s=2"], "given twice"),
        (["reproduce", "issue-1278", "--time-scale", "0"], "time scale 0"),
        (["reproduce", "issue-1278", "--time-scale", "nan"], "time scale nan"),
        (["reproduce", "issue-1278", "--time-scale", "fast"], "--time-scale"),
        (["reproduce", "issue-1278", "--real-time", "--time-scale", "5"], "exclude each other"),
        (["reproduce", "issue-1278", "--seed", "-1"], "--seed"),
        (["reproduce", "issue-1278", "--seed", "x"], "--seed"),
        (["reproduce", "issue-1278", "--role", "saviour"], "--role': 'saviour' is not one of"),
        (["reproduce", "issue-1278", "--artifacts", ""], "--artifacts': a path cannot be empty"),
        (["prove", "issue-1278", "--postgres-bin", ""], "--postgres-bin': a path cannot be empty"),
        (["judge", ""], "TRACE': a path cannot be empty"),
        (["reproduce", "issue-1278", "--postgres-bin", "/bin"], "--postgres-bin /bin"),
        (["reproduce", "issue-1278", "--engine", "moon"], "choose one of local, docker"),
        (
            ["prove", "issue-1278", "--engine", "docker", "--postgres-bin", "/bin"],
            "--postgres-bin and --engine docker exclude each other",
        ),
        (["reproduce"], "name an incident"),
        (["reproduce", "issue-1278", "--fault", "hold"], "exclude each other"),
        (["faults", "hol"], "did you mean hold"),
        (["judge", "/no/such/trace"], "cannot read /no/such/trace"),
        (["reprodcue"], "reprodcue"),
        (["incidents", "issue-1"], "unknown incident"),
    ],
)
def test_wrong_usage_is_one_message_and_status_2(
    crashloop: Crashloop, words: list[str], said: str
) -> None:
    status, out, err = crashloop(*words)

    assert status == 2
    assert said in err
    assert not any(words in err for words in ("Traceback", "Value error", "Input should"))
    assert out == ""


def test_with_json_an_error_is_a_document_too(crashloop: Crashloop) -> None:
    status, out, err = crashloop("reproduce", "issue-1279", "--json")

    assert json.loads(out) == {
        "error": "unknown incident 'issue-1279'",
        "hint": f"did you mean issue-1278? known: {', '.join(sorted(INCIDENTS))}",
        "exit_status": 2,
    }
    assert status == 2
    assert "unknown incident" in err


def test_debug_adds_the_traceback(crashloop: Crashloop) -> None:
    _, _, err = crashloop("reproduce", "issue-1279", "--debug")

    assert "Traceback" in err
    assert "error: unknown incident" in err


def test_a_bug_ends_in_words_and_status_12(
    crashloop: Crashloop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of some kind")

    monkeypatch.setattr("crashloop.commands.incidents.show_incidents", bug)

    status, _, err = crashloop("incidents")

    assert status == 12
    assert "ZeroDivisionError: of some kind" in err
    assert "please report it with the traceback" in err


def test_no_command_shows_the_help(crashloop: Crashloop) -> None:
    status, out, err = crashloop()

    assert status == 2
    assert "reproduce" in out
    assert "no command was given" in err


COMMANDS = ("incidents", "faults", "reproduce", "prove", "judge", "check", "compare", "init")


@pytest.mark.parametrize("command", [*COMMANDS, "new-incident", "proxy", "sweep"])
def test_every_command_explains_itself_with_examples(crashloop: Crashloop, command: str) -> None:
    status, out, _ = crashloop(command, "--help")

    assert status == 0
    assert f"crashloop {command} " in out
    assert "Examples:" in out


def test_the_version_is_printed(crashloop: Crashloop) -> None:
    status, out, err = crashloop("--version")
    assert (status, err) == (0, "")
    assert out.startswith(f"crashloop {__version__} from ")


def test_incidents_are_listed_and_described(crashloop: Crashloop) -> None:
    _, listed, _ = crashloop("incidents")
    _, told, _ = crashloop("incidents", "issue-1278")
    _, document, _ = crashloop("incidents", "issue-1278", "--json")

    assert "issue-1278" in listed
    assert "limit_s" in told
    assert "default 20; 1 to 3600" in told
    assert "Look-alikes" in told
    parsed = json.loads(document)
    assert parsed["parameters"]["limit_s"]["high"] == 3600.0
    assert parsed["parameters"]["fault"]["choices"]


def test_an_old_trace_is_judged_again_from_its_file_or_its_folder(
    crashloop: Crashloop, tmp_path: Path
) -> None:
    path = written(reproduction(), tmp_path)

    for place in (path, tmp_path):
        status, out, _ = crashloop("judge", str(place))
        assert status == 0
        assert "attempt 4" in out
        assert "REPRODUCED" in out


@pytest.mark.parametrize(("trace", "status"), [(reproduction(), 0), (control(), 10)])
def test_todays_signature_is_that_of_the_traces_own_role(
    crashloop: Crashloop, tmp_path: Path, trace: Trace, status: int
) -> None:
    written(trace, tmp_path)

    ended, out, _ = crashloop("judge", str(tmp_path), "--current", "--json")

    document = json.loads(out)
    assert ended == document["exit_status"] == status
    assert document["differences"] == []
    assert document["recorded"]["verdict"] == document["verdict"]


def test_a_trace_of_an_older_signature_says_where_todays_differs(
    crashloop: Crashloop, tmp_path: Path
) -> None:
    written(with_an_older_signature(reproduction()), tmp_path)

    status, out, _ = crashloop("judge", str(tmp_path), "--current")

    assert status == 0
    assert "check journey_passed" in out
    assert "recorded  not there" in out


def test_a_changed_signature_is_refused_but_todays_can_still_judge(
    crashloop: Crashloop, tmp_path: Path
) -> None:
    older = with_an_older_signature(reproduction())
    header = {**older.header, "signature_sha256": "0" * 64}
    written(replace(older, header=header), tmp_path)

    refused, _, why = crashloop("judge", str(tmp_path))
    status, out, _ = crashloop("judge", str(tmp_path), "--current")

    assert refused == 2
    assert "its digest differs" in why
    assert status == 0
    assert "its own signature cannot be used" in out


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\x00\xff\xfe" * 1000, b"[]\n", b"{}\n", b'{"schema": "crashloop.trace/1"}\n',
     b'{"schema": "crashloop.trace/1", "signature": {"name": 1, "require": [{}], "expect": 3}}\n'],
)  # fmt: skip
def test_a_file_that_is_not_a_trace_is_refused(
    crashloop: Crashloop, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_bytes(content)

    status, out, err = crashloop("judge", str(path))

    assert (status, out) == (2, "")
    assert "Traceback" not in err


def test_a_torn_last_line_is_inconclusive(crashloop: Crashloop, tmp_path: Path) -> None:
    path = written(reproduction(), tmp_path)
    path.write_bytes(path.read_bytes()[:-20])

    status, out, _ = crashloop("judge", str(path))

    assert status == 11
    assert "last line is torn off" in out


@pytest.mark.parametrize("command", ["reproduce", "prove"])
@pytest.mark.parametrize("place", ["file", "file/run", "/proc/1/run"])
def test_a_folder_that_cannot_take_evidence_is_refused_at_once(
    crashloop: Crashloop, tmp_path: Path, command: str, place: str
) -> None:
    (tmp_path / "file").touch()

    status, _, err = crashloop(command, "issue-1278", "--artifacts", str(tmp_path / place))

    assert status == 2
    assert "cannot write evidence into" in err
    assert "disk" not in err


@pytest.mark.parametrize("command", ["reproduce", "prove"])
def test_a_working_directory_that_is_gone_is_refused_before_anything_starts(
    crashloop: Crashloop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()

    status, _, err = crashloop(command, "issue-1278")

    assert status == 2
    assert "cannot write evidence into" in err


def test_only_the_runs_own_files_are_listed_as_evidence(
    crashloop: Crashloop, tmp_path: Path
) -> None:
    written(reproduction(), tmp_path)
    for name in ("attempt-1.log", "attempt-9.log", "postgres.log", "notes.txt", "mine.log"):
        (tmp_path / name).touch()

    _, out, _ = crashloop("judge", str(tmp_path))

    assert "attempt-1.log, postgres.log, trace.jsonl" in out
    assert "attempt-9" not in out
    assert "mine" not in out


@pytest.mark.parametrize("command", ["reproduce", "prove"])
def test_evidence_is_never_overwritten(crashloop: Crashloop, tmp_path: Path, command: str) -> None:
    before = written(reproduction(), tmp_path).read_bytes()

    status, _, err = crashloop(command, "issue-1278", "--artifacts", str(tmp_path))

    assert status == 2
    assert "already has the evidence of another run" in err
    assert (tmp_path / "trace.jsonl").read_bytes() == before


def test_a_refusal_is_not_reported_as_a_broken_harness(
    crashloop: Crashloop,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    pytest.importorskip("docker")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")

    status, out, err = crashloop(
        "reproduce", "issue-1278", "--engine", "docker", "--artifacts", "run"
    )
    again, told, _ = crashloop("judge", "run")

    assert (status, out) == (11, "")
    assert err.splitlines()[0].startswith("error: no Docker daemon answers at tcp://127.0.0.1:9")
    written = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert written["verdict"] == "INCONCLUSIVE"
    assert again == 11
    assert "The run was refused: no Docker daemon answers" in told
    assert "broke" not in err + told


def test_an_app_of_ones_own_is_looked_for_from_the_working_folder(
    crashloop: Crashloop, tmp_path: Path
) -> None:
    status, _, err = crashloop("reproduce", "issue-1278", "--app", "shop")
    assert status == 2
    assert f"no app of your own is described in {tmp_path} or above it" in err
    assert "`crashloop init` writes one" in err

    (tmp_path / "crashloop.toml").write_text("[apps.shop]\ncomand = 'x'\n")
    status, _, err = crashloop("prove", "issue-1278", "--app", "shop")
    assert status == 2
    assert f"{tmp_path}/crashloop.toml:2: the app shop has no field 'comand'" in err


@pytest.mark.parametrize("command", ["prove", "reproduce"])
def test_a_remedy_of_ones_own_is_looked_for_among_those_of_the_app(
    crashloop: Crashloop, tmp_path: Path, command: str
) -> None:
    entry = "[apps.shop]\ncommand = 'x'\n[apps.shop.remedies.mine]\nenv = {A = '1'}\n"
    (tmp_path / "crashloop.toml").write_text(entry)
    status, _, err = crashloop(command, "issue-1278", "--app", "shop", "--remedy", "other")
    assert status == 2
    assert "there is no remedy 'other' for app shop" in err
    assert "known: mine, limit=S" in err


def test_a_file_of_apps_is_named_with_an_app(crashloop: Crashloop, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[apps.shop]\ncommand = 'x'\n")

    status, _, err = crashloop("reproduce", "issue-1278", "--config", "mine.toml")
    assert status == 2
    assert "--config mine.toml was given without --app" in err

    status, _, err = crashloop("reproduce", "issue-1278", "--config", "mine.toml", "--app", "shopp")
    assert status == 2
    assert "mine.toml:1: there is no app 'shopp'" in err
    assert "known: shop" in err


def test_an_app_that_cannot_be_scaled_is_refused_at_another_scale_with_the_reason(
    crashloop: Crashloop, tmp_path: Path
) -> None:
    (tmp_path / "crashloop.toml").write_text(
        "[apps.shop]\ncommand = 'sh'\nphases = ['database']\n"
        "knobs = {limit_s = 20, connect_timeout_s = 60, warm_connections = 1}\n"
    )
    status, _, err = crashloop("reproduce", "issue-1278", "--app", "shop", "--time-scale", "20")
    assert status == 11
    assert "real time only: app shop takes no time from crashloop" in err
