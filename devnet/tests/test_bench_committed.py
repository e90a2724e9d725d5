"""The gas that is committed: every operation has a figure, and the table says what changed since."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import orjson
from rich.console import Console
from truemark_devnet.bench.figure import Figure
from truemark_devnet.bench.gas import TABLE, committed, write_committed
from truemark_devnet.bench.run import _table


def test_every_operation_is_committed() -> None:
    assert committed().keys() == TABLE.keys()
    assert all(0 < gas < 10**8 for gas in committed().values())


def test_the_committed_figures_are_written_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "gas.json"
    write_committed(committed(), path)
    assert orjson.loads(path.read_bytes()) == committed()


def test_the_table_shows_the_change() -> None:
    last = committed()["gas.fill_opens"] / 10**6
    output = StringIO()
    screen = Console(file=output, width=200)
    screen.print(_table([Figure("gas.fill_opens", last * 1.1, "million L2 gas", 12.16, "starknet-perpetual")]))
    assert "+10.0%" in output.getvalue()
