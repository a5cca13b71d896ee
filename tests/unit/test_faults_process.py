"""The faults of the app's own processes: what they refuse, before anything is started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from crashloop.apps import sample_app
from crashloop.clock import TimeScale
from crashloop.commands.standing import standing
from crashloop.engines.docker.capability import LACKS, require_possible
from crashloop.errors import CapabilityError, UsageError
from crashloop.faults import KINDS
from crashloop.faults.process.memory_limit import MemoryLimit
from crashloop.faults.process.port import elsewhere_of
from crashloop.faults.process.proc import signal_state, variables_of, workers_of
from crashloop.faults.process.sockets import has_other_listener, own_listeners
from crashloop.incidents import incident
from crashloop.model import AppUnderTest, Ready
from crashloop.preflight.scenario import require_consistent

BLOCKS_SIGTERM = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print(flush=True)
sys.stdin.read()
"""
LISTENS = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    sys.stdin.read()
"""
OF_LIVES = [
    kind
    for kind, found in KINDS.items()
    if found.needs_lives and not found.by_quota and found.alone
]
HAS_TWO_CHILDREN = """
import subprocess, sys
children = [subprocess.Popen(["cat"]) for _ in range(2)]
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", OF_LIVES)
def test_a_container_lacks_each_fault_of_a_process_for_its_own_reason(kind: str) -> None:
    with pytest.raises(CapabilityError, match=LACKS[kind]):
        require_possible(incident(f"fault:{kind}").scenario())


@pytest.mark.parametrize("name", ["TWO WORDS", "A=B"])
def test_a_setting_is_named_as_an_environment_variable(name: str) -> None:
    with pytest.raises(UsageError, match="missing_setting got variable"):
        incident(f"fault:missing_setting:variable={name}")


def test_only_a_setting_that_the_app_has_can_be_missing() -> None:
    scenario = incident("fault:missing_setting:variable=APP_NOTHING").scenario()
    with pytest.raises(UsageError, match="gives it no variable APP_NOTHING"):
        require_consistent(scenario, TimeScale())
    inherited = incident("fault:missing_setting:variable=HOME").scenario()
    require_consistent(inherited, TimeScale())


@pytest.mark.parametrize(
    ("kind", "app", "says"),
    [
        ("other_port", replace(sample_app(), command=("serve", "--host", "{host}")), "{port}"),
        ("loopback_only", replace(sample_app(), command=("serve", "{port}")), "{host}"),
        ("port_in_use", replace(sample_app(), ready=Ready()), "ready with its port"),
    ],
)
def test_an_app_that_the_fault_cannot_happen_to_is_refused(
    kind: str, app: AppUnderTest, says: str
) -> None:
    scenario = replace(incident(f"fault:{kind}").scenario(), app=app)
    with pytest.raises(UsageError, match=says):
        require_consistent(scenario, TimeScale())


@pytest.mark.parametrize(
    ("found", "elsewhere"),
    [
        ([("127.0.0.1", 8)], ""),
        ([("0.0.0.0", 8)], ""),  # noqa: S104  what others listen at
        ([("::", 8)], ""),
        ([("127.0.0.2", 8), ("127.0.0.1", 8)], ""),
        ([("127.0.0.2", 8)], "address"),
        ([("127.0.0.1", 9)], "port"),
        ([("127.0.0.1", 9), ("127.0.0.2", 8)], "address"),
    ],
)
def test_a_life_listens_elsewhere_if_it_cannot_be_reached_where_it_is_asked(
    found: list[tuple[str, int]], elsewhere: str
) -> None:
    assert elsewhere_of(found, ("127.0.0.1", 8)) == elsewhere


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_kernel_says_who_listens_at_an_address() -> None:
    serving = [sys.executable, "-I", "-c", LISTENS]
    with subprocess.Popen(
        serving, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        address = ("127.0.0.1", int(process.stdout.readline()))
        own = own_listeners(process.pid)
        others = [
            has_other_listener(process.pid, address),
            has_other_listener(os.getsid(0), address),
        ]
        process.kill()
    assert own == [address]
    assert others == [False, True]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_proc_says_which_signals_a_process_handles_and_which_wait_for_it() -> None:
    blocking = [sys.executable, "-I", "-c", BLOCKS_SIGTERM]
    with subprocess.Popen(blocking, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        before = signal_state(process.pid)
        process.terminate()
        after = signal_state(process.pid)
        process.kill()
    assert before is not None
    assert after is not None
    assert before.handles(signal.SIGTERM)
    assert not before.handles(signal.SIGUSR1)
    assert (before.waits(signal.SIGTERM), after.waits(signal.SIGTERM)) == (False, True)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_proc_says_nothing_of_a_process_that_has_ended() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {"WORD": "1"})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        assert signal_state(pid) is None
        assert variables_of(pid) == frozenset()
    finally:
        os.waitpid(pid, 0)
    assert signal_state(pid) is None
    assert variables_of(pid) == frozenset()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_proc_says_which_workers_a_server_has() -> None:
    serving = [sys.executable, "-I", "-c", HAS_TWO_CHILDREN]
    with subprocess.Popen(serving, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        workers = workers_of(process.pid)
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
    assert len(workers) == 2
    assert workers_of(process.pid) == []


def test_a_fault_of_lives_that_is_part_of_an_incident_is_not_to_be_had_in_a_container() -> None:
    assert standing(KINDS["many_workers"], "local") == ("real", "")
    word, why = standing(KINDS["many_workers"], "docker")
    assert word == "not here"
    assert LACKS["many_workers"] in why


def test_a_server_that_is_told_its_workers_by_its_command_has_no_others() -> None:
    scenario = incident("workers-times-pool").scenario()
    require_consistent(scenario, TimeScale())
    command = (*scenario.app.command, "--workers", "1")
    fixed = replace(scenario, app=replace(scenario.app, command=command))
    with pytest.raises(UsageError, match="says how many workers"):
        require_consistent(fixed, TimeScale())


@pytest.mark.parametrize("name", ["share=0", "share=1", "share=-1", "share=nan", "share=half"])
def test_a_starved_app_has_a_share_of_the_cpu(name: str) -> None:
    with pytest.raises(UsageError, match="cpu_starved got share="):
        incident(f"fault:cpu_starved:{name}")


@pytest.mark.parametrize("name", ["limit_mib=0", "limit_mib=-1", "limit_mib=inf", "limit_mib=1GB"])
def test_a_memory_limit_is_a_number_of_mib(name: str) -> None:
    with pytest.raises(UsageError, match="memory_limit got limit_mib="):
        incident(f"fault:memory_limit:{name}")


@pytest.mark.parametrize("old", [512.0, 600.0])
def test_an_old_memory_limit_was_smaller(old: float) -> None:
    with pytest.raises(UsageError, match="memory_limit got old_limit_mib="):
        MemoryLimit(limit_mib=512.0, old_limit_mib=old)


def test_an_app_that_is_starved_runs_in_real_time_only() -> None:
    assert "takes as long" in incident("fault:cpu_starved").scenario().real_time_only
