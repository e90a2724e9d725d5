"""What an index says of the chain, free of when and in which order it was learned: to compare two of them."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Select, select
from truemark.index import Follower, Index
from truemark.index import tables as t
from truemark.rpc import AsyncRpc

#: Of blocks: numbers of rows, and when they were read.
_OWN = frozenset({"id", "chain", "seen_at", "reorg"})


def contents(index: Index) -> dict[str, list[tuple[Any, ...]]]:
    """Every canonical row of every table."""
    with index.store.engine.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(query)), key=repr)
            for name, query in _queries().items()
        }


@cache
def _queries() -> dict[str, Select[Any]]:
    canonical = t.blocks.c.reorg.is_(None)
    found = {"blocks": select(*(column for column in t.blocks.c if column.name not in _OWN)).where(canonical)}
    for table in t.BLOCK_TABLES:
        columns = [t.blocks.c.number, *(column for column in table.c if column.name != "block")]
        query = select(*columns).join(table, table.c.block == t.blocks.c.id).where(canonical)
        if table is t.contracts:
            # Learned of when it is needed first, and never forgotten: it holds from the first block on.
            query = query.where(table.c.how != "found")
        found[table.name] = query
    return found


async def built_from_nothing(
    node: str | AsyncRpc, path: Path, empty: Path | None = None
) -> dict[str, list[tuple[Any, ...]]]:
    """What an index says that never saw anything but the chain as it is. `empty`: an index without blocks to copy,
    which is quicker than making one."""
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    if empty is not None:
        shutil.copyfile(empty, path)
    with Index.open(path) as index:
        if isinstance(node, str):
            async with AsyncRpc(node) as rpc:
                await Follower(rpc, index).backfill()
        else:
            await Follower(node, index).backfill()
        return contents(index)


def emptied(path: Path) -> Path:
    """A file with an index without blocks, to copy."""
    Index.open(path).close()
    return path


def prints(index: Index) -> dict[int, bytes]:
    """The canonical blocks' fingerprints by number."""
    head = index.head()
    return {} if head is None else {block.number: block.fingerprint for block in index.blocks(0, head.number)}
