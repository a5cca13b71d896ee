"""The command `crashloop`: reads what was typed, starts the work, shows what came of it.

Nothing heavy is imported before a command needs it. Exit status: 0 REPRODUCED or proven,
10 NOT_REPRODUCED, 11 INCONCLUSIVE, 12 HARNESS_ERROR, 2 usage, 128 + n for signal n.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from crashloop import __version__
from crashloop.engines.catalogue import LOCAL
from crashloop.errors import CrashloopError, HarnessError, UsageError
from crashloop.model import Role

KEYBOARD_INTERRUPT = 130

app = typer.Typer(
    name="crashloop",
    help="Make a start-up outage happen on your own machine, say why, and prove what ends it.",
    epilog="Start here: [bold]crashloop reproduce issue-1278[/bold]\n\n"
    "Exit status: 0 reproduced or proven, 10 not reproduced, 11 inconclusive, "
    "12 crashloop itself broke, 2 wrong usage, 130 interrupted.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _path(text: str) -> Path:
    """A path that was typed; an empty one (an unset variable) would mean the current folder."""
    if not text:
        raise typer.BadParameter("a path cannot be empty")
    return Path(text)


IncidentName = Annotated[
    str, typer.Argument(metavar="INCIDENT", help="Name, as in `crashloop incidents`.")
]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter; may be repeated."),
]
Scale = Annotated[
    float | None,
    typer.Option(
        "--time-scale",
        metavar="N",
        help="Run N times faster than the incident: limits, delays, back-offs.  [dim]20[/dim]",
    ),
]
RealTime = Annotated[
    bool, typer.Option("--real-time", help="Run in the incident's own seconds: a scale of 1.")
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Make the same draws again."),
]
Artifacts = Annotated[
    Path | None,
    typer.Option(
        "--artifacts",
        metavar="DIR",
        parser=_path,
        help="Folder for the evidence.  [dim]a new one in ./crashloop-artifacts[/dim]",
    ),
]
PostgresBin = Annotated[
    Path | None,
    typer.Option(
        "--postgres-bin",
        metavar="DIR",
        parser=_path,
        help="Folder with postgres and initdb to use.",
    ),
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="What it runs on: local, or docker with containers and Docker's own restarts.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
NoLive = Annotated[
    bool, typer.Option("--no-live", help="Plain lines of progress instead of a live timeline.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def _examples(*commands: str) -> str:
    """An epilog with one command a line; typer keeps what a blank line separates."""
    return "\n\n".join(("Examples:", *(f"[bold]{command}[/bold]" for command in commands)))


def _version(*, wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"crashloop {__version__} from {Path(__file__).parent}\n")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda v: _version(wanted=v),
            is_eager=True,
            help="Say the version, and where it is installed.",
        ),
    ] = False,
) -> None:
    """Make a start-up outage happen on your own machine, say why, and prove what ends it."""


@app.command(epilog=_examples("crashloop incidents", "crashloop incidents issue-1278 --json"))
def incidents(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Say all about one.")] = None,
    *,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the incidents, or tell one's source, facts, parameters, look-alikes and remedy."""
    del debug
    from crashloop.commands.incidents import show_incidents  # noqa: PLC0415  heavy: only when asked for

    show_incidents(name, as_json=as_json)


@app.command(
    epilog=_examples(
        "crashloop reproduce issue-1278",
        "crashloop reproduce issue-1278 -p limit_s=25 -p transport=tcp",
        "crashloop reproduce issue-1278 --role remedy --seed 7",
        "crashloop reproduce issue-1278 --engine docker",
        "crashloop reproduce issue-1278 --real-time --json > run.json",
    )
)
def reproduce(
    incident: IncidentName,
    *,
    param: Params = None,
    time_scale: Scale = None,
    real_time: RealTime = False,
    seed: Seed = None,
    artifacts: Artifacts = None,
    role: Annotated[
        Role, typer.Option("--role", help="Which of a proof's four runs to make.")
    ] = Role.REPRODUCTION,
    postgres_bin: PostgresBin = None,
    engine: EngineName = LOCAL,
    as_json: AsJson = False,
    no_live: NoLive = False,
    debug: Debug = False,
) -> None:
    """Make an incident happen here, and say whether it did, why, and by what evidence."""
    del debug
    from crashloop.commands import order  # noqa: PLC0415  heavy: only when asked for
    from crashloop.commands import reproduce as command  # noqa: PLC0415  likewise

    typed = order.Order(
        incident=incident,
        params=_params(param),
        scale=_scale(time_scale, real_time=real_time),
        seed=seed,
        artifacts=artifacts,
        postgres_bin=postgres_bin,
        engine=engine,
        as_json=as_json,
        no_live=no_live,
    )
    raise typer.Exit(command.reproduce(typed, role))


