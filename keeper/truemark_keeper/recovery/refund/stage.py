"""The rows that the analysis reads, as Parquet files in a folder: every backend reads them, none of it has to fit into
memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from truemark_keeper.recovery.refund import limbs
from truemark_keeper.recovery.refund.history import Entry, Place, named

#: Rows that are held before they are written.
_CHUNK: Final = 65_536
_INT = pa.int64()
_PLACE: Final = ("block", "tx_index", "event_index", "side")

ENTRIES: Final = pa.schema(
    [(name, _INT) for name in _PLACE]
    + [("time", _INT), ("kind", pa.string()), ("account", pa.string()), ("market", _INT)]
    + [(name, _INT) for name in (*limbs.columns("size", limbs.SIZE), *limbs.columns("cash", limbs.CASH))]
)
#: What is undone: which sides of which events, and what each would be worth.
UNDONE: Final = pa.schema(
    [(name, _INT) for name in _PLACE] + [(name, _INT) for name in limbs.columns("worth", limbs.WORTH)]
)
EXCLUDED: Final = pa.schema([("account", pa.string())])


class EntryFile:
    """Writes entries as they come.

    Args:
        path: the file; it is replaced when all of it is there (`close`), so one that was cut short is never read.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._unfinished = path.with_name(f".{path.name}.part")
        self._writer = pq.ParquetWriter(self._unfinished, ENTRIES, compression="zstd")
        self._rows: list[tuple[object, ...]] = []
        self._names: dict[int, str] = {}
        self.count = 0

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            account = self._names.get(entry.account)
            if account is None:
                account = self._names[entry.account] = named(entry.account)
            size, cash = limbs.split(entry.size, limbs.SIZE), limbs.split(entry.cash, limbs.CASH)
            self._rows.append((*entry.place, entry.time, entry.kind, account, entry.market, *size, *cash))
        if len(self._rows) >= _CHUNK:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()
        self._unfinished.replace(self.path)

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(_table(self._rows, ENTRIES))
            self.count += len(self._rows)
            self._rows = []


def undone_table(rows: Iterable[tuple[Place, int]]) -> pa.Table:
    """Of (place, worth in 1e-24 USD).

    Raises:
        TooWide: a worth that no limbs hold.
    """
    return _table([(*place, *limbs.split(worth, limbs.WORTH)) for place, worth in rows], UNDONE)


def excluded_table(accounts: Iterable[int]) -> pa.Table:
    return _table([(named(account),) for account in sorted(accounts)], EXCLUDED)


def _table(rows: list[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    return pa.Table.from_arrays(
        [pa.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )
