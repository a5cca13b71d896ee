"""Check what of the connections of lives came late."""

from collections.abc import Sequence
from itertools import accumulate

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, inserted, lacking, one, without
from crashloop_traces import CONTROL, FAULT, NS_PER_S, REPRODUCTION, TARGET

from crashloop.trace.event import Trace

SIZES = (24, 101, 498)
"""The first three answers that Postgres gives to a client with a password, in bytes."""


def delayed(
    sizes: Sequence[int],
    delays_s: Sequence[float],
    *,
    total: tuple[int, int, float] = (0, 0, 0.0),
    end: bool = False,
) -> Trace:
    """A run whose one life completes, with first chunks that came late.

    `total` are the bytes, the chunks and the delays of the whole connection, in seconds.
    """
    trace = CONTROL
    last = one(trace, "link.connected", 1)
    for number, (passed, delay_s) in enumerate(
        zip(accumulate(sizes), delays_s, strict=True), start=1
    ):
        more = {"end": True} if end else {}
        trace = inserted(
            trace, last, "proxy", "link.delayed", attempt=1, target=TARGET, fault=FAULT,
            link=last.data["link"], delay_s=delay_s, chunk=number, passed_bytes=passed, **more,
        )  # fmt: skip
        last = next(e for e in trace.of("link.delayed") if e.data["chunk"] == number)
    size_bytes, chunks, delay_s = total
    delays = [{"fault": FAULT, "direction": "downstream", "chunks": chunks, "delay_s": delay_s}]
    return changed(trace, "link.closed", attempt=1, bytes_down=size_bytes, delays=delays)


def uncounted() -> Trace:
    """A run whose one life completes, with a chunk that came late behind Toxiproxy."""
    last = one(CONTROL, "link.connected", 1)
    return inserted(
        CONTROL, last, "platform", "link.delayed", attempt=1, target=TARGET, fault=FAULT,
        link=last.data["link"], delay_s=0.1, chunk=1,
    )  # fmt: skip


def first_answer(after_s: float) -> Trace:
    """A run whose one life gets the first answer so late; its phase takes 0.03 s."""
    opened = one(CONTROL, "link.opened", 1)
    at_ns = opened.mono_ns + round(after_s * NS_PER_S)
    return changed(CONTROL, "link.closed", attempt=1, first_byte_down_ns=at_ns)


def connect(waited_s: float) -> Trace:
    """A run whose one life waited so long in connect()."""
    opened = one(CONTROL, "link.opened", 1)
    return inserted(
        CONTROL, opened, "proxy", "gate.admitted", attempt=1, target=TARGET, fault=FAULT,
        link=opened.data["link"], waited_s=waited_s,
    )  # fmt: skip


def answered_later(after_s: float) -> Trace:
    """A reproduction whose last life gets its first answer so late; its phase takes 0.03 s."""
    at_ns = one(REPRODUCTION, "link.opened", 4).mono_ns + round(after_s * NS_PER_S)
    return changed(REPRODUCTION, "link.closed", attempt=4, first_byte_down_ns=at_ns)


UNTIMED = lacking(REPRODUCTION, "link.closed", "first_byte_down_ns")
"""Nobody saw when a connection was answered; that of the last life was passed on at once."""

# Of a latency of 0.1 s and a rate of 1000 bytes/s, as measured; and of slices with 0.1 s between.
ANSWERS, BYTES, PIECES = (1025, 10, 1.003), (1025, 16, 1.025), (130, 11, 1.0)

TRACES = {
    "answers": delayed(SIZES, (0.1, 0.102, 0.1), total=ANSWERS),
    "bytes": delayed((24, 100, 1), (0.024, 0.1, 0.001), total=BYTES),
    "pieces": delayed((12, 12, 12), (0.0, 0.1, 0.099), total=PIECES),
    "end": delayed((1588,), (0.25,), end=True),
    "first_answer": first_answer(0.02),
    "connect": connect(0.02),
    "nothing": CONTROL,
}


@pytest.mark.parametrize("seen", TRACES)
@pytest.mark.parametrize("what", TRACES)
def test_only_one_thing_came_late(what: str, seen: str) -> None:
    params = {"target": TARGET, "phase": "database", "what": what}
    table = {f"{seen} came late": (TRACES[seen], "attempt")}
    (case,) = cases("came_late", params=params, **{"holds" if seen == what else "refuted": table})
    case.run()


