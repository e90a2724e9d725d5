"""The index as it is read: blocks, transactions, events, histories, differences, orphans. No node is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import orjson
from sqlalchemy import Connection, Select, and_, func, literal_column, or_, select, tuple_
from sqlalchemy.engine import URL

from truemark.deployment import Deployment
from truemark.index import tables as t
from truemark.index.fingerprint import COMMITMENTS
from truemark.index.layout import Slot
from truemark.index.naming import Naming
from truemark.index.records import (
    BalanceRow,
    BlockRecord,
    Cause,
    EventFilter,
    EventRow,
    FundingRow,
    MarkRow,
    MessageRow,
    Orphan,
    Page,
    PositionRow,
    Reorg,
    StateChange,
    TransactionRow,
    Write,
)
from truemark.index.store import Store
from truemark.index.values import Unindexed, number, numbers, optional_number, word_of

_PAGE = 100
_LARGEST_PAGE = 10_000
#: As many are named one by one in a query.
_FEW_BLOCKS = 500


class Index:
    """An opened index. Threads may share it.

    Use `Index.open`, and `close` or `with`.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._naming = Naming()

    @classmethod
    def open(cls, url: str | Path | URL, deployment: Deployment | None = None) -> Self:
        """The index in a database; an empty one becomes an index.

        Args:
            url: "sqlite:///path", "postgresql+psycopg://..." or the path of a file.
            deployment: gives names to contracts and their storage.

        Raises:
            BadIndex: it cannot be opened, or another version wrote it.
        """
        index = cls(Store(url))
        if deployment is not None:
            index.name(deployment)
        return index

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.store.close()

    def name(self, deployment: Deployment) -> None:
        """Gives names to the deployment's contracts and their storage."""
        self._naming = Naming(deployment)

    # Blocks and transactions

    def head(self) -> BlockRecord | None:
        """The highest block."""
        with self._connect() as connection:
            row = connection.execute(
                select(t.blocks).where(t.blocks.c.reorg.is_(None)).order_by(t.blocks.c.number.desc()).limit(1)
            ).first()
        return None if row is None else block_of(row)

    def block(self, block: int, *, orphaned: int | None = None) -> BlockRecord:
        """A block by its number; with `orphaned` the one of that rollback.

        Raises:
            Unindexed: there is none.
        """
        wanted = t.blocks.c.number == block
        wanted &= t.blocks.c.reorg.is_(None) if orphaned is None else t.blocks.c.reorg == orphaned
        with self._connect() as connection:
            row = connection.execute(select(t.blocks).where(wanted)).first()
        if row is None:
            which = "" if orphaned is None else f" that rollback {orphaned} orphaned"
            raise Unindexed(f"the index has no block {block}{which}")
        return block_of(row)

    def blocks(self, first: int, last: int) -> tuple[BlockRecord, ...]:
        """Blocks from `first` to `last`, as many of them as there are, lowest first."""
        blocks = t.blocks.c
        with self._connect() as connection:
            rows = connection.execute(
                select(t.blocks)
                .where(blocks.reorg.is_(None), blocks.number.between(first, last))
                .order_by(blocks.number)
            )
            return tuple(block_of(row) for row in rows)

    def versions(self, block: int) -> tuple[BlockRecord, ...]:
        """Every block that ever had that number, oldest first; the last one counts unless it is orphaned too."""
        with self._connect() as connection:
            rows = connection.execute(select(t.blocks).where(t.blocks.c.number == block).order_by(t.blocks.c.id))
            return tuple(block_of(row) for row in rows)

    def transactions(self, block: BlockRecord) -> tuple[TransactionRow, ...]:
        """Of a block, in their order."""
        with self._connect() as connection:
            return self._transactions(connection, t.transactions.c.block == block.id)

    def transaction(self, tx_hash: int) -> TransactionRow:
        """A transaction as the chain has it, else as it was last orphaned.

        Raises:
            Unindexed: there is none.
        """
        found = self.transaction_versions(tx_hash)
        if not found:
            raise Unindexed(f"the index has no transaction {tx_hash:#x}")
        return found[0]

    def transaction_versions(self, tx_hash: int) -> tuple[TransactionRow, ...]:
        """Each place where a transaction is or was: that of the chain first, then orphaned ones, newest first."""
        with self._connect() as connection:
            found = self._transactions(connection, t.transactions.c.hash == word_of(tx_hash))
        return tuple(sorted(found, key=lambda row: (row.block.orphaned, -row.block.id)))

    # Events

    def events(
        self,
        wanted: EventFilter | None = None,
        cursor: str | None = None,
        limit: int = _PAGE,
        *,
        newest_first: bool = False,
    ) -> Page[EventRow]:
        """Events in the order of the chain, or against it. `cursor` is that of the page before."""
        wanted = wanted if wanted is not None else EventFilter()
        limit = min(max(limit, 1), _LARGEST_PAGE)
        # The table that the rows are found by is the one whose order costs nothing.
        table = t.events if wanted.mentions is None else t.mentions
        place = (table.c.block, table.c.tx_index, table.c.event_index)
        query = _event_query().order_by(*(part.desc() if newest_first else part for part in place))
        query = query.where(t.blocks.c.reorg.is_not(None) if wanted.orphaned else t.blocks.c.reorg.is_(None))
        if wanted.address is not None:
            query = query.where(t.events.c.address == word_of(wanted.address))
        if wanted.name is not None:
            query = query.where(t.events.c.name == wanted.name)
        if wanted.first_block is not None:
            query = query.where(t.blocks.c.number >= wanted.first_block)
        if wanted.last_block is not None:
            query = query.where(t.blocks.c.number <= wanted.last_block)
        for at, allowed in enumerate(wanted.keys):
            query = query.where(func.length(t.events.c["keys"]) >= 32 * (at + 1))
            if allowed:
                key = t.events.c.selector if at == 0 else func.substr(t.events.c["keys"], 32 * at + 1, 32)
                query = query.where(key.in_([word_of(value) for value in allowed]))
        if wanted.mentions is not None:
            query = query.join(
                t.mentions,
                and_(*(t.mentions.c[name] == t.events.c[name] for name in ("block", "tx_index", "event_index"))),
            ).where(t.mentions.c.address == word_of(wanted.mentions))
        if cursor is not None:
            here, last_one = tuple_(*place), tuple_(*_cursor(cursor))
            query = query.where(here < last_one if newest_first else here > last_one)
        with self._connect() as connection:
            rows = connection.execute(query.limit(limit + 1)).all()
        more = len(rows) > limit
        last = rows[limit - 1] if more else None
        return Page(
            tuple(_event(row) for row in rows[:limit]),
            None if last is None else f"{last.block}.{last.tx_index}.{last.event_index}",
        )

    # Histories

    def account_history(
        self, account: int, cursor: str | None = None, limit: int = _PAGE, *, newest_first: bool = False
    ) -> Page[EventRow]:
        """Every event that names the account, in the order of the chain, or against it."""
        return self.events(EventFilter(mentions=account), cursor, limit, newest_first=newest_first)

    def sent(self, account: int, limit: int = _PAGE) -> tuple[TransactionRow, ...]:
        """The newest transactions of an account, newest first."""
        with self._connect() as connection:
            places = connection.execute(
                select(t.transactions.c.block, t.transactions.c.tx_index)
                .join(t.blocks, t.blocks.c.id == t.transactions.c.block)
                .where(t.transactions.c.sender == word_of(account), t.blocks.c.reorg.is_(None))
                .order_by(t.transactions.c.block.desc(), t.transactions.c.tx_index.desc())
                .limit(limit)
            ).all()
            if not places:
                return ()
            # Databases do not look up pairs in an index.
            found = self._transactions(
                connection,
                and_(
                    t.transactions.c.block.in_({place.block for place in places}),
                    t.transactions.c.sender == word_of(account),
                ),
            )
        return tuple(reversed(found))[:limit]

    def marks(
        self, market: int, *, oracle: int | None = None, first_block: int = 0, last_block: int | None = None
    ) -> tuple[MarkRow, ...]:
        """What was said of a market, oldest first."""
        query = self._history(t.marks, first_block, last_block).where(t.marks.c.market == market)
        if oracle is not None:
            query = query.where(t.marks.c.oracle == word_of(oracle))
        query = query.order_by(t.marks.c.block, t.marks.c.tx_index, t.marks.c.event_index)
        with self._connect() as connection:
            return tuple(
                MarkRow(
                    block_number=row.number,
                    timestamp=row.timestamp,
                    tx_index=row.tx_index,
                    oracle=number(row.oracle),
                    market=row.market,
                    price=row.price,
                    status=row.status,
                    outcome=row.outcome,
                    median=row.median,
                )
                for row in connection.execute(
                    query.order_by(t.marks.c.block, t.marks.c.tx_index, t.marks.c.event_index)
                )
            )

    def funding(
        self, market: int, *, venue: int | None = None, first_block: int = 0, last_block: int | None = None
    ) -> tuple[FundingRow, ...]:
        """A market's funding index where events said it, oldest first."""
        query = self._history(t.funding, first_block, last_block).where(t.funding.c.market == market)
        if venue is not None:
            query = query.where(t.funding.c.venue == word_of(venue))
        query = query.order_by(t.funding.c.block, t.funding.c.tx_index, t.funding.c.event_index)
        with self._connect() as connection:
            return tuple(
                FundingRow(row.number, row.timestamp, number(row.venue), row.market, row.funding_index, row.live)
                for row in connection.execute(query)
            )

    def position_history(
        self, account: int, *, first_block: int = 0, last_block: int | None = None
    ) -> tuple[PositionRow, ...]:
        """An account's positions each time that one changed, oldest first."""
        query = self._history(t.positions, first_block, last_block).where(t.positions.c.account == word_of(account))
        with self._connect() as connection:
            return tuple(
                _position(row) for row in connection.execute(query.order_by(t.positions.c.block, t.positions.c.market))
            )

    def positions(self, account: int, block: int | None = None) -> tuple[PositionRow, ...]:
        """An account's open positions after a block, by default the highest."""
        newest: dict[tuple[int, int], PositionRow] = {}
        for row in self.position_history(account, last_block=block):
            newest[row.venue, row.market] = row
        return tuple(row for row in newest.values() if row.size)

    def balance_history(
        self, account: int, *, first_block: int = 0, last_block: int | None = None
    ) -> tuple[BalanceRow, ...]:
        """A margin account each time that it changed, oldest first."""
        query = self._history(t.balances, first_block, last_block).where(t.balances.c.account == word_of(account))
        with self._connect() as connection:
            return tuple(_balance(row) for row in connection.execute(query.order_by(t.balances.c.block)))

    def messages(self, tx_hash: int | None = None, *, orphaned: bool = False) -> tuple[MessageRow, ...]:
        """Messages between L1 and L2, oldest first; of one transaction, or all."""
        query = _message_query().where(t.blocks.c.reorg.is_not(None) if orphaned else t.blocks.c.reorg.is_(None))
        if tx_hash is not None:
            query = query.where(t.transactions.c.hash == word_of(tx_hash))
        with self._connect() as connection:
            return tuple(
                _message(row)
                for row in connection.execute(
                    query.order_by(t.messages.c.block, t.messages.c.tx_index, t.messages.c.place)
                )
            )

    def class_at(self, address: int, block: int | None = None) -> int:
        """The class of a contract after a block, as far as blocks and events told of it.

        Raises:
            Unindexed: it is not known.
        """
        query = self._history(t.contracts, 0, block).where(t.contracts.c.address == word_of(address))
        with self._connect() as connection:
            row = connection.execute(query.order_by(t.contracts.c.block.desc()).limit(1)).first()
        if row is None:
            raise Unindexed(f"the index does not know the class of {address:#x}")
        return number(row.class_hash)

    # State

    def storage_at(self, address: int, key: int, block: int | None = None) -> int | None:
        """What a slot holds after a block; None: nothing was written there since the index began."""
        query = self._history(t.storage, 0, block).where(
            t.storage.c.address == word_of(address), t.storage.c.key == word_of(key)
        )
        with self._connect() as connection:
            row = connection.execute(query.order_by(t.storage.c.block.desc()).limit(1)).first()
        return None if row is None else number(row.value)

    def writes(self, first: int, last: int, *, unattributed: bool = False) -> tuple[Write, ...]:
        """What blocks wrote, oldest first; only what no transaction explains."""
        return self._writes(t.blocks.c.reorg.is_(None), first, last, Cause.UNATTRIBUTED if unattributed else None)

    def unattributed(self, first: int = 0, last: int | None = None, *, orphaned: bool = False) -> tuple[Write, ...]:
        """Writes that no transaction explains, oldest first."""
        counts = t.blocks.c.reorg.is_not(None) if orphaned else t.blocks.c.reorg.is_(None)
        # As the index over these blocks has it, which a bound number would not be.
        found = t.blocks.c.unattributed > literal_column("0")
        return self._writes(counts & found, first, last, Cause.UNATTRIBUTED)

    def diff(self, before: int, after: int) -> tuple[StateChange, ...]:
        """What differs between the states after two blocks, by contract and slot.

        Raises:
            Unindexed: the index lacks one of the blocks.
        """
        self.block(before)
        self.block(after)
        low, high = sorted((before, after))
        newest: dict[tuple[str, bytes, bytes], bytes] = {}
        names = self.naming()
        changes: list[StateChange] = []
        with self._connect() as connection:
            for part, row in self._written(connection, t.blocks.c.reorg.is_(None), low + 1, high, None):
                newest[part, row.subject, row.key if part == "storage" else b""] = row.value
            for (part, subject, key), value in newest.items():
                old = _value_at(connection, part, subject, key, low)
                if old == value:
                    continue
                values = (old, value) if before <= after else (value, old)
                slot = names.slot(number(subject), number(key)) if part == "storage" else None
                changes.append(
                    StateChange(
                        part=part,
                        address=number(subject),
                        contract=names.contract(number(subject)),
                        key=number(key) if part == "storage" else None,
                        variable=None if slot is None else slot.variable,
                        account=None if slot is None else slot.account,
                        before=optional_number(values[0]),
                        after=optional_number(values[1]),
                    )
                )
        order = {part: place for place, part in enumerate(_PARTS)}
        return tuple(sorted(changes, key=lambda change: (order[change.part], change.address, change.key or 0)))

    def variables(self, contract: str) -> Mapping[int, Slot]:
        """What lies in which slot of a contract of the deployment, as far as it is known."""
        names = self.naming()
        return names.slots(contract)

    # Rollbacks

    def reorgs(self) -> tuple[Reorg, ...]:
        """Oldest first."""
        with self._connect() as connection:
            return tuple(_reorg(row) for row in connection.execute(select(t.reorgs).order_by(t.reorgs.c.id)))

    def orphans(self, reorg: int | None = None) -> tuple[Orphan, ...]:
        """Blocks that were rolled back, each beside what took its place at once; oldest rollback first."""
        query = select(t.blocks).where(t.blocks.c.reorg.is_not(None)).order_by(t.blocks.c.reorg, t.blocks.c.number)
        if reorg is not None:
            query = query.where(t.blocks.c.reorg == reorg)
        reorgs = {each.id: each for each in self.reorgs()}
        with self._connect() as connection:
            orphans = [block_of(row) for row in connection.execute(query)]
            found: list[Orphan] = []
            for orphan in orphans:
                row = connection.execute(
                    select(t.blocks)
                    .where(t.blocks.c.number == orphan.number, t.blocks.c.id > orphan.id)
                    .order_by(t.blocks.c.id)
                    .limit(1)
                ).first()
                found.append(Orphan(orphan, reorgs[orphan.reorg or 0], None if row is None else block_of(row)))
        return tuple(found)

    def l1_accepted(self) -> int:
        """How far L1 has accepted the chain; -1: not at all."""
        with self._connect() as connection:
            last = connection.execute(
                select(t.finality.c.l1_accepted).order_by(t.finality.c.id.desc()).limit(1)
            ).scalar_one_or_none()
        return -1 if last is None else int(last)

    def whole_from(self) -> int:
        """The block from which on nothing was pruned; 0: nothing was."""
        from truemark.index.upkeep import pruned_below

        with self._connect() as connection:
            return pruned_below(connection)

    def counts(self) -> Mapping[str, int]:
        """Rows of each table, orphaned ones included."""
        with self._connect() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (t.blocks, *t.BLOCK_TABLES, t.classes, t.reorgs)
            }

    # Inside

    def _connect(self) -> Connection:
        return self.store.engine.connect()

    def _history(self, table: Any, first: int, last: int | None) -> Select[Any]:
        query = (
            select(table, t.blocks.c.number, t.blocks.c.timestamp)
            .join(t.blocks, t.blocks.c.id == table.c.block)
            .where(t.blocks.c.reorg.is_(None), t.blocks.c.number >= first)
        )
        return query if last is None else query.where(t.blocks.c.number <= last)

    def naming(self) -> Naming:
        """Names of contracts and storage, as far as they are known by now."""
        self._naming.learn(self.store.participants())
        return self._naming

    def _writes(self, counts: Any, first: int, last: int | None, cause: Cause | None) -> tuple[Write, ...]:
        names = self.naming()
        found = []
        with self._connect() as connection:
            for part, row in self._written(connection, counts, first, last, cause):
                address = number(row.subject)
                slot = names.slot(address, number(row.key)) if part == "storage" else None
                found.append(
                    Write(
                        block_number=row.number,
                        timestamp=row.timestamp,
                        orphaned=row.reorg is not None,
                        part=part,
                        address=address,
                        key=number(row.key) if part == "storage" else None,
                        value=number(row.value),
                        tx_index=row.tx_index,
                        cause=Cause(row.cause),
                        contract=names.contract(address),
                        variable=None if slot is None else slot.variable,
                    )
                )
        return tuple(sorted(found, key=lambda write: write.block_number))

    def _written(
        self, connection: Connection, counts: Any, first: int, last: int | None, cause: Cause | None
    ) -> Iterable[tuple[str, Any]]:
        blocks = t.blocks.c
        # The blocks first: a database that begins with what was written looks through all of it.
        wanted = select(blocks.id).where(counts, blocks.number >= first).order_by(blocks.id)
        if last is not None:
            wanted = wanted.where(blocks.number <= last)
        ids = connection.execute(wanted).scalars().all()
        if not ids:
            return
        for part, (table, subject, value) in _PARTS.items():
            here = table.c.block.in_(ids) if len(ids) <= _FEW_BLOCKS else table.c.block.between(ids[0], ids[-1])
            columns = [
                table.c[subject].label("subject"),
                table.c[value].label("value"),
                table.c.tx_index,
                table.c.cause,
                blocks.number,
                blocks.timestamp,
                blocks.reorg,
            ]
            if part == "storage":
                columns.append(table.c.key)
            query = select(*columns).join(t.blocks, blocks.id == table.c.block)
            query = query.where(here, counts, blocks.number >= first)
            if last is not None:
                query = query.where(blocks.number <= last)
            if cause is not None:
                query = query.where(table.c.cause == cause.value)
            if part == "class":
                query = query.where(table.c.how != "found")
            for row in connection.execute(query.order_by(table.c.block)):
                yield part, row

    def _transactions(self, connection: Connection, wanted: Any) -> tuple[TransactionRow, ...]:
        place = (t.transactions.c.block, t.transactions.c.tx_index)
        rows = connection.execute(select(t.transactions).where(wanted).order_by(*place)).all()
        if not rows:
            return ()
        ids = {row.block for row in rows}
        blocks = {row.id: block_of(row) for row in connection.execute(select(t.blocks).where(t.blocks.c.id.in_(ids)))}
        places = (
            or_(*(and_(t.transactions.c.block == row.block, t.transactions.c.tx_index == row.tx_index) for row in rows))
            if len(rows) == 1
            else t.transactions.c.block.in_(ids)
        )
        events: dict[tuple[int, int], list[EventRow]] = {}
        order = (t.events.c.block, t.events.c.tx_index, t.events.c.event_index)
        for row in connection.execute(_event_query().where(places).order_by(*order)):
            events.setdefault((row.block, row.tx_index), []).append(_event(row))
        messages: dict[tuple[int, int], list[MessageRow]] = {}
        for row in connection.execute(_message_query().where(places).order_by(t.messages.c.block, t.messages.c.place)):
            messages.setdefault((row.block, row.tx_index), []).append(_message(row))
        return tuple(
            TransactionRow(
                block=blocks[row.block],
                index=row.tx_index,
                hash=number(row.hash),
                type=row.type,
                version=row.version,
                sender=optional_number(row.sender),
                nonce=optional_number(row.nonce),
                calldata=numbers(row.calldata),
                signature=numbers(row.signature),
                class_hash=optional_number(row.class_hash),
                details=orjson.loads(row.details),
                revert_reason=row.revert_reason,
                fee=row.fee,
                fee_unit=row.fee_unit,
                l1_gas=row.l1_gas,
                l1_data_gas=row.l1_data_gas,
                l2_gas=row.l2_gas,
                events=tuple(events.get((row.block, row.tx_index), ())),
                messages=tuple(messages.get((row.block, row.tx_index), ())),
            )
            for row in rows
        )


