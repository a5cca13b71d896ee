"""A comparison as a table in a terminal."""

from dataclasses import replace

import pytest
from comparisons import arm, compared, looped, near, of_issue_1278, served

from crashloop.campaign.measure import Measured
from crashloop.model import Verdict
from crashloop.model.comparison import NO_REMEDY, Comparison, Rate, Recovery
from crashloop.report.comparison import comparison_table
from crashloop.report.comparison_words import rate_words, recovery_words
from crashloop.report.lines import plain


def shown(comparison: Comparison, *, width: int = 120) -> str:
    return plain(comparison_table(comparison, width=width))


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, shown(of_issue_1278(), width=width).splitlines())) <= width


def test_arms_stand_in_their_order_with_rates_recovery_and_peak() -> None:
    lines = shown(of_issue_1278()).splitlines()
    heads = [one.split()[0] for one in lines if one[:1].isalpha() and "%" in one]
    assert heads[:4] == ["none", "limit=8", "limit=25", "limit=35"]
    (none,) = [one for one in lines if one.startswith("none")]
    figures = "14 % [3-46] 86 % [54-97] 100 % [72-100] 100 % [72-100] 24 s, 27 s 4"
    assert " ".join(none.split()) == f"none 10 {figures}"


def test_the_arms_of_a_connector_stand_together_under_its_name() -> None:
    arms = [
        arm(remedy, [served()], connector=connector)
        for remedy in (NO_REMEDY, "limit=60")
        for connector in ("audit", "e2-micro")
    ]
    lines = shown(compared(*arms)).splitlines()
    heads = [
        line.split()[-1] if line.startswith("behind the connector") else line.split()[0]
        for line in lines
        if line.startswith(("behind the connector", NO_REMEDY, "limit=60"))
    ]
    each = [NO_REMEDY, "limit=60"]
    assert heads == ["audit", *each, "e2-micro", *each]


def test_each_arm_has_its_criteria_and_a_sentence() -> None:
    text = shown(of_issue_1278())
    assert "✓ success>0.8  ✓ success>0.95" in text
    assert "It meets every criterion after 50 trials: 100 of 100 lives became ready" in text
    assert "Without a remedy the outage happens: 20 of 140 lives became ready" in text
    assert "Trials 3, 6 and 7 do not count, because a life came within 5 % of a limit." in text
    assert "2 of 8 arms with a remedy meet every criterion: limit=60 and retry-jitter" in text


def test_an_undecided_arm_says_how_many_trials_it_would_take() -> None:
    text = " ".join(shown(compared(arm("admission", [served()] * 17))).split())
    assert "and golden_path>0.9 would take 50 trials." in text


def test_a_comparison_without_an_outage_says_that_it_shows_nothing() -> None:
    text = shown(compared(arm(NO_REMEDY, [served()] * 50)))
    assert "Most of its trials do not show the outage, so this comparison cannot say" in text


def test_it_says_whether_trials_are_too_few_or_lack_deaths_or_any_outage() -> None:
    def said(*trials: Measured) -> str:
        return " ".join(shown(compared(arm(NO_REMEDY, trials))).split())

    assert "too few trials to say that most show the outage" in said(*[looped()] * 5)
    assert "cannot say what ends it: 5 of 5 show it." in said(*[looped()] * 5)
    why = "replica 1 died 2 times, not 3 (exits)"
    two_deaths = replace(looped(died=4), verdict=Verdict.NOT_REPRODUCED, reason=why)
    text = said(looped(), two_deaths, served())
    assert "Too few of its trials show the outage" in text
    parts = "1 had a restart loop, but not all that the signature asks for; 1 had no restart loop."
    assert f"1 of 3 show it; {parts} Trial 2: {why}." in text


def test_arms_that_meet_everything_without_an_outage_say_why_the_status_is_11() -> None:
    ended = compared(arm(NO_REMEDY, [looped()] * 5), arm("limit=60", [served()] * 50))
    assert "The exit status is 11 all the same" in " ".join(shown(ended).split())
    assert "The exit status is 11" not in " ".join(shown(of_issue_1278()).split())


def test_one_of_everything_is_in_the_singular() -> None:
    found = arm("limit=25", [near(looped()), replace(looped(), inconclusive="cut off")])
    text = shown(compared(found))
    assert "Trial 1 does not count, because a life came within 5 % of a limit." in text
    assert "1 trial does not count, because nothing can be concluded." in text


def test_names_from_outside_are_shown_without_their_control_characters() -> None:
    found = arm("limit=25\x1b[31m\n", [looped()] * 10, connector="\x1b]0;x\x07<script>.toml")
    text = shown(compared(found))
    assert "\x1b" not in text
    assert "behind the connector <script>.toml" in text


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (Rate(k=0, n=0), "-"),
        (Rate(k=100, n=100, rate=1.0, low=0.963, high=1.0), "100 % [96-100]"),
        (Rate(k=999, n=1000, rate=0.999, low=0.994, high=0.9998), "99 % [99-100]"),
        (Rate(k=1, n=1000, rate=0.001, low=0.0002, high=0.0057), "1 % [0-1]"),
        (Rate(k=29, n=100, rate=0.29, low=0.29, high=0.29), "29 % [29-29]"),
    ],
)
def test_only_all_is_100_percent_and_the_interval_is_rounded_outwards(
    rate: Rate, words: str
) -> None:
    assert rate_words(rate) == words


def test_a_recovery_later_than_the_trial_is_a_dash() -> None:
    assert recovery_words(Recovery(median=0.0, p90=0.71)) == "0 s, 0.7 s"
    assert recovery_words(Recovery(median=12.2)) == "12 s, -"
    assert recovery_words(Recovery()) == "-"
