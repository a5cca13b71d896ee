"""Bad input for a fault alone: one message, and nothing is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from command_line import command_line
from faults_alone import ALONE

from crashloop.errors import UsageError
from crashloop.faults import KINDS
from crashloop.faults.parameter import parameters
from crashloop.incidents import incident

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHOP = "[apps.shop]\ncommand = 'sh'\nenv = {DATABASE_URL = '{postgres.url}'}\n"
WRONG = {"flag": ["maybe", "1"], "text": []}
NUMBERS = ["soon", "nan", "inf", "-inf", "1e999", "-99999999999999999999", "1e300"]
FORMS = ["{}:", "{}:,", "{}:depth", "{}:=1", "{}:depth=1", "{}x", "{}:a:b"]


def refused(*words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Run a fault alone: status and message. Nothing may have been started: no evidence."""
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    status, out, err = command_line("reproduce", *words)
    assert out == ""
    assert sorted(folder.rglob("*")) == before
    assert "Traceback" not in err
    assert "this is a bug" not in err
    return status, err


def wrong_values(kind: str) -> Iterator[tuple[str, str]]:
    for name, one in parameters(KINDS[kind]).items():
        for value in ["", *WRONG.get(one.takes.unit, NUMBERS)]:
            yield name, f"fault:{kind}:{name}={value}"


@pytest.mark.parametrize("kind", [kind for kind in ALONE if parameters(KINDS[kind])])
def test_a_value_of_the_wrong_type_or_size_is_refused_with_its_parameter(kind: str) -> None:
    for name, fault in wrong_values(kind):
        with pytest.raises(UsageError, match=f"the fault {kind} got .*{name}") as refusal:
            incident(fault)
        assert refusal.value.hint


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_that_is_written_in_another_form_is_refused(kind: str) -> None:
    for form in FORMS:
        with pytest.raises(UsageError, match=kind):
            incident(f"fault:{form.format(kind)}")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["latency:"], "has a colon and no parameter after it"),
        (["latency:latency_s=1,latency_s=2"], "got latency_s twice"),
        (["latency:latency_s=1,"], "'' of the fault latency is not NAME=VALUE"),
        (["hold:dely_s=3"], "did you mean delay_s"),
        (["latencyy"], "did you mean latency"),
        (["fault:latencyy"], "did you mean latency"),
        (["latency:latency_s=1,direction=up"], "upstream or downstream"),
        (["slicer:average_bytes=5,variation_bytes=6"], "vary by the average at most"),
        (["slow_connect:low_s=3,high_s=2"], "not below the lowest one"),
        (["memory_limit:limit_mib=32,old_limit_mib=64"], "an old limit that is smaller"),
        (["slots_taken:left=17"], "17 slots for apps, and left=17 leaves them all free"),
        (["refuse:connections=2"], "no refusal of a Unix socket"),
        (["black_hole", "-p", "transport=unix"], "-p transport=tcp"),
        (["lock_held:table=a b"], "table is a table, as in"),
        (["lock_held:table=orders,advisory=3"], "give one of them"),
        (["lock_held:create=true"], "leave create out"),
        (["image_older:table=a;drop table b"], "table is a table, as in"),
        ([f"image_older:table={'x' * 300}"], "table is a table, as in"),
        ([f"image_older:column={'x' * 47}"], "46 bytes at most"),
        (["image_older:create=false,others=id int"], "add create=true"),
        (["image_older:table=orders,column=id"], "there is no table 'orders' add create=true"),
        (["lock_held:table=orders"], "before the sample app has made its tables"),
        ([f"missing_role:other_name={'x' * 64}"], "63 bytes at most"),
        (["missing_setting:variable=NOPE"], "gives it no variable NOPE"),
        (["missing_setting:variable=NOPE"], "variable=NAME is one of: APP_"),
        (["missing_setting:variable=A-B"], "as in variable=DATABASE_URL"),
        (["wrong_host:address=10.0.0.1"], "127.0.0.0/8"),
        (["many_workers"], "crashloop faults many_workers names the incidents"),
        (["hold", "-p", "depth=1"], "the fault hold has no parameter 'depth'"),
        (["hold:delay_s=3", "--role", "remedy"], "the fault hold is no outage"),
        (["lock_orphaned", "-p", "pooler=session"], "pooler=session is not possible"),
        (["hold", "--engine", "moon"], "choose one of local, docker"),
        (["hold", "--fault", "refuse"], "--fault was given 2 times"),
    ],
)
def test_a_fault_that_cannot_be_as_it_is_asked_for_is_refused(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, err = refused("--fault", *words, folder=tmp_path, monkeypatch=monkeypatch)
    assert status == 2
    assert says in " ".join(err.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["connect_delay", "--time-scale", "20"], "real time only"),
        (["killed", "--engine", "docker"], "Docker engine has no fault killed"),
        (["reset_peer", "--engine", "docker"], "Docker engine has no fault reset_peer"),
    ],
)
def test_what_the_engine_or_the_scale_cannot_make_is_refused(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "docker" in words:
        pytest.importorskip("docker")
        pytest.importorskip("testcontainers")
    status, err = refused("--fault", *words, folder=tmp_path, monkeypatch=monkeypatch)
    assert status == 11
    assert says in " ".join(err.split())


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("loading", "the fault loading acts on redis, which app shop does not use"),
        ("image_older", "has to be told what of app shop it acts on"),
        ("image_older", "give table=NAME,column=NAME"),
        ("image_older:table=orders", "has to be told what of app shop it acts on"),
        ("missing_setting", "variable=NAME is one of: DATABASE_URL, PATH"),
    ],
)
def test_what_the_users_own_app_lacks_is_refused(
    fault: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crashloop.toml").write_text(SHOP)
    words = ("--fault", fault, "--app", "shop", "--real-time")
    status, err = refused(*words, folder=tmp_path, monkeypatch=monkeypatch)
    assert status == 2
    assert says in " ".join(err.split())
