"""What kubectl prints: logs, descriptions and events, each alone and in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.diagnosis.order import in_order, joined
from crashloop.diagnosis.reading import Reading
from crashloop.logs.entry import Line
from crashloop.logs.formats import FORMATS, entries

if TYPE_CHECKING:
    from crashloop.diagnosis.case import Case

DESCRIBED = """\
Name:             web-0
Namespace:        shop
Start Time:       Sat, 01 Aug 2026 09:00:00 +0000
Containers:
  app:
    Port:           8000/TCP
    State:          Running
      Started:      Sat, 01 Aug 2026 09:05:00 +0000
    Last State:     Terminated
      Reason:       Error
      Exit Code:    3
      Started:      Sat, 01 Aug 2026 09:04:00 +0000
      Finished:     Sat, 01 Aug 2026 09:04:30 +0000
    Ready:          False
    Restart Count:  4
    Limits:
      memory:  256Mi
    Liveness:  http-get http://:8000/healthz delay=5s timeout=1s period=10s #success=1 #failure=3
Conditions:
  Type    Status
  Ready   False
Events:
  Type     Reason     Age                From     Message
  ----     ------     ----               ----     -------
  Warning  Unhealthy  40s (x6 over 5m)   kubelet  Liveness probe failed: HTTP probe failed with \
statuscode: 503
  Normal   Killing    39s (x2 over 5m)   kubelet  Container app failed liveness probe, will be \
