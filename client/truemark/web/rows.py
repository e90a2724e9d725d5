"""What the pages ask of the index's tables beyond the explorer's own answers: a contract's storage as it is now, one
slot's life, open interest over time, which tokens, contracts and classes there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, and_, func, select, tuple_

from truemark.index import Index
from truemark.index import tables as t
from truemark.index.records import Cause
from truemark.index.values import WORD, number, optional_number, word_of


@dataclass(frozen=True, slots=True)
class SlotValue:
    """What a slot holds now, and the block that wrote it."""

    key: int
    value: int
    block_number: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class SlotVersion:
    """One write of a slot."""

    value: int
    block_number: int
    timestamp: int
    tx_hash: int | None
    cause: Cause
    orphaned: bool


@dataclass(frozen=True, slots=True)
class Known:
    """A contract or a class in a list: which, its class, since when."""

    address: int
    class_hash: int | None
    how: str
    block_number: int
    timestamp: int
    tx_hash: int | None


@dataclass(frozen=True, slots=True)
class MarkOf:
    """A mark that a transaction's report left; prices in 1e-8 USD."""

    market: int
    price: int
    status: str
    outcome: str | None
    median: int | None


@dataclass(frozen=True, slots=True)
class Interest:
    """Open interest of a market after a block; 1e-8 of the base asset."""

    block_number: int
    timestamp: int
    long: int
    short: int


