"""Check that no fault acted in a run that has none."""

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import without
from crashloop_traces import CONTROL, REPRODUCTION, control

CASES = [
    *cases(
        "no_receipt",
        params={"target": "postgres"},
        holds={"a control run has none": (CONTROL, "no receipt of any fault")},
        refuted={
            "a hold in a run without faults is one too many": (
                REPRODUCTION,
                "events of a fault in a run without faults",
            )
        },
        saw_nothing={
            "no connection of one replica, nothing seen": (
                without(control(replicas=3), "link.opened", replica=2),
                "no connection of the app was seen in replica 2",
            ),
            "no connection at all, nothing seen": (
                without(CONTROL, "link.opened", attempt=1),
                "no connection of the app was seen",
            ),
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()
