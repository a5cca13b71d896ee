"""One proxy of the collection: its settings, its toxics, and its data plane while it has one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crashloop.errors import CrashloopError, UsageError
from crashloop.proxy.api import endpoint
from crashloop.proxy.api.decode import first_value
from crashloop.proxy.api.error import ApiError, of_data_plane
from crashloop.proxy.faults import BlackHole, ConnectDelay, Refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crashloop.proxy.address import Address
    from crashloop.proxy.api.plane import MakePlane, Plane
    from crashloop.proxy.api.wire import Draft, Toxic
    from crashloop.proxy.events import Emit
    from crashloop.proxy.faults import Fault

MAX_TOXICS = 1000

_CONFLICT = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where a proxy listens, where it forwards to, and whether it is on; texts of the API.

    As in Toxiproxy an upstream need not make sense: connections to it fail.
    """

    listen: str
    upstream: str
    enabled: bool = True


class Entry:
    """A proxy by its name. One change at a time: the collection sees to that.

    Every change is done, or raises and leaves the proxy as it was, unless said otherwise.
    """

    def __init__(self, *, name: str, settings: Settings, make: MakePlane, emit: Emit) -> None:
        self.name = name
        self.settings = settings
        self.asked = settings
        self.toxics: dict[str, Toxic] = {}
        self.plane: Plane | None = None
        self._make = make
        self._emit = emit

    @property
    def enabled(self) -> bool:
        """Whether it accepts connections."""
        return self.plane is not None and self.plane.enabled

    @property
    def listen(self) -> str:
        """Where it listens, with the real port; or what was asked for, until it ever does."""
        return self.settings.listen if self.plane is None else endpoint.show(self.plane.address)

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
        """The toxics as Toxiproxy lists them: upstream ones first, each stream as it was made."""
        return sorted(self.toxics.values(), key=lambda toxic: toxic.direction != "upstream")

    async def begin(self, toxics: Iterable[Toxic] = ()) -> None:
        """Start for the first time, with these toxics, if it is to be enabled at all."""
        wanted = {toxic.name: toxic for toxic in toxics}
        if self.settings.enabled:
            self.plane = await self._started(await self._address(), self.settings, wanted)
        self.toxics = wanted
        self._emit("proxy.created", self._told())

    async def differs(self, settings: Settings) -> bool:
        """Whether it listens or forwards elsewhere than `settings` say, names looked up."""
        address = await endpoint.listening(settings.listen)
        return endpoint.show(address) != self.listen or settings.upstream != self.settings.upstream

    async def is_asked_for_again(self, settings: Settings) -> bool:
        """Whether it is already what `settings` ask for: port 0 is any port, so the one it has."""
        known = replace(self.asked, enabled=settings.enabled)
        return settings == known or not await self.differs(settings)

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
        self.settings = self.asked = settings
        self.toxics = wanted
        self._emit("proxy.updated", self._told())

    async def _replace(self, settings: Settings, toxics: Mapping[str, Toxic]) -> None:
        address = await endpoint.listening(settings.listen)
        old, old_settings = self.plane, self.settings
        if old is None or not _collide(old.address, address):
            self.plane = await self._started(address, settings, toxics)
            if old is not None:
                await old.stop()
            return
        was_at, was_enabled = old.address, old.enabled
        self.plane = None
        try:
            await old.stop()
            self.plane = await self._started(address, settings, toxics)
        except BaseException:
            self.settings = replace(old_settings, listen=endpoint.show(was_at))
            if was_enabled:
                self.plane = await self._started(was_at, self.settings, self.toxics)
            raise

    async def enable(self) -> None:
        """Accept connections, if it does not already."""
        await self._switch(on=True)

    async def _switch(self, *, on: bool) -> None:
        if on == self.enabled:
            return
        try:
            if self.plane is None:
                address = await self._address()
                self.plane = await self._started(address, self.settings, self.toxics)
            elif on:
                await self.plane.enable()
            else:
                await self.plane.disable()
        except CrashloopError as error:
            raise of_data_plane(error, usage_status=500) from error
        self._emit("proxy.enabled" if on else "proxy.disabled", self._told())

    async def end(self) -> None:
        """Stop, and give the address back."""
        await self._drop()
        self._emit("proxy.removed", self._told())

    async def _drop(self) -> None:
        plane, self.plane = self.plane, None
        if plane is not None:
            self.settings = replace(self.settings, listen=endpoint.show(plane.address))
            await plane.stop()

    def toxic(self, name: str) -> Toxic:
        """The toxic of this name; ApiError 404."""
        if name not in self.toxics:
            raise ApiError("toxic not found", 404)
        return self.toxics[name]

    async def add(self, draft: Draft) -> Toxic:
        """Make a toxic."""
        if draft.name in self.toxics:
            raise ApiError("toxic already exists", _CONFLICT)
        if len(self.toxics) >= MAX_TOXICS:
            raise ApiError(f"a proxy takes {MAX_TOXICS} toxics at most", _CONFLICT)
        toxic = draft.toxic()
        fault = toxic.fault()
        if self.plane is not None and fault is not None:
            try:
                await self.plane.inject(toxic.name, fault)
            except CrashloopError as error:
                raise of_data_plane(error, usage_status=_CONFLICT) from error
        self.toxics[toxic.name] = toxic
        self._emit("toxic.added", toxic.document())
        return toxic

    async def change(self, name: str, body: bytes) -> Toxic:
        """Update a toxic; where the machine fails at it, the toxic may be gone."""
        toxic = self.toxic(name).changed(first_value(body))
        fault = toxic.fault()
        if self.plane is not None and fault is not None:
            try:
                await self.plane.change(name, fault)
            except CrashloopError as error:
                raise of_data_plane(error, usage_status=_CONFLICT) from error
            finally:
                self._forget_if_off(name)
        self.toxics[name] = toxic
        self._emit("toxic.changed", toxic.document())
        return toxic

    async def remove(self, name: str) -> None:
        """Remove a toxic; it is gone, too, when the proof fails that it worked to its end."""
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

    async def _address(self) -> Address:
        """Where to listen; ApiError in Toxiproxy's words."""
        try:
            return await endpoint.listening(self.settings.listen)
        except ApiError as error:
            if self.settings.listen.startswith(endpoint.UNIX):
                raise
            raise ApiError(f"listen tcp: {error.message}", error.status) from error

    async def _started(
        self, address: Address, settings: Settings, toxics: Mapping[str, Toxic]
    ) -> Plane:
        """A data plane that listens with its faults on; ApiError, and then nothing listens."""
        upstream, _ = endpoint.upstream(settings.upstream)
        plane = self._make(name=self.name, listen=address, upstream=upstream, emit=self._emit)
        try:
            await plane.start()
        except UsageError as error:
            raise endpoint.not_listening(address, error) from error
        faults = {name: toxic.fault() for name, toxic in toxics.items()}
        try:
            # the gate's fault last: injecting the others lets no connection in between
            for name, fault in sorted(faults.items(), key=lambda one: _is_on_gate(one[1])):
                if fault is not None:
                    await plane.inject(name, fault)
        except BaseException as error:
            await plane.stop()
            if isinstance(error, CrashloopError):
                raise of_data_plane(error, usage_status=_CONFLICT) from error
            raise
        return plane

    def _told(self) -> dict[str, object]:
        _, problem = endpoint.upstream(self.settings.upstream)
        return {
            "listen": self.listen,
            "upstream": self.settings.upstream,
            "enabled": self.enabled,
            "toxics": list(self.toxics),
            **({"problem": problem} if problem else {}),
        }


def _is_on_gate(fault: Fault | None) -> bool:
    return isinstance(fault, Refuse | BlackHole | ConnectDelay)


def _collide(one: Address, other: Address) -> bool:
    """Whether both cannot be listened on at a time."""
    if one.path or other.path:
        return one.path == other.path
    return one.port == other.port
