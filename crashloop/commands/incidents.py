"""`crashloop incidents`: the library, or one incident of it."""

from __future__ import annotations

import sys

from crashloop.commands.catalogue import catalogue, document, entry
from crashloop.commands.place import print_json
from crashloop.incidents import INCIDENTS, incident
from crashloop.report.terminal import Terminal


def show_incidents(name: str | None, *, as_json: bool) -> None:
    """List all incidents, or tell about one; UsageError where there is no such."""
    chosen = [INCIDENTS[key] for key in sorted(INCIDENTS)] if name is None else [incident(name)]
    if as_json:
        documents = [document(one) for one in chosen]
        print_json(documents if name is None else documents[0])
        return
    terminal = Terminal(sys.stdout)
    width = terminal.width
    terminal.show(catalogue(chosen, width=width) if name is None else entry(chosen[0], width=width))
