"""Higher limits do not end the outage, and each connect fault looks different."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from crashloop.checks.phases import AT_LIMIT
from crashloop.model import Verdict

if TYPE_CHECKING:
    from crashloop.testing import Lab, LabRun

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="receipts of this grade come from Linux's /proc/net/tcp"
)

SILENT = ["TimeoutError", "CancelledError"]
REFUSED = ["ConnectionRefusedError"]

# fault -> (verdict, what the app logs, the event that distinguishes it)
VIEWS = {
    "hold": (Verdict.REPRODUCED, SILENT, "link.held"),
    "black_hole": (Verdict.REPRODUCED, SILENT, "gate.syn_seen"),
    "connect_delay": (Verdict.REPRODUCED, SILENT, "gate.syn_seen"),
    "refuse": (Verdict.NOT_REPRODUCED, REFUSED, "gate.checked"),
}


# One variant over TCP runs by default. The rest differs from it, and from the incident's own test,
# in one parameter.
TCP = [
    ("black_hole", 20, 20),
    *(
        pytest.param(fault, limit_s, 10, marks=pytest.mark.slow)
        for fault in VIEWS
        for limit_s in (8, 20, 25)
        if (fault, limit_s) != ("black_hole", 20)
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("limit_s", "time_scale"), [(8, 10), (25, 20)])
async def test_a_limit_below_the_connection_time_never_ends_it(
    lab: Lab, limit_s: int, time_scale: int
) -> None:
    run = await lab.run("issue-1278", limit_s=limit_s, time_scale=time_scale)

    run.expect(Verdict.REPRODUCED)


@pytest.mark.slow
async def test_a_limit_above_the_connection_time_starts_at_the_first_attempt(lab: Lab) -> None:
    run = await lab.run("issue-1278", limit_s=35)

    run.expect(Verdict.NOT_REPRODUCED)
    assert "phase database never failed; in attempt 1 it completed after 3" in run.reason
    done = run.events("phase.completed", attempt=1)
    database = next(e for e in done if e.data["phase"] == "database")
    assert 30 <= database.data["duration_s"] * run.trace.scale < 35
    assert run.events("link.held", attempt=1)
    assert len(run.events("process.started")) == 1


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize(("fault", "limit_s", "time_scale"), TCP)
async def test_over_tcp_the_app_sees_less_than_the_receipts_do(
    lab: Lab, fault: str, limit_s: int, time_scale: int
) -> None:
    run = await lab.run(
        "issue-1278", transport="tcp", fault=fault, limit_s=limit_s, time_scale=time_scale
    )

    _check_view(run, fault)


@linux_only
@pytest.mark.realtime
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("fault", "deaths", "connects_after_s"),
    [("hold", 0, 30.0), ("connect_delay", 0, 35.0), ("black_hole", 1, 30.0)],
)
async def test_a_limit_of_60_s_is_bounded_by_the_kernel_s_retransmissions(
    lab: Lab, fault: str, deaths: int, connects_after_s: float
) -> None:
    """A delay of 30 s ends at the next SYN: at 35 s, by tcp_syn_linear_timeouts' schedule."""
    run = await lab.run("issue-1278", transport="tcp", fault=fault, limit_s=60, time_scale=1)

    run.expect(Verdict.NOT_REPRODUCED)
    exits = [e for e in run.events("process.exited") if not e.data["requested"]]
    assert len(exits) == deaths
    done = run.events("phase.completed", attempt=deaths + 1)
    database = next(e for e in done if e.data["phase"] == "database")
    assert connects_after_s <= database.data["duration_s"] < 60
    assert bool(run.events("gate.admitted")) == (fault != "hold")


@pytest.mark.realtime
async def test_a_limit_of_60_s_does_not_slow_a_refusal(lab: Lab) -> None:
    run = await lab.run("issue-1278", transport="tcp", fault="refuse", limit_s=60, time_scale=1)

    _check_view(run, "refuse")
    assert run.events("phase.failed", attempt=1)[0].data["duration_s"] < 1


@pytest.mark.slow
async def test_latency_beyond_the_limit_is_reproduced_and_every_chunk_has_its_receipt(
    lab: Lab,
) -> None:
    run = await lab.run("issue-1278", transport="tcp", fault="latency", latency_s=2)

    run.expect(Verdict.REPRODUCED)
    failed = run.events("phase.failed", attempt=1)[0]
    assert failed.data["error"][0]["type"].endswith("TimeoutError")
    assert run.events("link.delayed", attempt=1)


@pytest.mark.realtime
@pytest.mark.timeout(400)
async def test_it_is_reproduced_in_real_time_too(lab: Lab) -> None:
    run = await lab.run("issue-1278", time_scale=1)

    run.expect(Verdict.REPRODUCED)


@pytest.mark.slow
async def test_latency_multiplies_by_the_chunks_of_a_start_up(lab: Lab) -> None:
    """Toxiproxy's latency delays every chunk, so its cost is chunks times latency, not latency."""
    latency_s = 0.5
    run = await lab.run(
        "issue-1278", transport="tcp", fault="latency", latency_s=latency_s, limit_s=60
    )

    run.expect(Verdict.NOT_REPRODUCED)
    database = next(
        e for e in run.events("phase.completed", attempt=1) if e.data["phase"] == "database"
    )
    took_s = database.data["duration_s"] * run.trace.scale
    assert took_s > 10 * latency_s


def _check_view(run: LabRun, fault: str) -> None:
    verdict, errors, witness = VIEWS[fault]
    run.expect(verdict)
    failed = run.events("phase.failed", attempt=1)[0]
    assert [e["type"].rsplit(".", 1)[-1] for e in failed.data["error"]] == errors
    if errors == SILENT:
        assert failed.data["duration_s"] >= AT_LIMIT * failed.data["limit_s"]
    seen = {
        kind
        for kind in ("link.held", "gate.syn_seen", "gate.checked")
        if run.events(kind)
        and (kind != "gate.checked" or run.events(kind)[0].data["observed"] == "refused")
    }
    assert seen == {witness}
