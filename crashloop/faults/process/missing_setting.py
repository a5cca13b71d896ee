"""The fault of a setting that the app needs and does not get."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.faults.alone import DEATHS, Alone
from crashloop.faults.base import REPLICAS
from crashloop.faults.parameter import takes
from crashloop.faults.process.fault import ProcessFault, each_life, seen
from crashloop.faults.process.proc import variables_of
from crashloop.model import CheckSpec, Launch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports
    from crashloop.model import AppUnderTest, Life


VARIABLE_IS = "an environment variable of the app, as in variable=DATABASE_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingSetting(ProcessFault):
    """The app is started without one of its environment variables."""

    kind = "missing_setting"
    receipt = seen("process.setting_missing")
    alone = Alone(
        target=REPLICAS,
        phase="init",
        params={"variable": "APP_DATABASE_URL"},
        comes=False,
        shows=(
            CheckSpec(
                check="phase_failed",
                params={
                    "phase": "init",
                    "times": DEATHS,
                    "errors": ("SettingsError",),
                    "at_limit": False,
                },
            ),
            CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS}),
            CheckSpec(check="last_phase", params={"phase": "init"}),
            CheckSpec(check="recovered", params={"phase": "init"}),
        ),
        told_by={
            "port_in_use": "last_phase",
            "refuse": "last_phase",
            "read_only_files": "phase_failed",
        },
        ends="the setting is there; no restart and no retry helps",
    )

    variable: str = field(metadata=takes("text", says=VARIABLE_IS))

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w+", self.variable):
            raise UsageError(
                f"the fault missing_setting got variable={self.variable!r}",
                hint=f"variable is {VARIABLE_IS}",
            )

    def why_not(self, app: AppUnderTest) -> str:
        """Why the app cannot lack the variable; "" if it can."""
        inherits = any(fnmatchcase(self.variable, pattern) for pattern in app.inherit_env)
        if self.variable in app.env or inherits:
            return ""
        has = ", ".join((*app.env, *app.inherit_env)) or "none"
        return f"its entry gives it no variable {self.variable}; variable=NAME is one of: {has}"

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Start each life without the variable; emits `process.setting_missing` as /proc says."""
        lives = ports.lives()

        async def look(life: Life, pid: int) -> None:
            found = variables_of(pid)
            if found and self.variable not in found:
                data = {"fault": name, "pid": pid, "variable": self.variable}
                ports.emit("harness", "process.setting_missing", target, life=life, **data)

        async with lives.launched(Launch(unset=(self.variable,))), each_life(lives, look):
            yield
