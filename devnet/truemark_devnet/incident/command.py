"""`truemark demo-incident`: the two nights, a table, a report, and an exit code."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from truemark.errors import TruemarkError

from truemark_devnet.build import Build, build
from truemark_devnet.incident.database import OperatorDatabase, operator_database
from truemark_devnet.incident.night import Night, Turn, causes, guarded_night, problems, unguarded_night
from truemark_devnet.incident.report import book_of, render
from truemark_devnet.nodes import Nodes, running_nodes
from truemark_devnet.postgres_server import NoPostgres
from truemark_devnet.scenario.run import node_settings


class IncidentFailed(TruemarkError, RuntimeError):
    """The night did not come out as it must; the message says in what."""


class ReportRefused(TruemarkError, OSError):
    """The report cannot be written where it was to go; the message says why."""


def run(*, sqlite: bool, report: Path, console: Console) -> None:
    """Runs both nights and writes the report.

    Raises:
        IncidentFailed: somebody was liquidated on the guarded venue, nobody on the other, or no incident names why.
        NoPostgres: no server is installed, and SQLite was not asked for.
        ReportRefused: the report cannot be written there.
        Others: a tool is missing, a node died.
    """
    started = time.monotonic()
    # What the keepers find is in the table.
    logging.getLogger("truemark_keeper").setLevel(logging.CRITICAL)
    try:
        with operator_database(sqlite=sqlite) as database:
            _claim(report)
            console.print(f"a {database.kind} database, an Ethereum and a Starknet node start", highlight=False)
            built = build()
            with running_nodes(settings=node_settings()) as nodes:
                bare, guarded = asyncio.run(_nights(nodes, built, database, console))
            kind = database.kind
    except NoPostgres as error:
        raise NoPostgres(f"{error}; or run the same night on SQLite: truemark demo-incident --sqlite") from None
    found = problems(bare, guarded)
    report.write_text(render(bare, guarded, database=kind, problems=found), encoding="utf-8")
    console.print(_table(bare, guarded))
    for cause in causes(guarded):
        console.print(f"the incident file names the cause: {escape(cause)}", highlight=False, soft_wrap=True)
    console.print(f"{report}, {time.monotonic() - started:.0f} s", highlight=False, soft_wrap=True)
    if found:
        raise IncidentFailed("; ".join(found))


def _claim(report: Path) -> None:
    """Finds out before the nights, not after them, whether the file can be written."""
    try:
        report.touch()
    except OSError as error:
        raise ReportRefused(f"{report}: {error.strerror}") from None


async def _nights(nodes: Nodes, built: Build, database: OperatorDatabase, console: Console) -> tuple[Night, Night]:
    def tell(name: str, turn: Turn) -> None:
        hit = f"  [red]liquidated: {escape(', '.join(turn.liquidated))}[/red]" if turn.liquidated else ""
        line = f"  {turn.at:>3} s  {turn.mode:<10}  {turn.phase.value:<40}  {escape(turn.said)}{hit}"
        console.print(line, highlight=False, soft_wrap=True)

    console.print("[bold]without guards[/bold]")
    bare = await unguarded_night(nodes, built, database, tell)
    console.print("[bold]guarded[/bold]")
    return bare, await guarded_night(nodes, built, database, tell)


def _table(bare: Night, guarded: Night) -> Table:
    table = Table(title="The same night on two venues")
    for head in ("account", "positions"):
        table.add_column(head)
    for night in (bare, guarded):
        table.add_column(night.name)
        table.add_column("USD", justify="right")
    for who in bare.equity:
        cells = [who, book_of(who)]
        for night in (bare, guarded):
            word = "[red]liquidated[/red]" if who in night.liquidated else "[green]untouched[/green]"
            cells += [word, f"{night.equity[who]:,.2f}"]
        table.add_row(*cells)
    table.add_section()
    table.add_row("together", "", "", f"{sum(bare.equity.values()):,.2f}", "", f"{sum(guarded.equity.values()):,.2f}")
    table.add_row("mode in the morning", "", bare.mode, "", guarded.mode, "")
    return table
