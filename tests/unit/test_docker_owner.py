"""The owner of a run on the daemon, and whether that process is alive."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from crashloop.engines.docker.owner import Owner, owner_label, owner_of

HERE = owner_label().split("/", maxsplit=1)[0]
STARTED = owner_label().split("/", maxsplit=2)[2]


def test_a_run_of_this_process_is_alive() -> None:
    assert owner_of(owner_label()) is Owner.ALIVE


def test_an_owner_is_named_by_machine_process_and_start() -> None:
    assert owner_label(os.getpid()) == f"{HERE}/{os.getpid()}/{STARTED}"


def test_a_run_of_a_process_that_has_ended_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    label = owner_label(child.pid)
    assert owner_of(label) is Owner.ALIVE

    child.communicate(b"\n")

    assert owner_of(label) is Owner.DEAD


def test_a_later_process_with_the_same_id_is_not_the_owner() -> None:
    assert owner_of(f"{HERE}/{os.getpid()}/{STARTED}0") is Owner.DEAD


def test_an_owner_that_had_ended_before_it_was_named_is_dead() -> None:
    assert owner_of(f"{HERE}/{2**31 - 1}/None") is Owner.DEAD


@pytest.mark.parametrize(
    "where",
    [
        pytest.param("another-boot:pid:[1]", id="another machine"),
        pytest.param("{boot}:pid:[1]", id="another namespace of this one"),
        pytest.param("{boot}", id="no namespace"),
    ],
)
def test_an_owner_elsewhere_is_unknown(where: str) -> None:
    here = where.format(boot=HERE.partition(":")[0])

    assert owner_of(f"{here}/{os.getpid()}/{STARTED}") is Owner.UNKNOWN


@pytest.mark.parametrize(
    "label",
    [
        "",
        "/",
        "///",
        "HERE",
        "HERE/",
        "HERE/PID",
        "HERE/PID/",
        "HERE//STARTED",
        "HERE/-1/1",
        "HERE/self/1",
        "HERE/../1",
        "HERE/\N{SUPERSCRIPT TWO}/1",
        "HERE/ 1/1",
        "HERE/1\n/1",
        pytest.param(f"HERE/{'9' * 5000}/1", id="a very long number"),
        "\0/PID/STARTED",
    ],
)
def test_an_unreadable_label_is_unknown_and_never_dead(label: str) -> None:
    for word, value in (("HERE", HERE), ("PID", str(os.getpid())), ("STARTED", STARTED)):
        label = label.replace(word, value)

    assert owner_of(label) is Owner.UNKNOWN
