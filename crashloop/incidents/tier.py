"""What Postgres runs on: as many connections as are named, or a database tier that has a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.incidents.parameter import Parameter
from crashloop.profiles import load_tier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.incidents.parameter import Params
    from crashloop.model import Value

MAX_CONNECTIONS = Parameter(default=100, low=20, high=1000, says="connections that Postgres takes")
TIER = Parameter(
    default="",
    says="what Postgres runs on, instead of max_connections: postgres (its own defaults), "
    "db-f1-micro, db-g1-small, db-custom-CPUS-MB, or FILE.toml; see docs/profiles.md",
)


def server_settings(params: Params, *, held: int) -> Mapping[str, Value]:
    """The settings of a Postgres by the parameters `max_connections` and `tier`.

    UsageError for both at once, and for a tier that has not more than the `held` connections, which
    an old instance has when the others start.
    """
    most, tier = params["max_connections"], str(params["tier"])
    if not tier:
        return {"max_connections": most}
    if most != MAX_CONNECTIONS.default:
        raise UsageError(
            f"max_connections={most} and tier={tier} describe two servers",
            hint="leave out one of them; a tier in a file of your own has both figures",
        )
    found = load_tier(tier)
    if found.for_apps < held:
        raise UsageError(
            f"tier={tier} leaves {found.for_apps} connections to the app, and the old instance "
            f"alone holds {held}",
            hint=f"choose a tier with more than {held}; the outage begins when the others start",
        )
    return found.settings
