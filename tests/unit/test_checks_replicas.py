"""What a check says of several replicas: what they have in common is said once."""

import pytest
from crashloop_traces import reproduction

from crashloop.checks.lives import for_replicas
from crashloop.checks.result import Result

THREE = reproduction(replicas=3)


def said(*texts: str) -> str:
    results = [Result(holds=True, says=text, evidence=(n,)) for n, text in enumerate(texts, 1)]
    found = for_replicas(THREE, "each", lambda number: results[number - 1])
    assert found.holds
    assert found.evidence == (1, 2, 3)
    return found.says


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (
            (
                "it failed 3 times of 20 s, after 20.0 s",
                "it failed 3 times of 20 s, after 20.0, 20.1, 20.0 s",
                "it failed 4 times of 20 s, after 20.0 to 20.2 s",
            ),
            "in each of 3 replicas, it failed 3 to 4 times of 20 s, after 20.0 to 20.2 s",
        ),
        (
            ("it is over", "it is over", "it is over"),
            "in each of 3 replicas, it is over",
        ),
        (
            ("after 9, 11 ms here", "it is over", "after 100 ms here"),
            "in replicas 1 and 3, after 9 to 100 ms here; in replica 2, it is over",
        ),
    ],
)
def test_replicas_that_differ_in_amounts_only_share_a_sentence(
    texts: tuple[str, ...], says: str
) -> None:
    assert said(*texts) == says


def test_a_replica_that_is_named_by_the_sentence_about_it_is_not_named_twice() -> None:
    each = "it never failed; in attempt 1 of replica {} it completed after 1.{} s"

    assert said(*(each.format(number, number) for number in (1, 2, 3))) == (
        "in each of 3 replicas, it never failed; in attempt 1 it completed after 1.1 to 1.3 s"
    )
    assert said(each.format(1, 1), "died", "died") == (
        "it never failed; in attempt 1 of replica 1 it completed after 1.1 s; in replicas 2 and 3, "
        "died"
    )


def test_codes_and_names_are_no_amounts() -> None:
    assert said("it failed with X [53300]", "it failed with X [57P03]", "died with exit 3") == (
        "in replica 1, it failed with X [53300]; in replica 2, it failed with X [57P03]; "
        "in replica 3, died with exit 3"
    )
    attempts = said("attempt 1 was ready", "attempt 4 was ready", "attempt 2 was ready")
    assert "in replica 2, attempt 4 was ready" in attempts
