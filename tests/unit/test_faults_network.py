"""The faults of names: what they refuse, before anything is started."""

from __future__ import annotations

import pytest

from crashloop.clock import TimeScale
from crashloop.errors import UsageError
from crashloop.faults import KINDS
from crashloop.incidents import incident
from crashloop.preflight.scenario import require_consistent

OF_NAMES = [kind for kind, found in KINDS.items() if found.replaces == "names"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("name_late:delay_s=0", "more than 0"),
        ("name_late:delay_s=inf", "more than 0"),
        ("name_late:delay_s=soon", "delay_s is seconds, more than 0"),
        ("wrong_host:address=10.0.0.1", "127.0.0.0/8"),
        ("wrong_host:address=127.0.0.1", "127.0.0.0/8"),
        ("wrong_host:address=nowhere", "127.0.0.0/8"),
    ],
)
def test_a_parameter_without_a_meaning_is_refused(name: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        incident(f"fault:{name}")
    assert says in str(raised.value)


@pytest.mark.parametrize("kind", OF_NAMES)
def test_a_unix_socket_has_no_name(kind: str) -> None:
    scenario = incident(f"fault:{kind}").scenario(transport="unix")
    with pytest.raises(UsageError, match=kind):
        require_consistent(scenario, TimeScale())
