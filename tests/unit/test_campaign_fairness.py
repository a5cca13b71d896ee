"""How many runs at once are fair, and at which time scale."""

from __future__ import annotations

import pytest

from crashloop.campaign.fairness import DoesNotWorkError, Fair, Work, find_fair
from crashloop.errors import CapabilityError

LIMIT_S = 20.0


class Machine:
    """One on which phase database takes so many wall seconds for each run at once."""

    def __init__(self, each_s: float) -> None:
        self._each_s = each_s
        self.made: list[tuple[int, float]] = []

    async def controls(self, at_once: int, scale: float) -> list[Work]:
        self.made.append((at_once, scale))
        work_s = self._each_s * at_once
        share = work_s * scale / LIMIT_S
        return [
            Work(fair=share <= 0.25 or scale == 1, share=share, phases={"database": work_s})
            for _ in range(at_once)
        ]


async def fair(machine: Machine, *, scale: float = 20.0, processors: int = 2) -> Fair:
    return await find_fair(machine.controls, scale=scale, processors=processors)


async def test_the_largest_number_of_runs_at_once_that_is_fair_is_used() -> None:
    machine = Machine(0.06)  # a quarter of the limit at x20 is 0.25 s: four fit
    found = await fair(machine, processors=4)
    assert (found.at_once, found.scale) == (4, 20.0)
    assert [at_once for at_once, _ in machine.made] == [1, 2, 4, 6, 6, 5, 5]
    assert found.phases == {"database": 0.24}


async def test_the_first_run_of_all_may_be_slow() -> None:
    machine = Machine(0.06)
    made = machine.controls

    async def slow_at_first(at_once: int, scale: float) -> list[Work]:
        first = not machine.made
        works = await made(at_once, scale)
        return [Work(fair=False, share=0.9)] * at_once if first else works

    found = await find_fair(slow_at_first, scale=20.0, processors=4)
    assert (found.at_once, found.scale) == (4, 20.0)


async def test_a_moment_in_which_the_machine_is_busy_decides_nothing() -> None:
    machine = Machine(0.06)
    made = machine.controls

    async def busy_at_first(at_once: int, scale: float) -> list[Work]:
        works = await made(at_once, scale)
        tries = sum(1 for each, _ in machine.made if each == at_once)
        return (
            [Work(fair=False, share=0.9)] * at_once if at_once in {2, 4} and tries == 1 else works
        )

    found = await find_fair(busy_at_first, scale=20.0, processors=4)
    assert (found.at_once, found.scale) == (4, 20.0)


async def test_between_two_steps_the_number_in_the_middle_is_tried() -> None:
    assert (await fair(Machine(0.08))).at_once == 3


async def test_on_a_slow_machine_one_run_at_a_time_may_be_fair() -> None:
    assert (await fair(Machine(0.2))).at_once == 1


async def test_there_are_never_more_runs_than_two_for_each_processor() -> None:
    machine = Machine(0.001)
    assert (await fair(machine)).at_once == 4
    assert machine.made[-1][0] == 4


async def test_where_not_even_one_run_is_fair_the_scale_is_smaller() -> None:
    found = await fair(Machine(0.5))
    assert (found.at_once, found.scale) == (1, 10.0)


async def test_in_real_time_everything_is_fair() -> None:
    found = await fair(Machine(100.0), scale=1.0)
    assert (found.at_once, found.scale) == (4, 1.0)


async def test_an_app_that_logs_no_phases_gets_one_run_for_each_processor() -> None:
    async def controls(at_once: int, _scale: float) -> list[Work]:
        return [Work(fair=None) for _ in range(at_once)]

    assert (await find_fair(controls, scale=20.0, processors=2)).at_once == 2


async def test_an_app_that_does_not_work_without_a_fault_ends_the_comparison() -> None:
    async def controls(at_once: int, _scale: float) -> list[Work]:
        return [Work(fair=True, wrong="no module named shop") for _ in range(at_once)]

    with pytest.raises(DoesNotWorkError, match=r"without a fault.*no module named shop") as raised:
        await find_fair(controls, scale=20.0, processors=2)
    assert raised.value.exit_status == 13


async def test_an_app_that_is_too_slow_among_many_runs_is_run_among_fewer() -> None:
    async def controls(at_once: int, _scale: float) -> list[Work]:
        wrong = "the deadline passed" if at_once > 2 else ""
        return [Work(fair=not wrong, share=0.1, wrong=wrong) for _ in range(at_once)]

    assert (await find_fair(controls, scale=20.0, processors=2)).at_once == 2


async def test_without_phases_too_a_run_that_fails_among_several_means_fewer() -> None:
    async def controls(at_once: int, _scale: float) -> list[Work]:
        wrong = "the deadline passed" if at_once > 1 else ""
        return [Work(fair=None, wrong=wrong), *[Work(fair=None)] * (at_once - 1)]

    assert (await find_fair(controls, scale=20.0, processors=2)).at_once == 1


async def test_where_no_scale_is_fair_the_smallest_that_was_tried_is_named() -> None:
    tried: list[float] = []

    async def controls(at_once: int, scale: float) -> list[Work]:
        tried.append(scale)
        return [Work(fair=False, share=0.3, says="phase database took 30%")] * at_once

    with pytest.raises(CapabilityError, match="no time scale down to") as raised:
        await find_fair(controls, scale=20.0, processors=2)
    assert f"down to {min(tried):g} is fair" in raised.value.message
    assert raised.value.exit_status == 11


async def test_a_machine_that_is_too_slow_is_told_the_scale_that_its_last_controls_left() -> None:
    async def controls(at_once: int, _scale: float) -> list[Work]:
        return [Work(fair=False, share=0.3, says="phase database took 30%")] * at_once

    with pytest.raises(CapabilityError) as raised:
        await find_fair(controls, scale=20.0, processors=2)
    assert "down to 13 is fair" in raised.value.message
    assert "--time-scale 10 (with --artifacts, name a new folder)" in raised.value.hint
    assert raised.value.hint.endswith("--real-time")


async def test_it_is_told_why_another_number_or_scale_is_tried() -> None:
    async def controls(at_once: int, scale: float) -> list[Work]:
        is_fair = scale == 10
        says = f"{at_once} at x{scale:g}"
        return [Work(fair=is_fair, share=0.2 if is_fair else 0.5, says=says)] * at_once

    told: list[str] = []
    await find_fair(controls, scale=20.0, processors=1, tell=told.append)
    once_more = "once more, in case the machine was busy for a moment"
    assert told == [
        f"not fair: 2 at x20; {once_more}",
        "not fair: 2 at x20; next, one less at once",
        f"not fair: 1 at x20; {once_more}",
        "not fair: 1 at x20; the largest scale this leaves is x10",
    ]


FAIR = Fair(at_once=4, scale=20.0, phases={"database": 0.2})


@pytest.mark.parametrize(("limit_s", "scale"), [(20.0, 20.0), (8.0, 10.0), (0.5, 1.0), (0.0, 20.0)])
def test_a_short_limit_is_run_at_the_largest_scale_that_is_fair(
    limit_s: float, scale: float
) -> None:
    assert FAIR.scale_for(limit_s, "database") == scale


def test_a_smaller_scale_is_explained_by_what_was_measured() -> None:
    assert FAIR.note(20.0, "database") == ""
    note = FAIR.note(8.0, "database")
    assert "at x20 its limit of 8 s would be 0.4 s" in note
    assert "takes up to 0.2 s here: at x10 that is a quarter at most" in note


def test_a_phase_that_was_not_measured_has_the_usual_scale() -> None:
    assert FAIR.scale_for(8.0, "lifespan") == 20.0
