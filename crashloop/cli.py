"""The command `crashloop`: its subcommands and their options.

Each subcommand imports what it needs when it runs, so that `--help` stays quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from crashloop import __version__
from crashloop.commands import (
    check_arguments,
    compare_arguments,
    diagnose_arguments,
    incident_arguments,
    matrix_arguments,
    proxy_arguments,
    trace_arguments,
)
from crashloop.commands.arguments import (
    AppName,
    Artifacts,
    AsJson,
    Config,
    Debug,
    EngineName,
    FaultName,
    IncidentFolder,
    IncidentName,
    NoLive,
    OptionalIncident,
    Params,
    PostgresBin,
    RealTime,
    Remedy,
    Scale,
    Seed,
    Summary,
    UntilStdinCloses,
    examples,
)
from crashloop.commands.errors import exit_status
from crashloop.commands.once import OnceCommand
from crashloop.engines.catalogue import LOCAL
from crashloop.model import Role

PURPOSE = "Reproduce a start-up outage on your own machine, see why, and prove what ends it."

app = typer.Typer(
    name="crashloop",
    help=PURPOSE,
    epilog="Start here: [bold]crashloop reproduce issue-1278[/bold]\n\n"
    "Exit status: 0 reproduced or proven, 10 not reproduced, 11 inconclusive, 12 crashloop itself "
    "broke, 13 your app does not start without a fault, 2 wrong usage, 130 or 143 interrupted.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"crashloop {__version__} from {Path(__file__).parent}\n")
        raise typer.Exit


@app.callback(help=PURPOSE)
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Print the version and where it is installed.",
        ),
    ] = False,
) -> None:
    pass


app.command(epilog=incident_arguments.EPILOG)(incident_arguments.incidents)
app.command("new-incident", epilog=incident_arguments.NEW_EPILOG)(incident_arguments.new_incident)


app.command(epilog=diagnose_arguments.EPILOG)(diagnose_arguments.diagnose)


@app.command(epilog=examples("crashloop faults", "crashloop faults black_hole --json"))
def faults(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Describe this fault in full.")
    ] = None,
    *,
    as_json: AsJson = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/faults.md, about all of them.")
    ] = False,
    _debug: Debug = False,
) -> None:
    """List the faults, or describe one: what it does where, and what tells it from others."""
    if as_markdown:
        from crashloop.commands.faults_page import show_page  # noqa: PLC0415  when asked for only

        show_page(name, as_json=as_json)
        return
    from crashloop.commands.faults import show_faults  # noqa: PLC0415  when asked for only

    show_faults(name, as_json=as_json)


@app.command(
    epilog=examples(
        "crashloop reproduce issue-1278",
        "crashloop reproduce issue-1278 -p replicas=3 -p platform=docker:on-failure:6",
        "crashloop reproduce issue-1278 --role remedy --seed 7",
        "crashloop reproduce issue-1278 --app shop",
        "crashloop reproduce --fault latency:latency_s=2",
        "crashloop reproduce issue-1278 --engine docker",
        "crashloop reproduce issue-1278 --real-time --json > run.json",
    )
)
def reproduce(
    incident: OptionalIncident = None,
    *,
    folder: IncidentFolder = None,
    app_name: AppName = None,
    config: Config = None,
    fault: FaultName = "",
    param: Params = None,
    time_scale: Scale = None,
    real_time: RealTime = False,
    seed: Seed = None,
    artifacts: Artifacts = None,
    role: Annotated[
        Role, typer.Option("--role", help="Make this one of the four runs of a proof.")
    ] = Role.REPRODUCTION,
    remedy: Remedy = "",
    postgres_bin: PostgresBin = None,
    engine: EngineName = LOCAL,
    as_json: AsJson = False,
    summary: Summary = None,
    no_live: NoLive = False,
    until_stdin_closes: UntilStdinCloses = False,
    _debug: Debug = False,
) -> None:
    """Make an incident, or one fault, happen on this machine, and judge from evidence if it did."""
    from crashloop import interrupt  # noqa: PLC0415  heavy: only when asked for
    from crashloop.commands import options  # noqa: PLC0415  likewise
    from crashloop.commands.elsewhere import chosen_incident  # noqa: PLC0415  likewise
    from crashloop.commands.reproduce import reproduce as run  # noqa: PLC0415  likewise

    if until_stdin_closes:
        interrupt.end_with_stdin()
    name = options.incident_name(incident, fault)
    chosen, under_test = chosen_incident(name, folder), options.own_app(app_name, config)
    params = options.read_params(param or [])
    wanted = Role.REMEDY if remedy and role is Role.REPRODUCTION else role
    scenario = chosen.scenario(wanted, under_test, remedy=remedy, **params)
    ordinary = chosen.ordinary_scale(under_test)
    how = options.run_options(
        name,
        app=app_name or "",
        config=config,
        scale=options.read_scale(time_scale, real_time=real_time, ordinary=ordinary),
        seed=seed,
        artifacts=artifacts,
        postgres_bin=postgres_bin,
        engine=engine,
    )
    raise typer.Exit(run(scenario, how, summary=summary, as_json=as_json, no_live=no_live))


app.command(epilog=check_arguments.EPILOG)(check_arguments.check)
app.command(epilog=compare_arguments.EPILOG)(compare_arguments.compare)
app.command(epilog=matrix_arguments.EPILOG)(matrix_arguments.matrix)


@app.command(
    epilog=examples("crashloop prove issue-1278", "crashloop prove issue-1278 -p limit_s=25 --json")
)
def prove(
    incident: IncidentName,
    *,
    folder: IncidentFolder = None,
    app_name: AppName = None,
    config: Config = None,
    param: Params = None,
    time_scale: Scale = None,
    real_time: RealTime = False,
    seed: Seed = None,
    artifacts: Artifacts = None,
    remedy: Remedy = "",
    postgres_bin: PostgresBin = None,
    engine: EngineName = LOCAL,
    as_json: AsJson = False,
    summary: Summary = None,
    no_live: NoLive = False,
    _debug: Debug = False,
) -> None:
    """Prove an incident by four runs: no fault, the fault, the remedy, and the fault unplugged."""
    from crashloop.commands import options  # noqa: PLC0415  heavy: only when asked for
    from crashloop.commands.elsewhere import chosen_incident  # noqa: PLC0415  likewise
    from crashloop.commands.prove import prove as run  # noqa: PLC0415  likewise

    chosen, params = chosen_incident(incident, folder), options.read_params(param or [])
    under_test = options.own_app(app_name, config)
    ordinary = chosen.ordinary_scale(under_test)
    how = options.run_options(
        f"{incident}-proof",
        app=app_name or "",
        config=config,
        scale=options.read_scale(time_scale, real_time=real_time, ordinary=ordinary),
        seed=seed,
        artifacts=artifacts,
        postgres_bin=postgres_bin,
        engine=engine,
    )
    status = run(
        chosen,
        under_test,
        params,
        how,
        remedy=remedy,
        summary=summary,
        as_json=as_json,
        no_live=no_live,
    )
    raise typer.Exit(status)


app.command(epilog=trace_arguments.JUDGE_EPILOG)(trace_arguments.judge)
app.command(epilog=trace_arguments.REPORT_EPILOG)(trace_arguments.report)


@app.command(epilog=examples("crashloop init", "crashloop init shop --dry-run"))
def init(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="The app's name; of a compose file, also the service that is read.  "
            "[dim]default: the project's name[/dim]",
        ),
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the entry, and write nothing.")
    ] = False,
    _debug: Debug = False,
) -> None:
    """Write crashloop.toml for the app in this folder, from its code and its deployment files."""
    from crashloop.commands import init as command  # noqa: PLC0415  heavy: only when asked for

    raise typer.Exit(command.init(name, dry_run=dry_run))


app.command(epilog=proxy_arguments.EPILOG)(proxy_arguments.proxy)


@app.command(epilog=examples("crashloop sweep --dry-run", "crashloop sweep --images --json"))
def sweep(
    *,
    images: Annotated[
        bool, typer.Option("--images", help="Also remove unused images that crashloop built.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also remove runs of other machines or unknown owners.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be removed, and remove nothing.")
    ] = False,
    as_json: AsJson = False,
    _debug: Debug = False,
) -> None:
    """Remove what killed runs of the Docker engine have left behind; running runs are kept."""
    from crashloop.engines.catalogue import docker_packages  # noqa: PLC0415  only when asked for

    with docker_packages():
        from crashloop.commands import sweep as command  # noqa: PLC0415  likewise

    how = command.SweepOrder(images=images, everything=everything, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(command.sweep(how))


for _each in app.registered_commands:
    _each.cls = OnceCommand


def main() -> int:
    """Run the command line; returns the exit status."""
    words = sys.argv[1:]
    return exit_status(lambda: app(words, prog_name="crashloop", standalone_mode=False), words)
