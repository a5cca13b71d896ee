"""How a life of the app is started otherwise than its entry says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is changed when a life is started.

    Its environment is without the variables `unset`, and has those of `set_env`, whose values are
    no templates. `host` is the address at which it is told to listen, empty: as always; with
    `other_port` it is told another port than the usual one, at which it is asked, and with
    `asked_there` it is asked at that other port. With `port_taken` somebody else listens at its
    port. `prefix` are words before its command. The folder `read_only`, relative to its own, is
    read-only for it.
    """

    unset: tuple[str, ...] = ()
    set_env: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    other_port: bool = False
    asked_there: bool = False
    port_taken: bool = False
    prefix: tuple[str, ...] = ()
    read_only: str = ""
