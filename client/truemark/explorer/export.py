"""Tables of the index as CSV or Parquet, row by row, so that memory stays flat.

Felts are hexadecimal text, several in a row a JSON list of them; integers that may pass 63 bits are decimal text.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Integer, SmallInteger, select

from truemark.errors import TruemarkError
from truemark.index import Index
from truemark.index import tables as t
from truemark.index.values import Blob, Wide

#: What can be exported, by the table that holds it.
KINDS: Final = {
    "blocks": t.blocks,
    "transactions": t.transactions,
    "events": t.events,
    "calls": t.calls,
    "storage": t.storage,
    "nonces": t.nonces,
    "contracts": t.contracts,
    "messages": t.messages,
    "marks": t.marks,
    "funding": t.funding,
    "balances": t.balances,
    "positions": t.positions,
}
FORMATS: Final = ("csv", "parquet")
_ROWS: Final = 5_000
#: Several felts in a row.
_LISTS: Final = frozenset({"keys", "data", "calldata", "signature", "payload", "result", "commitments"})
#: What only the index itself has a use for.
_OWN: Final = frozenset(
    {"id", "chain", "header", "diff", "chain_print", "strong", "block", "number", "timestamp", "reorg"}
)

Row = Sequence[Any]
Write = Callable[[Sequence[Row]], None]


class BadExport(TruemarkError, ValueError):
    """There is nothing of that kind, or it cannot be written in that form."""


def export(
    index: Index,
    kind: str,
    path: Path,
    *,
    first: int = 0,
    last: int | None = None,
    orphaned: bool = False,
    form: str | None = None,
) -> int:
    """Writes what blocks `first` to `last` hold into a file; how many rows. The file is there when all of it is.

    Args:
        kind: one of KINDS.
        orphaned: what was rolled back instead of what the chain holds.
        form: "csv" or "parquet"; by default what the file's name ends with.

    Raises:
        BadExport: no such kind or form; or Parquet, and pyarrow is not installed.
    """
    table = KINDS.get(kind)
    if table is None:
        raise BadExport(f"nothing is called {kind!r}; there are {', '.join(KINDS)}")
    form = form or path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise BadExport(f"{path.name}: the form is {' or '.join(FORMATS)}")
    columns = [column for column in table.c if column.name not in _OWN]
    names = ["block_number", "timestamp", "reorg", *(column.name for column in columns)]
    part = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    try:
        with _writer(form, part, names, columns) as write:
            for rows in _rows(index, table, columns, first, last, orphaned):
                write(rows)
                count += len(rows)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _rows(
    index: Index, table: Any, columns: Sequence[Column[Any]], first: int, last: int | None, orphaned: bool
) -> Iterator[list[Row]]:
    blocks = t.blocks.c
    query = select(blocks.number, blocks.timestamp, blocks.reorg, *columns).where(
        blocks.reorg.is_not(None) if orphaned else blocks.reorg.is_(None), blocks.number >= first
    )
    if table is not t.blocks:
        place = [column for column in table.primary_key if column.name != "block"]
        query = query.join(table, table.c.block == blocks.id).order_by(blocks.id, *place)
    else:
        query = query.order_by(blocks.id)
    if last is not None:
        query = query.where(blocks.number <= last)
    shown = [_shown(column) for column in columns]
    with index.store.engine.connect().execution_options(yield_per=_ROWS) as connection:
        for part in connection.execute(query).partitions(_ROWS):
            yield [(*row[:3], *(show(value) for show, value in zip(shown, row[3:], strict=True))) for row in part]


def _shown(column: Column[Any]) -> Callable[[Any], Any]:
    if isinstance(column.type, Blob):
        return _list if column.name in _LISTS else _hex
    if isinstance(column.type, Wide):
        return _text
    return _same


def _hex(value: bytes | None) -> str | None:
    return None if value is None else hex(int.from_bytes(value, "big"))


def _list(value: bytes) -> str:
    return "[" + ",".join(f'"{int.from_bytes(value[at : at + 32], "big"):#x}"' for at in range(0, len(value), 32)) + "]"


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _same(value: Any) -> Any:
    return value


def _writer(
    form: str, path: Path, names: Sequence[str], columns: Sequence[Column[Any]]
) -> AbstractContextManager[Write]:
    return _csv(path, names) if form == "csv" else _parquet(path, names, columns)


@contextmanager
def _csv(path: Path, names: Sequence[str]) -> Iterator[Write]:
    with path.open("w", newline="", encoding="utf8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        yield writer.writerows


@contextmanager
def _parquet(path: Path, names: Sequence[str], columns: Sequence[Column[Any]]) -> Iterator[Write]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise BadExport("Parquet needs pyarrow: pip install 'truemark[parquet]'") from None

    def kind(column: Column[Any]) -> Any:
        if isinstance(column.type, Boolean):
            return pa.bool_()
        return pa.int64() if isinstance(column.type, (BigInteger, Integer, SmallInteger)) else pa.string()

    schema = pa.schema(
        [pa.field(name, pa.int64()) for name in names[:3]]
        + [pa.field(name, kind(column)) for name, column in zip(names[3:], columns, strict=True)]
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:

        def write(rows: Sequence[Row]) -> None:
            arrays = [
                pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

        yield write
