"""The moment at which a fault was healed, in words."""

import pytest
from crashloop_traces import make_event

from crashloop.model import Moment
from crashloop.report.triggers import trigger_words


def exited(replica: int, attempt: int) -> Moment:
    return Moment(on="process.exited", where={"replica": replica, "attempt": attempt})


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (exited(1, 3), "when attempt 3 had exited"),
        (
            Moment(on="phase.started", where={"phase": "database"}, after_s=90.0),
            "90 s after phase database first began",
        ),
        (
            Moment(on="baseline.passed", where={"target": "redis"}),
            "when the path to Redis was shown to work",
        ),
        (
            Moment(on="fault.healed", where={"fault": "the-first"}, after_s=2.5),
            "2.5 s after fault the-first was healed",
        ),
        (Moment(on="process.exited"), "when an attempt had exited"),
    ],
)
def test_a_moment_is_told_as_what_happened(moment: Moment, words: str) -> None:
    assert trigger_words(str(moment), several=False) == words


def test_the_replica_is_named_where_there_are_several() -> None:
    assert trigger_words(str(exited(2, 3)), several=True) == (
        "when attempt 3 of replica 2 had exited"
    )
    began = Moment(on="phase.started", where={"phase": "cache", "replica": 2, "attempt": 1})
    assert trigger_words(str(began), several=True) == (
        "when phase cache first began in attempt 1 of replica 2"
    )


def test_the_event_that_made_it_fire_says_which_replica_it_was() -> None:
    cause = make_event(
        seq=1, mono_ns=1, source="supervisor", kind="process.exited", attempt=3, data={}
    )
    any_replica = Moment(on="process.exited", where={"attempt": 3})

    assert trigger_words(str(any_replica), several=True, cause=cause) == (
        "when attempt 3 of replica 1 had exited"
    )
    assert trigger_words("process.exited", several=False, cause=cause) == (
        "when attempt 3 had exited"
    )


@pytest.mark.parametrize("text", ["enough", "moon.rose (phase full)", "process.exited {0}"])
def test_any_other_trigger_is_quoted(text: str) -> None:
    assert trigger_words(text, several=False) == f"trigger: {text}"


def test_a_heal_at_the_end_of_the_run_says_so() -> None:
    assert trigger_words("the run ended", several=False) == "when the run ended"


def test_no_trigger_is_no_words() -> None:
    assert trigger_words("", several=False) == ""