#: The parts of the state: its table, and the columns of what it is of and of its value.
_PARTS: Mapping[str, tuple[Any, str, str]] = {
    "storage": (t.storage, "address", "value"),
    "nonce": (t.nonces, "address", "nonce"),
    "class": (t.contracts, "address", "class_hash"),
    "declared": (t.declarations, "class_hash", "compiled_class_hash"),
}


def _value_at(connection: Connection, part: str, subject: bytes, key: bytes, block: int) -> bytes | None:
    table, of, value = _PARTS[part]
    query = (
        select(table.c[value])
        .join(t.blocks, t.blocks.c.id == table.c.block)
        .where(t.blocks.c.reorg.is_(None), t.blocks.c.number <= block, table.c[of] == subject)
    )
    if part == "storage":
        query = query.where(table.c.key == key)
    found: bytes | None = connection.execute(query.order_by(table.c.block.desc()).limit(1)).scalar_one_or_none()
    return found


def _cursor(text: str) -> Sequence[int]:
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        raise Unindexed(f"{text!r} is no cursor of this index")
    return [int(part) for part in parts]


def _event_query() -> Select[Any]:
    return (
        select(t.events, t.blocks.c.number, t.blocks.c.timestamp, t.blocks.c.reorg, t.transactions.c.hash)
        .join(t.blocks, t.blocks.c.id == t.events.c.block)
        .join(
            t.transactions,
            and_(t.transactions.c.block == t.events.c.block, t.transactions.c.tx_index == t.events.c.tx_index),
        )
    )


