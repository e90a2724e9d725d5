"""What the explorer asks of the index's tables beyond what `truemark.index.Index` answers: lists from the newest on,
and who called, wrote and declared what. Rows as the database gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, and_, bindparam, func, or_, select, tuple_

from truemark.index import Index
from truemark.index import tables as t
from truemark.index.changes import PARTS
from truemark.index.records import BlockRecord
from truemark.index.selects import block_of
from truemark.index.values import word_of

_LARGEST_PAGE = 1_000


def page_size(limit: int) -> int:
    return min(max(limit, 1), _LARGEST_PAGE)


class Lookups:
    """Args: index: an opened one; threads may share it."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def connect(self) -> Connection:
        return self._index.store.engine.connect()

    def _all(self, query: Select[Any]) -> Sequence[Any]:
        with self.connect() as connection:
            return connection.execute(query).all()

    def _first(self, query: Select[Any]) -> Any:
        with self.connect() as connection:
            return connection.execute(query.limit(1)).first()

    # Blocks

    def block_by_hash(self, block_hash: int) -> BlockRecord | None:
        """That of the chain, else the one that was orphaned last."""
        row = self._first(
            select(t.blocks)
            .where(t.blocks.c.hash == word_of(block_hash))
            .order_by(t.blocks.c.reorg.is_(None).desc(), t.blocks.c.id.desc())
        )
        return None if row is None else block_of(row)

    def blocks_below(self, number: int | None, limit: int) -> list[BlockRecord]:
        """The chain's newest blocks, newest first; those below a number."""
        query = select(t.blocks).where(t.blocks.c.reorg.is_(None)).order_by(t.blocks.c.number.desc()).limit(limit)
        if number is not None:
            query = query.where(t.blocks.c.number < number)
        return [block_of(row) for row in self._all(query)]

    def sums(self, blocks: Iterable[BlockRecord]) -> dict[int, tuple[int, int, int]]:
        """By the block's id: transactions that failed, fees in FRI, L2 gas."""
        tx = t.transactions.c
        found: dict[int, tuple[int, int, int]] = {}
        query = select(tx.block, tx.revert_reason, tx.fee, tx.fee_unit, tx.l2_gas).where(
            tx.block.in_([block.id for block in blocks])
        )
        for row in self._all(query):
            failed, fee, gas = found.get(row.block, (0, 0, 0))
            found[row.block] = (
                failed + (row.revert_reason is not None),
                fee + (row.fee if row.fee_unit == "FRI" else 0),
                gas + row.l2_gas,
            )
        return found

    def times_before(self, blocks: Iterable[BlockRecord]) -> dict[int, int]:
        """The time of the chain's block under each, by the number of the upper one."""
        below = [block.number - 1 for block in blocks if block.number]
        query = select(t.blocks.c.number, t.blocks.c.timestamp).where(
            t.blocks.c.reorg.is_(None), t.blocks.c.number.in_(below)
        )
        return {row.number + 1: row.timestamp for row in self._all(query)}

    # Transactions and calls

    def newest_transactions(
        self,
        before: tuple[int, int] | None,
        limit: int,
        *,
        sender: int | None = None,
        failed: bool = False,
        kind: str | None = None,
    ) -> Sequence[Any]:
        """The chain's, newest first; those before a (block's id, index)."""
        tx = t.transactions.c
        query = (
            select(t.transactions, t.blocks.c.number, t.blocks.c.timestamp, t.blocks.c.reorg)
            .join(t.blocks, t.blocks.c.id == tx.block)
            .where(t.blocks.c.reorg.is_(None))
            .order_by(tx.block.desc(), tx.tx_index.desc())
            .limit(limit)
        )
        if sender is not None:
            query = query.where(tx.sender == word_of(sender))
        if failed:
            query = query.where(tx.revert_reason.is_not(None))
        if kind is not None:
            query = query.where(tx.type == kind)
        if before is not None:
            query = query.where(tuple_(tx.block, tx.tx_index) < tuple_(*before))
        return self._all(query)

    def event_counts(self, places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """By (block's id, index of the transaction)."""
        wanted = list(places)
        if not wanted:
            return {}
        ev = t.events.c
        # By block: databases do not look up pairs in an index.
        query = (
            select(ev.block, ev.tx_index, func.count())
            .where(ev.block.in_({block for block, _ in wanted}))
            .group_by(ev.block, ev.tx_index)
        )
        return {(row[0], row[1]): row[2] for row in self._all(query)}

    def hashes(self, block: int) -> dict[int, int]:
        """The transactions' hashes of a block, by its id, by their index."""
        tx = t.transactions.c
        query = select(tx.tx_index, tx.hash).where(tx.block == block)
        return {row.tx_index: int.from_bytes(row.hash, "big") for row in self._all(query)}

    def calls_of(self, block: int, tx_index: int) -> Sequence[Any]:
        calls = t.calls.c
        return self._all(select(t.calls).where(calls.block == block, calls.tx_index == tx_index).order_by(calls.place))

    def calls_to(self, address: int, before: tuple[int, int, int] | None, limit: int) -> Sequence[Any]:
        """The calls that a contract took, newest first."""
        calls, tx = t.calls.c, t.transactions.c
        query = (
            select(t.calls, t.blocks.c.number, t.blocks.c.timestamp, t.blocks.c.reorg, tx.hash)
            .join(t.blocks, t.blocks.c.id == calls.block)
            .join(t.transactions, and_(tx.block == calls.block, tx.tx_index == calls.tx_index))
            .where(t.blocks.c.reorg.is_(None), calls.address == word_of(address))
            .order_by(calls.block.desc(), calls.tx_index.desc(), calls.place.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(tuple_(calls.block, calls.tx_index, calls.place) < tuple_(*before))
        return self._all(query)

    # What was written

    def writes_of(self, block: BlockRecord) -> list[tuple[str, Any]]:
        """What a block wrote, each with what was there before."""
        found: list[tuple[str, Any]] = []
        values = {"id": block.id, "number": block.number, "reorg": block.reorg}
        with self.connect() as connection:
            for part in PARTS:
                rows = connection.execute(_written_by(part, orphaned=block.orphaned), values)
                found += [(part, row) for row in rows]
        return found

    def write_count(self, block: int) -> int:
        """How many values a block wrote, as the protocol counts them."""
        count = 0
        for part, (table, _, _) in PARTS.items():
            query = select(func.count()).select_from(table).where(table.c.block == block)
            if part == "class":
                query = query.where(table.c.how != "found")
            count += int(self._first(query)[0])
        return count

    def overwritten(self, block: int) -> Sequence[Any]:
        return self._all(select(t.overwritten).where(t.overwritten.c.block == block).order_by(t.overwritten.c.tx_index))

    # Contracts and classes

    def classes_at(self, addresses: Iterable[int], block: BlockRecord | None) -> dict[int, tuple[int, ...]]:
        """The class of each contract after a block, and the one that this very block replaced; by default now."""
        table = t.contracts.c
        query = (
            select(table.address, table.class_hash, table.block)
            .join(t.blocks, t.blocks.c.id == table.block)
            .where(table.address.in_([word_of(address) for address in addresses]))
            .order_by(table.address, table.block.desc())
        )
        if block is None:
            query = query.where(t.blocks.c.reorg.is_(None))
        else:
            query = query.where(table.block <= block.id, alive(t.blocks, block))
        rows: dict[int, list[Any]] = {}
        for row in self._all(query):
            rows.setdefault(int.from_bytes(row.address, "big"), []).append(row)
        return {
            address: tuple(
                int.from_bytes(row.class_hash, "big")
                for row in mine[: 2 if block is not None and mine[0].block == block.id else 1]
            )
            for address, mine in rows.items()
        }

    def classes_run_in(self, block: int) -> dict[int, int]:
        """The class that each contract ran with in a block, by the block's id."""
        calls = t.calls.c
        query = select(calls.address, calls.class_hash).where(calls.block == block, calls.type == "CALL").distinct()
        return {int.from_bytes(row.address, "big"): int.from_bytes(row.class_hash, "big") for row in self._all(query)}

    def class_run_at(self, address: int) -> int | None:
        """The class that ran when a contract was called last: for contracts that no block deployed."""
        calls = t.calls.c
        row = self._first(
            select(calls.class_hash)
            .join(t.blocks, t.blocks.c.id == calls.block)
            .where(calls.address == word_of(address), calls.type == "CALL", t.blocks.c.reorg.is_(None))
            .order_by(calls.block.desc())
        )
        return None if row is None else int.from_bytes(row.class_hash, "big")

    def class_periods(self, address: int) -> Sequence[Any]:
        """The classes that a contract had, oldest first."""
        table, tx = t.contracts.c, t.transactions.c
        return self._all(
            select(table.class_hash, table.how, table.cause, t.blocks.c.number, tx.hash)
            .join(t.blocks, t.blocks.c.id == table.block)
            .outerjoin(t.transactions, and_(tx.block == table.block, tx.tx_index == table.tx_index))
            .where(table.address == word_of(address), t.blocks.c.reorg.is_(None))
            .order_by(table.block)
        )

    def declaration(self, class_hash: int) -> Any:
        table, tx = t.declarations.c, t.transactions.c
        return self._first(
            select(table.compiled_class_hash, t.blocks.c.number, tx.hash)
            .join(t.blocks, t.blocks.c.id == table.block)
            .outerjoin(t.transactions, and_(tx.block == table.block, tx.tx_index == table.tx_index))
            .where(table.class_hash == word_of(class_hash), t.blocks.c.reorg.is_(None))
            .order_by(table.block)
        )

    def contracts_of(self, class_hash: int, limit: int = 1_000) -> list[int]:
        """The contracts that ever had a class, newest first."""
        table = t.contracts.c
        query = (
            select(table.address)
            .join(t.blocks, t.blocks.c.id == table.block)
            .where(table.class_hash == word_of(class_hash), t.blocks.c.reorg.is_(None))
            .order_by(table.block.desc())
            .limit(limit)
        )
        return list(dict.fromkeys(int.from_bytes(row.address, "big") for row in self._all(query)))

    def nonce_at(self, address: int, block: int | None) -> int:
        query = (
            select(t.nonces.c.nonce)
            .join(t.blocks, t.blocks.c.id == t.nonces.c.block)
            .where(t.nonces.c.address == word_of(address), t.blocks.c.reorg.is_(None))
            .order_by(t.nonces.c.block.desc())
        )
        if block is not None:
            query = query.where(t.blocks.c.number <= block)
        row = self._first(query)
        return 0 if row is None else int.from_bytes(row.nonce, "big")

    def sent(self, address: int) -> int:
        """How many transactions of the chain an address sent."""
        tx = t.transactions.c
        row = self._first(
            select(func.count())
            .select_from(t.transactions)
            .join(t.blocks, t.blocks.c.id == tx.block)
            .where(tx.sender == word_of(address), t.blocks.c.reorg.is_(None))
        )
        return int(row[0])

    def first_seen(self, address: int) -> int | None:
        """The first block of the chain in which an address took part."""
        wanted = word_of(address)
        places = (
            (t.transactions, t.transactions.c.sender),
            (t.mentions, t.mentions.c.address),
            (t.contracts, t.contracts.c.address),
            (t.calls, t.calls.c.address),
        )
        numbers = []
        for table, column in places:
            row = self._first(
                select(t.blocks.c.number)
                .join(table, table.c.block == t.blocks.c.id)
                .where(column == wanted, t.blocks.c.reorg.is_(None))
                .order_by(table.c.block)
            )
            if row is not None:
                numbers.append(int(row.number))
        return min(numbers, default=None)

    def tokens_of(self, address: int) -> list[int]:
        """The contracts whose events of the name Transfer name an address."""
        same = and_(*(t.mentions.c[name] == t.events.c[name] for name in ("block", "tx_index", "event_index")))
        query = (
            select(t.events.c.address)
            .join(t.mentions, same)
            .join(t.blocks, t.blocks.c.id == t.mentions.c.block)
            .where(t.mentions.c.address == word_of(address), t.events.c.name == "Transfer", t.blocks.c.reorg.is_(None))
            .distinct()
        )
        return sorted(int.from_bytes(row.address, "big") for row in self._all(query))

    def named_in(self, first: int, last: int, limit: int) -> set[int]:
        """Addresses that events of the chain's blocks name, and who sent there."""
        found: set[int] = set()
        for table, column in ((t.mentions, t.mentions.c.address), (t.transactions, t.transactions.c.sender)):
            query = (
                select(column)
                .join(t.blocks, t.blocks.c.id == table.c.block)
                .where(t.blocks.c.reorg.is_(None), t.blocks.c.number.between(first, last), column.is_not(None))
                .distinct()
                .limit(limit)
            )
            found |= {int.from_bytes(row[0], "big") for row in self._all(query)}
        sequencers = select(t.blocks.c.sequencer).where(t.blocks.c.number.between(first, last)).distinct().limit(limit)
        return found | {int.from_bytes(row[0], "big") for row in self._all(sequencers)}

    # Messages

    def messages(
        self,
        before: tuple[int, int, int] | None,
        limit: int,
        *,
        message_hash: int | None = None,
        tx_hash: int | None = None,
        direction: str | None = None,
        orphaned: bool | None = False,
    ) -> Sequence[Any]:
        """Newest first. `orphaned` None: of the chain and of orphaned blocks."""
        table, tx = t.messages.c, t.transactions.c
        query = (
            select(
                t.messages,
                t.blocks.c.number,
                t.blocks.c.timestamp,
                t.blocks.c.reorg,
                tx.hash.label("tx_hash"),
                tx.revert_reason,
            )
            .join(t.blocks, t.blocks.c.id == table.block)
            .join(t.transactions, and_(tx.block == table.block, tx.tx_index == table.tx_index))
            .order_by(table.block.desc(), table.tx_index.desc(), table.place.desc())
            .limit(limit)
        )
        if orphaned is not None:
            query = query.where(t.blocks.c.reorg.is_not(None) if orphaned else t.blocks.c.reorg.is_(None))
        if message_hash is not None:
            query = query.where(table.hash == word_of(message_hash))
        if tx_hash is not None:
            query = query.where(tx.hash == word_of(tx_hash))
        if direction is not None:
            query = query.where(table.direction == direction)
        if before is not None:
            query = query.where(tuple_(table.block, table.tx_index, table.place) < tuple_(*before))
        return self._all(query)

    # Search

    def knows_address(self, address: int) -> bool:
        return self.first_seen(address) is not None

    def transaction_hashes(self, tx_hash: int) -> list[bool]:
        """For each place where it is or was whether that is orphaned; that of the chain first."""
        tx = t.transactions.c
        rows = self._all(
            select(t.blocks.c.reorg).join(t.transactions, tx.block == t.blocks.c.id).where(tx.hash == word_of(tx_hash))
        )
        return sorted(row.reorg is not None for row in rows)

    def knows_class(self, class_hash: int) -> bool:
        return (
            self._first(select(t.classes.c.class_hash).where(t.classes.c.class_hash == word_of(class_hash))) is not None
            or self.declaration(class_hash) is not None
        )

    def event_names(self) -> list[str]:
        """Every name that an event has, in the order of the alphabet."""
        return self._each(t.events.c.name)

    def emitters(self) -> list[int]:
        """Every contract that emitted an event, orphaned ones too."""
        return [int.from_bytes(address, "big") for address in self._each(t.events.c.address)]

    def _each(self, column: Column[Any]) -> list[Any]:
        """What a column holds, each once, upwards: from one to the next in the index that begins with it."""
        found: list[Any] = []
        with self.connect() as connection:
            while True:
                query = select(column).where(column.is_not(None)).order_by(column).limit(1)
                if found:
                    query = query.where(column > found[-1])
                value = connection.execute(query).scalar_one_or_none()
                if value is None:
                    return found
                found.append(value)

    # Charts

    def per_block(self, first: int, last: int) -> Sequence[Any]:
        """For each of the chain's blocks its counts and sums, lowest first."""
        tx = t.transactions.c
        return self._all(
            select(
                t.blocks.c.number,
                t.blocks.c.timestamp,
                t.blocks.c.transaction_count,
                t.blocks.c.event_count,
                func.coalesce(func.sum(tx.l2_gas), 0).label("l2_gas"),
                func.count(tx.revert_reason).label("failed"),
            )
            .outerjoin(t.transactions, tx.block == t.blocks.c.id)
            .where(t.blocks.c.reorg.is_(None), t.blocks.c.number.between(first, last))
            .group_by(
                t.blocks.c.id,
                t.blocks.c.number,
                t.blocks.c.timestamp,
                t.blocks.c.transaction_count,
                t.blocks.c.event_count,
            )
            .order_by(t.blocks.c.number)
        )

    def fees(self, first: int, last: int) -> dict[int, int]:
        """FRI that each block's transactions paid, by its number."""
        tx = t.transactions.c
        found: dict[int, int] = {}
        for row in self._all(
            select(t.blocks.c.number, tx.fee)
            .join(t.transactions, tx.block == t.blocks.c.id)
            .where(t.blocks.c.reorg.is_(None), t.blocks.c.number.between(first, last), tx.fee_unit == "FRI")
        ):
            found[row.number] = found.get(row.number, 0) + row.fee
        return found


def alive(blocks: Any, seen_from: BlockRecord) -> ColumnElement[bool]:
    """Which blocks were in the chain as long as `seen_from` was: those orphaned no earlier than it."""
    if seen_from.reorg is None:
        return blocks.c.reorg.is_(None)  # type: ignore[no-any-return]
    return or_(blocks.c.reorg.is_(None), blocks.c.reorg >= seen_from.reorg)


@cache
def _written_by(part: str, *, orphaned: bool) -> Select[Any]:
    """What a block wrote, each beside what was there before. Made once: that takes longer than asking."""
    table, subject, value = PARTS[part]
    older, under = table.alias("older"), t.blocks.alias("under")
    same = [older.c[subject] == table.c[subject]]
    if part == "storage":
        same.append(older.c.key == table.c.key)
    then: ColumnElement[bool] = under.c.reorg.is_(None)
    if orphaned:
        then = or_(then, under.c.reorg >= bindparam("reorg"))
    before = (
        select(older.c[value])
        .join(under, under.c.id == older.c.block)
        .where(*same, older.c.block < table.c.block, under.c.number < bindparam("number"), then)
        .order_by(older.c.block.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns = [
        table.c[subject].label("subject"),
        table.c[value].label("value"),
        table.c.tx_index,
        table.c.cause,
        before.label("before"),
    ]
    place = [table.c[subject]]
    if part == "storage":
        columns.append(table.c.key)
        place.append(table.c.key)
    query = select(*columns).where(table.c.block == bindparam("id")).order_by(*place)
    return query.where(table.c.how != "found") if part == "class" else query
