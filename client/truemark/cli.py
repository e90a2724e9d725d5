"""The command `truemark`: the client's own groups and those that other packages bring.

Every error is one line on stderr: exit code 1 for what went wrong, 2 for what was typed wrongly, 130 for an interrupt.
TRUEMARK_DEBUG=1 shows the stack trace as well.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text
from typer.exceptions import Abort, TyperException

from truemark import commands
from truemark.errors import TruemarkError
from truemark.secrets import scrubbed

PROGRAM: Final = "truemark"
ENTRY_POINTS: Final = "truemark.commands"
DEBUG_VARIABLE: Final = "TRUEMARK_DEBUG"
_USAGE: Final = 2


def build() -> typer.Typer:
    """The command with every group that is installed. A package whose group cannot be loaded costs a warning, not the
    others."""
    app = typer.Typer(
        name=PROGRAM,
        help="Perpetual futures on a Truemark venue: trade, read its chain, run it on this machine.",
        pretty_exceptions_enable=False,
        invoke_without_command=True,
    )

    @app.callback()
    def root(
        context: typer.Context,
        version: Annotated[
            bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, show_default=False)
        ] = False,
    ) -> None:
        if version:
            typer.echo(f"{PROGRAM} {metadata.version(PROGRAM)}")
            raise typer.Exit
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    commands.register(app)
    for entry in sorted(metadata.entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        try:
            entry.load()(app)
        except Exception as error:
            if _debugging():
                raise
            say(f"the commands of {entry.value.partition(':')[0]} cannot be loaded: {_line(error)}", "yellow")
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code."""
    try:
        command = typer.main.get_command(build())
        result = command.main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
    except TyperException as error:
        return _misused(error)
    except (Abort, KeyboardInterrupt):
        say("interrupted", "red")
        return 130
    except TruemarkError as error:
        if _debugging():
            raise
        say(str(error) or type(error).__name__, "red")
        return 1
    except Exception as error:
        if _debugging():
            raise
        say(f"internal error: {_line(error)} ({DEBUG_VARIABLE}=1 shows where)", "red")
        return 1
    # A command that raises typer.Exit comes back as its exit code, any other as what it returned.
    return result if isinstance(result, int) else 0


def say(message: str, style: str) -> None:
    """One line on stderr, however long."""
    line = Text(scrubbed(f"{PROGRAM}: {' '.join(message.split())}"), style=style)
    Console(stderr=True, highlight=False).print(line, soft_wrap=True)


def _misused(error: TyperException) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{message}\n")
        return _USAGE
    message = message[:1].lower() + message[1:]
    if error.exit_code == _USAGE:
        message = f"{message} Try" if message.endswith("?") else f"{message.rstrip('.')}; try"
        message += f" {path} --help"
    say(message, "red")
    return error.exit_code


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _debugging() -> bool:
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


if __name__ == "__main__":
    sys.exit(main())
