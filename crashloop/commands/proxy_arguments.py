"""The command line of `crashloop proxy`; quick to import, for `--help`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import Annotated

import typer

from crashloop.commands.arguments import Debug, Seed, examples, path

EPILOG = examples(
    "crashloop proxy",
    "crashloop proxy --api 127.0.0.1:0 --seed 7 --config toxiproxy.json",
    "crashloop proxy --until-stdin-closes --events events.jsonl",
    """curl -d '{"name":"db","upstream":":5432"}' localhost:8474/proxies""",
    """curl -d '{"type":"hold"}' localhost:8474/proxies/db/toxics""",
)


def proxy(
    *,
    api: Annotated[
        str, typer.Option("--api", metavar="HOST:PORT", help="Address of the API; port 0: any.")
    ] = "127.0.0.1:8474",
    seed: Seed = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", parser=path, help="Load proxies and toxics."),
    ] = None,
    events: Annotated[
        str | None,
        typer.Option("--events", metavar="FILE", help="Write events to it; - is stdout."),
    ] = None,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="Stop when standard input is closed.")
    ] = False,
    _debug: Debug = False,
) -> None:
    """Run a fault proxy with Toxiproxy's API; it can also hold, refuse, and drop SYNs."""
    from crashloop.commands import proxy as command  # noqa: PLC0415  heavy: only when asked for

    typed = command.ProxyOrder(
        api=api, seed=seed, config=config, events=events, until_stdin_closes=until_stdin_closes
    )
    raise typer.Exit(command.proxy(typed))