def _message_query() -> Select[Any]:
    return (
        select(
            t.messages,
            t.blocks.c.number,
            t.blocks.c.reorg,
            t.transactions.c.hash.label("tx_hash"),
        )
        .join(t.blocks, t.blocks.c.id == t.messages.c.block)
        .join(
            t.transactions,
            and_(t.transactions.c.block == t.messages.c.block, t.transactions.c.tx_index == t.messages.c.tx_index),
        )
    )


def block_of(row: Any) -> BlockRecord:
    return BlockRecord(
        id=row.id,
        number=row.number,
        hash=number(row.hash),
        parent_hash=number(row.parent_hash),
        state_root=number(row.state_root),
        timestamp=row.timestamp,
        sequencer=number(row.sequencer),
        starknet_version=row.starknet_version,
        gas_prices={name: (int(fri), int(wei)) for name, (fri, wei) in orjson.loads(row.gas_prices).items()},
        transaction_count=row.transaction_count,
        event_count=row.event_count,
        commitments=dict(zip(COMMITMENTS, numbers(row.commitments), strict=True)),
        fingerprint=row.header + row.diff,
        unattributed=row.unattributed,
        seen_at=row.seen_at,
        reorg=row.reorg,
    )


def _event(row: Any) -> EventRow:
    return EventRow(
        block_number=row.number,
        timestamp=row.timestamp,
        orphaned=row.reorg is not None,
        tx_hash=number(row.hash),
        tx_index=row.tx_index,
        index=row.event_index,
        address=number(row.address),
        keys=numbers(row._mapping[t.events.c["keys"]]),
        data=numbers(row.data),
        name=row.name,
        fields=None if row.fields is None else orjson.loads(row.fields),
        reason=row.reason,
    )


