"""What an index says of the chain, free of when and in which order it was learned: to compare two of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select
from truemark.index import Follower, Index
from truemark.index import tables as t
from truemark.rpc import AsyncRpc

#: Of blocks: numbers of rows, and when they were read.
_OWN = frozenset({"id", "chain", "seen_at", "reorg"})


def contents(index: Index) -> dict[str, list[tuple[Any, ...]]]:
    """Every canonical row of every table."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    canonical = t.blocks.c.reorg.is_(None)
    with index.store.engine.connect() as connection:
        columns = [column for column in t.blocks.c if column.name not in _OWN]
        found["blocks"] = [
            tuple(row) for row in connection.execute(select(*columns).where(canonical).order_by("number"))
        ]
        for table in t.BLOCK_TABLES:
            columns = [t.blocks.c.number, *(column for column in table.c if column.name != "block")]
            query = select(*columns).join(table, table.c.block == t.blocks.c.id).where(canonical)
            if table is t.contracts:
                # Learned of when it is needed first, and never forgotten: it holds from the first block on.
                query = query.where(table.c.how != "found")
            found[table.name] = sorted((tuple(row) for row in connection.execute(query)), key=repr)
    return found


async def built_from_nothing(url: str, path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What an index says that never saw anything but the chain as it is."""
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    with Index.open(path) as index:
        async with AsyncRpc(url) as rpc:
            await Follower(rpc, index).backfill()
        return contents(index)


def prints(index: Index) -> dict[int, bytes]:
    """The canonical blocks' fingerprints by number."""
    head = index.head()
    return {} if head is None else {block.number: block.fingerprint for block in index.blocks(0, head.number)}
