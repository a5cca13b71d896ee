"""The faults of the app's own processes: what they refuse, before anything is started."""

from __future__ import annotations

import pytest

from crashloop.clock import TimeScale
from crashloop.engines.docker.capability import require_possible
from crashloop.errors import CapabilityError, UsageError
from crashloop.faults import KINDS
from crashloop.incidents import incident
from crashloop.preflight.scenario import require_consistent

OF_LIVES = [kind for kind, found in KINDS.items() if found.needs_lives]


@pytest.mark.parametrize("kind", OF_LIVES)
def test_a_container_starts_each_process_the_same_way(kind: str) -> None:
    with pytest.raises(CapabilityError, match="in a container"):
        require_possible(incident(f"fault:{kind}").scenario())


@pytest.mark.parametrize("name", ["", "TWO WORDS", "A=B"])
def test_a_setting_is_named_as_an_environment_variable(name: str) -> None:
    with pytest.raises(UsageError, match="missing_setting got variable"):
        incident(f"fault:missing_setting:variable={name}")


def test_only_a_setting_that_the_app_has_can_be_missing() -> None:
    scenario = incident("fault:missing_setting:variable=APP_NOTHING").scenario()
    with pytest.raises(UsageError, match="gives it no variable APP_NOTHING"):
        require_consistent(scenario, TimeScale())
    inherited = incident("fault:missing_setting:variable=HOME").scenario()
    require_consistent(inherited, TimeScale())
