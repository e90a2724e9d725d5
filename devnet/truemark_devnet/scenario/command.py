"""`truemark scenario`: incidents replayed on real nodes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from truemark_devnet.scenario.run import Loaded

scenario = typer.Typer(no_args_is_help=True, help="Incidents replayed on real nodes.")
_Files = Annotated[list[Path], typer.Argument(help="Scenario files, or folders of them.", show_default=False)]


@scenario.command("run")
def run_command(
    files: _Files,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every step and what became of it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object a line.")] = False,
) -> None:
    """Runs them one after another on virtual time, one line each. Exit code 1 if an expectation fails."""
    from truemark_devnet.scenario.run import load

    loaded = load(files_of(files))
    # What a sentinel finds is in the verdict.
    logging.getLogger("truemark_keeper").setLevel(logging.CRITICAL)
    console = Console()
    failed = asyncio.run(_run(loaded, console, verbose=verbose and not as_json, as_json=as_json))
    if not as_json:
        console.print(f"{len(loaded) - failed} of {len(loaded)} as expected")
    if failed:
        raise typer.Exit(1)


@scenario.command("check")
def check_command(files: _Files) -> None:
    """Reads them and says what is wrong with them; runs nothing."""
    from truemark_devnet.scenario.run import load

    loaded = load(files_of(files))
    Console().print(
        f"{len(loaded)} scenarios, {sum(len(item.scenario.timeline) for item in loaded)} steps: well formed"
    )


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Folders stand for the *.yaml files in them."""
    return [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]


async def _run(loaded: Sequence[Loaded], console: Console, *, verbose: bool, as_json: bool) -> int:
    from truemark_devnet.build import build
    from truemark_devnet.nodes import Nodes
    from truemark_devnet.scenario.run import node_settings, run

    def tell(at: int, what: str, outcome: str) -> None:
        if verbose:
            console.print(f"  {at:>6} s  {what:<10}  {escape(outcome)}", highlight=False)

    failed = 0
    built = build()
    async with Nodes.start(settings=node_settings()) as nodes:
        async for result in run(nodes, built, loaded, tell):
            failed += not result.passed
            if as_json:
                typer.echo(
                    orjson.dumps(
                        {
                            "scenario": result.name,
                            "passed": result.passed,
                            "problems": result.problems,
                            "steps": result.steps,
                            "seconds": round(result.seconds, 2),
                        }
                    ).decode()
                )
                continue
            word = "[green]ok  [/green]" if result.passed else "[red]FAIL[/red]"
            console.print(f"{word} {result.name}  {result.steps} steps, {result.seconds:.1f} s", highlight=False)
            for problem in result.problems:
                console.print(f"     {escape(problem)}", highlight=False)
    return failed