restarted
"""
STARTED = "INFO:     Started server process [1]\n"
FAILED = STARTED + "ERROR:    Application startup failed. Exiting.\n"


def test_a_number_that_no_machine_counts_to_is_no_number() -> None:
    huge = "9" * 5000
    described = DESCRIBED.replace("Count:  4", f"Count:  {huge}").replace("  3\n", f"  {huge}\n")
    assert not case_of(described).restarted


def case_of(text: str, format_name: str | None = None) -> Case:
    lines = [Line("log", n, line) for n, line in enumerate(text.splitlines(), 1)]
    kept, _ = in_order(list(entries(lines, format_name)))
    reading = Reading()
    reading.read(kept)
    return reading.case(read=len(lines))


def recognised(text: str) -> str:
    return max(FORMATS.values(), key=lambda one: one.fits(text.splitlines())).name


def test_a_description_tells_of_the_last_exit_with_its_reason_and_how_long_it_ran() -> None:
    case = case_of(DESCRIBED)

    (ended,) = case.trace.of("process.exited")
    assert {k: ended.data[k] for k in ("exit_code", "reason", "ran_s")} == {
        "exit_code": 3, "reason": "Error", "ran_s": 30.0,
    }  # fmt: skip
    assert ended.target == "shop/web-0/app"
    assert [cited.text.strip() for cited in case.lines(ended)] == ["Reason:       Error"]
    (started,) = case.trace.of("process.started")
    assert (ended.attempt, started.attempt) == (1, 2)


def test_a_probe_is_read_as_it_is_set_and_as_it_failed() -> None:
    case = case_of(DESCRIBED)

    (is_set,) = [e for e in case.trace.of("platform.said") if e.data["says"] == "probe"]
    assert (is_set.data["port"], is_set.data["budget_s"]) == (8000, 35)
    (failed,) = case.trace.of("probe.failed")
    assert failed.target == "shop/web-0/app"
    assert {k: failed.data[k] for k in ("probe", "status", "times")} == {
        "probe": "liveness", "status": 503, "times": 6,
    }  # fmt: skip
    (killing,) = [e for e in case.trace.of("platform.said") if e.data["says"] == "killing"]
    assert killing.data["probe"] == "liveness"


def test_a_restart_that_the_platform_counts_is_a_restart() -> None:
    assert case_of(DESCRIBED.replace("Count:  4", "Count:  0")).restarted[1:] == ()
    assert "Restart Count:  4" in {c.text.strip() for c in case_of(DESCRIBED).lines(
        *case_of(DESCRIBED).restarted)}  # fmt: skip


def test_the_log_before_and_the_log_now_are_the_lives_that_a_description_tells_of() -> None:
    typed = "$ kubectl -n shop {} web-0 {}\n"
    case = case_of(
        typed.format("describe pod", "") + DESCRIBED
        + typed.format("logs", "") + STARTED
        + typed.format("logs", "--previous") + FAILED
    )  # fmt: skip

    assert case.sources == ("shop/web-0/app",)
    first, second = case.lives
    assert (first.failed, first.exit is not None) == (True, True)
    assert (second.failed, second.exit) == (False, None)


def test_lines_with_instants_are_set_between_the_start_and_the_end_of_their_life() -> None:
    log = (
        "2026-08-01T09:04:30.500Z ERROR:    Application startup failed. Exiting.\n"
        "2026-08-01T09:05:00.100Z INFO:     Started server process [1]\n"
    )
    case = case_of(f"me@host:~/x$ kubectl logs web-0 -c app --timestamps\n{log}{DESCRIBED}")

    assert [life.failed for life in case.lives] == [True, False]


def test_a_description_after_other_lines_needs_no_command() -> None:
    case = case_of(FAILED + DESCRIBED)

    assert {e.kind for e in case.trace.events} >= {"log.server", "process.exited", "probe.failed"}


def test_listed_events_tell_what_failed_and_how_often() -> None:
    case = case_of(
        "LAST SEEN           TYPE      REASON      OBJECT        MESSAGE\n"
        "12s (x9 over 3m)    Warning   Unhealthy   pod/web-0     Startup probe failed: dial tcp "
        "10.1.2.3:8080: connect: connection refused\n"
        "3m                  Normal    Scheduled   pod/web-0     Successfully assigned\n"
        "3m                  Normal    Created     job/x         Created pod: x\n"
    )

    (failed,) = case.trace.of("probe.failed")
    assert (failed.data["port"], failed.data["times"], failed.target) == (8080, 9, "web-0")
    assert [e.data["says"] for e in case.trace.of("platform.said")] == ["scheduled"]


def test_prefixed_lines_are_of_their_containers() -> None:
    case = case_of(
        "[pod/web-0/app] 2026-08-01T09:04:00Z INFO:     Started server process [1]\n"
        "[pod/web-1/app] 2026-08-01T09:04:00Z INFO:     Started server process [1]\n"
        "[pod/web-0/app] 2026-08-01T09:04:01Z ERROR:    Application startup failed. Exiting.\n"
    )

    assert [(life.source, life.failed) for life in case.lives] == [
        ("web-0/app", True), ("web-1/app", False),
    ]  # fmt: skip


def test_each_output_is_recognised() -> None:
    assert recognised(DESCRIBED) == "kubectl-describe"
    assert recognised(FAILED + DESCRIBED) == "transcript"
    assert recognised(FAILED) == "plain"


def test_a_line_that_quotes_a_command_is_no_command() -> None:
    assert recognised("run kubectl logs web-0 to see more\n> help\n# docker is needed\n") == "plain"


def test_workers_of_one_master_are_one_life() -> None:
    case = case_of(
        "[2026-08-01 09:00:00 +0000] [1] [INFO] Starting gunicorn 25.0.0\n"
        + "[2026-08-01 09:00:01 +0000] [7] [INFO] Started server process [7]\n" * 1
        + "[2026-08-01 09:00:02 +0000] [8] [INFO] Started server process [8]\n"
    )

    assert [life.attempt for life in case.lives] == [1]


def test_a_log_beside_the_description_of_one_container_is_that_containers() -> None:
    log = "2026-08-01T09:04:30.500Z INFO:     Application startup complete.\n"
    files = {"app.log": log, "pod.txt": DESCRIBED}
    found = [
        entry
        for file, text in files.items()
        for entry in entries(Line(file, n, t) for n, t in enumerate(text.splitlines(), 1))
    ]
    kept, _ = in_order(joined(found))
    reading = Reading()
    reading.read(kept)

    first = reading.case(read=0).lives[0]
    assert (first.was_ready, first.exit is not None) == (True, True)
