"""The day on the terminal: a line for what happens, as it happens, and the tables at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from truemark_devnet.demo.charts import clock
from truemark_devnet.demo.report import Check, Day, EventKind, TraderRow

WIDTH = 120
_STYLES: dict[EventKind, str] = {"info": "", "guard": "yellow", "liquidation": "red", "money": "green"}


class Show:
    def __init__(self, console: Console) -> None:
        self._console = console
        if not console.is_terminal:
            # Written to a file or a log: nobody's window is that wide or narrow.
            console.width = max(console.width, WIDTH)

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Says what takes a while, and for how long it did."""
        if not self._console.is_terminal:
            self.line(what)
            yield
            return
        with self._console.status(what):
            yield

    def line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)

    def event(self, at: int, kind: EventKind, title: str, text: str) -> None:
        line = Text(f"{clock(at)}  ")
        line.append(title, style=f"bold {_STYLES[kind]}")
        line.append(f"  {text}")
        self._console.print(line, soft_wrap=True)

    def end(self, day: Day, report: Path) -> None:
        """The tables."""
        self._console.print(_traders(day.traders))
        for check in day.checks:
            self._console.print(_check(check), soft_wrap=True)
        said, done = set(day.expected_liquidations), set(day.liquidated)
        self.line(
            f"liquidated: {', '.join(day.liquidated) or 'nobody'}; "
            + ("exactly who truemark.risk said beforehand" if said == done else f"truemark.risk said {sorted(said)}"),
            "green" if said == done else "bold red",
        )
        self.line("  ".join(f"{name}: {value}" for name, value in day.facts.items()))
        self.line(f"report: {report}", "bold")


def _traders(rows: list[TraderRow]) -> Table:
    table = Table(title="The day of each trader, USD", title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    table.add_column("trader", no_wrap=True)
    table.add_column("book", overflow="fold", min_width=12)
    for name in ("deposits", "PnL", "funding", "fees", "equity"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("liquidated")
    for row in rows:
        table.add_row(
            row.name,
            row.book,
            _usd(row.deposited),
            _usd(row.pnl),
            _usd(row.funding),
            _usd(row.fees),
            _usd(row.equity),
            ", ".join(market.split("-")[0] for market in row.liquidated),
            style="red" if row.liquidated else "",
        )
    return table


def _check(check: Check) -> Text:
    text = Text("holds   " if check.holds else "BROKEN  ", style="green" if check.holds else "bold red")
    text.append(check.name, style="default")
    text.append(f": {check.left:,.6f}", style="default")
    if not check.holds:
        text.append(f" against {check.right:,.6f}")
    return text


def _usd(amount: Decimal) -> str:
    return f"{amount:,.2f}" if amount else "-"