def _message(row: Any) -> MessageRow:
    return MessageRow(
        block_number=row.number,
        orphaned=row.reorg is not None,
        tx_hash=number(row.tx_hash),
        direction=row.direction,
        hash=number(row._mapping[t.messages.c.hash]),
        sender=number(row.sender),
        recipient=number(row.recipient),
        selector=optional_number(row.selector),
        nonce=optional_number(row.nonce),
        payload=numbers(row.payload),
    )


def _position(row: Any) -> PositionRow:
    return PositionRow(
        block_number=row.number,
        timestamp=row.timestamp,
        venue=number(row.venue),
        account=number(row.account),
        market=row.market,
        size=row.size,
        funding_index=row.funding_index,
        tx_index=row.tx_index,
        cause=Cause(row.cause),
    )


def _balance(row: Any) -> BalanceRow:
    return BalanceRow(
        block_number=row.number,
        timestamp=row.timestamp,
        venue=number(row.venue),
        account=number(row.account),
        collateral=row.collateral,
        account_epoch=row.account_epoch,
        markets=tuple(bit for bit in range(row.open_markets.bit_length()) if row.open_markets >> bit & 1),
        tx_index=row.tx_index,
        cause=Cause(row.cause),
    )


def _reorg(row: Any) -> Reorg:
    return Reorg(row.id, row.first, row.last, row.detected_at, row.cause)
