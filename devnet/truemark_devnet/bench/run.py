"""Measures the figures, or one of them, prints them and keeps them in a file."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table
from truemark.errors import TruemarkError

from truemark_devnet.bench.figure import Figure, write
from truemark_devnet.bench.gas import TABLE as GAS
from truemark_devnet.bench.gas import committed

OUT = Path("build/bench.json")

#: What can be measured, by the module here whose `run` does it. The figures of one module are measured together.
FIGURES = {
    "signing": "signing",
    "transactions": "transactions",
    "transactions_presigned": "transactions",
    "backfill": "backfill",
    "decode": "decode",
    "page": "page",
    "growth": "growth",
    "gas": "gas",
    "screen": "screen",
    "round_gas": "round_gas",
    "liquidate": "liquidate",
    "recovery": "recovery",
    "settle": "settle",
    "find": "find",
    "venue": "venue",
}

_WIDTH = 200

#: What takes many minutes is measured only by its name.
BY_HAND = frozenset({"page", "growth"})


class UnknownFigure(TruemarkError, LookupError):
    """There is no figure of that name."""


def run(only: str | None = None, out: Path = OUT, console: Console | None = None) -> list[Figure]:
    """Measures all figures but those BY_HAND, or the one named, writes them to `out` (those of other names in it stay)
    and shows them.

    Raises:
        UnknownFigure: none is called `only`.
        ToolMissing, NodeDied: the nodes that it needs do not start.
    """
    if only is not None and only not in FIGURES:
        raise UnknownFigure(f"no figure is called {only!r}; there are {', '.join(FIGURES)}")
    screen = console if console is not None else Console()
    figures: list[Figure] = []
    usual = [module for name, module in FIGURES.items() if name not in BY_HAND]
    for module in dict.fromkeys(usual if only is None else [FIGURES[only]]):
        measure: Callable[[], list[Figure]] = import_module(f"truemark_devnet.bench.{module}").run
        with screen.status(f"measuring {module}"):
            figures += measure()
    if only is not None:
        figures = [figure for figure in figures if figure.name == only or figure.name.startswith(f"{only}.")]
    write(figures, out)
    # A file or a pipe has no width that figures would have to be cut to.
    wide = screen if screen.is_terminal else Console(file=screen.file, width=_WIDTH)
    wide.print(_table(figures))
    screen.print(f"{out}: {', '.join(figure.name for figure in figures)}", highlight=False, soft_wrap=True)
    return figures


def main(only: str | None = None) -> None:
    """As `run`, to build/bench.json."""
    run(only)


def _table(figures: list[Figure]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("figure", "value", "unit", "baseline", "against", "ratio", "bar", "committed"):
        right = name in ("value", "baseline", "ratio", "bar", "committed")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "against", overflow="fold")
    last = committed()
    for figure in figures:
        table.add_row(
            figure.name,
            f"{figure.value:,.2f}",
            figure.unit,
            f"{figure.baseline:,.2f}",
            figure.baseline_name,
            f"{figure.ratio:,.2f}",
            _bar(figure),
            _change(figure, last),
        )
    return table


def _bar(figure: Figure) -> str:
    """The most gas that an operation should need, and whether it does; other figures have none here."""
    if figure.name not in GAS:
        return ""
    bar = GAS[figure.name][1]
    return f"{bar:g} {'met' if figure.value <= bar else 'missed'}"


def _change(figure: Figure, last: dict[str, int]) -> str:
    """The gas as it was last committed, and by how much it is more or less now; other figures differ by machine."""
    if figure.name not in last:
        return ""
    before = last[figure.name] / 10**6
    return f"{before:.3f} {figure.value / before - 1:+.1%}"
