"""Which signatures are held against which traces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop import incidents
from crashloop.apps.table import known_names
from crashloop.errors import UsageError
from crashloop.faults import KINDS
from crashloop.incidents.fault_alone import PREFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from crashloop.incidents.incident import Incident
    from crashloop.model import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The incidents `signatures`, and the `traces` by name, which are of incidents or `fault:KIND`.

    Where `about` names incidents, only cells are asked for whose signature or trace is of one of
    them. `scenarios` are today's, of every name. `overlaps` are those that incidents declare, by
    the name of the signature, then by that of the trace.
    """

    signatures: tuple[str, ...]
    traces: tuple[str, ...]
    scenarios: Mapping[str, Scenario]
    about: frozenset[str] = frozenset()
    overlaps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def against(self, trace: str) -> list[str]:
        """The signatures that are held against a trace."""
        everyone = not self.about or trace in self.about
        return [name for name in self.signatures if everyone or name in self.about]

    def overlap(self, signature: str, trace: str) -> str:
        """Why the signature may match the trace of another; "" if neither of the two declares it.

        Either side may: whoever adds an incident cannot change the others.
        """
        one, other = self.overlaps.get(signature, {}), self.overlaps.get(trace, {})
        return one.get(trace, "") or other.get(signature, "")

    def has_diagonal(self, trace: str) -> bool:
        """Whether a trace must show the signature of its own name."""
        return trace in self.against(trace)


def library(names: Sequence[str] = (), against: Sequence[str] = ()) -> Library:
    """All signatures against all traces.

    `names` are the incidents of `Library.about`. `against` are the only traces, besides those of
    `names`. UsageError for an unknown name, in the overlaps of an incident, too.
    """
    known = incidents.library().incidents
    for name in names:
        _require_signature(name, known)
    for each in known.values():
        _require_overlaps(each, known)
    signatures = tuple(sorted(known))
    traces = tuple(dict.fromkeys((*names, *against))) if against else (*signatures, *_faults())
    return Library(
        signatures=signatures,
        traces=traces,
        scenarios={name: incidents.incident(name).scenario() for name in (*signatures, *traces)},
        about=frozenset(names),
        overlaps={name: known[name].overlaps for name in signatures},
    )


def _faults() -> list[str]:
    return [f"{PREFIX}{kind}" for kind, found in KINDS.items() if found.alone is not None]


def _require_signature(name: str, known: Collection[str]) -> None:
    if name not in known and incidents.incident(name):  # which refuses an unknown name
        raise UsageError(
            f"{name} is no incident, so no signature of the library is its own",
            hint=f"hold the signatures against its trace: --against {name}",
        )


def _require_overlaps(incident: Incident, known: Collection[str]) -> None:
    """Refuse an overlap with what there is no other run of."""
    runs = [name for name in (*known, *_faults()) if name != incident.name]
    for name in incident.overlaps:
        if name not in runs:
            raise UsageError(
                f"{incident.name} declares an overlap with {name!r}, which is no other incident "
                "and no fault alone",
                hint=known_names(name, runs),
            )
