"""An index copied away and back, and made smaller: backup, restore, retention.

A backup is itself an index, in SQLite whatever the database was, so every command can open it.
"""

from __future__ import annotations

import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Delete, and_, delete, exists, func, insert, select, text, update

from truemark.index import tables as t
from truemark.index.queries import Index
from truemark.index.store import BadIndex

_ROWS: Final = 2_000
PRUNED: Final = "pruned_below"
#: What describes blocks, and is of no use for the state after them.
_DETAILS: Final = (
    t.transactions,
    t.events,
    t.mentions,
    t.calls,
    t.overwritten,
    t.messages,
    t.marks,
    t.funding,
)
#: What stays until something newer takes its place, and what it is of.
_VERSIONED: Final = (
    (t.storage, ("address", "key")),
    (t.nonces, ("address",)),
    (t.contracts, ("address",)),
    (t.balances, ("venue", "account")),
    (t.positions, ("venue", "account", "market")),
)


@dataclass(frozen=True, slots=True)
class Pruned:
    """Rows that were deleted, and the block from which on the index is whole."""

    rows: int
    whole_from: int


def backup(index: Index, path: Path) -> None:
    """Writes the index as it is at this moment into a new file; a follower may go on meanwhile.

    Raises:
        BadIndex: the file is there already.
    """
    _must_be_new(path)
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    engine = index.store.engine
    if engine.dialect.name == "sqlite":
        connection = engine.raw_connection()
        try:
            target = sqlite3.connect(part)
            try:
                connection.driver_connection.backup(target)  # type: ignore[union-attr]
            finally:
                target.close()
        finally:
            connection.close()
    else:
        with Index.open(part) as copy, engine.connect() as source:
            source = source.execution_options(isolation_level="REPEATABLE READ")
            with source.begin(), copy.store.engine.begin() as into:
                _copy(source, into)
        for rest in path.parent.glob(f"{part.name}-*"):
            rest.unlink()
    part.replace(path)


def restore(path: Path, into: Index) -> int:
    """Copies a backup into an empty index; how many blocks that were.

    Raises:
        BadIndex: the backup is none, or the index holds blocks.
    """
    if not path.is_file():
        raise BadIndex(f"there is no backup at {path}")
    if into.counts()["blocks"]:
        raise BadIndex(f"{into.store.engine.url!r} holds blocks: a backup is restored into an empty index")
    with tempfile.TemporaryDirectory() as folder:
        # Opening upgrades it, and the backup stays what it is.
        copy = Path(folder) / "backup.sqlite"
        _copy_file(path, copy)
        with (
            Index.open(copy) as source,
            source.store.engine.connect() as begin,
            into.store.engine.begin() as target,
        ):
            _copy(begin, target)
            return int(target.execute(select(func.count()).select_from(t.blocks)).scalar_one())


def prune(index: Index, below: int, *, orphans: bool = False, shrink: bool = False) -> Pruned:
    """Deletes what is older than block `below`: transactions, events, calls, messages, marks, and values that something
    newer took the place of before that block. Blocks themselves stay, as what the chain is compared with, and so do
    writes that no transaction explains; the state after `below` and every later block is answered as before.

    Args:
        orphans: what was rolled back below that block goes too.
        shrink: gives the space back to the disk; takes a while and as much space again.
    """
    rows = 0
    with index.store.engine.begin() as connection:
        old = select(t.blocks.c.id).where(t.blocks.c.number < below)
        if not orphans:
            old = old.where(t.blocks.c.reorg.is_(None))
        for table in _DETAILS:
            rows += connection.execute(delete(table).where(table.c.block.in_(old))).rowcount
        for table, subject in _VERSIONED:
            rows += connection.execute(_superseded(table, subject, below)).rowcount
            if orphans:
                gone = old.where(t.blocks.c.reorg.is_not(None))
                rows += connection.execute(delete(table).where(table.c.block.in_(gone))).rowcount
        whole_from = max(below, pruned_below(connection))
        done = connection.execute(update(t.info).where(t.info.c.name == PRUNED).values(value=str(whole_from)))
        if not done.rowcount:
            connection.execute(insert(t.info).values(name=PRUNED, value=str(whole_from)))
    if shrink:
        with index.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM")
    return Pruned(rows, whole_from)


def pruned_below(connection: Connection) -> int:
    """The block from which on the index is whole; 0: nothing was deleted."""
    found = connection.execute(select(t.info.c.value).where(t.info.c.name == PRUNED)).scalar_one_or_none()
    return 0 if found is None else int(found)


def _superseded(table: Any, subject: tuple[str, ...], below: int) -> Delete:
    newer, newer_block = table.alias("newer"), t.blocks.alias("newer_block")
    canonical = select(t.blocks.c.id).where(t.blocks.c.number < below, t.blocks.c.reorg.is_(None))
    later = exists(
        select(1)
        .select_from(newer.join(newer_block, newer_block.c.id == newer.c.block))
        .where(
            and_(*(newer.c[name] == table.c[name] for name in subject)),
            newer.c.block > table.c.block,
            newer_block.c.number < below,
            newer_block.c.reorg.is_(None),
        )
    )
    return delete(table).where(table.c.block.in_(canonical), table.c.cause != "unattributed", later)


def _copy(source: Connection, into: Connection) -> None:
    if source.dialect.name == "sqlite":
        # A read alone begins nothing in Python's driver, and all tables must be of one moment.
        source.exec_driver_sql("BEGIN")
    for table in t.metadata.sorted_tables:
        if table is t.revisions:
            continue
        if table is t.info:
            into.execute(delete(t.info))
        rows = source.execution_options(yield_per=_ROWS).execute(select(table))
        for part in rows.mappings().partitions(_ROWS):
            into.execute(insert(table), [dict(row) for row in part])
    if into.dialect.name == "postgresql":
        for table in (t.chains, t.reorgs, t.blocks, t.finality):
            into.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), "  # noqa: S608
                    f"(SELECT COALESCE(MAX(id), 1) FROM {table.name}), (SELECT COUNT(*) > 0 FROM {table.name}))"
                )
            )


def _copy_file(path: Path, copy: Path) -> None:
    """As SQLite does it: what lies beside the file counts too.

    Raises:
        BadIndex: it is no database.
    """
    source, target = sqlite3.connect(f"file:{path}?mode=ro", uri=True), sqlite3.connect(copy)
    try:
        source.backup(target)
    except sqlite3.DatabaseError as error:
        raise BadIndex(f"{path} is no backup: {error}") from None
    finally:
        source.close()
        target.close()


def _must_be_new(path: Path) -> None:
    if path.exists():
        raise BadIndex(f"{path} is there already")
    path.parent.mkdir(parents=True, exist_ok=True)