@app.command(
    epilog=_examples(
        "crashloop prove issue-1278",
        "crashloop prove issue-1278 -p limit_s=25 --artifacts evidence --json",
    )
)
def prove(
    incident: IncidentName,
    *,
    param: Params = None,
    time_scale: Scale = None,
    real_time: RealTime = False,
    seed: Seed = None,
    artifacts: Artifacts = None,
    postgres_bin: PostgresBin = None,
    engine: EngineName = LOCAL,
    as_json: AsJson = False,
    no_live: NoLive = False,
    debug: Debug = False,
) -> None:
    """Prove an incident by four runs: control, reproduction, remedy, and the fault unplugged."""
    del debug
    from crashloop.commands import order  # noqa: PLC0415  heavy: only when asked for
    from crashloop.commands import prove as command  # noqa: PLC0415  likewise

    typed = order.Order(
        incident=incident,
        params=_params(param),
        scale=_scale(time_scale, real_time=real_time),
        seed=seed,
        artifacts=artifacts,
        postgres_bin=postgres_bin,
        engine=engine,
        as_json=as_json,
        no_live=no_live,
    )
    raise typer.Exit(command.prove(typed))


@app.command(
    epilog=_examples(
        "crashloop judge crashloop-artifacts/issue-1278-20250915T101500-1a2b3c",
        "crashloop judge trace.jsonl --current",
    )
)
def judge(
    trace: Annotated[
        Path,
        typer.Argument(
            metavar="TRACE", parser=_path, help="A trace.jsonl, or the folder that has one."
        ),
    ],
    *,
    current: Annotated[
        bool,
        typer.Option("--current", help="Judge by today's signature; say where the two differ."),
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Judge a run again from its trace, by the signature that the trace itself carries."""
    del debug
    from crashloop.commands import judge as command  # noqa: PLC0415  heavy: only when asked for

    raise typer.Exit(command.judge(trace, current=current, as_json=as_json))


@app.command(
    epilog=_examples(
        "crashloop proxy",
        "crashloop proxy --api 127.0.0.1:0 --seed 7 --config toxiproxy.json",
        "crashloop proxy --until-stdin-closes --events events.jsonl",
        """curl -d '{"name":"db","upstream":":5432"}' localhost:8474/proxies""",
        """curl -d '{"type":"hold"}' localhost:8474/proxies/db/toxics""",
    )
)
def proxy(
    *,
    api: Annotated[
        str,
        typer.Option("--api", metavar="HOST:PORT", help="Where the API listens; port 0: any."),
    ] = "127.0.0.1:8474",
    seed: Seed = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            parser=_path,
            help="Proxies and toxics, in Toxiproxy's JSON.",
        ),
    ] = None,
    events: Annotated[
        str | None,
        typer.Option("--events", metavar="FILE", help="Write every event there; - is stdout."),
    ] = None,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="End when whoever started it has gone.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Serve Toxiproxy's API with a fault proxy that can also hold, refuse, and swallow SYNs."""
    del debug
    from crashloop.commands import proxy as command  # noqa: PLC0415  heavy: only when asked for

    typed = command.ProxyOrder(
        api=api,
        seed=seed,
        config=config,
        events=events,
        until_stdin_closes=until_stdin_closes,
    )
    raise typer.Exit(command.proxy(typed))


@app.command(
    epilog=_examples(
        "crashloop sweep --dry-run",
        "crashloop sweep",
        "crashloop sweep --images --json",
    )
)
def sweep(
    *,
    images: Annotated[
        bool, typer.Option("--images", help="Also the images that crashloop built, if not in use.")
    ] = False,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also runs of another machine, or of an owner not readable."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Remove what killed runs of the Docker engine have left behind; running runs are kept."""
    del debug
    from crashloop.engines.catalogue import docker_packages  # noqa: PLC0415  only when asked for

    with docker_packages():
        from crashloop.commands import sweep as command  # noqa: PLC0415  likewise

    typed = command.SweepOrder(
        images=images, everything=everything, dry_run=dry_run, as_json=as_json
    )
    raise typer.Exit(command.sweep(typed))


def _params(given: list[str] | None) -> dict[str, str]:
    params: dict[str, str] = {}
    for one in given or []:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise UsageError(f"--param {one!r} is not NAME=VALUE", hint="as in --param limit_s=25")
        if name in params:
            raise UsageError(f"--param {name} was given twice", hint="give each parameter once")
        params[name] = value
    return params


def _scale(time_scale: float | None, *, real_time: bool) -> float | None:
    if real_time and time_scale is not None:
        raise UsageError(
            f"--real-time and --time-scale {time_scale:g} exclude each other",
            hint="--real-time is a scale of 1; leave one of them out",
        )
    return 1.0 if real_time else time_scale


def main() -> int:
    """Run the command line; returns the exit status. Errors are one message, no traceback."""
    sys.stdout, sys.stderr = _writable(sys.stdout), _writable(sys.stderr)
    words = sys.argv[1:]
    status = _status(words)
    try:
        sys.stdout.flush()
    except OSError as error:
        return _not_written(words, error)
    return status


def _status(words: list[str]) -> int:
    try:
        status = int(app(words, prog_name="crashloop", standalone_mode=False) or 0)
    except KeyboardInterrupt:
        status = KEYBOARD_INTERRUPT
    except CrashloopError as error:
        return _failed(words, error.message, error.hint, error.exit_status)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else HarnessError.exit_status
    except OSError as error:
        return _not_written(words, error)
    except Exception as error:  # noqa: BLE001  the last frame: a bug must end in words too
        return _unexpected(words, error)
    if status == KEYBOARD_INTERRUPT:  # typer's own translation: a run's end is a SystemExit
        return _failed(words, "interrupted while nothing ran", "", status)
    return status


def _not_written(words: list[str], error: OSError) -> int:
    """Say what could not be written; what is left in the buffer goes nowhere, not into an error."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    what = f"{error.filename or 'writing the result'}: {error.strerror or error}"
    hint = "see whether a disk is full or a reader went away"
    return _failed(words, what, hint, HarnessError.exit_status)


def _writable(stream: TextIO | None) -> TextIO:
    """A stream that takes every character; nowhere, where the caller closed it."""
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _unexpected(words: list[str], error: Exception) -> int:
    """Wrong usage or an interruption, as typer saw it; else a bug."""
    if type(error).__name__ == "Abort":
        return _failed(words, "interrupted while nothing ran", "", KEYBOARD_INTERRUPT)
    explain = getattr(error, "format_message", None)
    if explain is not None:
        return _failed(words, *_usage(error, str(explain())), UsageError.exit_status)
    return _failed(
        words,
        f"{type(error).__name__}: {error}",
        "this is a bug: run with --debug for the traceback; please report it",
        HarnessError.exit_status,
    )


def _usage(error: Any, message: str) -> tuple[str, str]:
    context = getattr(error, "ctx", None)
    if not message and context is not None:
        sys.stdout.write(f"{context.get_help()}\n")
        return "no command was given", ""
    where = context.command_path if context is not None else "crashloop"
    return _plain(message), f"see: {where} --help"


def _plain(message: str) -> str:
    """A message about wrong usage without the words of the library that found it."""
    message = message.replace("Value error, ", "").replace(": Input should be", ": it must be")
    return re.sub(r", unable to parse string as an? \w+$", "", message)


def _failed(words: list[str], message: str, hint: str, exit_status: int) -> int:
    from crashloop.report.failure import show_failure  # noqa: PLC0415  heavy: only when asked for

    return show_failure(
        message,
        hint=hint,
        exit_status=exit_status,
        as_json="--json" in words,
        debug="--debug" in words,
    )
