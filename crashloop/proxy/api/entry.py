"""One proxy of the collection: its settings, its toxics, and its data plane while it has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from crashloop.errors import CrashloopError, UsageError
from crashloop.proxy.api import endpoint
from crashloop.proxy.api.error import ApiError, of_data_plane
from crashloop.proxy.api.toxic import Noop
from crashloop.proxy.faults import GateFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crashloop.proxy.address import Address
    from crashloop.proxy.api.toxic import Toxic
    from crashloop.proxy.events import Emit
    from crashloop.proxy.proxy import FaultProxy

MAX_TOXICS = 1000

_CONFLICT = 409


class MakePlane(Protocol):
    """Builds a data plane that does not listen yet."""

    def __call__(self, *, name: str, listen: Address, upstream: Address, emit: Emit) -> FaultProxy:
        """Build it; `listen` has an IP address, `upstream` may have a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where a proxy listens, where it forwards to, and whether it is on, as a client asked for it.

    As in Toxiproxy an upstream need not make sense: connections to it fail.
    """

    listen: str
    upstream: str
    enabled: bool = True


class Entry:
    """A proxy by its name. One change at a time: the collection ensures that.

    Every change is made whole, or raises and leaves the proxy as it was, unless stated otherwise.
    """

    def __init__(self, *, name: str, settings: Settings, make: MakePlane, emit: Emit) -> None:
        self.name = name
        self.settings = settings
        self.toxics: dict[str, Toxic] = {}
        self.plane: FaultProxy | None = None
        self._had = ""
        self._make = make
        self._emit = emit

    @property
    def enabled(self) -> bool:
        """Whether it accepts connections."""
        return self.plane is not None and self.plane.enabled

    @property
    def listen(self) -> str:
        """The address that it has or had last, with the real port; else the one asked for."""
        if self.plane is None:
            return self._had or self.settings.listen
        return endpoint.show(self.plane.address)

    def document(self) -> dict[str, object]:
        """Toxiproxy's JSON, in its order."""
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.settings.upstream,
            "enabled": self.enabled,
            "Logger": {},
            "toxics": [toxic.document() for toxic in self.in_order()],
        }

    def in_order(self) -> list[Toxic]:
        """The toxics as Toxiproxy lists them: upstream first, each stream in order of creation."""
        return sorted(self.toxics.values(), key=lambda toxic: not toxic.is_upstream)

    async def begin(self, toxics: Iterable[Toxic] = ()) -> None:
        """Start for the first time, with these toxics, if it is to be enabled at all."""
        wanted = {toxic.name: toxic for toxic in toxics}
        if self.settings.enabled:
            self.plane = await self._started(self.listen, self.settings.upstream, wanted)
        self.toxics = wanted
        self._emit("proxy.created", self._facts())

    async def differs(self, settings: Settings) -> bool:
        """Whether it listens or forwards elsewhere than `settings` ask for, names looked up.

        Port 0 asks for any port: a proxy that was asked for there already has one.
        """
        if settings.upstream != self.settings.upstream:
            return True
        return settings.listen != self.settings.listen and self.listen != endpoint.show(
            await endpoint.listening(settings.listen)
        )

    async def become(self, settings: Settings, toxics: Iterable[Toxic] | None = None) -> None:
        """Take over these settings, and toxics where given.

        Where the addresses differ, or toxics are given, open connections are closed and a new
        data plane takes the old one's place.
        """
        moves = toxics is not None or await self.differs(settings)
        wanted = self.toxics if toxics is None else {toxic.name: toxic for toxic in toxics}
        if not moves:
            await self._switch(on=settings.enabled)
            return
        if settings.enabled:
            await self._replace(settings, wanted)
        else:
            await self._drop()
        if settings.listen != self.settings.listen:
            self._had = ""
        self.settings = settings
        self.toxics = wanted
        self._emit("proxy.updated", self._facts())

    async def _replace(self, settings: Settings, toxics: Mapping[str, Toxic]) -> None:
        listen = self.listen if settings.listen == self.settings.listen else settings.listen
        old, was_at, was_enabled = self.plane, self.listen, self.enabled
        if old is None or not _collide(old.address, await endpoint.listening(listen)):
            self.plane = await self._started(listen, settings.upstream, toxics)
            if old is not None:
                await old.stop()
            return
        await self._drop()
        try:
            self.plane = await self._started(listen, settings.upstream, toxics)
        except BaseException:
            if was_enabled:
                self.plane = await self._started(was_at, self.settings.upstream, self.toxics)
            raise

    async def enable(self) -> None:
        """Accept connections, if it does not already."""
        await self._switch(on=True)

    async def _switch(self, *, on: bool) -> None:
        if on == self.enabled:
            return
        try:
            if self.plane is None:
                self.plane = await self._started(self.listen, self.settings.upstream, self.toxics)
            elif on:
                await self.plane.enable()
            else:
                await self.plane.disable()
        except CrashloopError as error:
            raise of_data_plane(error, usage_status=500) from error
        self._emit("proxy.enabled" if on else "proxy.disabled", self._facts())

    async def end(self) -> None:
        """Stop, and give the address back."""
        facts = {**self._facts(), "enabled": False}
        await self._drop()
        self._emit("proxy.removed", facts)

    async def _drop(self) -> None:
        plane, self.plane = self.plane, None
        if plane is not None:
            self._had = endpoint.show(plane.address)
            await plane.stop()

    def toxic(self, name: str) -> Toxic:
        """The toxic of this name; ApiError 404."""
        if name not in self.toxics:
            raise ApiError("toxic not found", 404)
        return self.toxics[name]

    async def add(self, toxic: Toxic) -> None:
        """Make a toxic."""
        if toxic.name in self.toxics:
            raise ApiError("toxic already exists", _CONFLICT)
        if len(self.toxics) >= MAX_TOXICS:
            raise ApiError(f"a proxy takes {MAX_TOXICS} toxics at most", _CONFLICT)
        if self.plane is not None and not isinstance(toxic.fault, Noop):
            try:
                await self.plane.inject(toxic.name, toxic.fault)
            except CrashloopError as error:
                raise of_data_plane(error, usage_status=_CONFLICT) from error
        self.toxics[toxic.name] = toxic
        self._emit("toxic.added", toxic.document())

    async def change(self, toxic: Toxic) -> None:
        """Replace a toxic of the same name; if the machine fails, the toxic may be off."""
        if self.plane is not None and not isinstance(toxic.fault, Noop):
            try:
                await self.plane.change(toxic.name, toxic.fault)
            except CrashloopError as error:
                raise of_data_plane(error, usage_status=_CONFLICT) from error
            finally:
                self._forget_if_off(toxic.name)
        self.toxics[toxic.name] = toxic
        self._emit("toxic.changed", toxic.document())

    async def remove(self, name: str) -> None:
        """Remove a toxic, also if the proof that it worked until now fails."""
        toxic = self.toxic(name)
        if self.plane is not None and name in self.plane.faults:
            try:
                await self.plane.heal(name)
            except CrashloopError as error:
                raise of_data_plane(error, usage_status=500) from error
            finally:
                self._forget_if_off(name)
        self.toxics.pop(name, None)
        self._emit("toxic.removed", toxic.document())

    def _forget_if_off(self, name: str) -> None:
        if self.plane is not None and name not in self.plane.faults:
            self.toxics.pop(name, None)

    async def _started(self, listen: str, to: str, toxics: Mapping[str, Toxic]) -> FaultProxy:
        """A data plane that listens with its faults on; ApiError, and then nothing listens."""
        address = await endpoint.listening(listen)
        upstream, _ = endpoint.upstream(to)
        plane = self._make(name=self.name, listen=address, upstream=upstream, emit=self._emit)
        try:
            await plane.start()
        except UsageError as error:
            raise endpoint.not_listening(address, error) from error
        try:
            # the gate's fault last: injecting the others lets no connection in between
            for toxic in sorted(toxics.values(), key=lambda one: isinstance(one.fault, GateFault)):
                if not isinstance(toxic.fault, Noop):
                    await plane.inject(toxic.name, toxic.fault)
        except BaseException as error:
            await plane.stop()
            if isinstance(error, CrashloopError):
                raise of_data_plane(error, usage_status=_CONFLICT) from error
            raise
        return plane

    def _facts(self) -> dict[str, object]:
        _, problem = endpoint.upstream(self.settings.upstream)
        return {
            "listen": self.listen,
            "upstream": self.settings.upstream,
            "enabled": self.enabled,
            "toxics": list(self.toxics),
            **({"problem": problem} if problem else {}),
        }


def _collide(one: Address, other: Address) -> bool:
    """Whether the two addresses exclude each other."""
    if one.path or other.path:
        return one.path == other.path
    return one.port == other.port
