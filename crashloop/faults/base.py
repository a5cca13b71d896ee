"""What every fault is: its parameters, what it acts on, its receipt, and how it is injected."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from crashloop.model import Receipt, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from crashloop.faults.alone import Alone
    from crashloop.faults.ports import Ports
    from crashloop.model import AppUnderTest, Dependency

REPLICAS = "replicas"
"""The target of a fault that acts on the app's instances."""


class Fault(ABC):
    """One kind of fault; its subclasses are frozen dataclasses of its parameters.

    `acts_on` are kinds of dependencies, or REPLICAS. Each parameter has the metadata of
    `crashloop.faults.parameter.takes`. `alone` is how it is shown alone, None where it needs a
    scenario of its own. `modelled` says, for each engine on which it is no real one, what stands
    for it there. `needs_lives`: it acts on the app's own processes; `by_quota`: the kernel does,
    where it has a quota. `replaces`: what of the machine's own each life gets another of, in a
    mount namespace. `needs_address`: an address of this machine at which it listens, besides the
    usual one. Raises UsageError for parameters without a meaning.
    """

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]]

    kind: ClassVar[str]
    acts_on: ClassVar[frozenset[str]]
    receipt: ClassVar[Receipt]
    transports: ClassVar[frozenset[Transport]] = frozenset(Transport)
    alone: ClassVar[Alone | None] = None
    modelled: ClassVar[Mapping[str, str]] = {}
    needs_lives: ClassVar[bool] = False
    by_quota: ClassVar[bool] = False
    replaces: ClassVar[Literal["", "names", "files"]] = ""
    needs_address: ClassVar[str] = ""

    def real_time_only(self, *, limit_s: float) -> str:
        """Why this fault under this limit of the app cannot be scaled; "" if it can.

        The limit and the fault's parameters are seconds of the incident.
        """
        del limit_s
        return ""

    def why_not_at(self, dependency: Dependency) -> str:
        """Why it cannot act on this dependency, as the scenario has it; "" if it can."""
        del dependency
        return ""

    def why_not(self, app: AppUnderTest) -> str:
        """Why it cannot happen to this app; "" if it can."""
        del app
        return ""

    @abstractmethod
    def active(self, ports: Ports, *, name: str, target: str) -> AbstractAsyncContextManager[None]:
        """Inject the fault on entering, heal it on leaving, whatever happens in between.

        It acts when this is entered, and no longer when it is left. Raises CapabilityError if the
        engine lacks what it needs, UsageError for what the target does not have, and HarnessError
        if it did not act.
        """