class Rows:
    """Args: index: an opened one; threads may share it."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def _all(self, query: Select[Any]) -> Sequence[Any]:
        with self._index.store.engine.connect() as connection:
            return connection.execute(query).all()

    def storage_of(self, address: int, after: int | None, limit: int) -> list[SlotValue]:
        """By key, upwards from the one after `after`."""
        storage, blocks = t.storage.c, t.blocks.c
        newest = (
            select(storage.key, func.max(storage.block).label("block"))
            .join(t.blocks, blocks.id == storage.block)
            .where(storage.address == word_of(address), blocks.reorg.is_(None))
            .group_by(storage.key)
            .order_by(storage.key)
            .limit(limit)
        )
        if after is not None:
            newest = newest.where(storage.key > word_of(after))
        last = newest.subquery()
        query = (
            select(storage.key, storage.value, blocks.number, blocks.timestamp)
            .join(last, and_(last.c.key == storage.key, last.c.block == storage.block))
            .join(t.blocks, blocks.id == storage.block)
            .where(storage.address == word_of(address))
            .order_by(storage.key)
        )
        return [SlotValue(number(row.key), number(row.value), row.number, row.timestamp) for row in self._all(query)]

    def slot(self, address: int, key: int, limit: int) -> list[SlotVersion]:
        """Its writes, newest first, orphaned ones too."""
        storage, blocks, tx = t.storage.c, t.blocks.c, t.transactions.c
        query = (
            select(storage.value, storage.cause, blocks.number, blocks.timestamp, blocks.reorg, tx.hash)
            .join(t.blocks, blocks.id == storage.block)
            .outerjoin(t.transactions, and_(tx.block == storage.block, tx.tx_index == storage.tx_index))
            .where(storage.address == word_of(address), storage.key == word_of(key))
            .order_by(storage.block.desc())
            .limit(limit)
        )
        return [
            SlotVersion(
                number(row.value),
                row.number,
                row.timestamp,
                optional_number(row.hash),
                Cause(row.cause),
                row.reorg is not None,
            )
            for row in self._all(query)
        ]

    def named_by(self, address: int, limit: int) -> set[int]:
        """Addresses that a contract's events name: they may be keys of its maps."""
        same = and_(*(t.mentions.c[name] == t.events.c[name] for name in ("block", "tx_index", "event_index")))
        query = (
            select(t.mentions.c.address)
            .join(t.events, same)
            .where(t.events.c.address == word_of(address))
            .distinct()
            .limit(limit)
        )
        return {number(row.address) for row in self._all(query)}

    def events_of(self, address: int, name: str, key: int) -> int:
        """How many events of a name a contract emitted whose second key is `key`."""
        events = t.events.c
        query = (
            select(func.count())
            .select_from(t.events)
            .join(t.blocks, t.blocks.c.id == events.block)
            .where(
                events.address == word_of(address),
                events.name == name,
                func.substr(events["keys"], WORD + 1, WORD) == word_of(key),
                t.blocks.c.reorg.is_(None),
            )
        )
        return int(self._all(query)[0][0])

    def marks_of(self, block: int, tx_index: int) -> list[MarkOf]:
        """What a transaction's reports left, by market; `block` is the block's id."""
        marks = t.marks.c
        query = select(t.marks).where(marks.block == block, marks.tx_index == tx_index).order_by(marks.market)
        return [MarkOf(row.market, row.price, row.status, row.outcome, row.median) for row in self._all(query)]

    def last_marks(self, oracle: int) -> dict[int, tuple[MarkOf, int]]:
        """The newest mark of each market, and its time."""
        marks, blocks = t.marks.c, t.blocks.c
        newest = (
            select(marks.market, func.max(marks.block).label("block"))
            .join(t.blocks, blocks.id == marks.block)
            .where(marks.oracle == word_of(oracle), blocks.reorg.is_(None))
            .group_by(marks.market)
            .subquery()
        )
        query = (
            select(t.marks, blocks.timestamp)
            .join(newest, and_(newest.c.market == marks.market, newest.c.block == marks.block))
            .join(t.blocks, blocks.id == marks.block)
            .where(marks.oracle == word_of(oracle))
            .order_by(marks.block, marks.tx_index, marks.event_index)
        )
        return {
            row.market: (MarkOf(row.market, row.price, row.status, row.outcome, row.median), row.timestamp)
            for row in self._all(query)
        }

    def prices(self, oracle: int, first_block: int) -> dict[int, list[Decimal]]:
        """Each market's marks since a block, oldest first, USD."""
        marks, blocks = t.marks.c, t.blocks.c
        query = (
            select(marks.market, marks.price)
            .join(t.blocks, blocks.id == marks.block)
            .where(
                marks.oracle == word_of(oracle),
                blocks.reorg.is_(None),
                blocks.number >= first_block,
                # It has no mark yet.
                marks.status != "Pending",
            )
            .order_by(marks.block, marks.tx_index, marks.event_index)
        )
        found: dict[int, list[Decimal]] = {}
        for row in self._all(query):
            found.setdefault(row.market, []).append(Decimal(row.price).scaleb(-8))
        return found

    def sizes(self, venue: int, market: int, below: int | None = None) -> dict[int, int]:
        """Each account's position in a market before a block, by default now, 1e-8 of the base asset; open ones."""
        positions, blocks, who = t.positions.c, t.blocks.c, t.participants.c
        # Account by account, each from its newest row: the whole history may be long.
        newest = (
            select(positions.size)
            .join(t.blocks, blocks.id == positions.block)
            .where(
                positions.venue == who.venue,
                positions.account == who.account,
                positions.market == market,
                blocks.reorg.is_(None),
            )
            .order_by(positions.block.desc())
            .limit(1)
            .correlate(t.participants)
        )
        if below is not None:
            newest = newest.where(blocks.number < below)
        query = (
            select(who.account, newest.scalar_subquery().label("size")).where(who.venue == word_of(venue)).distinct()
        )
        return {number(row.account): row.size for row in self._all(query) if row.size}

    def open_interest(self, venue: int, market: int, first_block: int = 0) -> list[Interest]:
        """After each block since `first_block` that changed a position, summed up from all accounts; begun with what
        was there under that block, if anything was, without its time."""
        positions, blocks = t.positions.c, t.blocks.c
        # By block: a database that is asked for the venue looks through all that it ever had.
        begin = select(blocks.id).where(blocks.reorg.is_(None), blocks.number >= first_block)
        begin = begin.order_by(blocks.number).limit(1)
        query = (
            select(positions.venue, positions.account, positions.size, blocks.number, blocks.timestamp)
            .join(t.blocks, blocks.id == positions.block)
            .where(positions.block >= begin.scalar_subquery(), positions.market == market, blocks.reorg.is_(None))
            .order_by(positions.block)
        )
        sizes = self.sizes(venue, market, first_block) if first_block else {}
        long = sum(size for size in sizes.values() if size > 0)
        short = -sum(size for size in sizes.values() if size < 0)
        found = [Interest(first_block - 1, 0, long, short)] if sizes else []
        for row in self._all(query):
            if row.venue != word_of(venue):
                continue
            account = number(row.account)
            before = sizes.get(account, 0)
            long += max(row.size, 0) - max(before, 0)
            short += max(-row.size, 0) - max(-before, 0)
            sizes[account] = row.size
            if found and found[-1].block_number == row.number:
                found.pop()
            found.append(Interest(row.number, row.timestamp, long, short))
        return found

    def holders(self, venue: int, market: int, limit: int) -> list[tuple[int, int]]:
        """The largest open positions of a market: (account, size), by size either way."""
        return sorted(self.sizes(venue, market).items(), key=lambda each: -abs(each[1]))[:limit]

    def contracts(self, before: tuple[int, int] | None, limit: int) -> list[tuple[tuple[int, int], Known]]:
        """Contracts with their class, the newest first, each with its place in the list."""
        contracts, blocks, tx = t.contracts.c, t.blocks.c, t.transactions.c
        query = (
            select(t.contracts, blocks.number, blocks.timestamp, tx.hash)
            .join(t.blocks, blocks.id == contracts.block)
            .outerjoin(t.transactions, and_(tx.block == contracts.block, tx.tx_index == contracts.tx_index))
            .where(blocks.reorg.is_(None))
            .order_by(contracts.block.desc(), contracts.address.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(tuple_(contracts.block, contracts.address) < tuple_(before[0], word_of(before[1])))
        return [
            (
                (row.block, number(row.address)),
                Known(
                    number(row.address),
                    number(row.class_hash),
                    row.how,
                    row.number,
                    row.timestamp,
                    optional_number(row.hash),
                ),
            )
            for row in self._all(query)
        ]

    def classes(self, limit: int) -> list[Known]:
        """The classes that were declared, newest first; `class_hash` is the compiled one."""
        declared, blocks, tx = t.declarations.c, t.blocks.c, t.transactions.c
        query = (
            select(t.declarations, blocks.number, blocks.timestamp, tx.hash)
            .join(t.blocks, blocks.id == declared.block)
            .outerjoin(t.transactions, and_(tx.block == declared.block, tx.tx_index == declared.tx_index))
            .where(blocks.reorg.is_(None))
            .order_by(declared.block.desc(), declared.class_hash)
            .limit(limit)
        )
        return [
            Known(
                number(row.class_hash),
                optional_number(row.compiled_class_hash),
                "declared",
                row.number,
                row.timestamp,
                optional_number(row.hash),
            )
            for row in self._all(query)
        ]