def params(what: str) -> dict[str, str]:
    """The parameters of the check."""
    return {"target": TARGET, "phase": "database", "what": what}


CASES = [
    *cases(
        "came_late",
        params=params("answers"),
        holds={
            "a busy machine adds to the delays": (
                delayed(SIZES, (0.16, 0.1, 0.13), total=(1025, 8, 1.0)),
                "each answer",
            )
        },
        refuted={
            "the first answers were quick": (
                delayed(SIZES, (0.0, 0.0, 0.1), total=ANSWERS),
                "nothing came late",
            ),
            "a connection that no fault touched": (REPRODUCTION, "nothing came late"),
        },
        saw_nothing={
            "a life without a connection": (
                without(CONTROL, "link.opened", attempt=1),
                "was never seen to come to postgres",
            ),
            "an answer whose time nobody saw": (
                lacking(CONTROL, "link.closed", "first_byte_down_ns"),
                "nothing says when postgres answered attempt 1",
            ),
            "chunks of which nobody counted the bytes": (
                uncounted(),
                "nobody counted the bytes that came late to attempt 1",
            ),
            "no life ended the phase": (
                without(CONTROL, "phase.completed", phase="database"),
                "no attempt ended phase database",
            ),
        },
    ),
    *cases(
        "came_late",
        params=params("bytes"),
        holds={
            "a busy machine adds to the delays": (
                delayed((24, 100, 1), (0.084, 0.1, 0.0), total=(1025, 16, 1.06)),
                "more bytes",
            ),
            "the answer to a request for TLS has one byte": (
                delayed((1, 24, 100), (0.001, 0.024, 0.1), total=BYTES),
                "more bytes",
            ),
        },
    ),
    *cases(
        "came_late",
        params=params("pieces"),
        holds={
            "a busy machine adds to the delays": (
                delayed((12, 12, 12), (0.06, 0.1, 0.1), total=PIECES),
                "small pieces",
            )
        },
    ),
    *cases(
        "came_late",
        params=params("first_answer"),
        refuted={
            "the first answer took a small part of the phase": (
                first_answer(0.005),
                "nothing came late",
            )
        },
    ),
    *cases(
        "came_late",
        params=params("connect"),
        refuted={"connect() took a small part of the phase": (connect(0.005), "nothing came late")},
    ),
    *cases(
        "each_life_waited",
        params={"target": TARGET, "phase": "database", "at_least_s": 0.5},
        holds={
            "the life that started waited, too": (
                answered_later(0.027),
                "each of 4 attempts waited 0.5 s for postgres at least",
            )
        },
        refuted={
            "the life that started was answered at once": (
                REPRODUCTION,
                "attempt 4 waited 0.0 s for postgres, not 0.5 s",
            ),
            "a life that failed was answered": (
                changed(answered_later(0.027), "link.closed", attempt=2, first_byte_down_ns=1),
                "attempt 2 waited",
            ),
        },
        saw_nothing={
            "a life without a connection": (
                without(REPRODUCTION, "link.opened", attempt=2),
                "attempt 2 was never seen to come to postgres",
            ),
            "no life began the phase": (
                without(REPRODUCTION, "phase.started", phase="database"),
                "no attempt began phase database",
            ),
            "nobody saw when it was answered": (
                UNTIMED,
                "nothing says when postgres answered attempt 4",
            ),
        },
    ),
    *cases(
        "a_life_got_through",
        params={"target": TARGET, "phase": "database", "within_s": 0.5},
        holds={
            "the life that started was answered at once": (
                REPRODUCTION,
                "attempt 4 got through to postgres in less than 0.5 s",
            )
        },
        refuted={
            "the life that started waited, too": (
                answered_later(0.027),
                "attempt 4, which got through to postgres, had waited 0.5 s for it",
            ),
            "no life got through": (
                without(REPRODUCTION, "phase.completed", phase="database"),
                "no attempt completed phase database",
            ),
        },
        saw_nothing={
            "a life without a connection": (
                without(REPRODUCTION, "link.opened", attempt=4),
                "no attempt was seen to come to postgres",
            ),
            "nobody saw when it was answered": (
                UNTIMED,
                "nothing says when postgres answered attempt 4",
            ),
        },
    ),
    *cases(
        "a_life_got_through",
        params={"target": TARGET, "phase": "database", "within_s": 1.0},
        holds={
            "its whole phase took less": (
                UNTIMED,
                "attempt 4 got through to postgres in less than 1 s",
            )
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()
